"""The command line: `whenthen COMMAND`. Commands are loaded when they are called."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys

import click

from whenthen.errors import Refused, WhenthenError

__all__ = ["main"]

COMMANDS = "whenthen.commands"
"""Entry points of this group are further commands, from plugins."""

_WHERE = {
    "plugins": "catalog", "catalog": "catalog",
    "plan": "configure", "apply": "configure", "export": "configure",
    "bindings": "bindings", "enable": "bindings", "disable": "bindings",
    "history": "bindings", "rollback": "bindings",
    "records": "look", "deliveries": "look", "worker": "look",
}  # fmt: skip
_FROM_PLUGINS = {"demo": "whenthen-otpserver[demo]"}


class _Commands(click.Group):
    """Finds a command in its module, or among the entry points, when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_WHERE, *sorted(_entry_points())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _WHERE:
            module = importlib.import_module(f"whenthen.cli.{_WHERE[cmd_name]}")
            command: click.Command = getattr(module, f"{cmd_name}_command")
            return command
        entry_point = _entry_points().get(cmd_name)
        if entry_point is not None:
            return _from_plugin(entry_point)
        if cmd_name in _FROM_PLUGINS:
            ctx.fail(
                f"The command {cmd_name!r} comes with a plugin: "
                f"pip install '{_FROM_PLUGINS[cmd_name]}'"
            )
        return None


def _from_plugin(entry_point: importlib.metadata.EntryPoint) -> click.Command:
    """Return a plugin's command; one that is broken says so when it is called, not before."""
    try:
        command = entry_point.load()
        if not isinstance(command, click.Command):
            raise TypeError(type(command).__name__)  # told like any other fault
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a plugin raises
        distribution = entry_point.dist
        whose = f"{distribution.name} {distribution.version}" if distribution else entry_point.value
        reason = f"{whose} brings it, and it cannot be loaded ({type(error).__name__})."

        def fail(*_: object, **__: object) -> None:
            raise click.ClickException(reason)

        return click.Command(entry_point.name, callback=fail, short_help=f"Broken: {reason}")
    return command


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=COMMANDS)}


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="whenthen")
@click.option(
    "--database",
    metavar="URL",
    envvar="WHENTHEN_DATABASE_URL",
    show_envvar=True,
    help="The database, as SQLAlchemy writes it.  [default: sqlite:///whenthen.db]",
)
@click.pass_context
def cli(ctx: click.Context, database: str | None) -> None:
    """When an event happens in a host application, if its conditions hold, then act."""
    ctx.obj = database


def main() -> None:
    """Run the command line; exit with 0, with 1 if whenthen refuses, with 2 for wrong usage."""
    try:
        cli(prog_name="whenthen")
    except Refused as error:
        click.echo("Refused; nothing was changed:", err=True)
        for problem in error.problems:
            click.echo(f"  {problem}", err=True)
        sys.exit(1)
    except WhenthenError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
