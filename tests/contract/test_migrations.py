"""The migrations and the tables say the same, on both databases."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from sqlmodel import SQLModel

from hub.store import tables
from hub.store.database import open_engine
from hub.store.schema import _config, current_revision, newest_revision, upgrade

assert tables.__all__  # the import completes the metadata


def test_the_migrations_make_exactly_the_tables_that_the_code_works_with(database: str) -> None:
    engine = open_engine(database)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


def test_every_migration_can_be_undone_and_done_again(database: str) -> None:
    engine = open_engine(database)
    with engine.connect() as connection, connection.begin():
        command.downgrade(_config(connection), "base")
    assert [name for name in inspect(engine).get_table_names() if name != "alembic_version"] == []
    upgrade(engine)
    assert current_revision(engine) == newest_revision()
    engine.dispose()
