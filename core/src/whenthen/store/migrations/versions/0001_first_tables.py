"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from whenthen.store.tables import UtcTime

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "whenthen_attempt",
        sa.Column("id", _ID, nullable=False),
        sa.Column("delivery", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started", UtcTime(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("detail", _LONG_TEXT, nullable=False),
        sa.Column("error", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_whenthen_attempt_delivery", "whenthen_attempt", ["delivery"], unique=False)
    op.create_table(
        "whenthen_binding",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("data", _LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "whenthen_binding_version",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("change", sa.String(length=20), nullable=False),
        sa.Column("data", _LONG_TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", "version", name="whenthen_binding_version_once"),
    )
    op.create_table(
        "whenthen_delivery",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("binding", sa.String(length=100), nullable=False),
        sa.Column("handler", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created", UtcTime(), nullable=False),
        sa.Column("due", UtcTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=100), nullable=False),
        sa.Column("detail", _LONG_TEXT, nullable=False),
        sa.Column("payload", _LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("whenthen_delivery_due", "whenthen_delivery", ["state", "due"], unique=False)
    op.create_table(
        "whenthen_record",
        sa.Column("id", _ID, nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column("position", sa.String(length=10), nullable=False),
        sa.Column("binding", sa.String(length=100), nullable=False),
        sa.Column("handler", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("time", UtcTime(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("detail", _LONG_TEXT, nullable=False),
        sa.Column("error", sa.String(length=200), nullable=False),
        sa.Column("delivery", sa.String(length=32), nullable=False),
        sa.Column("findings", _LONG_TEXT, nullable=False),
        sa.Column("empty_tags", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_whenthen_record_event", "whenthen_record", ["event"], unique=False)
    op.create_index(
        "whenthen_record_of_binding", "whenthen_record", ["binding", "id"], unique=False
    )
    op.create_table(
        "whenthen_resource",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("data", _LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "whenthen_revision",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO whenthen_revision (id, number) VALUES (1, 0)")
