"""`whenthen demo`: the whole way once, with a real server, real mails and real scripts."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

__all__ = ["demo"]


@click.command()
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave the database, the bindings and the mails in this folder.",
)
def demo(keep: Path | None) -> None:
    """Play a story: tokens are enrolled, used, attacked; mails arrive, a script runs."""
    try:
        from whenthen_otpserver.demo.story import tell
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"The demo needs {error.name}. Install whenthen-otpserver with its extra `demo`; from "
            "a checkout: pip install './plugins/otpserver[demo]'"
        ) from error
    with _folder(keep) as folder:
        tell(folder)
        if keep is not None:
            click.echo(f"\nEverything is left in {folder}: look at it with")
            click.echo(f"  whenthen --database sqlite:///{folder / 'demo.db'} records")


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="whenthen-demo-") as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise click.ClickException(f"{keep} is not empty; the demo begins with a fresh folder.")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()
