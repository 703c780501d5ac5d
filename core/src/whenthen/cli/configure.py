"""`whenthen plan`, `apply` and `export`: the whole configuration as a file."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs
import click

from whenthen.build import Parts
from whenthen.cli.options import database_option, json_option, opened, who
from whenthen.cli.output import print_json
from whenthen.configuration import Configuration, Step, StepKind, check, export
from whenthen.errors import Problem, Refused

__all__ = ["apply_command", "export_command", "plan_command"]

_SIGNS = {StepKind.CREATE: "+", StepKind.CHANGE: "~", StepKind.DELETE: "-", StepKind.KEEP: " "}
_file = click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
_prune = click.option("--prune", is_flag=True, help="Delete what is not in the file.")


@click.command("plan")
@_file
@_prune
@database_option
@json_option
def plan_command(file: Path, prune: bool, as_json: bool) -> None:
    """Check a file, and say what applying it would change."""
    with opened() as parts:
        _, steps = _steps(parts, file, prune)
        _tell(steps, as_json=as_json, done=False)


@click.command("apply")
@_file
@_prune
@database_option
@json_option
def apply_command(file: Path, prune: bool, as_json: bool) -> None:
    """Put a file into force: all of it or, if anything in it is wrong, nothing."""
    with opened() as parts:
        revision, steps = _steps(parts, file, prune)
        put = [s.thing for s in steps if s.kind in (StepKind.CREATE, StepKind.CHANGE)]
        delete = [s.thing for s in steps if s.kind is StepKind.DELETE]
        if put or delete:
            parts.bindings.change(put=put, delete=delete, who=who(), based_on=revision)
        _tell(steps, as_json=as_json, done=True)


@click.command("export")
@database_option
def export_command() -> None:
    """Print what is in force as a file; applied again it changes nothing."""
    with opened() as parts:
        _, bindings, resources = parts.bindings.load()
        click.echo(export(Configuration.of(bindings, resources)), nl=False)


def _steps(parts: Parts, file: Path, prune: bool) -> tuple[int, list[Step]]:
    """Return what applying a file would do, and the revision that it was compared with."""
    revision, bindings, resources = parts.bindings.load()
    current = Configuration.of(bindings, resources)
    return revision, check(_text(file), current, parts.registry, prune=prune)


def _text(file: Path) -> str:
    try:
        if str(file) == "-":
            return sys.stdin.read()
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Refused([Problem(str(file), f"cannot be read: {reason}")]) from None


def _tell(steps: list[Step], *, as_json: bool, done: bool) -> None:
    if as_json:
        names = [
            attrs.asdict(step, recurse=False) | {"thing": step.thing.name, "kind": step.kind.value}
            for step in steps
        ]
        print_json({"applied": done, "steps": names})
        return
    for step in steps:
        note = f" ({', '.join(step.fields)})" if step.fields else ""
        if step.kind is StepKind.KEEP:
            note = " is not in the file and stays; --prune deletes it"
        click.echo(f"{_SIGNS[step.kind]} {step.what} {step.thing.name}{note}")
    counts = {kind: sum(step.kind is kind for step in steps) for kind in StepKind}
    if not any(counts[kind] for kind in StepKind if kind is not StepKind.KEEP):
        click.echo("Nothing changes.")
        return
    verb = "Applied" if done else "To apply"
    click.echo(
        f"{verb}: {counts[StepKind.CREATE]} to create, {counts[StepKind.CHANGE]} to change, "
        f"{counts[StepKind.DELETE]} to delete."
        if not done
        else f"{verb}: {counts[StepKind.CREATE]} created, {counts[StepKind.CHANGE]} changed, "
        f"{counts[StepKind.DELETE]} deleted."
    )
