"""Time and chance are passed in, so that every run can be repeated."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    """Tells the time as an aware UTC datetime."""

    def __call__(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


#: Returns a new unique id, 36 characters, ordered by time (UUID version 7, RFC 9562).
NewId = Callable[[], str]


def uuid7(instant: datetime, chance: bytes) -> str:
    """Return a UUID version 7 (RFC 9562, 5.7) of an aware instant and ten unpredictable bytes."""
    # Every call and every record takes one: built as text, for uuid.UUID costs three times as much.
    digits = ((instant - _EPOCH) // _MILLISECOND).to_bytes(6).hex() + chance[:10].hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def not_after(latest: datetime) -> str:
    """Return what is said of a field whose time lies ahead: with the bound, so that whoever's clock is off can tell."""
    return f"must not lie in the future: by this hub's clock not after {latest:%Y-%m-%dT%H:%M:%SZ}"


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
