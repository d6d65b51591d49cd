"""What would it cost: a plan of charging at constant power, priced like a session.

What a session under way costs so far is `rate` of the session up to now. A quote goes on from there, or from nothing:
it cuts the plan wherever a price may change, as the specification asks of a CPO (CDR object, *ChargingPeriod*), so that
nothing is averaged over a change of price.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal, localcontext

from hub.domain.errors import invalid
from hub.domain.ids import fold
from hub.domain.rating.breakdown import Note, NoteCode, RatedCdr
from hub.domain.rating.checks import check_instant, check_session
from hub.domain.rating.choose import choose_tariff
from hub.domain.rating.compile import CompiledTariff, compile_tariff
from hub.domain.rating.engine import charging_begins, rate
from hub.domain.rating.exact import CONTEXT, divide, usable
from hub.domain.rating.policy import ROAMHUB_2026, PricingPolicy
from hub.domain.rating.session import RatablePeriod, RatableSession
from hub.domain.rating.zones import zone_named
from hub.domain.tariffs import Tariff

_ZERO = Decimal(0)
_HOUR = Decimal(3600)
_LONGEST_PLAN = timedelta(days=31)
_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_PER_HOUR = timedelta(hours=1) // _MICROSECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingPlan:
    """Charge so much from a moment on, then stay for a while.

    `start` is aware UTC, `time_zone` the location's. Energy is kWh, power kW. Of `power_kw` and `duration`, the second
    wins; with neither, what depends on time is left out and the result says so. `so_far` is the session that the plan
    continues: it begins where that ends, and counts its energy, time, fees and steps.
    """

    start: datetime
    time_zone: str
    energy_kwh: Decimal
    power_kw: Decimal | None = None
    duration: timedelta | None = None
    parking: timedelta = timedelta(0)
    so_far: RatableSession | None = None


def quote(
    plan: ChargingPlan, tariffs: Sequence[Tariff | CompiledTariff], policy: PricingPolicy = ROAMHUB_2026
) -> RatedCdr:
    """Price a plan, together with the session it continues.

    Raises:
        Invalid: The plan is negative, longer than 31 days or without power; or rating it raises.
    """
    with localcontext(CONTEXT):
        check_instant("start", plan.start)
        if plan.so_far is not None:
            check_session(plan.so_far, ())
        length = _length(plan)
        compiled = [entry if isinstance(entry, CompiledTariff) else compile_tariff(entry, policy) for entry in tariffs]
        start = plan.so_far.end if plan.so_far is not None else plan.start
        choice = choose_tariff(compiled, plan.so_far.start if plan.so_far is not None else start)
        named = _last_named(plan.so_far)
        in_force = choice.by_id.get(fold(named), choice.base) if named is not None else choice.base
        periods = _Cutter(plan, start, in_force, length or timedelta(0), named).periods()
    session = RatableSession(
        start=plan.so_far.start if plan.so_far is not None else start,
        end=start + (length or timedelta(0)) + plan.parking,
        time_zone=plan.time_zone,
        currency=plan.so_far.currency if plan.so_far is not None else in_force.tariff.currency,
        periods=(*(plan.so_far.periods if plan.so_far is not None else ()), *periods),
    )
    rated = rate(session, compiled, policy)
    if length is not None:
        return rated
    message = "neither power nor duration is known; what charging costs by time is left out"
    return replace(rated, notes=(*rated.notes, Note(code=NoteCode.DURATION_UNKNOWN, message=message)))


def _length(plan: ChargingPlan) -> timedelta | None:
    """Return how long charging takes, in whole seconds; None where that is not known."""
    if not usable(plan.energy_kwh) or plan.energy_kwh < 0:
        raise invalid("energy_kwh", "must be a finite number that is not negative")
    if plan.parking < timedelta(0) or plan.parking > _LONGEST_PLAN:
        raise invalid("parking", "must be from 0 to 31 days")
    length = plan.duration
    if length is None and plan.power_kw is not None:
        if not usable(plan.power_kw) or plan.power_kw <= 0:
            raise invalid("power_kw", "must be a finite number above 0")
        seconds = (plan.energy_kwh * _HOUR / plan.power_kw).to_integral_value(ROUND_CEILING)
        length = timedelta(seconds=int(min(seconds, Decimal(_LONGEST_PLAN // _SECOND + 1))))
    if length is not None and not timedelta(0) <= length <= _LONGEST_PLAN:
        raise invalid("duration", "must be from 0 to 31 days")
    # Prices by time are per whole second; a part of one would leave nothing to divide the energy by.
    return None if length is None else -(-length // _SECOND) * _SECOND


def _last_named(so_far: RatableSession | None) -> str | None:
    if so_far is None:
        return None
    return next((period.tariff_id for period in reversed(so_far.periods) if period.tariff_id is not None), None)


class _Cutter:
    """Cuts a plan into periods within which no price changes."""

    def __init__(
        self, plan: ChargingPlan, start: datetime, compiled: CompiledTariff, length: timedelta, tariff_id: str | None
    ) -> None:
        self._plan = plan
        self._start = start
        self._compiled = compiled
        self._length = length
        self._tariff_id = tariff_id
        so_far = plan.so_far
        self._begin = charging_begins(so_far) if so_far is not None else start
        charged = (period.energy_kwh or _ZERO for period in so_far.periods) if so_far is not None else ()
        self._energy_before = sum((energy for energy in charged if energy > 0), _ZERO)

    def periods(self) -> list[RatablePeriod]:
        stop = self._start + self._length
        found = self._charging(stop)
        if self._plan.parking:
            leave = stop + self._plan.parking
            cuts = sorted({stop, *self._cuts(stop, leave)})
            for begin, end in zip(cuts, [*cuts[1:], leave], strict=True):
                found.append(RatablePeriod(start=begin, parking_hours=_hours(end - begin), tariff_id=self._tariff_id))
        return found

    def _charging(self, stop: datetime) -> list[RatablePeriod]:
        """Return the periods of charging; each cut is a moment and the energy charged by then."""
        total = self._plan.energy_kwh
        cuts = {(self._start, _ZERO)}
        cuts |= {(moment, self._energy_at(moment)) for moment in self._cuts(self._start, stop)}
        for threshold in self._compiled.kwh_thresholds:
            energy = threshold - self._energy_before
            if 0 < energy < total:
                cuts.add((self._moment_at(energy), energy))
        ordered = sorted(cuts)
        following = [*ordered[1:], (stop, total)]
        power = divide(total * _HOUR, self._length // _SECOND) if self._length else self._plan.power_kw
        return [
            RatablePeriod(
                start=begin,
                energy_kwh=max(later - energy, _ZERO),
                time_hours=_hours(end - begin),
                min_power=power,
                max_power=power,
                tariff_id=self._tariff_id,
            )
            for (begin, energy), (end, later) in zip(ordered, following, strict=True)
        ]

    def _energy_at(self, moment: datetime) -> Decimal:
        return divide(self._plan.energy_kwh * ((moment - self._start) // _SECOND), self._length // _SECOND)

    def _moment_at(self, energy: Decimal) -> datetime:
        seconds = energy * (self._length // _SECOND) / self._plan.energy_kwh
        return self._start + timedelta(seconds=int(seconds.to_integral_value(ROUND_CEILING)))

    def _cuts(self, start: datetime, end: datetime) -> set[datetime]:
        """Return the moments between two at which the clock or the session's duration may change a price."""
        thresholds = (threshold for threshold in self._compiled.duration_thresholds if threshold < end - self._begin)
        moments = {self._begin + max(threshold, timedelta(0)) for threshold in thresholds}
        if self._compiled.static_row is None:
            zone = zone_named(self._plan.time_zone)
            day = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
            while day <= end:
                following = day + timedelta(days=1)
                for minute in self._compiled.day_table(day).starts:
                    # An hour that the end of summer time repeats has each of its minutes twice.
                    for fold in (0, 1):
                        local = day.replace(hour=minute // 60, minute=minute % 60, fold=fold)
                        moments.add(local.astimezone(UTC))
                if day.utcoffset() != following.utcoffset():
                    moments.add(_shift(day, following))
                day = following
        return {moment for moment in moments if start < moment < end}


def _shift(day: datetime, following: datetime) -> datetime:
    """Return when, between two local midnights, the clock is put forward or back."""
    zone, offset = day.tzinfo, day.utcoffset()
    before, after = day.astimezone(UTC), following.astimezone(UTC)
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _hours(length: timedelta) -> Decimal:
    return divide(Decimal(length // _MICROSECOND), _MICROSECONDS_PER_HOUR)
