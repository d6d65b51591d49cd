"""Running a group of use cases in one transaction.

Every use case of the group has a savepoint of its own. Hot use cases (`BatchUseCase`) are handed all the waiting
requests of their kind in one call. If such a call fails as a whole, its requests are run again one by one, so that a
request that breaks something breaks only itself.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from hub.app.directory import Directory
from hub.domain.clock import Clock, NewId
from hub.domain.errors import Conflict, HubError
from hub.domain.journal import Entry
from hub.store.directory import DirectoryHolder
from hub.store.failures import let_go, storage_failure
from hub.store.journal import Head, lock_heads
from hub.store.statements import begin, changes, commit, foreign_commits
from hub.store.unit import Entropy, SqlUnitOfWork

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Job:
    """One call of the committer.

    Attributes:
        use_case: What to run.
        requests: What to hand to a hot use case; of a plain one a single None.
        batched: It is a hot use case and shares a call with others of its kind.
        single: The caller gets one answer, and not a list.
        queued: When it was handed in, by `perf_counter`.
        reading: What reads its request, which is yet unread; None when it needs no reading.
    """

    use_case: Callable[..., Any]
    requests: Sequence[Any]
    batched: bool
    single: bool
    future: "asyncio.Future[Any]"
    queued: float
    reading: Callable[..., Any] | None = None
    answer: Any = None
    error: BaseException | None = None


class GroupRunner:
    """Runs groups on one connection, one group at a time: `execute`, then `commit`.

    The two may be called from different threads, never at the same time. Neither raises: what goes wrong is every
    job's answer, and the connection is given up, as it may be what is broken.
    """

    def __init__(
        self, engine: Engine, *, clock: Clock, new_id: NewId, entropy: Entropy, directory: DirectoryHolder
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._new_id = new_id
        self._entropy = entropy
        self._holder = directory
        self._connection: Connection | None = None
        self._directory = Directory()
        self._changes = 0
        #: How many commits of others this connection has seen, and the heads as its own last commit left them.
        self._foreign: int | None = None
        self._heads: dict[int, Head] = {}
        self.entries: list[Entry] = []
        #: How long the last commit took; at first, as long as any.
        self.commit_seconds = math.inf

    def execute(self, group: Sequence[Job]) -> bool:
        """Run the group and leave its transaction open; False when it failed and there is nothing to commit."""
        self.entries = []
        try:
            connection = self._begin()
            heads = self._lock_heads(connection)
            unit = SqlUnitOfWork(
                connection,
                now=max(self._clock(), *(head.recorded_time for head in heads.values())),
                heads=heads,
                directory=self._holder.current,
                new_id=self._new_id,
                entropy=self._entropy,
            )
            for use_case, jobs in _by_use_case(group):
                _run(unit, use_case, jobs)
            unit.journal.flush()
            self._directory, self.entries, self._heads = unit.directory, unit.journal.entries, unit.journal.heads
        except Exception as error:  # noqa: BLE001 - whatever the storage does, every caller gets an answer
            self._fail(group, error)
            return False
        return True

    @property
    def wrote(self) -> bool:
        """Whether the executed group has anything to make durable, as far as the driver tells (SQLite does)."""
        assert self._connection is not None
        return changes(self._connection) != self._changes

    def commit(self, group: Sequence[Job]) -> None:
        """Make the group durable."""
        connection = self._connection
        assert connection is not None
        started = perf_counter()
        try:
            commit(connection)
        except Exception as error:  # noqa: BLE001
            self._fail(group, error)
            return
        self._holder.learn(self._directory)
        self.commit_seconds = perf_counter() - started

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _begin(self) -> Connection:
        connection = self._connection
        if connection is None:
            connection, self._foreign = self._engine.connect(), None
            self._connection = connection
        begin(connection)
        self._changes = changes(connection)
        return connection

    def _lock_heads(self, connection: Connection) -> dict[int, Head]:
        """Return the heads, which nobody else can move now; those of SQLite are known while nobody else commits."""
        foreign = foreign_commits(connection)
        if foreign is None or foreign != self._foreign:
            self._foreign, self._heads = foreign, lock_heads(connection)
        return self._heads

    def _fail(self, group: Sequence[Job], error: Exception) -> None:
        _log.error("group_failed", extra={"jobs": len(group)}, exc_info=error)
        let_go(error)
        self.entries = []
        for job in group:
            job.answer, job.error = None, storage_failure(error, "nothing was acknowledged")
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _by_use_case(group: Iterable[Job]) -> Iterable[tuple[Callable[..., Any], list[Job]]]:
    """Return the jobs in order of arrival, those of one hot use case together."""
    together: dict[Callable[..., Any], list[Job]] = {}
    order: list[tuple[Callable[..., Any], list[Job]]] = []
    for job in group:
        if job.batched and job.use_case in together:
            together[job.use_case].append(job)
            continue
        jobs = [job]
        if job.batched:
            together[job.use_case] = jobs
        order.append((job.use_case, jobs))
    return order


def _run(unit: SqlUnitOfWork, use_case: Callable[..., Any], jobs: list[Job]) -> None:
    """Run the jobs of one use case in one savepoint; if that fails and there are several requests, one by one."""
    if not jobs[0].batched:
        jobs[0].answer, jobs[0].error = _attempt(unit, lambda: use_case(unit))
        return
    requests = [request for job in jobs for request in job.requests]
    answers, error = _attempt(unit, lambda: use_case(unit, requests))
    if error is not None and len(requests) > 1:
        answers = [_alone(unit, use_case, request) for request in requests]
    elif error is not None:
        answers = [error]
    assert len(answers) == len(requests), "a batch use case answers every request"
    start = 0
    for job in jobs:
        mine = answers[start : start + len(job.requests)]
        start += len(job.requests)
        if not job.single:
            failed = next((a for a in mine if isinstance(a, BaseException) and not isinstance(a, HubError)), None)
            job.answer, job.error = mine, failed
        elif isinstance(mine[0], BaseException):
            job.error = mine[0]
        else:
            job.answer = mine[0]


def _alone(unit: SqlUnitOfWork, use_case: Callable[..., Any], request: Any) -> Any:  # noqa: ANN401
    answers, error = _attempt(unit, lambda: use_case(unit, [request]))
    return error if error is not None else answers[0]


def _attempt(unit: SqlUnitOfWork, work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    driver = unit.session.connection.dialect.loaded_dbapi
    unit.begin_use_case()
    try:
        answer = work()
        unit.end_use_case()
    except driver.IntegrityError as error:
        unit.undo_use_case()
        let_go(error)
        return None, Conflict("CONCURRENT_CHANGE", "another request took this identity; read, then retry")
    except (driver.DataError, driver.ProgrammingError, driver.NotSupportedError) as error:
        # What the use case handed to the database was wrong; the others of its group are none the worse for it.
        unit.undo_use_case()
        let_go(error)
        return None, error
    except (driver.Error, SQLAlchemyError):
        raise  # the connection or the disk: the whole group fails
    except StopIteration as error:
        unit.undo_use_case()
        let_go(error)
        stopped = RuntimeError("a use case raised StopIteration")  # which no future can carry
        stopped.__cause__ = error
        return None, stopped
    except Exception as error:  # noqa: BLE001 - the caller gets it; the group goes on
        unit.undo_use_case()
        let_go(error)
        return None, error
    return answer, None
