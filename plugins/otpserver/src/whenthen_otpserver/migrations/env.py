"""How Alembic runs the migrations: on the connection that is handed to it."""

from alembic import context

from whenthen_otpserver.database import VERSION_TABLE
from whenthen_otpserver.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=lambda name, kind, _: kind != "table" or str(name).startswith("otp_"),
    transaction_per_migration=False,
)
context.run_migrations()
