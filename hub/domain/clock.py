"""Time and chance are passed in, so that every run can be repeated."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time as an aware UTC datetime."""

    def __call__(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


#: Returns a new unique id, 36 characters, ordered by time (UUID version 7, RFC 9562).
NewId = Callable[[], str]


def require_utc(instant: datetime) -> datetime:
    """Return the instant unchanged.

    Raises:
        ValueError: It is naive, or not in UTC.
    """
    if instant.utcoffset() is None:
        raise ValueError("a time without its zone")
    if instant.utcoffset() != UTC.utcoffset(None):
        raise ValueError("a time that is not in UTC")
    return instant
