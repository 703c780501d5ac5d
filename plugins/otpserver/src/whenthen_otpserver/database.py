"""The database: opened, brought to the current schema, and used in transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from whenthen.errors import StoreError
from whenthen_otpserver.errors import Unreachable

__all__ = ["VERSION_TABLE", "explained", "open_engine", "rows_changed"]

SCHEMA = "0001"
"""The newest migration; a database that has it needs no Alembic at start."""
VERSION_TABLE = "otpserver_version"
_BUSY_MILLISECONDS = 10_000


def open_engine(url: str) -> sa.Engine:
    """Open a database, and bring it to the current schema.

    Raises:
        StoreError: the URL is wrong, its driver is missing, or the schema is a newer one.
        Unreachable: the database does not answer.
    """
    try:
        engine = _create(sa.make_url(url))
    except sa.exc.ArgumentError as error:
        raise StoreError(
            "The database URL is not understood; expected one such as sqlite:///otpserver.db "
            "or postgresql+psycopg://user@host/name."
        ) from error
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"The database's driver is missing ({error}). Install psycopg or PyMySQL."
        ) from error
    with explained(), engine.begin() as connection:
        if _schema_of(connection) != SCHEMA:
            _migrate(connection)
    return engine


@contextmanager
def explained() -> Iterator[None]:
    """Raise as Unreachable what SQLAlchemy raises when the database is away or locked."""
    try:
        yield
    except sa.exc.OperationalError as error:
        raise Unreachable("The database does not answer, or is locked. Try again later.") from error


def rows_changed(session: Session, statement: sa.Update | sa.Delete) -> int:
    """Execute a statement, and return how many rows it met."""
    return cast("sa.CursorResult[Any]", session.execute(statement)).rowcount


def _create(url: sa.URL) -> sa.Engine:
    # The parameters of a statement are hashes and seeds: they stay out of messages.
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, hide_parameters=True)
        _prepare_sqlite(engine)
        return engine
    # MariaDB's default locks gaps between rows, and then enrolments wait for each other.
    return sa.create_engine(
        url, hide_parameters=True, pool_pre_ping=True, isolation_level="READ COMMITTED"
    )


def _prepare_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # the driver's connection
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # Any call may write: it, or an action that is bound to it. A transaction that begins as a
        # reader cannot become a writer once another has written.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _schema_of(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608  # a constant
    version: str | None = found.scalar()
    return version


def _migrate(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            "The database has a schema that this version of whenthen-otpserver does not know. "
            "It was made by a newer version: install that one."
        ) from error
