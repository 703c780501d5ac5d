"""`whenthen plugins` and `whenthen catalog`: what is installed, and what it declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import click

from whenthen.cli.options import json_option
from whenthen.cli.output import print_json, print_table
from whenthen.errors import Unavailable
from whenthen.registry import Registry

__all__ = ["catalog_command", "plugins_command"]


@click.command("plugins")
@json_option
def plugins_command(as_json: bool) -> None:
    """List the installed plugins, their distributions, and why one does not work."""
    from whenthen.build import known

    plugins, _ = known()
    rows = [attrs.asdict(plugin) for plugin in plugins.now()]
    if as_json:
        print_json(rows)
        return
    shown = ("name", "distribution", "version", "state", "reason")
    print_table([{key: row[key] for key in shown} for row in rows], empty="No plugin is installed.")


@click.command("catalog")
@json_option
def catalog_command(as_json: bool) -> None:
    """List event types, handler modules with their actions, conditions and facts."""
    from whenthen.build import known

    _, registry = known()
    catalog = _catalog(registry)
    if as_json:
        print_json(catalog)
        return
    for heading, rows in catalog.items():
        click.echo(f"\n{heading.replace('_', ' ').capitalize()}\n")
        print_table([_short(row) for row in rows], empty="None.")
        for row in rows:
            if row.get("reason"):
                click.echo(f"\n{row['name']}: {row['reason']}")


def _catalog(registry: Registry) -> dict[str, list[dict[str, Any]]]:
    """Return everything declared; the options and operands as JSON Schema."""
    return {
        "event_types": [
            {"name": item.name, "summary": item.summary} for item in registry.event_types.values()
        ],
        "handler_modules": [_module(registry, name) for name in registry.modules],
        "resources": [
            {"name": item.name, "summary": item.summary, "schema": _schema(item.options)}
            for item in registry.resources.values()
        ],
        "conditions": [
            {
                "name": item.name, "group": item.group, "summary": item.summary,
                "fact": item.fact, "schema": item.operand.schema(),
            }
            for item in registry.conditions.values()
        ],
        "facts": [
            {
                "name": item.name, "type": item.type.__name__, "summary": item.summary,
                "tag": item.tag, "secret": item.secret,
            }
            for item in registry.facts.values()
        ],
    }  # fmt: skip


def _module(registry: Registry, name: str) -> dict[str, Any]:
    module = registry.modules[name]
    described: dict[str, Any] = {"name": name, "summary": module.summary}
    try:
        actions = registry.actions(module)
    except Unavailable as error:
        return described | {"actions": [], "reason": error.sentence}
    return described | {
        "actions": [
            {
                "name": action.name, "effect": action.effect.value, "summary": action.summary,
                "positions": sorted(action.positions), "schema": _schema(action.options),
            }
            for action in actions
        ]
    }  # fmt: skip


def _schema(options: type | None) -> dict[str, Any]:
    from whenthen.schema import json_schema

    return json_schema(options)


def _short(row: Mapping[str, Any]) -> dict[str, object]:
    """Return what a table shows of an entry: everything but the schemas."""
    shown = {key: value for key, value in row.items() if key not in ("schema", "reason")}
    if "actions" in shown:
        shown["actions"] = [f"{a['name']} ({a['effect']})" for a in row["actions"]]
    return shown
