"""When an element applies by the clock and the calendar (TariffRestrictions, `start_time` to `day_of_week`).

Every restriction is asked about the instant itself, as the specification's logical AND says: an element for MONDAY
from 22:00 to 06:00 holds in the first six and the last two hours of Monday, not in the small hours of Tuesday.
"""

from dataclasses import dataclass
from datetime import time

from hub.domain.rating.policy import EqualDates, EqualTimes
from hub.domain.tariffs import Restrictions

#: Minutes of a day; local days are read off the clock, so a day of 23 or 25 hours has these minutes too.
DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When an element applies by the clock and the calendar alone; minutes of the day, proleptic day numbers."""

    start_minute: int = 0
    end_minute: int = DAY_MINUTES
    start_day: int | None = None
    end_day: int | None = None
    weekdays: frozenset[int] | None = None
    never: bool = False

    def includes_day(self, day: int) -> bool:
        """Say whether any minute of the day with that proleptic number can be in."""
        if self.never or (self.start_day is not None and day < self.start_day):
            return False
        if self.end_day is not None and day >= self.end_day:
            return False
        return self.weekdays is None or (day + 6) % 7 in self.weekdays

    def includes_minute(self, minute: int) -> bool:
        """Say whether the minute is in, on a day that is."""
        if self.start_minute < self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute

    @property
    def always(self) -> bool:
        """Whether it restricts nothing."""
        return self == _ALWAYS


_ALWAYS = Calendar()


def calendar_of(
    restrictions: Restrictions,
    equal_times: EqualTimes = EqualTimes.WHOLE_DAY,
    equal_dates: EqualDates = EqualDates.NEVER,
) -> Calendar:
    """Read the clock and calendar restrictions (TariffRestrictions, `start_time` to `day_of_week`)."""
    start = _minute(restrictions.start_time) if restrictions.start_time is not None else 0
    # "To stop at end of day use: 00:00."
    end = (_minute(restrictions.end_time) or DAY_MINUTES) if restrictions.end_time is not None else DAY_MINUTES
    never = False
    if start == end:
        start, end = 0, DAY_MINUTES
        never = equal_times is EqualTimes.NEVER
    start_day = restrictions.start_date.toordinal() if restrictions.start_date is not None else None
    end_day = restrictions.end_date.toordinal() if restrictions.end_date is not None else None
    if start_day is not None and start_day == end_day and equal_dates is EqualDates.THAT_DAY:
        end_day = start_day + 1
    return Calendar(
        start_minute=start,
        end_minute=end,
        start_day=start_day,
        end_day=end_day,
        weekdays=None if restrictions.days is None else frozenset(int(day) for day in restrictions.days),
        never=never,
    )


def _minute(clock: time) -> int:
    return clock.hour * 60 + clock.minute
