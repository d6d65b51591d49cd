"""The committer: write use cases in groups, each group one transaction and one fsync.

What queued up while the last group was being made durable forms the next one; a lone request is never made to wait
for others (docs/benchmarks.md). A request is answered only after its group is on disk. Requests that come
unread are read together when their group is formed, before its transaction begins.

Where a group runs depends on what the database is. SQLite is a library: its calls are short and never wait, so the
group runs on the event loop, and only the commit, which waits for the disk, goes to a thread. Were the whole group to
run in a thread, the two threads would hand the interpreter's lock to and fro at every statement, which costs more than
the statements do (docs/benchmarks.md). A lone caller of an idle hub waits for the disk and for nothing else: its group
begins within its call, and the commit stays on the loop as well, as long as the last one took less than a millisecond.
PostgreSQL answers over a socket: there the whole group runs in the thread.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar, cast

from sqlalchemy import Engine

from hub.app.ports.spine import BatchUseCase, Reading, UseCase
from hub.domain.clock import Clock, NewId
from hub.domain.errors import Exhausted, HubError
from hub.domain.journal import Entry
from hub.store.directory import DirectoryHolder
from hub.store.groups import GroupRunner, Job
from hub.store.journal import DIRECTORY, read_heads
from hub.store.parties import load_directory
from hub.store.unit import Entropy

P = TypeVar("P")
R = TypeVar("R")
Q = TypeVar("Q")

#: Requests in one transaction: enough to share an fsync, few enough that nobody waits long.
GROUP_REQUESTS_MAX = 512
#: The longest that requests gather for a group of as many as the last one had.
GATHER_SECONDS_MAX = 0.015
#: The longest that a commit of a lone request may take to be left on the event loop, going by the last commit.
_COMMIT_HERE_SECONDS_MAX = 0.001
#: After so long without a group, a caller is taken to be alone.
_IDLE_SECONDS = 0.001
#: After a group that fell short of what was expected, how many groups pass before more are expected again.
_GROUPS_BETWEEN_PROBES = 16


@dataclass(frozen=True, slots=True)
class GroupMeasure:
    """What one group cost, for the metrics: seconds are wall time."""

    requests: int
    wait_seconds_max: float
    run_seconds: float


@dataclass(slots=True)
class Gathering:
    """How many callers to wait for before a group starts: as many as came last time, and now and then a few more.

    A transaction costs as much as a dozen requests in it, so callers that come together should share one. Callers who
    wait for their answers come back together: the size of the last group foretells the next. Where a few more were
    expected and came, there are more callers still; where they did not, they are not asked for again for some groups.
    A lone caller never waits.
    """

    expected: int = 1
    _patience: int = 0

    def learn(self, came: int) -> None:
        """Take in how many callers the group that now starts has."""
        if came < self.expected:
            self.expected, self._patience = came, _GROUPS_BETWEEN_PROBES
        elif self._patience and came == self.expected:
            self._patience -= 1
        elif came > 1:
            self.expected, self._patience = came + max(1, came // 4), 0


class Committer:
    """Implements `hub.app.ports.spine.Committer`; one per process, used from one event loop."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        new_id: NewId,
        entropy: Entropy,
        directory: DirectoryHolder,
        on_commit: Callable[[Sequence[Entry]], None] = lambda _: None,
        on_group: Callable[[GroupMeasure], None] = lambda _: None,
        queue_max: int = 20_000,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._runner = GroupRunner(engine, clock=clock, new_id=new_id, entropy=entropy, directory=directory)
        self._on_commit = on_commit
        self._on_group = on_group
        self._waiting: deque[Job] = deque()
        self._queue_max = queue_max
        self._on_loop = engine.dialect.name == "sqlite"
        self._scheduled = False
        self._gathering = Gathering()
        self._timer: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="committer")
        self._group: list[Job] = []
        self._started = self._ended = 0.0
        self._durable: Future[None] | None = None

    def start(self) -> None:
        """Load the directory."""
        with self._engine.connect() as connection, connection.begin():
            self._directory.current = load_directory(connection, read_heads(connection)[DIRECTORY].size)

    def stop(self) -> None:
        """Finish what is queued, answer it, and close."""
        while self._group or self._waiting:
            if self._durable is not None:
                self._durable.result()
            if self._group:
                self._deliver()
            else:
                self._next(None)
        self._thread.shutdown()
        self._runner.close()

    def run(self, use_case: UseCase[R]) -> Awaitable[R]:
        """Run one use case in a savepoint of its own."""
        return cast(Awaitable[R], self._submit(use_case, (None,), batched=False, single=True))

    def run_batched(self, use_case: BatchUseCase[Q, R], request: Q) -> Awaitable[R]:
        """Run a hot use case together with whatever else waits for the same one."""
        return cast(Awaitable[R], self._submit(use_case, (request,), batched=True, single=True))

    def run_unread(self, use_case: BatchUseCase[Q, R], request: P, reading: Reading[P, Q]) -> Awaitable[R]:
        """Read a request together with whatever else waits for the same reading, and run it as `run_batched` does."""
        return cast(Awaitable[R], self._submit(use_case, (request,), batched=True, single=True, reading=reading))

    def run_many(self, use_case: BatchUseCase[Q, R], requests: Sequence[Q]) -> Awaitable[Sequence[R | HubError]]:
        """Run a hot use case on a whole batch; each request is answered for itself."""
        return cast(Awaitable[Sequence[R | HubError]], self._submit(use_case, requests, batched=True, single=False))

    def _submit(
        self,
        use_case: Callable[..., Any],
        requests: Sequence[Any],
        *,
        batched: bool,
        single: bool,
        reading: Callable[..., Any] | None = None,
    ) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if len(self._waiting) >= self._queue_max:
            future.set_exception(Exhausted("WRITE_QUEUE_FULL", "too many writes are waiting; try again shortly"))
            return future
        self._waiting.append(Job(use_case, requests, batched, single, future, perf_counter(), reading))
        self._schedule(loop)
        return future

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the next group started: at the loop's next turn, or when as many wait as are expected.

        Whoever calls an idle hub on SQLite, and is not expected to be one of several, is served at once: a turn of the
        loop is a tenth of what a lone call takes.
        """
        if self._group:
            return
        if (
            self._on_loop
            and self._gathering.expected == 1
            and not self._scheduled
            and self._idle_seconds() > _IDLE_SECONDS
        ):
            self._start_at_once(loop)
            return
        if len(self._waiting) >= self._gathering.expected:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            elif self._scheduled:
                return
            self._scheduled = True
            loop.call_soon(self._next, loop)
        elif not self._scheduled:
            self._scheduled = True
            self._timer = loop.call_later(GATHER_SECONDS_MAX, self._next, loop)

    def _idle_seconds(self) -> float:
        return perf_counter() - self._ended

    def _start_at_once(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start a group within the call that asked for it, and keep from the caller what a turn of the loop would."""
        try:
            self._next(loop)
        except Exception as error:  # noqa: BLE001 - what those who are told of a commit make of it
            loop.call_exception_handler({"message": "a group's outcome could not be told", "exception": error})

    def _next(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Start the next group, if any waits and none is under way; without a loop, `stop` waits for it."""
        self._scheduled, self._timer = False, None
        if self._group:
            return
        group = self._take()
        if not group:
            return
        self._started = perf_counter()
        self._gathering.learn(len(group))
        self._group = group = _read(group)
        if not group:
            if self._waiting and loop is not None:
                self._schedule(loop)
            return
        if self._on_loop and not self._execute_here(group):
            self._delivered(loop)
            return
        work = self._runner.commit if self._on_loop else self._execute_and_commit
        self._durable = self._thread.submit(work, group)
        if loop is not None:
            self._durable.add_done_callback(lambda _: self._wake(loop))

    def _execute_here(self, group: Sequence[Job]) -> bool:
        """Run a group on the event loop; say whether its commit is still to come and waits for the disk."""
        if not self._runner.execute(group):
            return False
        # What wrote nothing is a group of questions only, or of requests that were answered before.
        if self._runner.wrote and not self._alone(group):
            return True
        self._runner.commit(group)
        return False

    def _alone(self, group: Sequence[Job]) -> bool:
        """Say whether nobody else would wait for this commit: one request, none behind it, a hub that was idle."""
        seconds = self._runner.commit_seconds
        idle = self._started - self._ended
        return len(group) == 1 and not self._waiting and seconds < min(idle, _COMMIT_HERE_SECONDS_MAX)

    def _execute_and_commit(self, group: Sequence[Job]) -> None:
        if self._runner.execute(group):
            self._runner.commit(group)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        # A loop that has closed meanwhile has nobody left to answer; `stop` finishes the group.
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._delivered, loop)

    def _delivered(self, loop: asyncio.AbstractEventLoop | None) -> None:
        try:
            self._deliver()
        finally:
            # Whatever those who are told of the commit make of it, who waits is not kept waiting.
            if self._waiting and loop is not None:
                self._schedule(loop)

    def _take(self) -> list[Job]:
        group: list[Job] = []
        requests = 0
        while self._waiting and requests < GROUP_REQUESTS_MAX:
            job = self._waiting.popleft()
            # A caller that has gone away by now gets nothing done: its deadline has passed.
            if not job.future.cancelled():
                group.append(job)
                requests += len(job.requests)
        return group

    def _deliver(self) -> None:
        group, self._group, self._durable = self._group, [], None
        if not group:
            return
        entries = self._runner.entries
        for job in group:
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.answer)
        if entries:
            self._on_commit(entries)
        self._ended = perf_counter()
        requests = sum(len(job.requests) for job in group)
        wait = self._started - min(job.queued for job in group)
        self._on_group(GroupMeasure(requests, wait, self._ended - self._started))


def _read(group: list[Job]) -> list[Job]:
    """Read what came unread, all of a kind together; whoever is refused is answered, and is not in the group returned.

    This is done outside the transaction, which on PostgreSQL keeps other processes waiting.
    """
    unread: dict[Callable[..., Any], list[Job]] = {}
    for job in group:
        if job.reading is not None:
            unread.setdefault(job.reading, []).append(job)
    for reading, jobs in unread.items():
        for job, found in zip(jobs, _read_each(reading, [job.requests[0] for job in jobs]), strict=True):
            if isinstance(found, BaseException):
                job.future.set_exception(found)
            else:
                job.requests = (found,)
    return [job for job in group if not job.future.done()] if unread else group


def _read_each(reading: Callable[..., Any], requests: Sequence[Any]) -> Sequence[Any]:
    """Return what each request says, or the error for it; one that breaks the reading breaks only itself."""
    try:
        return cast(Sequence[Any], reading(requests))
    except Exception as error:  # noqa: BLE001 - the caller gets it; the others go on
        return [error] if len(requests) == 1 else [_read_each(reading, [request])[0] for request in requests]
