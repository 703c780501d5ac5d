"""What several commands share: the database, and `--json`."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from whenthen.build import Parts

__all__ = ["database_option", "json_option", "opened", "who"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def _remember(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:
        ctx.obj = value


database_option = click.option(
    "--database", metavar="URL", callback=_remember, expose_value=False,
    help="The database, as SQLAlchemy writes it.",
)  # fmt: skip


@contextmanager
def opened() -> Iterator[Parts]:
    """Give the parts of an engine on the chosen database, with the plan of this moment."""
    from whenthen.build import assemble

    parts = assemble(database_url=click.get_current_context().obj)
    try:
        parts.plan.refresh()
        yield parts
    finally:
        parts.records.close()
        parts.database.close()


def who() -> str:
    """Return who is at the command line, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
