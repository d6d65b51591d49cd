"""Tariffs made ready for rating: who can price what, at which minute of which day.

A compiled tariff answers "which components may apply at this local minute" from a small table, built once per day it
is asked about. What depends on the session (energy, duration, current, power) is checked per period by the engine.
Compiling happens once per content: `compile_tariff` remembers what it has seen.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache

from hub.domain.rating.breakdown import CostGroup
from hub.domain.rating.calendar import DAY_MINUTES, Calendar, calendar_of
from hub.domain.rating.checks import check_tariff
from hub.domain.rating.exact import CONTEXT
from hub.domain.rating.policy import ROAMHUB_2026, EqualDates, EqualTimes, PricingPolicy
from hub.domain.tariffs import (
    Dimension,
    OcpiVersion,
    PriceComponent,
    ReservationRestriction,
    Restrictions,
    Tariff,
    TaxIncluded,
)

_LONGEST_DURATION = 10**10
_ONE = Decimal(1)
_DAYS_KEPT = 64
_TARIFFS_KEPT = 4096


# What a component can price: the slots of a row. Plain numbers, as the engine looks them up without end.
ENERGY, TIME, PARKING, FLAT, RESERVATION_TIME, RESERVATION_FLAT, EXPIRED_TIME, EXPIRED_FLAT = SLOTS = range(8)

_CHARGING_SLOT = {
    Dimension.ENERGY: ENERGY,
    Dimension.TIME: TIME,
    Dimension.PARKING_TIME: PARKING,
    Dimension.FLAT: FLAT,
}
_RESERVATION_SLOT = {
    (ReservationRestriction.RESERVATION, Dimension.TIME): RESERVATION_TIME,
    (ReservationRestriction.RESERVATION, Dimension.FLAT): RESERVATION_FLAT,
    (ReservationRestriction.RESERVATION_EXPIRES, Dimension.TIME): EXPIRED_TIME,
    (ReservationRestriction.RESERVATION_EXPIRES, Dimension.FLAT): EXPIRED_FLAT,
}
#: The totals that buckets add up to.
GROUPS = (CostGroup.FIXED, CostGroup.ENERGY, CostGroup.TIME, CostGroup.PARKING, CostGroup.RESERVATION)

#: Per slot, the total it counts in and the dimension it is a price of.
MEANING = (
    (CostGroup.ENERGY, Dimension.ENERGY),
    (CostGroup.TIME, Dimension.TIME),
    (CostGroup.PARKING, Dimension.PARKING_TIME),
    (CostGroup.FIXED, Dimension.FLAT),
    (CostGroup.RESERVATION, Dimension.TIME),
    (CostGroup.RESERVATION, Dimension.FLAT),
    (CostGroup.RESERVATION, Dimension.TIME),
    (CostGroup.RESERVATION, Dimension.FLAT),
)


class TaxMode(IntEnum):
    """How the two sides of the tax follow from a published price."""

    ADDED = 0  # the price is before taxes, the rate is known
    CONTAINED = 1  # the price is after taxes, the rate is known
    NONE = 2  # both sides are the same
    ADDED_UNKNOWN = 3  # before taxes; what comes on top is not known
    CONTAINED_UNKNOWN = 4  # after taxes; what is in it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Amounts that may be summed before they are divided: one cost group, one tax, one unit.

    `number` is the group's place in `GROUPS`.
    `divisor` is 3600 where quantities are seconds and prices per hour, else 1. `factor` is 1 + vat / 100, 1 where
    no tax is known.
    """

    number: int
    divisor: int
    mode: TaxMode
    vat: Decimal | None
    factor: Decimal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A component with what decides, at a given minute, whether it applies.

    `free_of_state` is True where nothing but the calendar restricts it, `measured` where current or power does.
    """

    element: int
    component: int
    dimension: Dimension
    group: CostGroup
    price: Decimal
    vat: Decimal | None
    step_size: int
    bucket: int
    free_of_state: bool
    measured: bool
    min_kwh: Decimal | None
    max_kwh: Decimal | None
    min_duration: timedelta | None
    max_duration: timedelta | None
    min_current: Decimal | None
    max_current: Decimal | None
    min_power: Decimal | None
    max_power: Decimal | None


Row = tuple[tuple[Candidate, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTable:
    """The rows of one local day; `starts[i]` is the minute at which `rows[i]` begins to apply."""

    starts: tuple[int, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompiledTariff:
    """A tariff ready for rating.

    `static_row` applies at all times where no element looks at the clock. `limited` says that there is a minimum or
    maximum price, `changes` that a price can change during a session; the sorted thresholds let the engine see
    whether one does within a period.
    """

    tariff: Tariff
    candidates: tuple[tuple[Calendar, int, Candidate], ...]
    buckets: tuple[Bucket, ...]
    static_row: Row | None
    by_date: bool
    changes: bool
    limited: bool
    kwh_thresholds: tuple[Decimal, ...]
    duration_thresholds: tuple[timedelta, ...]
    unknown_types: tuple[str, ...]
    _days: dict[int, DayTable] = field(default_factory=dict, repr=False)

    def day_table(self, local: datetime) -> DayTable:
        """Return the table of the local day."""
        key = local.toordinal() if self.by_date else local.weekday()
        return self._days.get(key) or self._make_day(key, local)

    def _make_day(self, key: int, local: datetime) -> DayTable:
        if len(self._days) >= _DAYS_KEPT:
            self._days.clear()
        table = self._days[key] = _day_table(self.candidates, local.toordinal())
        return table

    def row_at(self, local: datetime) -> tuple[Row, int]:
        """Return, per slot, the components that may apply at a local time, the first to hold wins.

        With it the minute of that day at which another row begins, 1440 where none does.
        """
        if self.static_row is not None:
            return self.static_row, DAY_MINUTES
        table = self.day_table(local)
        starts = table.starts
        following = bisect_right(starts, local.hour * 60 + local.minute)
        return table.rows[following - 1], starts[following] if following < len(starts) else DAY_MINUTES


def compile_tariff(tariff: Tariff, policy: PricingPolicy = ROAMHUB_2026) -> CompiledTariff:
    """Return the tariff ready for rating under a policy; equal content is compiled once.

    Raises:
        Invalid: A number in it is not finite or absurd, a step_size is negative, or a tax is not within 0..1000 %.
    """
    try:
        return _compile(tariff, policy.equal_times, policy.equal_dates, policy.sales_tax_countries)
    except TypeError:
        # A signalling NaN has no hash; the check names its field.
        check_tariff(tariff)
        raise


def _compile_anew(
    tariff: Tariff, equal_times: EqualTimes, equal_dates: EqualDates, sales_tax_countries: frozenset[str]
) -> CompiledTariff:
    check_tariff(tariff)
    buckets: list[Bucket] = []
    candidates: list[tuple[Calendar, int, Candidate]] = []
    unknown_types: list[str] = []
    for index, element in enumerate(tariff.elements):
        calendar = calendar_of(element.restrictions, equal_times, equal_dates)
        unknown_types.extend(element.unknown_types)
        for number, component in enumerate(element.components):
            slot = slot_of(component.dimension, element.restrictions.reservation)
            if slot is None:
                continue
            bucket = _bucket(tariff, component, slot, sales_tax_countries)
            if bucket not in buckets:
                buckets.append(bucket)
            place = (index, number, buckets.index(bucket))
            candidates.append((calendar, slot, _candidate(place, component, MEANING[slot][0], element.restrictions)))
    by_clock = any(not calendar.always for calendar, _, _ in candidates)
    kwh = {t for _, _, c in candidates for t in (c.min_kwh, c.max_kwh) if t is not None}
    durations = {t for _, _, c in candidates for t in (c.min_duration, c.max_duration) if t is not None}
    return CompiledTariff(
        tariff=tariff,
        candidates=tuple(candidates),
        buckets=tuple(buckets),
        static_row=None if by_clock else _row(candidates),
        by_date=any(c.start_day is not None or c.end_day is not None for c, _, _ in candidates),
        changes=by_clock or bool(kwh) or bool(durations),
        limited=tariff.min_price is not None or tariff.max_price is not None,
        kwh_thresholds=tuple(sorted(kwh)),
        duration_thresholds=tuple(sorted(durations)),
        unknown_types=tuple(dict.fromkeys(unknown_types)),
    )


_compile = lru_cache(maxsize=_TARIFFS_KEPT)(_compile_anew)


def slot_of(dimension: Dimension, reservation: ReservationRestriction | None) -> int | None:
    """Return what a component prices; None for a reservation's ENERGY or PARKING_TIME, which cannot occur."""
    if reservation is None:
        return _CHARGING_SLOT[dimension]
    return _RESERVATION_SLOT.get((reservation, dimension))


