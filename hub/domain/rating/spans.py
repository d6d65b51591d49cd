"""Does a price change inside a charging period? Nothing is interpolated, but the reader is told."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar

from hub.domain.rating.calendar import DAY_MINUTES
from hub.domain.rating.choose import Moment, choose
from hub.domain.rating.compile import Candidate, CompiledTariff, Row

_T = TypeVar("_T", Decimal, timedelta)

#: A period longer than this is looked at no further; its first days show the change if there is one.
_LONGEST_LOOK_DAYS = 32


class Extent(NamedTuple):
    """A period from the moment it starts to its end: local times, energy so far in kWh, elapsed session time."""

    compiled: CompiledTariff
    row: Row
    moment: Moment
    local_start: datetime
    local_end: datetime
    energy_end: Decimal
    elapsed_end: timedelta

    def is_constant(self) -> bool:
        """Say whether nothing that any price depends on changes; quick, and the answer nearly always."""
        compiled, now = self.compiled, self.moment
        return (
            compiled.same_row(self.local_start, self.local_end)
            and not _inside(compiled.kwh_thresholds, now.energy, self.energy_end)
            and not _inside(compiled.duration_thresholds, now.elapsed, self.elapsed_end)
        )


def changes_within(extent: Extent, slot: int, chosen: Candidate | None) -> bool:
    """Say whether another price than the chosen one would begin before the period's end."""
    compiled, now, candidates = extent.compiled, extent.moment, extent.row[slot]
    for energy in _inside(compiled.kwh_thresholds, now.energy, extent.energy_end):
        if _differs(choose(candidates, replace(now, energy=energy, missing=[])), chosen):
            return True
    for elapsed in _inside(compiled.duration_thresholds, now.elapsed, extent.elapsed_end):
        if _differs(choose(candidates, replace(now, elapsed=elapsed, missing=[])), chosen):
            return True
    if compiled.static_row is not None:
        return False
    later = replace(now, missing=[])
    return any(_differs(choose(row[slot], later), chosen) for row in _later_rows(compiled, extent))


def _differs(other: Candidate | None, chosen: Candidate | None) -> bool:
    if other is chosen:
        return False
    return other is None or chosen is None or other.price != chosen.price or other.vat != chosen.vat


def _inside(thresholds: tuple[_T, ...], low: _T, high: _T) -> tuple[_T, ...]:
    if not thresholds:
        return thresholds
    return thresholds[bisect_right(thresholds, low) : bisect_left(thresholds, high)]


def _later_rows(compiled: CompiledTariff, extent: Extent) -> Iterator[Row]:
    """Yield the rows of the day tables that begin after the period's start and before its end."""
    day, end = extent.local_start, extent.local_end
    minute = day.hour * 60 + day.minute
    for _ in range(_LONGEST_LOOK_DAYS):
        table = compiled.day_table(day)
        same_day = day.date() == end.date()
        last = end.hour * 60 + end.minute + (end.second > 0 or end.microsecond > 0) if same_day else DAY_MINUTES
        yield from table.rows[bisect_right(table.starts, minute) : bisect_left(table.starts, last)]
        if same_day or day.date() > end.date():
            return
        day, minute = (day + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0), -1
