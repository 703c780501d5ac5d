"""The database: opened, brought to the current schema, and asked in transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from whenthen.errors import StoreError

__all__ = ["Database", "open_database"]

SCHEMA = "0001"
"""The newest migration; a database that has it needs no Alembic at start."""
VERSION_TABLE = "whenthen_version"
_WRITES = "whenthen_writes"
_BUSY_SECONDS = 5.0


@frozen
class Database:
    """A database that has whenthen's tables."""

    engine: sa.Engine

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection for statements that only read; raises StoreError."""
        with _explained(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give a connection whose transaction commits at the end; raises StoreError."""
        with _explained(), self.engine.execution_options(**{_WRITES: True}).begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open a database, and bring it to the current schema.

    Raises:
        StoreError: it is away, or the URL is wrong, or it has a newer schema than this version.
    """
    with _explained():
        # The parameters of statements are what people typed, so they stay out of messages.
        engine = sa.create_engine(url, hide_parameters=True)
        if engine.dialect.name == "sqlite":
            if engine.url.database in (None, "", ":memory:"):
                raise StoreError(
                    "A database in memory is another one in each thread; name a file, as in "
                    "sqlite:///whenthen.db."
                )
            _prepare_sqlite(engine)
        database = Database(engine)
        try:
            if _schema_of(engine) != SCHEMA:
                _migrate(database)
        except BaseException:
            database.close()
            raise
    return database


@contextmanager
def _explained() -> Iterator[None]:
    """Raise what SQLAlchemy raises as an error that says what to do."""
    try:
        yield
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"The database's driver is missing ({error}). Install whenthen[postgresql] or "
            "whenthen[mariadb]."
        ) from error
    except sa.exc.ArgumentError as error:  # NoSuchModuleError is one, so it stands above
        raise StoreError(
            "The database URL is not understood; expected one such as sqlite:///whenthen.db "
            "or postgresql+psycopg://user@host/name."
        ) from error
    except sa.exc.DatabaseError as error:
        if (
            not isinstance(error, sa.exc.OperationalError)
            and type(error) is not sa.exc.DatabaseError
        ):
            raise  # a statement that is wrong; the caller knows better what to say
        raise StoreError(
            f"The database does not answer, or is locked: {_first_line(error)} "
            "Check its URL, and that it runs."
        ) from error


def _first_line(error: sa.exc.DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return f"{lines[0].rstrip('.')}." if lines else ""


def _prepare_sqlite(engine: sa.Engine) -> None:
    """Make SQLite serve several processes at a time without losing updates."""

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # the driver's connection
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that begins as a reader cannot become a writer once another has written.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _schema_of(engine: sa.Engine) -> str | None:
    if not sa.inspect(engine).has_table(VERSION_TABLE):
        return None
    with engine.begin() as connection:
        found = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608  # a constant
        return found.scalar()


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[None]:
    """Let one process migrate at a time; SQLite's writing transaction does that by itself.

    The lock is held on a connection of its own, and so beyond the commit of the migration.
    """
    locks = {
        "postgresql": ("SELECT pg_advisory_lock(7741)", "SELECT pg_advisory_unlock(7741)"),
        "mysql": ("SELECT GET_LOCK('whenthen', 60)", "SELECT RELEASE_LOCK('whenthen')"),
    }
    name = "mysql" if engine.dialect.name == "mariadb" else engine.dialect.name
    if name not in locks:
        yield
        return
    take, give_back = locks[name]
    with engine.connect() as connection:
        connection.execute(sa.text(take))
        try:
            yield
        finally:
            connection.execute(sa.text(give_back))


def _migrate(database: Database) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    try:
        with _alone(database.engine), database.writing() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            "The database has a schema that this version of whenthen does not know. "
            "It was made by a newer version: install that one."
        ) from error