def _row(candidates: Iterable[tuple[Calendar, int, Candidate]]) -> Row:
    """Sort candidates into slots, in order, and drop what stands behind one that always holds."""
    slots: list[list[Candidate]] = [[] for _ in SLOTS]
    for _, slot, candidate in candidates:
        found = slots[slot]
        if not found or not found[-1].free_of_state:
            found.append(candidate)
    return tuple(tuple(found) for found in slots)


def _day_table(candidates: tuple[tuple[Calendar, int, Candidate], ...], day: int) -> DayTable:
    today = [entry for entry in candidates if entry[0].includes_day(day)]
    minutes = {0}
    for calendar, _, _ in today:
        minutes.update((calendar.start_minute, calendar.end_minute % DAY_MINUTES))
    starts: list[int] = []
    rows: list[Row] = []
    for minute in sorted(minutes):
        row = _row(entry for entry in today if entry[0].includes_minute(minute))
        if not rows or row != rows[-1]:
            starts.append(minute)
            rows.append(row)
    return DayTable(starts=tuple(starts), rows=tuple(rows))


def _candidate(
    place: tuple[int, int, int], component: PriceComponent, group: CostGroup, restrictions: Restrictions
) -> Candidate:
    element, number, bucket = place
    amounts = (restrictions.min_kwh, restrictions.max_kwh)
    durations = (_duration(restrictions.min_duration), _duration(restrictions.max_duration))
    measured = (
        restrictions.min_current,
        restrictions.max_current,
        restrictions.min_power,
        restrictions.max_power,
    )
    return Candidate(
        element=element,
        component=number,
        dimension=component.dimension,
        group=group,
        price=component.price,
        vat=component.vat,
        step_size=component.step_size,
        bucket=bucket,
        free_of_state=all(bound is None for bound in (*amounts, *durations, *measured)),
        measured=any(bound is not None for bound in measured),
        min_kwh=amounts[0],
        max_kwh=amounts[1],
        min_duration=durations[0],
        max_duration=durations[1],
        min_current=measured[0],
        max_current=measured[1],
        min_power=measured[2],
        max_power=measured[3],
    )


