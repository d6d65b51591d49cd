"""Storage that fails: every caller is told so, nothing is half written, and business goes on when storage is back."""

import asyncio
import gc
import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from hub.app.ports.uow import UnitOfWork
from hub.domain.errors import Unreachable
from hub.domain.journal import EntryKind, Fact, Stream
from hub.store import groups
from hub.store.statements import commit, cursor_of, execute
from tests.stored import check_journal, contents
from tests.support import Spine


def append(uow: UnitOfWork, size: int = 10) -> int:
    for stream in Stream:
        fact = Fact(kind=EntryKind.PARTY, owner=None, subject="s", body=bytes(size))
        uow.journal.append(stream, fact)
    uow.idempotency.remember("tests", uow.new_id(), b"", bytes(size))
    return uow.journal.head(Stream.CLEARING)


def connection_of(uow: UnitOfWork) -> Connection:
    connection: Connection = uow.session.connection  # type: ignore[attr-defined]
    return connection


async def refused(*work: Any) -> list[str]:
    """Return the reason that each of these was refused for, at once."""
    answers = await asyncio.gather(*work, return_exceptions=True)
    reasons = [answer.reason for answer in answers if isinstance(answer, Unreachable)]
    assert len(reasons) == len(answers), answers
    return reasons


@contextmanager
def room_for(spine: Spine, pages: int) -> Iterator[None]:
    """Let the database grow by so many pages and no more, as a disk that fills up would."""
    with spine.engine.connect() as connection:
        used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def limit(connection: Any, _: Any, __: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={used + pages}")

    event.listen(spine.engine, "checkout", limit)
    spine.committer._runner.close()
    yield
    event.remove(spine.engine, "checkout", limit)
    spine.committer._runner.close()
    with spine.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=4294967294")


sqlite_only = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
postgresql_only = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@sqlite_only
@pytest.mark.parametrize("pages", [0, 1, 3, 40])
async def test_when_the_disk_is_full_nobody_of_the_group_is_told_ok_and_nothing_is_written(
    spine: Spine, pages: int
) -> None:
    run = spine.committer.run
    await run(append)
    with room_for(spine, pages):
        while True:
            before, directory = contents(spine.engine), spine.directory.current
            spine.committer._ended = math.inf  # not idle: the three share a group
            group = [run(lambda uow: append(uow, 20_000)) for _ in range(3)]
            answers = await asyncio.gather(*group, return_exceptions=True)
            if any(isinstance(answer, BaseException) for answer in answers):
                break
        assert [getattr(answer, "reason", "") for answer in answers] == ["STORAGE_FULL"] * 3
        assert contents(spine.engine) == before
        assert spine.directory.current is directory
        check_journal(spine.engine)
        # Reads go on, and so does what finds room.
        assert await spine.reads.run(lambda uow: uow.journal.head(Stream.CLEARING)) > 0
        assert await refused(run(lambda uow: append(uow, 2_000_000))) == ["STORAGE_FULL"]
    head = await spine.reads.run(lambda uow: uow.journal.head(Stream.CLEARING))
    answers = await asyncio.gather(*(run(lambda uow: append(uow, 20_000)) for _ in range(3)))
    assert answers == [head + 1, head + 2, head + 3]
    check_journal(spine.engine)


@postgresql_only
async def test_postgresql_says_itself_that_its_disk_is_full(spine: Spine) -> None:
    """No disk is filled here: the server is made to raise what it raises then."""

    def fill(uow: UnitOfWork) -> None:
        append(uow)
        execute(connection_of(uow), "DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$")

    before = contents(spine.engine)
    assert await refused(spine.committer.run(append), spine.committer.run(fill)) == ["STORAGE_FULL"] * 2
    assert contents(spine.engine) == before
    assert await spine.committer.run(append) == 1


def cut(spine: Spine, uow: UnitOfWork) -> None:
    """End the connection of a unit of work, from another one, as an administrator or a failover would."""
    cut_backend(spine.engine, backend_of(connection_of(uow)))


def backend_of(connection: Connection) -> int:
    pid: int = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
    return pid


def cut_backend(engine: Engine, pid: int) -> None:
    with engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 60000)"), {"pid": pid})


