"""How Alembic runs the migrations: on the connection that is handed to it."""

from alembic import context

from whenthen.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="whenthen_version",
    include_name=lambda name, kind, _: kind != "table" or str(name).startswith("whenthen_"),
    transaction_per_migration=False,
)
context.run_migrations()