def _duration(seconds: int | None) -> timedelta | None:
    if seconds is None:
        return None
    return timedelta(seconds=max(-_LONGEST_DURATION, min(seconds, _LONGEST_DURATION)))


def _bucket(tariff: Tariff, component: PriceComponent, slot: int, sales_tax_countries: frozenset[str]) -> Bucket:
    mode = tax_mode(tariff, component.vat, sales_tax_countries)
    known = mode in (TaxMode.ADDED, TaxMode.CONTAINED)
    timed = slot in (TIME, PARKING, RESERVATION_TIME, EXPIRED_TIME)
    return Bucket(
        number=GROUPS.index(MEANING[slot][0]),
        divisor=3600 if timed else 1,
        mode=mode,
        vat=component.vat if known else None,
        factor=CONTEXT.add(1, component.vat.scaleb(-2, CONTEXT)) if known and component.vat is not None else _ONE,
    )


def tax_mode(tariff: Tariff, vat: Decimal | None, sales_tax_countries: frozenset[str]) -> TaxMode:
    """Say what a price without or with a rate means in this tariff (PriceComponent `vat`, Tariff `tax_included`).

    2.1.1 has no tax at all: it is unknown. 2.2.1 says that an absent rate is no tax. 2.3.0 says the same, and shows
    by its North American examples that there the tax is merely not known beforehand.
    """
    if tariff.tax_included is TaxIncluded.NOT_APPLICABLE:
        return TaxMode.NONE
    contained = tariff.tax_included is TaxIncluded.YES
    if vat is not None:
        return TaxMode.CONTAINED if contained else TaxMode.ADDED
    country = tariff.party.country_code if tariff.party is not None else None
    unknown = tariff.version is OcpiVersion.V2_1_1 or (
        tariff.version is OcpiVersion.V2_3_0 and country in sales_tax_countries
    )
    if not unknown:
        return TaxMode.NONE
    return TaxMode.CONTAINED_UNKNOWN if contained else TaxMode.ADDED_UNKNOWN
