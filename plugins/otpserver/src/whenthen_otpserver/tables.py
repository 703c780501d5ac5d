"""The tables of this host. Their prefix lets them share a database with others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
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
    "admin",
    "challenge",
    "metadata",
    "realm",
    "realm_resolver",
    "resolver",
    "token",
    "token_info",
    "token_realm",
    "user",
]

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")
# MariaDB's default collation takes "Anna" and "anna" for the same name.
_BINARY: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_BINARY |= {name.replace("mysql", "mariadb"): value for name, value in _BINARY.items()}


class UtcTime(TypeDecorator[datetime]):
    """Aware times in Python, UTC without a zone in the database, to the microsecond."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:  # as the base class
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


resolver = Table(
    "otp_resolver",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("path", String(1000), nullable=False),  # of a passwd-style file
    **_BINARY,
)

realm = Table(
    "otp_realm",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("is_default", Boolean, nullable=False),
    **_BINARY,
)

realm_resolver = Table(
    "otp_realm_resolver",
    metadata,
    Column("realm", ForeignKey("otp_realm.name", ondelete="CASCADE"), primary_key=True),
    Column("resolver", ForeignKey("otp_resolver.name", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, nullable=False),
    **_BINARY,
)

user = Table(
    "otp_user",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("resolver", ForeignKey("otp_resolver.name", ondelete="CASCADE"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("password", String(200)),
    Column("attributes", JSON, nullable=False),
    UniqueConstraint("resolver", "name", name="otp_user_once"),
    **_BINARY,
)

admin = Table(
    "otp_admin",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("password", String(200), nullable=False),
    Column("attributes", JSON, nullable=False),
    **_BINARY,
)

token = Table(
    "otp_token",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("serial", String(100), nullable=False, unique=True),
    Column("type", String(20), nullable=False),
    # No foreign key: an owner may live in a file, and may vanish.
    Column("owner", String(200)),
    Column("owner_realm", String(100)),
    Column("owner_resolver", String(100)),
    Column("enabled", Boolean, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("description", String(1000), nullable=False),
    Column("failcount", Integer, nullable=False),
    Column("max_failcount", Integer, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("shift", Integer, nullable=False),  # time steps that its clock is ahead of ours
    Column("count_window", Integer, nullable=False),
    Column("rollout_state", String(20), nullable=False),
    Column("valid_from", UtcTime),
    Column("valid_till", UtcTime),
    Column("last_auth", UtcTime),
    Column("count_success", Integer, nullable=False),
    Column("count_fail", Integer, nullable=False),
    Column("seed", Text, nullable=False),  # encrypted
    Column("pin", String(200)),  # hashed; none means that there is no PIN
    Column("parameters", JSON, nullable=False),
    Index("otp_token_of_owner", "owner", "owner_realm"),
    **_BINARY,
)

token_info = Table(
    "otp_token_info",
    metadata,
    Column("token", ForeignKey("otp_token.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("value", Text, nullable=False),
    **_BINARY,
)

token_realm = Table(
    "otp_token_realm",
    metadata,
    Column("token", ForeignKey("otp_token.id", ondelete="CASCADE"), primary_key=True),
    Column("realm", ForeignKey("otp_realm.name", ondelete="CASCADE"), primary_key=True),
    **_BINARY,
)

challenge = Table(
    "otp_challenge",
    metadata,
    Column("token", ForeignKey("otp_token.id", ondelete="CASCADE"), primary_key=True),
    Column("transaction", String(40), nullable=False, index=True),
    Column("counter", BigInteger, nullable=False),
    Column("expires", UtcTime, nullable=False),
    **_BINARY,
)
