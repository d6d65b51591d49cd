"""How many statements a group costs, and that all that was queued is written whatever its number."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

from hub.app.ports.uow import UnitOfWork
from hub.domain.journal import EntryKind, Fact, Stream
from hub.store.tables.spine import IdempotencyRow
from tests.stored import check_journal, read_rows
from tests.support import Spine

sqlite_only = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def append(uow: UnitOfWork) -> int:
    uow.journal.append(Stream.CLEARING, Fact(kind=EntryKind.PARTY, owner=None, subject="s", body=b""))
    return uow.journal.head(Stream.CLEARING)


async def connection_of(spine: Spine) -> Any:
    """Return the driver's connection that the committer works with."""

    def look(uow: UnitOfWork) -> Any:
        connection: Connection = uow.session.connection  # type: ignore[attr-defined]
        return connection.connection.driver_connection

    return await spine.committer.run(look)


@contextmanager
def statements(driver: Any) -> Iterator[list[str]]:
    """Note what a SQLite connection runs."""
    seen: list[str] = []
    driver.set_trace_callback(seen.append)
    yield seen
    driver.set_trace_callback(None)


@pytest.mark.parametrize("number", [0, 1, 2, 5, 100, 210, 255, 256, 257, 700])
async def test_rows_of_any_number_are_all_written(spine: Spine, number: int) -> None:
    wanted = [f"r{place:03d}" for place in range(number)]

    def remember(uow: UnitOfWork) -> None:
        for name in wanted:
            uow.idempotency.remember("tests", name, b"", name.encode())

    await spine.committer.run(remember)
    rows = [(row.request_id, bytes(row.response)) for row in read_rows(spine.engine, IdempotencyRow, "request_id")]
    assert rows == [(name, name.encode()) for name in wanted]


@sqlite_only
@pytest.mark.parametrize(
    ("number", "most"), [(1, 1), (2, 1), (64, 1), (100, 2), (210, 3), (255, 4), (256, 1), (700, 5)]
)
async def test_rows_go_out_in_few_statements(spine: Spine, number: int, most: int) -> None:
    def remember(uow: UnitOfWork) -> None:
        for place in range(number):
            uow.idempotency.remember("tests", f"r{place}", b"", b"")

    with statements(await connection_of(spine)) as seen:
        await spine.committer.run(remember)
    assert sum(each.startswith("INSERT") for each in seen) <= most


@sqlite_only
async def test_heads_are_read_only_when_another_connection_has_committed(spine: Spine) -> None:
    with statements(await connection_of(spine)) as seen:
        assert [await spine.committer.run(append) for _ in range(3)] == [1, 2, 3]
        assert not [each for each in seen if each.startswith("SELECT journal_head")]
        with spine.engine.connect() as other:
            other.exec_driver_sql("UPDATE journal_head SET recorded_time = recorded_time + 1 WHERE stream = 0")
        assert await spine.committer.run(append) == 4
        assert len([each for each in seen if each.startswith("SELECT journal_head")]) == 1
    check_journal(spine.engine)


@sqlite_only
async def test_a_group_after_one_that_failed_goes_on_from_what_was_committed(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError

    assert await spine.committer.run(append) == 1
    with monkeypatch.context() as broken:
        broken.setattr("hub.store.groups.commit", fail)
        with pytest.raises(Exception, match="nothing was acknowledged"):
            await spine.committer.run(append)
    assert await spine.committer.run(append) == 2
    check_journal(spine.engine)
