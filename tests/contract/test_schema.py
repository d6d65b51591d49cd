"""The schema's revisions, read without Alembic, are what Alembic says."""

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from hub.store.database import open_engine
from hub.store.schema import _config, current_revision, newest_revision, upgrade


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
