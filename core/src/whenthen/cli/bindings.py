"""`whenthen bindings`, `enable`, `disable`, `history`, `rollback`: one binding at a time."""

from __future__ import annotations

import click

from whenthen.binding import as_written
from whenthen.cli.options import database_option, json_option, opened, who
from whenthen.cli.output import print_json, print_table
from whenthen.errors import Problem, Refused, Unavailable
from whenthen.plan import Compiled, compile_binding

__all__ = [
    "bindings_command",
    "disable_command",
    "enable_command",
    "history_command",
    "rollback_command",
]


@click.command("bindings")
@database_option
@json_option
def bindings_command(as_json: bool) -> None:
    """List the bindings in the order in which they run, and which of them cannot."""
    with opened() as parts:
        compiled = parts.plan.plan.compiled.values()
    listed = sorted(compiled, key=lambda one: (one.binding.order, one.binding.name))
    if as_json:
        print_json([_entry(one) for one in listed])
        return
    print_table([_row(one) for one in listed], empty="There are no bindings yet.")
    for one in listed:
        if one.unavailable:
            click.echo(f"\n{one.binding.name} is unavailable: {one.unavailable}")


def _entry(one: Compiled) -> dict[str, object]:
    state = {"state": _state(one), "reason": one.unavailable}
    return as_written(one.binding) | {"active": one.binding.active} | state


def _row(one: Compiled) -> dict[str, object]:
    binding = one.binding
    return {
        "name": binding.name,
        "order": binding.order,
        "when": f"{binding.position} {', '.join(binding.events)}",
        "then": f"{binding.handler}.{binding.action}",
        "conditions": len(binding.conditions),
        "state": _state(one),
    }


def _state(one: Compiled) -> str:
    if not one.binding.active:
        return "disabled"
    return "unavailable" if one.unavailable else "active"


@click.command("enable")
@click.argument("name")
@database_option
def enable_command(name: str) -> None:
    """Let a binding take part again."""
    _set_active(name, True)


@click.command("disable")
@click.argument("name")
@database_option
def disable_command(name: str) -> None:
    """Leave a binding out, without deleting it."""
    _set_active(name, False)


def _set_active(name: str, active: bool) -> None:
    word = "enabled" if active else "disabled"
    with opened() as parts:
        if parts.bindings.get(name).active is active:
            click.echo(f"{name} is {word} already.")
            return
        parts.bindings.set_active(name, active, who=who())
    click.echo(f"{name} is {word}; this is in force everywhere within a second.")


@click.command("history")
@click.argument("name")
@database_option
@json_option
def history_command(name: str, as_json: bool) -> None:
    """List the versions of a binding: who changed it, when, and what it was."""
    with opened() as parts:
        versions = parts.bindings.history(name)
    rows: list[dict[str, object]] = [
        {"version": v.version, "at": v.at, "who": v.who, "change": v.change} for v in versions
    ]
    if as_json:
        for row, version in zip(rows, versions, strict=True):
            row["binding"] = None if version.binding is None else as_written(version.binding)
        print_json(rows)
    else:
        print_table(rows, empty="")


@click.command("rollback")
@click.argument("name")
@click.argument("version", type=int)
@database_option
def rollback_command(name: str, version: int) -> None:
    """Make a binding what it was in an earlier version; that is a new version."""
    with opened() as parts:
        binding = parts.bindings.version(name, version)
        try:
            compile_binding(binding, parts.registry, parts.plan.plan.resources, name)
        except Unavailable as error:
            raise Refused([Problem(name, error.sentence)]) from error
        parts.bindings.change(put=[binding], who=who(), change=f"back to {version}")
    click.echo(f"{name} is what it was in version {version}.")
