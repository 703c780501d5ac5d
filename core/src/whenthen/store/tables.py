"""The tables. Their prefix lets them live in the host's database and share its transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql

__all__ = [
    "attempt",
    "binding",
    "binding_version",
    "delivery",
    "metadata",
    "record",
    "resource",
    "revision",
]

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")
# MySQL's TEXT ends at 64 kB, which a mail's body can pass.
_LongText = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


class UtcTime(TypeDecorator[datetime]):
    """Aware times in Python, UTC without a zone in the database, to the microsecond."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return a type that keeps microseconds."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as it is stored."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as it is used."""
        return None if value is None else value.replace(tzinfo=UTC)


binding = Table(
    "whenthen_binding",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("data", _LongText, nullable=False),
)

binding_version = Table(
    "whenthen_binding_version",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("who", String(200), nullable=False),
    Column("change", String(20), nullable=False),
    Column("data", _LongText),  # none: the binding was deleted
    UniqueConstraint("name", "version", name="whenthen_binding_version_once"),
)

resource = Table(
    "whenthen_resource",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("data", _LongText, nullable=False),
)

revision = Table(
    "whenthen_revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # there is one row, 1
    Column("number", BigInteger, nullable=False),
)

record = Table(
    "whenthen_record",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("event", String(64), nullable=False, index=True),
    Column("event_type", String(100), nullable=False),
    Column("position", String(10), nullable=False),
    Column("binding", String(100), nullable=False),
    Column("handler", String(100), nullable=False),
    Column("action", String(200), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("time", UtcTime, nullable=False),
    Column("duration", Float, nullable=False),
    Column("detail", _LongText, nullable=False),
    Column("error", String(200), nullable=False),
    Column("delivery", String(32), nullable=False),
    Column("findings", _LongText, nullable=False),
    Column("empty_tags", Text, nullable=False),
    Index("whenthen_record_of_binding", "binding", "id"),
)

delivery = Table(
    "whenthen_delivery",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("binding", String(100), nullable=False),
    Column("handler", String(100), nullable=False),
    Column("action", String(200), nullable=False),
    Column("state", String(10), nullable=False),
    Column("created", UtcTime, nullable=False),
    Column("due", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("worker", String(100), nullable=False),
    Column("detail", _LongText, nullable=False),
    Column("payload", _LongText, nullable=False),
    Index("whenthen_delivery_due", "state", "due"),
)

attempt = Table(
    "whenthen_attempt",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("delivery", String(32), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("started", UtcTime, nullable=False),
    Column("duration", Float, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("detail", _LongText, nullable=False),
    Column("error", String(200), nullable=False),
)
