"""Telling how far long work has come."""

from collections.abc import Callable

#: Told how many more items are done.
Progress = Callable[[int], None]


def unseen(count: int) -> None:
    """Tell nobody."""
