"""The committer: one thread that runs write use cases in groups, each group one transaction and one fsync.

What queued up while the last group committed forms the next one; there is no added wait, so a lone request is
answered at once (LIMITS.md, durable writes). A request is answered only after its group's transaction is on disk.

Within a group every use case has a savepoint of its own. Hot use cases (`BatchUseCase`) are handed all the waiting
requests of their kind in one call. If such a call fails as a whole, its requests are run again one by one, so that a
request that breaks something breaks only itself.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any, TypeVar, cast

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from hub.app.directory import Directory
from hub.app.ports.spine import BatchUseCase, UseCase
from hub.app.ports.uow import UnitOfWork
from hub.domain.clock import Clock, NewId
from hub.domain.errors import Conflict, Exhausted, HubError, Unreachable
from hub.domain.journal import Entry
from hub.store.journal import DIRECTORY, lock_heads
from hub.store.parties import load_directory
from hub.store.unit import Entropy, SqlUnitOfWork

R = TypeVar("R")
Q = TypeVar("Q")

_log = logging.getLogger(__name__)

#: Requests in one transaction: enough to share an fsync, few enough that nobody waits long.
GROUP_REQUESTS_MAX = 1_024


@dataclass(slots=True)
class _Job:
    """One call of the committer: a use case with its requests and the future of its answer."""

    use_case: Callable[..., Any]
    requests: Sequence[Any]
    batched: bool
    single: bool
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    queued: float
    answer: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class GroupMeasure:
    """What one group cost, for the metrics: seconds are wall time."""

    requests: int
    wait_seconds_max: float
    run_seconds: float


@dataclass(slots=True)
class DirectoryHolder:
    """The newest directory this process has seen; read by the edge without a query, replaced as a whole."""

    current: Directory = field(default_factory=Directory)


class Committer:
    """Implements `hub.app.ports.spine.Committer`; one per process, started and stopped by the composition root."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        new_id: NewId,
        entropy: Entropy,
        directory: DirectoryHolder,
        unit_of_work: Callable[..., SqlUnitOfWork] = SqlUnitOfWork,
        on_commit: Callable[[Sequence[Entry]], None] = lambda _: None,
        on_group: Callable[[GroupMeasure], None] = lambda _: None,
        queue_max: int = 20_000,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._new_id = new_id
        self._entropy = entropy
        self._directory = directory
        self._unit_of_work = unit_of_work
        self._on_commit = on_commit
        self._on_group = on_group
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._queue_max = queue_max
        self._thread = threading.Thread(target=self._work, name="committer", daemon=True)

    def start(self) -> None:
        """Load the directory and start the thread."""
        with self._engine.connect() as connection, connection.begin():
            version = lock_heads(connection)[DIRECTORY].size
            self._directory.current = load_directory(connection, version)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def run(self, use_case: UseCase[R]) -> Awaitable[R]:
        """Run one use case in a savepoint of its own."""
        return cast(Awaitable[R], self._submit(use_case, (None,), batched=False, single=True))

    def run_batched(self, use_case: BatchUseCase[Q, R], request: Q) -> Awaitable[R]:
        """Run a hot use case together with whatever else waits for the same one."""
        return cast(Awaitable[R], self._submit(use_case, (request,), batched=True, single=True))

    def run_many(self, use_case: BatchUseCase[Q, R], requests: Sequence[Q]) -> Awaitable[Sequence[R | HubError]]:
        """Run a hot use case on a whole batch; each request is answered for itself."""
        return cast(Awaitable[Sequence[R | HubError]], self._submit(use_case, requests, batched=True, single=False))

    def _submit(
        self, use_case: Callable[..., Any], requests: Sequence[Any], *, batched: bool, single: bool
    ) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._queue.qsize() >= self._queue_max:
            future.set_exception(Exhausted("WRITE_QUEUE_FULL", "too many writes are waiting; try again shortly"))
        else:
            self._queue.put(_Job(use_case, requests, batched, single, future, loop, perf_counter()))
        return future

    # Everything below runs in the committer's own thread.

    def _work(self) -> None:
        running = True
        while running:
            group: list[_Job] = []
            waiting = 0
            job = self._queue.get()
            while job is not None:
                # A caller that has gone away by now gets nothing done: its deadline has passed.
                if not job.future.cancelled():
                    group.append(job)
                    waiting += len(job.requests)
                if waiting >= GROUP_REQUESTS_MAX:
                    break
                try:
                    job = self._queue.get_nowait()
                except Empty:
                    break
            running = job is not None
            if group:
                self._commit(group, waiting)

    def _commit(self, group: list[_Job], requests: int) -> None:
        started = perf_counter()
        try:
            entries = self._transaction(group)
        except Exception as error:  # noqa: BLE001 - whatever the storage does, every caller gets an answer
            _log.exception("group_failed", extra={"requests": requests})
            for job in group:
                job.answer, job.error = None, _storage_failure(error)
            entries = []
        measure = GroupMeasure(requests, started - min(job.queued for job in group), perf_counter() - started)
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in group:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, jobs in by_loop.items():
            # A loop that has closed has nobody left to answer.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._deliver, jobs, entries, measure)
                entries = []

    def _deliver(self, jobs: list[_Job], entries: Sequence[Entry], measure: GroupMeasure) -> None:
        for job in jobs:
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.answer)
        if entries:
            self._on_commit(entries)
        self._on_group(measure)

    def _transaction(self, group: list[_Job]) -> list[Entry]:
        with self._engine.connect() as connection, connection.begin():
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            heads = lock_heads(connection)
            now = max(self._clock(), *(head.recorded_time for head in heads.values()))
            unit = self._unit_of_work(
                connection,
                now=now,
                heads=heads,
                directory=self._directory.current,
                new_id=self._new_id,
                entropy=self._entropy,
            )
            for use_case, jobs in _by_use_case(group):
                _run(unit, use_case, jobs)
            unit.journal.flush()
            directory = unit.directory
            entries = unit.journal.entries
        self._directory.current = directory
        return entries


def _by_use_case(group: Iterable[_Job]) -> Iterable[tuple[Callable[..., Any], list[_Job]]]:
    """Yield the jobs in order of arrival, those of one hot use case together."""
    together: dict[Callable[..., Any], list[_Job]] = {}
    order: list[tuple[Callable[..., Any], list[_Job]]] = []
    for job in group:
        if job.batched and job.use_case in together:
            together[job.use_case].append(job)
            continue
        jobs = [job]
        if job.batched:
            together[job.use_case] = jobs
        order.append((job.use_case, jobs))
    return order


def _run(unit: SqlUnitOfWork, use_case: Callable[..., Any], jobs: list[_Job]) -> None:
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
    unit.begin_use_case()
    try:
        answer = work()
        unit.end_use_case()
    except Exception as error:
        if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):
            raise  # the connection or the disk: the whole group fails
        unit.undo_use_case()
        if isinstance(error, IntegrityError):
            return None, Conflict("CONCURRENT_CHANGE", "another request took this identity; read, then retry")
        return None, error
    return answer, None


def _storage_failure(error: Exception) -> HubError:
    if "full" in str(error).lower():
        return Unreachable("STORAGE_FULL", "the hub's storage is full; nothing was written")
    return Unreachable("STORAGE_FAILED", "the hub's storage failed; nothing was acknowledged")


# The port and its implementation are kept in step by the type checker.
_: type[UnitOfWork] = SqlUnitOfWork
