"""Pairing answers with requests on one link; pure bookkeeping, no I/O and no clock.

Every request has a number of its own, ascending from 1. An answer finds its request exactly once; every other answer
is one of the misses below, is dropped and counted, and changes nothing.
"""

from collections import OrderedDict
from enum import StrEnum
from typing import Generic, TypeVar

W = TypeVar("W")

#: How many abandoned requests are remembered, to tell a late answer from a repeated one.
_REMEMBERED_MAX = 10_000


class Miss(StrEnum):
    """Why an answer found no request."""

    LATE = "late"  # the asker has stopped waiting
    REPEATED = "repeated"  # the request was answered before
    UNASKED = "unasked"  # there was no such request


class Matcher(Generic[W]):
    """The open requests of one link: what each asked for, and who waits for it."""

    def __init__(self) -> None:
        self._last = 0
        self._open: dict[int, tuple[str, W]] = {}
        self._abandoned: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, kind: str, waiter: W) -> int:
        """Note a request and return its number."""
        self._last += 1
        self._open[self._last] = kind, waiter
        return self._last

    def answer(self, number: int) -> tuple[str, W] | Miss:
        """Return what the answer's request asked for and who waits for it, and close it."""
        found = self._open.pop(number, None)
        if found is not None:
            return found
        if not 1 <= number <= self._last:
            return Miss.UNASKED
        if number in self._abandoned:
            del self._abandoned[number]
            return Miss.LATE
        return Miss.REPEATED

    def abandon(self, number: int) -> W | None:
        """Close a request that nobody waits for any more; return who waited, None when it is closed already."""
        found = self._open.pop(number, None)
        if found is None:
            return None
        self._abandoned[number] = None
        if len(self._abandoned) > _REMEMBERED_MAX:
            self._abandoned.popitem(last=False)
        return found[1]

    def close(self) -> list[W]:
        """Close every open request and return who waited, the oldest first."""
        waiters = [waiter for _, waiter in self._open.values()]
        self._open.clear()
        return waiters
