"""The spine: journal, idempotency, and the two ways to run a use case."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from hub.app.ports.uow import UnitOfWork
from hub.domain.errors import HubError

P = TypeVar("P")
R = TypeVar("R")
Q = TypeVar("Q")

#: A write use case: a plain synchronous function over the unit of work.
UseCase = Callable[[UnitOfWork], R]

#: A hot use case, written for many requests at once. It answers each request in order with its result or with the
#: error that refuses it; a refused request must have written nothing.
BatchUseCase = Callable[[UnitOfWork, Sequence[Q]], Sequence[R | HubError]]

#: Turns requests as they came into those of a hot use case, many together, before any transaction begins. It answers
#: each request in order with what it says or with the error that refuses it.
Reading = Callable[[Sequence[P]], Sequence[Q | HubError]]


class Committer(Protocol):
    """Runs write use cases; returns when what they wrote is on disk, and not before."""

    def run(self, use_case: UseCase[R]) -> Awaitable[R]:
        """Run one use case in a savepoint of its own.

        Raises:
            HubError: What the use case raised; nothing it wrote remains.
            Exhausted: The queue of waiting writes is full.
            Unreachable: The storage failed; nothing was written.
        """
        ...

    def run_batched(self, use_case: BatchUseCase[Q, R], request: Q) -> Awaitable[R]:
        """Run a hot use case together with whatever else waits for the same one; raises as `run`."""
        ...

    def run_unread(self, use_case: BatchUseCase[Q, R], request: P, reading: Reading[P, Q]) -> Awaitable[R]:
        """Read a request together with whatever else waits for the same reading, and run it as `run_batched` does.

        Raises:
            HubError: What `reading` answered, or as `run`.
        """
        ...

    def run_many(self, use_case: BatchUseCase[Q, R], requests: Sequence[Q]) -> Awaitable[Sequence[R | HubError]]:
        """Run a hot use case on a whole batch; each request is answered for itself. Raises as `run`."""
        ...


class Reads(Protocol):
    """Runs read-only use cases on connections of their own; they never queue behind the committer."""

    def run(self, query: UseCase[R]) -> Awaitable[R]:
        """Run one query; what it sees is one consistent state. A write through its unit of work fails.

        Raises:
            HubError: What the query raised.
            Unreachable: The storage failed.
        """
        ...
