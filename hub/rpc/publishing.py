"""Batches and client streams of objects: each item is read, checked and answered for itself.

An item that cannot be read or is not the caller's never reaches the committer; the others are committed together, and
the answers come in the order of the items.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from roamhub.v1 import common_pb2

from hub.domain.errors import HubError, invalid
from hub.rpc.status import to_item_error

P = TypeVar("P")
Q = TypeVar("Q")

_Outcome = common_pb2.ItemOutcome


def require_size(field: str, items: Sequence[object], most: int) -> None:
    """Raise Invalid unless there are 1 to `most` items."""
    if not 1 <= len(items) <= most:
        raise invalid(field, f"has 1 to {most} items")


async def publish(
    items: Sequence[P],
    read: Callable[[int, P], Q],
    store: Callable[[Sequence[Q]], Awaitable[Sequence[bool | HubError]]],
) -> list[bool | HubError]:
    """Read and store items.

    Args:
        items: Messages of one request.
        read: Takes position and message; returns what is stored, or raises HubError to refuse the item.
        store: Commits those that could be read; answers each with whether anything changed, or with its refusal.

    Returns:
        One answer for each item, in order.
    """
    answers: list[bool | HubError] = []
    readable: list[tuple[int, Q]] = []
    for position, item in enumerate(items):
        try:
            readable.append((position, read(position, item)))
            answers.append(False)
        except HubError as refusal:
            answers.append(refusal)
    if readable:
        stored = await store([request for _, request in readable])
        for (position, _), answer in zip(readable, stored, strict=True):
            answers[position] = answer
    return answers


def outcomes(answers: Sequence[bool | HubError], first: int = 0) -> list[common_pb2.ItemOutcome]:
    """Return what became of each item; `first` is the position of the first one in the request or the stream."""
    return [_outcome(first + offset, answer) for offset, answer in enumerate(answers)]


def result_of(changed: bool) -> Any:  # noqa: ANN401 - the stubs give the enum's numbers a type of their own
    """Return the outcome of one item that was not refused."""
    return _Outcome.RESULT_APPLIED if changed else _Outcome.RESULT_UNCHANGED


def _outcome(index: int, answer: bool | HubError) -> common_pb2.ItemOutcome:
    if isinstance(answer, HubError):
        return _Outcome(index=index, result=_Outcome.RESULT_REFUSED, error=to_item_error(answer))
    return _Outcome(index=index, result=result_of(answer))


class Progress:
    """Counts what became of the items of one stream."""

    def __init__(self) -> None:
        self._received = self._applied = self._unchanged = self._refused = 0

    def count(self, answers: Sequence[bool | HubError]) -> common_pb2.PublishProgress:
        """Count the next items of the stream; returns the totals, and the refusals among these items."""
        refusals = [outcome for outcome in outcomes(answers, self._received) if outcome.HasField("error")]
        self._received += len(answers)
        self._refused += len(refusals)
        self._applied += sum(answer is True for answer in answers)
        self._unchanged += sum(answer is False for answer in answers)
        return common_pb2.PublishProgress(
            received_count=self._received,
            applied_count=self._applied,
            unchanged_count=self._unchanged,
            refused_count=self._refused,
            refusals=refusals,
        )
