"""Rating: walk the periods in the order of time and price what each measured by the state of things at its start."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext

from hub.domain.ids import fold
from hub.domain.rating.breakdown import LineKind, NoteCode, RatedCdr
from hub.domain.rating.checks import check_session
from hub.domain.rating.choose import Moment, TariffChoice, choose, choose_tariff
from hub.domain.rating.compile import (
    ENERGY,
    EXPIRED_FLAT,
    EXPIRED_TIME,
    FLAT,
    MEANING,
    PARKING,
    RESERVATION_FLAT,
    RESERVATION_TIME,
    SLOTS,
    TIME,
    Candidate,
    CompiledTariff,
    Row,
    compile_tariff,
)
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
from hub.domain.rating.sheet import Sheet
from hub.domain.rating.spans import Extent, changes_within, may_change
from hub.domain.rating.steps import Usage, add_steps
from hub.domain.rating.totals import Measured, conclude
from hub.domain.rating.zones import zone_named
from hub.domain.tariffs import Tariff

_ZERO = Decimal(0)
_ONE = Decimal(1)
_HOUR = Decimal(3600)
_NOTHING: Row = ((),) * len(SLOTS)


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
        check_session(session, [entry.tariff.currency for entry in compiled])
        run = _Run(session, choose_tariff(compiled, session.start), policy)
        run.walk()
        return run.conclude()


class _Run:
    """The state of one rating."""

    __slots__ = (
        "begin",
        "charged",
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
        self.zone = zone_named(session.time_zone)
        self.usages: dict[int, Usage] = {}
        self.flats_seen: list[tuple[int, Candidate]] = []
        self.missing: list[Candidate] = []
        self.missing_satisfies = policy.missing_measurement is MissingMeasurement.SATISFIES
        self.netted = policy.discharged_energy is DischargedEnergy.NETTED
        self.current: CompiledTariff = choice.base
        self.used: list[CompiledTariff] = []
        self.energy = self.energy_total = self.parking_total = _ZERO
        self.charged = False
        for code, message in choice.findings:
            self.sheet.note(code, message)
        self.periods = self._in_order()
        self.begin = _begins(session.start, self.periods)

    def _in_order(self) -> tuple[RatablePeriod, ...]:
        periods = self.session.periods
        starts = [period.start for period in periods]
        if starts != sorted(starts):
            self.sheet.note(NoteCode.PERIODS_OUT_OF_ORDER, "the charging periods were not in the order of time")
            periods = tuple(sorted(periods, key=lambda period: period.start))
        if periods and (min(starts) < self.session.start or max(starts) > self.session.end):
            self.sheet.note(NoteCode.PERIOD_OUTSIDE_SESSION, "a charging period begins outside the session")
        return periods

    def walk(self) -> None:
        """Price every period in the order of time, then round up to whole steps."""
        last = len(self.periods) - 1
        for index, period in enumerate(self.periods):
            end = self.periods[index + 1].start if index < last else max(self.session.end, period.start)
            self._price(index, period, end)
        add_steps(self.sheet, self.usages, self.policy.time_step)

    def _price(self, index: int, period: RatablePeriod, end: datetime) -> None:
        compiled = self._tariff_of(index, period)
        local, row, row_end = period.start, _NOTHING, 0
        if compiled is not None:
            if compiled.static_row is None:
                local = local.astimezone(self.zone)
            row, row_end = compiled.row_at(local)
            if compiled not in self.used:
                self.used.append(compiled)
        elapsed, satisfies = period.start - self.begin, self.missing_satisfies
        now = Moment(period, index, compiled, local, row, row_end, self.energy, elapsed, satisfies, self.missing)
        usages = self._usages_of(now, end)
        energy_end = self.energy
        if period.energy_kwh and (period.energy_kwh > 0 or self.netted):
            energy_end += period.energy_kwh
        if period.reservation_hours:
            self._price_reservation(now)
        if usages or not period.reservation_hours:
            self.charged = True
            self._charge_flat(FLAT, now)
        extent = None
        if compiled is not None and compiled.changes:
            extent = Extent(now, end.astimezone(self.zone), energy_end, end - self.begin)
            if not may_change(compiled, extent):
                extent = None
        for slot, quantity in usages:
            chosen = choose(row[slot], now)
            self._use(now, chosen, slot, quantity)
            if extent is not None and compiled is not None and changes_within(compiled, extent, slot, chosen):
                self._note_change(slot, index)
        self.energy = energy_end
        if self.missing:
            self._note_missing(index)

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

    def _usages_of(self, now: Moment, end: datetime) -> list[tuple[int, Decimal]]:
        """Return what charging and parking measured, as kWh or seconds; volumes of zero count as not measured."""
        period = now.period
        found: list[tuple[int, Decimal]] = []
        if period.energy_kwh:
            self.energy_total += period.energy_kwh
            found.append((ENERGY, period.energy_kwh))
        if period.time_hours:
            found.append((TIME, self._seconds(period.time_hours)))
        if period.parking_hours:
            self.parking_total += period.parking_hours
            found.append((PARKING, self._seconds(period.parking_hours)))
        untimed = period.time_hours is None and period.parking_hours is None and period.reservation_hours is None
        if untimed and now.row[TIME] and end > period.start:
            message = "charging time has a price, but a period reports no time"
            self.sheet.note(NoteCode.MISSING_TIME, message, period=now.index)
            if self.policy.missing_time is MissingTime.PERIOD_LENGTH:
                found.append((TIME, _length(period.start, end).quantize(_ONE)))
        return found

    def _seconds(self, hours: Decimal) -> Decimal:
        """Turn hours of four decimals back into the whole seconds that were meant."""
        exact = hours * _HOUR
        return exact.quantize(_ONE) if self.policy.snap_to_seconds else exact

    def _use(self, now: Moment, chosen: Candidate | None, slot: int, quantity: Decimal) -> None:
        """Write down a measured quantity, priced or free."""
        if slot == ENERGY and quantity < 0 and not self.netted:
            message = "energy fed back into the grid is not priced by this policy"
            self.sheet.note(NoteCode.DISCHARGE_NOT_PRICED, message, period=now.index)
            chosen = None
        if chosen is None:
            self.sheet.free(slot, quantity, now)
            return
        self.sheet.charge(LineKind.USAGE, slot, quantity, chosen, now)
        usage = self.usages.get(slot)
        if usage is None:
            self.usages[slot] = Usage(last=chosen, total=quantity, moment=now)
        else:
            usage.add(chosen, quantity, now)

    def _price_reservation(self, now: Moment) -> None:
        """Price a reservation's time and fees, apart from those of charging; its time counts from the start."""
        hours = now.period.reservation_hours
        assert hours is not None
        now = replace(now, elapsed=now.period.start - self.session.start)
        self._charge_flat(RESERVATION_FLAT, now)
        chosen = None
        if self.session.reservation_expired:
            self._charge_flat(EXPIRED_FLAT, now)
            # Where both have a TIME, an expired reservation costs what RESERVATION_EXPIRES says.
            chosen = choose(now.row[EXPIRED_TIME], now)
        elif now.row[EXPIRED_TIME] or now.row[EXPIRED_FLAT]:
            self._note_outcome()
        self._use(now, chosen or choose(now.row[RESERVATION_TIME], now), RESERVATION_TIME, self._seconds(hours))

    def _charge_flat(self, slot: int, now: Moment) -> None:
        """Charge the first fee of a slot that is active: once per session, or per component, as the policy says."""
        if not now.row[slot]:
            return
        chosen = choose(now.row[slot], now)
        if chosen is None or (slot, chosen) in self.flats_seen:
            return
        another = any(seen == slot for seen, _ in self.flats_seen)
        self.flats_seen.append((slot, chosen))
        if another:
            each = self.policy.flat is FlatRule.EACH_COMPONENT
            outcome = "each is charged" if each else "only the first is charged"
            message = f"several flat fees became active; {outcome}"
            self.sheet.note(NoteCode.SEVERAL_FLATS, message, period=now.index)
            if not each:
                return
        self.sheet.charge(LineKind.FLAT, slot, _ONE, chosen, now)

    def _note_change(self, slot: int, index: int) -> None:
        name = MEANING[slot][1].value
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
            charged=self.charged,
            currency=session.currency,
            tariffs=[entry.tariff for entry in self.used] if any(entry.limited for entry in self.used) else (),
        )
        return conclude(sheet, measured, self.policy)


def charging_begins(session: RatableSession) -> datetime:
    """Return where the charging session begins: where its reservation ends (TariffRestrictions, `reservation`)."""
    return _begins(session.start, sorted(session.periods, key=lambda period: period.start))


def _begins(start: datetime, periods: Sequence[RatablePeriod]) -> datetime:
    if not periods or not _only_reserved(periods[0]):
        return start
    return next((period.start for period in periods if not _only_reserved(period)), start)


def _only_reserved(period: RatablePeriod) -> bool:
    return bool(period.reservation_hours) and not (period.energy_kwh or period.time_hours or period.parking_hours)


def _length(start: datetime, end: datetime) -> Decimal:
    """Return the seconds between two instants, exactly."""
    length = end - start
    whole = Decimal(length.days * 86400 + length.seconds)
    return whole + Decimal(length.microseconds).scaleb(-6) if length.microseconds else whole
