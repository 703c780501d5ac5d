"""The host's transaction, where it offers its SQLAlchemy connection or session as a service."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.orm import Session

from whenthen.errors import Missing
from whenthen.run import Services

__all__ = ["HostTransactions", "begin_really", "host_connection"]

T = TypeVar("T")
_THIS_MACHINE = (None, "", "localhost", "127.0.0.1", "::1")
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}


def host_connection(services: Services, ours: sa.URL) -> sa.Connection | None:
    """Return the connection of the host's transaction, if it offers one to our database."""
    session = _offered(services, Session)
    connection = session.connection() if session else _offered(services, sa.Connection)
    if connection is None or _place(connection.engine.url) != _place(ours):
        return None
    return connection


def begin_really(connection: sa.Connection) -> None:
    """Begin the transaction that SQLAlchemy believes in.

    Python's driver for SQLite begins one only before it writes. A savepoint that comes first would
    be the transaction itself, and releasing it would commit the host's work.
    """
    if connection.dialect.name == "sqlite" and not connection.connection.in_transaction:
        connection.exec_driver_sql("BEGIN")


def _place(url: sa.URL) -> tuple[object, ...]:
    """Return where a database is, however its URL is written."""
    if url.get_backend_name() == "sqlite" and url.database:
        return ("sqlite", str(Path(url.database).resolve()))
    backend = url.get_backend_name()
    host = "here" if url.host in _THIS_MACHINE else url.host
    return (backend, host, url.port or _PORTS.get(backend), url.database)


def _offered(services: Services, kind: type[T]) -> T | None:
    try:
        return services.service(kind)
    except Missing:
        return None


@frozen
class HostTransactions:
    """Savepoints in the host's transaction."""

    def savepoint(self, services: Services) -> AbstractContextManager[object]:
        """Return a context whose work is kept as a whole or undone as a whole.

        A host that offers no transaction looks after its own consistency.
        """
        session = _offered(services, Session)
        if session is not None:
            begin_really(session.connection())
            return session.begin_nested()
        connection = _offered(services, sa.Connection)
        if connection is None:
            return nullcontext()
        begin_really(connection)
        return connection.begin_nested()
