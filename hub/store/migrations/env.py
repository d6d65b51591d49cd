"""Alembic's entry: runs on the connection that `hub.store.schema` hands over."""

from alembic import context
from sqlmodel import SQLModel

from hub.store import tables

assert tables.__all__  # the import completes the metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
