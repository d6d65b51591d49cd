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

_DAY = timedelta(days=1)

#: A period longer than this is looked at no further; its first days show the change if there is one.
_LONGEST_LOOK_DAYS = 32


class Extent(NamedTuple):
    """A period from the moment it starts to its end: local time, energy so far in kWh, elapsed session time."""

    moment: Moment
    local_end: datetime
    energy_end: Decimal
    elapsed_end: timedelta


def may_change(compiled: CompiledTariff, extent: Extent) -> bool:
    """Say whether anything that a price depends on changes before the period's end; quick, and nearly always no."""
    now, end = extent.moment, extent.local_end
    if compiled.static_row is None:
        minute = end.hour * 60 + end.minute + (1 if end.second or end.microsecond else 0)
        if minute > now.row_end or end.day != now.local.day or end < now.local or end - now.local >= _DAY:
            return True
    return bool(
        _inside(compiled.kwh_thresholds, now.energy, extent.energy_end)
        or _inside(compiled.duration_thresholds, now.elapsed, extent.elapsed_end)
    )


def changes_within(compiled: CompiledTariff, extent: Extent, slot: int, chosen: Candidate | None) -> bool:
    """Say whether another price than the chosen one would begin before the period's end."""
    now = extent.moment
    candidates = now.row[slot]
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
    day, end = extent.moment.local, extent.local_end
    minute = day.hour * 60 + day.minute
    for _ in range(_LONGEST_LOOK_DAYS):
        table = compiled.day_table(day)
        same_day = day.date() == end.date()
        last = end.hour * 60 + end.minute + (end.second > 0 or end.microsecond > 0) if same_day else DAY_MINUTES
        yield from table.rows[bisect_right(table.starts, minute) : bisect_left(table.starts, last)]
        if same_day or day.date() > end.date():
            return
        day, minute = day + _DAY, -1
