"""Time and chance are passed in, so that every run can be repeated."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Tells the time as an aware UTC datetime."""

    def __call__(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


#: Returns a new unique id, 36 characters, ordered by time (UUID version 7, RFC 9562).
NewId = Callable[[], str]


def uuid7(instant: datetime, chance: bytes) -> str:
    """Return a UUID version 7 (RFC 9562, 5.7) of an aware instant and ten unpredictable bytes."""
    millis = (instant - _EPOCH) // timedelta(milliseconds=1)
    number = int.from_bytes(millis.to_bytes(6) + chance[:10])
    number = number & ~(0xF << 76) | (7 << 76)
    number = number & ~(0b11 << 62) | (0b10 << 62)
    return str(UUID(int=number))


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
