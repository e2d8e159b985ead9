"""Alembic's entry: the connection comes from `admin.migrating`."""

from __future__ import annotations

from alembic import context

from admin.models import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
    user_module_prefix="columns.",
)
with context.begin_transaction():
    context.run_migrations()
