"""A commit that returned is on disk. `kill -9` does not show whether it is: what a process wrote outlives it anyway.

What shows it is losing power. So what stands here is that the database was told to wait for the disk.
"""

from pathlib import Path

import pytest
from sqlalchemy import Connection

from adapters.partner.outbox import Outbox
from hub.app.ports.uow import UnitOfWork
from tests.support import Spine

#: What SQLite calls `synchronous = FULL`.
_FULL = "2"


def asked(uow: UnitOfWork, question: str) -> str:
    connection: Connection = uow.session.connection  # type: ignore[attr-defined]
    return str(connection.exec_driver_sql(question).scalar_one())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_commit_on_sqlite_waits_for_the_disk(spine: Spine) -> None:
    assert await spine.committer.run(lambda uow: asked(uow, "PRAGMA synchronous")) == _FULL
    assert await spine.committer.run(lambda uow: asked(uow, "PRAGMA journal_mode")) == "wal"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_commit_on_postgresql_waits_for_the_disk_whatever_its_default(database: str, spine: Spine) -> None:
    with spine.engine.connect() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        connection.commit()
    spine.engine.dispose()  # whoever connects from here on meets the new default
    assert await spine.committer.run(lambda uow: asked(uow, "SHOW synchronous_commit")) == "on"


def test_a_cdr_on_its_way_is_on_the_partners_disk_before_it_is_sent(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    assert str(outbox._database.execute("PRAGMA synchronous").fetchone()[0]) == _FULL
    outbox.close()