def cut_before_writing(spine: Spine) -> Callable[[UnitOfWork], None]:
    def use_case(uow: UnitOfWork) -> None:
        cut(spine, uow)
        append(uow)

    return use_case


def cut_after_writing(spine: Spine) -> Callable[[UnitOfWork], None]:
    def use_case(uow: UnitOfWork) -> None:
        append(uow)
        uow.session.flush()  # type: ignore[attr-defined]
        cut(spine, uow)

    return use_case


def cut_and_fail(spine: Spine) -> Callable[[UnitOfWork], None]:
    def use_case(uow: UnitOfWork) -> None:
        cut(spine, uow)
        raise ZeroDivisionError

    return use_case


@postgresql_only
@pytest.mark.parametrize("breaking", [cut_before_writing, cut_after_writing, cut_and_fail])
async def test_a_connection_lost_within_a_group_fails_the_group_and_the_next_one_succeeds(
    spine: Spine, breaking: Callable[[Spine], Callable[[UnitOfWork], None]]
) -> None:
    run = spine.committer.run
    assert await run(append) == 1
    before = contents(spine.engine)
    assert await refused(run(append), run(breaking(spine)), run(append)) == ["STORAGE_FAILED"] * 3
    assert contents(spine.engine) == before
    assert list(await asyncio.gather(run(append), run(append))) == [2, 3]
    check_journal(spine.engine)


@postgresql_only
async def test_a_connection_lost_while_committing_acknowledges_nothing(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = spine.committer.run
    assert await run(append) == 1
    before = contents(spine.engine)

    def cut_and_commit(connection: Connection) -> None:
        monkeypatch.undo()
        cut_backend(spine.engine, backend_of(connection))
        commit(connection)

    monkeypatch.setattr(groups, "commit", cut_and_commit)
    assert await refused(run(append), run(append)) == ["STORAGE_FAILED"] * 2
    assert contents(spine.engine) == before
    assert await run(append) == 2


@postgresql_only
async def test_a_connection_lost_between_groups_costs_at_most_one_call(spine: Spine) -> None:
    pid = await spine.committer.run(lambda uow: backend_of(connection_of(uow)))
    cut_backend(spine.engine, pid)
    assert await refused(spine.committer.run(append)) == ["STORAGE_FAILED"]
    assert await spine.committer.run(append) == 1


@postgresql_only
async def test_a_connection_lost_while_reading_is_told_and_the_next_read_succeeds(spine: Spine) -> None:
    await spine.committer.run(append)

    def read(uow: UnitOfWork) -> Any:
        cut(spine, uow)
        return uow.journal.read(Stream.CLEARING, -1, 10)

    assert await refused(spine.reads.run(read)) == ["STORAGE_FAILED"]
    assert await spine.reads.run(lambda uow: uow.journal.head(Stream.CLEARING)) == 1


@pytest.mark.parametrize("where", ["committer", "reads"])
async def test_what_a_failure_leaves_behind_holds_no_cursor(spine: Spine, where: str) -> None:
    # A cursor that waits for the garbage collector is closed in whatever thread that runs, which waits for the
    # cursor's connection: of two committers in one process each once waited for the other.
    cursors: list[weakref.ref[Any]] = []

    def fail(uow: UnitOfWork) -> None:
        cursor = cursor_of(connection_of(uow))
        cursors.append(weakref.ref(cursor))
        cursor.execute("SELECT 1")
        try:
            int("no number")
        except ValueError as error:
            raise LookupError("one more for the chain") from error

    gc.disable()
    try:
        error = (await asyncio.gather(getattr(spine, where).run(fail), return_exceptions=True))[0]
        assert isinstance(error, LookupError)
        assert [cursor() for cursor in cursors] == [None]
    finally:
        gc.enable()
