"""The schema: read without Alembic it is what Alembic says, and what the migrations make is what the tables say."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

from hub.store import tables
from hub.store.database import open_engine
from hub.store.schema import _config, current_revision, newest_revision, upgrade

assert tables.__all__  # the import completes the metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server = request.getfixturevalue("postgresql")
    name = f"empty_{abs(hash(request.node.nodeid))}"
    server.psql(f"CREATE DATABASE {name}")
    url: str = server.get_uri(name)
    return url


def test_the_newest_revision_is_the_head_of_one_line() -> None:
    script = ScriptDirectory.from_config(_config())
    assert script.get_heads() == [newest_revision()]
    assert [revision.revision for revision in script.walk_revisions()] == sorted(
        (revision.revision for revision in script.walk_revisions()), reverse=True
    )


def test_the_current_revision_is_read_as_alembic_does(database: str) -> None:
    engine = open_engine(database)
    with engine.connect() as connection:
        assert current_revision(engine) == MigrationContext.configure(connection).get_current_revision()
    upgrade(engine)  # changes nothing, and says nothing
    assert current_revision(engine) == newest_revision()
    engine.dispose()


def test_an_empty_database_becomes_what_the_tables_say(empty: str) -> None:
    engine = open_engine(empty)
    assert current_revision(engine) is None
    upgrade(engine)
    assert current_revision(engine) == newest_revision()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = [d for d in compare_metadata(context, SQLModel.metadata) if "alembic_version" not in str(d)]
    engine.dispose()
    assert differences == []


def test_each_migration_can_be_run_by_itself_and_again(empty: str) -> None:
    engine = open_engine(empty)
    for revision in reversed([script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]):
        upgrade(engine, revision)
        upgrade(engine, revision)
        assert current_revision(engine) == revision
    engine.dispose()


def test_two_hubs_that_start_at_once_migrate_once(empty: str) -> None:
    engines = [open_engine(empty) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(upgrade, engines))
    assert current_revision(engines[0]) == newest_revision()
    for engine in engines:
        engine.dispose()
