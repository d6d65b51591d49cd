"""Calendar windows of a settlement cycle, in the agreement's zone and yet without gap or overlap in UTC.

A window runs from the first instant of its first local day to the first instant of the day after its last. Both are
converted to UTC once; a day of 23 or 25 hours is as long as it is. The calendar decides only when a period is due to
be cut off: which CDRs it holds is decided by journal indexes. An hour is a whole UTC hour, in any zone.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.domain.agreements import Cycle
from hub.domain.clock import require_utc

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One calendar window.

    Attributes:
        label: Names it within its cycle: `2026-10`, `2026-w43`, `2026-10-25`, or `2026-10-25t01z` for a UTC hour.
        start: The first instant, in UTC.
        end: The first instant after it, in UTC.
        first_date: The local date of `start`.
    """

    label: str
    start: datetime
    end: datetime
    first_date: date


def window_at(cycle: Cycle, zone: ZoneInfo, instant: datetime) -> Window:
    """Return the window that holds an instant.

    Args:
        cycle: The agreement's cycle.
        zone: The agreement's zone.
        instant: Any instant, in UTC.
    """
    require_utc(instant)
    if cycle is Cycle.HOURLY:
        start = instant.replace(minute=0, second=0, microsecond=0)
        day = start.astimezone(zone).date()
        return Window(label=f"{start:%Y-%m-%dt%Hz}", start=start, end=start + _HOUR, first_date=day)
    first, after = _days(cycle, instant.astimezone(zone).date())
    return Window(
        label=_label(cycle, first), start=first_instant(first, zone), end=first_instant(after, zone), first_date=first
    )


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local date, in UTC.

    Midnight may occur twice (the first counts) or not at all: then the clock jumped over it, and the day begins with
    the jump, which is where midnight by the offset before it falls.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone, fold=0).astimezone(UTC)


def _days(cycle: Cycle, day: date) -> tuple[date, date]:
    """Return the first local day of the window that holds a day, and the first after it."""
    if cycle is Cycle.WEEKLY:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    if cycle is Cycle.MONTHLY:
        first = day.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1)
    return day, day + _DAY


def _label(cycle: Cycle, first: date) -> str:
    if cycle is Cycle.WEEKLY:
        year, week, _ = first.isocalendar()
        return f"{year}-w{week:02}"
    return f"{first:%Y-%m}" if cycle is Cycle.MONTHLY else first.isoformat()
