"""Rating: walk the periods in the order of time and price what each measured by the state of things at its start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import pairwise

from hub.domain.ids import fold
from hub.domain.rating.breakdown import CostGroup, LineKind, NoteCode, RatedCdr
from hub.domain.rating.checks import check_session
from hub.domain.rating.choose import Moment, TariffChoice, choose, choose_tariff
from hub.domain.rating.compile import Candidate, CompiledTariff, Row, Slot, compile_tariff
from hub.domain.rating.exact import CONTEXT
from hub.domain.rating.policy import (
    ROAMHUB_2026,
    DischargedEnergy,
    FlatRule,
    MissingMeasurement,
    MissingTime,
    PeriodWithoutTariff,
    PricingPolicy,
)
from hub.domain.rating.session import RatablePeriod, RatableSession
from hub.domain.rating.sheet import Place, Sheet
from hub.domain.rating.spans import Extent, can_change, changes_within
from hub.domain.rating.steps import Usage, add_steps
from hub.domain.rating.totals import Measured, conclude
from hub.domain.rating.zones import zone_named
from hub.domain.tariffs import Dimension, Tariff

_ZERO = Decimal(0)
_ONE = Decimal(1)
_HOUR = Decimal(3600)
_MICROSECOND = timedelta(microseconds=1)
_NOTHING: Row = ((),) * len(Slot)
_MEANING = {
    Slot.ENERGY: (CostGroup.ENERGY, Dimension.ENERGY),
    Slot.TIME: (CostGroup.TIME, Dimension.TIME),
    Slot.PARKING: (CostGroup.PARKING, Dimension.PARKING_TIME),
    Slot.RESERVATION_TIME: (CostGroup.RESERVATION, Dimension.TIME),
}


def rate(
    session: RatableSession, tariffs: Sequence[Tariff | CompiledTariff], policy: PricingPolicy = ROAMHUB_2026
) -> RatedCdr:
    """Price a session or CDR under its tariffs, and say how.

    `tariffs` are those of the CDR, or else the one published for the connector; several where periods name theirs.

    Raises:
        Invalid: The session or a tariff cannot be rated: no tariff, another currency, an end before the start, an
            unknown time zone, a number that is not finite or absurd.
    """
    with localcontext(CONTEXT):
        compiled = [entry if isinstance(entry, CompiledTariff) else compile_tariff(entry, policy) for entry in tariffs]
        check_session(session, [entry.tariff for entry in compiled])
        run = _Run(session, choose_tariff(compiled, session.start), policy)
        run.walk()
        return run.conclude()


@dataclass(slots=True)
class _Segment:
    """A period with what holds at its start.

    `charging` counts time from where charging began, `reserved` from the start of the session.
    """

    period: RatablePeriod
    end: datetime
    local: datetime
    row: Row
    place: Place
    charging: Moment
    reserved: Moment


class _Run:
    """The state of one rating."""

    __slots__ = (
        "begin",
        "choice",
        "current",
        "energy",
        "energy_total",
        "flats_seen",
        "missing",
        "missing_satisfies",
        "netted",
        "parking_total",
        "periods",
        "policy",
        "session",
        "sheet",
        "usages",
        "used",
        "zone",
    )

    def __init__(self, session: RatableSession, choice: TariffChoice, policy: PricingPolicy) -> None:
        self.session = session
        self.choice = choice
        self.policy = policy
        self.sheet = Sheet()
        self.zone: tzinfo = zone_named(session.time_zone)
        self.usages: dict[Slot, Usage] = {}
        self.flats_seen: list[tuple[Slot, Candidate]] = []
        self.missing: list[Candidate] = []
        self.missing_satisfies = policy.missing_measurement is MissingMeasurement.SATISFIES
        self.netted = policy.discharged_energy is DischargedEnergy.NETTED
        self.current: CompiledTariff = choice.base
        self.used: dict[CompiledTariff, None] = {}
        self.energy = self.energy_total = self.parking_total = _ZERO
        for code, message in choice.findings:
            self.sheet.note(code, message)
        self.periods = self._in_order()
        # The charging session begins where the reservation ends (TariffRestrictions, `reservation`).
        self.begin = session.start
        if self.periods and _only_reserved(self.periods[0]):
            self.begin = next((p.start for p in self.periods if not _only_reserved(p)), session.start)

    def _in_order(self) -> tuple[RatablePeriod, ...]:
        periods = self.session.periods
        if any(left.start > right.start for left, right in pairwise(periods)):
            self.sheet.note(NoteCode.PERIODS_OUT_OF_ORDER, "the charging periods were not in the order of time")
            periods = tuple(sorted(periods, key=lambda period: period.start))
        if periods and (periods[0].start < self.session.start or periods[-1].start > self.session.end):
            self.sheet.note(NoteCode.PERIOD_OUTSIDE_SESSION, "a charging period begins outside the session")
        return periods

    def walk(self) -> None:
        """Price every period in the order of time, then round up to whole steps."""
        last = len(self.periods) - 1
        for index, period in enumerate(self.periods):
            end = self.periods[index + 1].start if index < last else max(self.session.end, period.start)
            self._price(self._segment(index, period, end))
        add_steps(self.sheet, self.usages, self.policy.time_step)

    def _segment(self, index: int, period: RatablePeriod, end: datetime) -> _Segment:
        compiled = self._tariff_of(index, period)
        if compiled is not None:
            self.used.setdefault(compiled)
        local = period.start.astimezone(self.zone)
        charging = self._moment(period, self.begin)
        return _Segment(
            period=period,
            end=end,
            local=local,
            row=compiled.row_at(local) if compiled is not None else _NOTHING,
            place=Place(compiled=compiled, period=index, start=period.start),
            charging=charging,
            reserved=self._moment(period, self.session.start) if period.reservation_hours else charging,
        )

    def _moment(self, period: RatablePeriod, since: datetime) -> Moment:
        return Moment(
            period=period,
            energy=self.energy,
            elapsed=period.start - since,
            missing_satisfies=self.missing_satisfies,
            missing=self.missing,
        )

    def _price(self, segment: _Segment) -> None:
        period, compiled = segment.period, segment.place.compiled
        energy = period.energy_kwh or _ZERO
        energy_end = self.energy + energy if energy > 0 or self.netted else self.energy
        self._charge_flats(segment)
        spans = compiled is not None and can_change(compiled)
        for slot, quantity in self._usages_of(segment):
            chosen = self._component(segment, slot)
            self._use(segment, chosen, slot, quantity)
            if spans and compiled is not None and slot is not Slot.RESERVATION_TIME:
                extent = Extent(
                    compiled=compiled,
                    row=segment.row,
                    moment=segment.charging,
                    local_start=segment.local,
                    local_end=segment.end.astimezone(self.zone),
                    energy_end=energy_end,
                    elapsed_end=segment.end - self.begin,
                )
                if changes_within(extent, slot, chosen):
                    self._note_change(slot, segment.place.period)
        self.energy = energy_end
        if self.missing:
            self._note_missing(segment.place.period)

    def _tariff_of(self, index: int, period: RatablePeriod) -> CompiledTariff | None:
        """Return the tariff that prices a period (ChargingPeriod `tariff_id`)."""
        named = period.tariff_id
        if named is not None:
            found = self.choice.by_id.get(fold(named))
            if found is not None:
                self.current = found
            else:
                message = f"tariff {named} was not supplied; {self.current.tariff.id} was used"
                self.sheet.note(NoteCode.UNKNOWN_TARIFF, message, period=index, about=fold(named))
        elif len(self.choice.by_id) > 1:
            return self._unnamed(index)
        return self.current

    def _unnamed(self, index: int) -> CompiledTariff | None:
        if all(period.tariff_id is None for period in self.periods):
            message = f"several tariffs were supplied and no period names one; {self.current.tariff.id} was used"
            self.sheet.note(NoteCode.SEVERAL_TARIFFS, message)
            return self.current
        free = self.policy.period_without_tariff is PeriodWithoutTariff.FREE
        outcome = "it is free" if free else f"{self.current.tariff.id} was used"
        message = f"a period names no tariff although others do; {outcome}"
        self.sheet.note(NoteCode.PERIOD_WITHOUT_TARIFF, message, period=index)
        return None if free else self.current

    def _usages_of(self, segment: _Segment) -> list[tuple[Slot, Decimal]]:
        """Return what was measured, as kWh or seconds; volumes of zero count as not measured."""
        period = segment.period
        found: list[tuple[Slot, Decimal]] = []
        if period.energy_kwh:
            self.energy_total += period.energy_kwh
            found.append((Slot.ENERGY, period.energy_kwh))
        if period.time_hours:
            found.append((Slot.TIME, self._seconds(period.time_hours)))
        if period.parking_hours:
            self.parking_total += period.parking_hours
            found.append((Slot.PARKING, self._seconds(period.parking_hours)))
        if period.reservation_hours:
            found.append((Slot.RESERVATION_TIME, self._seconds(period.reservation_hours)))
        untimed = period.time_hours is None and period.parking_hours is None and period.reservation_hours is None
        if untimed and segment.row[Slot.TIME] and segment.end > period.start:
            message = "charging time has a price, but a period reports no time"
            self.sheet.note(NoteCode.MISSING_TIME, message, period=segment.place.period)
            if self.policy.missing_time is MissingTime.PERIOD_LENGTH:
                found.append((Slot.TIME, _length(period.start, segment.end).quantize(_ONE)))
        return found

    def _seconds(self, hours: Decimal) -> Decimal:
        """Turn hours of four decimals back into the whole seconds that were meant."""
        exact = hours * _HOUR
        return exact.quantize(_ONE, ROUND_HALF_UP) if self.policy.snap_to_seconds else exact

    def _component(self, segment: _Segment, slot: Slot) -> Candidate | None:
        """Return the component that prices a slot at the segment's start."""
        row = segment.row
        if slot is not Slot.RESERVATION_TIME:
            return choose(row[slot], segment.charging)
        if self.session.reservation_expired:
            # Where both exist, an expired reservation's time costs what RESERVATION_EXPIRES says.
            found = choose(row[Slot.EXPIRED_TIME], segment.reserved)
            if found is not None:
                return found
        elif row[Slot.EXPIRED_TIME] or row[Slot.EXPIRED_FLAT]:
            self._note_outcome()
        return choose(row[slot], segment.reserved)

    def _use(self, segment: _Segment, chosen: Candidate | None, slot: Slot, quantity: Decimal) -> None:
        """Add a line for a measured quantity, priced or free."""
        place = segment.place
        discharged = quantity < 0 and not self.netted
        if discharged:
            message = "energy fed back into the grid is not priced by this policy"
            self.sheet.note(NoteCode.DISCHARGE_NOT_PRICED, message, period=place.period)
        if chosen is None or discharged:
            group, dimension = _MEANING[slot]
            self.sheet.free(group, dimension, quantity, place)
            return
        self.sheet.charge(LineKind.USAGE, chosen, quantity, place)
        usage = self.usages.get(slot)
        if usage is None:
            self.usages[slot] = Usage(last=chosen, total=quantity, place=place)
        else:
            usage.add(chosen, quantity, place)

    def _charge_flats(self, segment: _Segment) -> None:
        """Charge the fees that become due; a reservation has its own, apart from that of charging."""
        if not _only_reserved(segment.period):
            self._charge_flat(segment, Slot.FLAT, segment.charging)
        if segment.period.reservation_hours:
            self._charge_flat(segment, Slot.RESERVATION_FLAT, segment.reserved)
            if self.session.reservation_expired:
                self._charge_flat(segment, Slot.EXPIRED_FLAT, segment.reserved)

    def _charge_flat(self, segment: _Segment, slot: Slot, moment: Moment) -> None:
        """Charge the first fee of a slot that is active: once per session, or per component, as the policy says."""
        candidates = segment.row[slot]
        if not candidates:
            return
        chosen = choose(candidates, moment)
        if chosen is None or (slot, chosen) in self.flats_seen:
            return
        another = any(seen is slot for seen, _ in self.flats_seen)
        self.flats_seen.append((slot, chosen))
        if another:
            each = self.policy.flat is FlatRule.EACH_COMPONENT
            outcome = "each is charged" if each else "only the first is charged"
            message = f"several flat fees became active; {outcome}"
            self.sheet.note(NoteCode.SEVERAL_FLATS, message, period=segment.place.period)
            if not each:
                return
        self.sheet.charge(LineKind.FLAT, chosen, _ONE, segment.place)

    def _note_change(self, slot: Slot, index: int) -> None:
        name = _MEANING[slot][1].value
        message = f"the price of {name} changes within a period; the price at its start was used"
        self.sheet.note(NoteCode.PERIOD_SPANS_PRICE_CHANGE, message, period=index, about=index)

    def _note_missing(self, index: int) -> None:
        outcome = "counts as satisfied" if self.missing_satisfies else "counts as not satisfied"
        for candidate in self.missing:
            message = f"element {candidate.element + 1} asks for a current or power that was not reported; it {outcome}"
            self.sheet.note(NoteCode.MISSING_MEASUREMENT, message, period=index, about=candidate.element)
        self.missing.clear()

    def _note_outcome(self) -> None:
        if all(_only_reserved(period) for period in self.periods):
            message = "no charging followed the reservation; it is priced as cancelled, not as expired"
            self.sheet.note(NoteCode.RESERVATION_OUTCOME_ASSUMED, message)

    def conclude(self) -> RatedCdr:
        """Limit, total and round."""
        session, sheet = self.session, self.sheet
        if session.time_zone_assumed:
            sheet.note(NoteCode.TIME_ZONE_ASSUMED, f"no time zone was given; {session.time_zone} was assumed")
        for compiled in self.used:
            for unknown in compiled.unknown_types:
                message = f"{unknown} is no OCPI dimension and was not priced"
                sheet.note(NoteCode.UNKNOWN_COMPONENT, message, about=unknown)
        measured = Measured(
            energy=self.energy_total,
            seconds=_length(session.start, session.end),
            parking_hours=self.parking_total,
            charged=any(not _only_reserved(period) for period in self.periods),
            currency=session.currency,
            tariffs=tuple(compiled.tariff for compiled in self.used),
        )
        return conclude(sheet, measured, self.policy)


def _only_reserved(period: RatablePeriod) -> bool:
    return bool(period.reservation_hours) and not (period.energy_kwh or period.time_hours or period.parking_hours)


def _length(start: datetime, end: datetime) -> Decimal:
    """Return the seconds between two instants, exactly."""
    return Decimal((end - start) // _MICROSECOND).scaleb(-6)
