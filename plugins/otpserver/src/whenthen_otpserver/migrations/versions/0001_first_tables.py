"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from whenthen_otpserver.tables import UtcTime

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BINARY: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.create_table(
        "otp_admin",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **_BINARY,
    )
    op.create_table(
        "otp_realm",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **_BINARY,
    )
    op.create_table(
        "otp_resolver",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("path", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **_BINARY,
    )
    op.create_table(
        "otp_token",
        sa.Column("id", _ID, nullable=False),
        sa.Column("serial", sa.String(length=100), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("owner_realm", sa.String(length=100), nullable=True),
        sa.Column("owner_resolver", sa.String(length=100), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("description", sa.String(length=1000), nullable=False),
        sa.Column("failcount", sa.Integer(), nullable=False),
        sa.Column("max_failcount", sa.Integer(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("shift", sa.Integer(), nullable=False),
        sa.Column("count_window", sa.Integer(), nullable=False),
        sa.Column("rollout_state", sa.String(length=20), nullable=False),
        sa.Column("valid_from", UtcTime(), nullable=True),
        sa.Column("valid_till", UtcTime(), nullable=True),
        sa.Column("last_auth", UtcTime(), nullable=True),
        sa.Column("count_success", sa.Integer(), nullable=False),
        sa.Column("count_fail", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("pin", sa.String(length=200), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("serial"),
        **_BINARY,
    )
    op.create_index("otp_token_of_owner", "otp_token", ["owner", "owner_realm"], unique=False)
    op.create_table(
        "otp_challenge",
        sa.Column("token", _ID, nullable=False),
        sa.Column("transaction", sa.String(length=40), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("expires", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["token"], ["otp_token.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token"),
        **_BINARY,
    )
    op.create_index("ix_otp_challenge_transaction", "otp_challenge", ["transaction"], unique=False)
    op.create_table(
        "otp_realm_resolver",
        sa.Column("realm", sa.String(length=100), nullable=False),
        sa.Column("resolver", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["realm"], ["otp_realm.name"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["resolver"], ["otp_resolver.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("realm", "resolver"),
        **_BINARY,
    )
    op.create_table(
        "otp_token_info",
        sa.Column("token", _ID, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["token"], ["otp_token.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token", "key"),
        **_BINARY,
    )
    op.create_table(
        "otp_token_realm",
        sa.Column("token", _ID, nullable=False),
        sa.Column("realm", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["realm"], ["otp_realm.name"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["token"], ["otp_token.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token", "realm"),
        **_BINARY,
    )
    op.create_table(
        "otp_user",
        sa.Column("id", _ID, nullable=False),
        sa.Column("resolver", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["resolver"], ["otp_resolver.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("resolver", "name", name="otp_user_once"),
        **_BINARY,
    )
