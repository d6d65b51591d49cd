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
#: Held on PostgreSQL while migrating: of several processes that start at once one migrates and the others wait for it.
_MIGRATION_LOCK = 7_236_412_001


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see the module

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run the migrations that the database lacks, all or none."""
    if revision == "head" and current_revision(engine) == newest_revision():
        return
    from alembic import command  # noqa: PLC0415 - see the module

    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        command.upgrade(_config(connection), revision)


def newest_revision() -> str:
    """Return the revision this release works with."""
    return max(path.name for path in (_MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))[:4]


def current_revision(engine: Engine) -> str | None:
    """Return the revision the database is at; None for an empty one."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(_TABLE):
            return None
        revision: str | None = connection.execute(text(f"SELECT version_num FROM {_TABLE}")).scalar()  # noqa: S608 - a constant
        return revision
