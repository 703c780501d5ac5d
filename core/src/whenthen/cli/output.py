"""What commands print: tables for people, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

__all__ = ["as_json", "clean", "local", "print_json", "print_table"]


def as_json(value: object) -> object:
    """Return what JSON has no form for as text; for `json.dumps`."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def print_json(value: Any) -> None:  # whatever a command lists
    """Print a value as JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=as_json))


def print_table(rows: Sequence[Mapping[str, object]], *, empty: str) -> None:
    """Print rows under their keys as headings; say `empty` if there are none."""
    if not rows:
        click.echo(empty)
        return
    headings = list(rows[0])
    cells = [[_text(row[heading]) for heading in headings] for row in rows]
    widths = [
        max(len(heading), *(len(line[i]) for line in cells)) for i, heading in enumerate(headings)
    ]
    for line in [[heading.upper() for heading in headings], *cells]:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def local(time: datetime) -> str:
    """Return a time in the local zone, to the second."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return local(value)
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return clean(str(value))


def clean(text: str) -> str:
    """Return a text without control characters, which could repaint somebody's terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
