"""Bringing a database to the schema of this release: Alembic migrations, run in one transaction.

Alembic is imported only when there is something to migrate: importing it takes as long as all of SQLAlchemy, and a hub
that starts on an up-to-date database should not wait for it. Revisions are numbered as their files are, in one line; a
test compares both with what Alembic says.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
_TABLE = "alembic_version"
#: PostgreSQL's advisory lock for migrations, so that of several processes that start at once one migrates.
_LOCK = 0x0EB0B5C4


class SchemaError(Exception):
    """The database's schema is not one that this release can work with."""


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see the module

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run the migrations that the database lacks, all or none.

    Raises:
        SchemaError: It is a later release's database, or no hub's; nothing was changed.
    """
    if revision == "head" and current_revision(engine) == newest_revision():
        return
    from alembic import command  # noqa: PLC0415 - see the module

    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        usable_revision(connection)
        command.upgrade(_config(connection), revision)


def usable_revision(connection: Connection) -> str | None:
    """Return the revision the database is at, which this release can work with or migrate from; None for an empty one.

    Raises:
        SchemaError: A later release has migrated it, or it has tables and no version: whose they are is not known, and
            ours are not made beside them.
    """
    current = _revision_of(connection)
    if current is None and set(inspect(connection).get_table_names()) - {_TABLE}:
        raise SchemaError(
            "the database has tables and no version of its schema: it is no hub's, or damaged; give the hub a database "
            "of its own, or put this one back from a copy"
        )
    if current is not None and current not in _revisions():
        raise SchemaError(
            f"the database is at schema {current}, which this release does not know (its newest is "
            f"{newest_revision()}): run the later release that made it"
        )
    return current


def _revisions() -> list[str]:
    return sorted(path.name[:4] for path in (_MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def newest_revision() -> str:
    """Return the revision this release works with."""
    return _revisions()[-1]


def current_revision(engine: Engine) -> str | None:
    """Return the revision the database is at; None for an empty one."""
    with engine.connect() as connection:
        return _revision_of(connection)


def _revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_TABLE):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {_TABLE}")).scalar()  # noqa: S608 - a constant
    return revision
