"""What holds for every tariff and every session (Hypothesis)."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hub.domain.errors import Invalid
from hub.domain.ids import PartyId
from hub.domain.rating import (
    POLICIES,
    ChargingPlan,
    CostGroup,
    LineKind,
    NoteCode,
    PricingPolicy,
    RatablePeriod,
    RatableSession,
    RatedCdr,
    quote,
    rate,
)
from hub.domain.rating.calendar import calendar_of
from hub.domain.rating.compile import compile_tariff
from hub.domain.rating.lint import lint
from hub.domain.rating.policy import ROAMHUB_2026, DischargedEnergy
from hub.domain.tariffs import (
    Dimension,
    OcpiVersion,
    PriceComponent,
    PriceLimit,
    ReservationRestriction,
    Restrictions,
    Tariff,
    TariffElement,
    TaxIncluded,
    Weekday,
)

#: These tests share their machine; how long drawing takes says nothing.
UNHURRIED = settings(
    max_examples=min(60, settings().max_examples), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

ZONES = ("UTC", "Europe/Amsterdam", "America/St_Johns", "Australia/Lord_Howe", "+05:45")


def _decimals(least: str, most: str, places: int = 4) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(least), Decimal(most), places=places)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


PRICES = _decimals("0", "20") | st.sampled_from([Decimal(0), Decimal("0.25"), Decimal("0.3333")])
COMPONENTS = st.builds(
    PriceComponent,
    dimension=st.sampled_from(Dimension),
    price=PRICES,
    vat=_maybe(st.sampled_from([Decimal(n) for n in ("0", "5.2", "9", "19", "21")])),
    step_size=st.sampled_from([0, 1, 7, 60, 300, 900, 1000]),
)
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
DATES = st.dates(date(2024, 3, 29), date(2024, 4, 2))
RESTRICTIONS = st.builds(
    Restrictions,
    start_time=_maybe(TIMES),
    end_time=_maybe(TIMES),
    start_date=_maybe(DATES),
    end_date=_maybe(DATES),
    min_kwh=_maybe(_decimals("0", "20", 1)),
    max_kwh=_maybe(_decimals("0", "20", 1)),
    min_current=_maybe(_decimals("0", "40", 0)),
    max_current=_maybe(_decimals("0", "40", 0)),
    min_power=_maybe(_decimals("0", "40", 0)),
    max_power=_maybe(_decimals("0", "40", 0)),
    min_duration=_maybe(st.integers(0, 7200)),
    max_duration=_maybe(st.integers(0, 7200)),
    days=_maybe(st.frozensets(st.sampled_from(Weekday))),
    reservation=_maybe(st.sampled_from(ReservationRestriction)),
)
ELEMENTS = st.builds(
    TariffElement,
    components=st.lists(COMPONENTS, max_size=4).map(tuple),
    restrictions=st.just(Restrictions()) | RESTRICTIONS,
)
LIMITS = _maybe(
    st.builds(PriceLimit, before_taxes=_maybe(_decimals("0", "30", 2)), after_taxes=_maybe(_decimals("0", "30", 2)))
)


def tariffs(limits: st.SearchStrategy[PriceLimit | None] = LIMITS, ids: str = "ABC") -> st.SearchStrategy[Tariff]:
    return st.builds(
        Tariff,
        id=st.sampled_from(ids),
        currency=st.just("EUR"),
        elements=st.lists(ELEMENTS, max_size=5).map(tuple),
        version=st.sampled_from(OcpiVersion),
        party=_maybe(st.sampled_from([PartyId("NL", "ABC"), PartyId("CA", "FLO")])),
        min_price=limits,
        max_price=limits,
        tax_included=_maybe(st.sampled_from(TaxIncluded)),
        start=st.none(),
        end=st.none(),
    )


HOURS = _maybe(st.sampled_from([Decimal(n) for n in ("0", "0.0834", "0.1667", "0.25", "0.7", "1", "0.00028")]))


@st.composite
def sessions(draw: st.DrawFn, ids: str = "ABC") -> RatableSession:
    start = datetime(2024, 3, 29, 12, tzinfo=UTC) + timedelta(minutes=draw(st.integers(0, 5000)))
    gaps = draw(st.lists(st.integers(0, 300), min_size=1, max_size=6))
    starts = [start + timedelta(minutes=sum(gaps[:index])) for index in range(len(gaps))]
    measured = st.builds(
        RatablePeriod,
        start=st.just(start),
        energy_kwh=_maybe(_decimals("0", "15")),
        time_hours=HOURS,
        parking_hours=HOURS,
        reservation_hours=HOURS,
        min_current=_maybe(_decimals("0", "40", 0)),
        max_current=_maybe(_decimals("0", "40", 0)),
        min_power=_maybe(_decimals("0", "40", 0)),
        max_power=_maybe(_decimals("0", "40", 0)),
        average_power=_maybe(_decimals("0", "40", 0)),
        tariff_id=_maybe(st.sampled_from(ids)),
    )
    return RatableSession(
        start=start,
        end=start + timedelta(minutes=sum(gaps)),
        time_zone=draw(st.sampled_from(ZONES)),
        currency="EUR",
        periods=tuple(draw(measured)._replace(start=begin) for begin in starts),
        reservation_expired=draw(st.booleans()),
    )


POLICY = st.sampled_from(list(POLICIES.values()))
_GROUPS = {
    CostGroup.LIMIT: "total_cost",
    CostGroup.FIXED: "total_fixed_cost",
    CostGroup.ENERGY: "total_energy_cost",
    CostGroup.TIME: "total_time_cost",
    CostGroup.PARKING: "total_parking_cost",
    CostGroup.RESERVATION: "total_reservation_cost",
}


def _round(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.0001"), ROUND_HALF_UP)


@UNHURRIED
@given(sessions(), st.lists(tariffs(), min_size=1, max_size=3), POLICY)
def test_the_lines_add_up_to_the_totals(charged: RatableSession, chosen: list[Tariff], policy: PricingPolicy) -> None:
    rated = rate(charged, chosen, policy)
    with localcontext(Context(prec=60)):
        for group, name in _GROUPS.items():
            cost = getattr(rated, name)
            lines = [
                line
                for line in rated.lines
                if line.kind is not LineKind.FREE and (line.group is group or group is CostGroup.LIMIT)
            ]
            if cost is None:
                assert not lines
                continue
            for side in ("before_taxes", "after_taxes"):
                amounts = [getattr(line, side) for line in lines]
                stated = getattr(cost, side)
                if stated is None:
                    assert None in amounts
                elif None not in amounts:
                    assert _round(sum(amounts, Decimal(0))) == stated


@UNHURRIED
@given(sessions(), st.lists(tariffs(), min_size=1, max_size=3), POLICY)
def test_the_tax_lines_add_up_to_the_difference_of_the_totals(
    charged: RatableSession, chosen: list[Tariff], policy: PricingPolicy
) -> None:
    rated = rate(charged, chosen, policy)
    before, after = rated.total_cost.before_taxes, rated.total_cost.after_taxes
    if before is None or after is None:
        assert rated.taxes == ()
    else:
        assert sum((line.amount for line in rated.taxes), Decimal(0)) == after - before


@UNHURRIED
@given(sessions(), st.lists(tariffs(), min_size=1, max_size=3), POLICY)
def test_a_cost_is_never_negative_for_prices_that_are_not(
    charged: RatableSession, chosen: list[Tariff], policy: PricingPolicy
) -> None:
    rated = rate(charged, chosen, policy)
    for name in _GROUPS.values():
        cost = getattr(rated, name)
        if cost is not None:
            assert (cost.before_taxes or 0) >= 0
            assert (cost.after_taxes or 0) >= 0


@UNHURRIED
@given(sessions(), tariffs(), st.integers(-15, -1))
def test_a_cost_is_never_negative_though_energy_was_fed_back(
    charged: RatableSession, chosen: Tariff, energy: int
) -> None:
    fed = charged.periods[0]._replace(energy_kwh=Decimal(energy))
    rated = rate(replace(charged, periods=(fed, *charged.periods[1:])), [chosen])
    assert (rated.total_cost.before_taxes or 0) >= 0


def _unstepped(chosen: Tariff) -> Tariff:
    elements = tuple(
        replace(entry, components=tuple(replace(component, step_size=0) for component in entry.components))
        for entry in chosen.elements
    )
    return replace(chosen, elements=elements)


_VOLUMES = ("energy_kwh", "time_hours", "parking_hours", "reservation_hours")


@UNHURRIED
@given(sessions(), tariffs(), st.data())
def test_splitting_a_period_where_no_price_changes_alters_nothing(
    charged: RatableSession, chosen: Tariff, data: st.DataObject
) -> None:
    stepped, chosen = chosen, _unstepped(chosen)
    index = data.draw(st.integers(0, len(charged.periods) - 1))
    period = charged.periods[index]
    end = [*(entry.start for entry in charged.periods[1:]), charged.end][index]
    minutes = int((end - period.start) / timedelta(minutes=1))
    assume(minutes >= 2)
    # Whole tenths of an hour, so that each half is a whole number of seconds and snaps to itself.
    tenths: dict[str, Any] = {
        name: None if getattr(period, name) is None else Decimal(round(getattr(period, name) * 10)) / 10
        for name in _VOLUMES
    }
    half: dict[str, Any] = {name: None if volume is None else volume / 2 for name, volume in tenths.items()}
    later = period.start + timedelta(minutes=data.draw(st.integers(1, minutes - 1)))
    whole, first, second = period._replace(**tenths), period._replace(**half), period._replace(start=later, **half)
    head, tail = charged.periods[:index], charged.periods[index + 1 :]
    together, apart = (replace(charged, periods=(*head, *parts, *tail)) for parts in ((whole,), (first, second)))
    one, two = rate(together, [chosen]), rate(apart, [chosen])
    assume(_priced(two, index) == _priced(two, index + 1))
    assume(_fees(one) == _fees(two))
    assert one.total_cost == two.total_cost
    assert _by_component(one) == _by_component(two)
    # With its steps, the tariff adds what it adds and leaves all else but the limit of the total, if there is one.
    plain = {key: quantity for key, quantity in _by_component(one).items() if key[0] is not LineKind.LIMIT}
    for session in (together, apart):
        rated = _by_component(rate(session, [stepped]))
        assert {key: it for key, it in rated.items() if key[0] not in {LineKind.STEP, LineKind.LIMIT}} == plain


def _priced(rated: RatedCdr, period: int) -> list[object]:
    return [
        (line.group, line.element, line.component)
        for line in rated.lines
        if line.period == period and line.kind is not LineKind.FLAT
    ]


def _fees(rated: RatedCdr) -> list[object]:
    return [(line.element, line.component) for line in rated.lines if line.kind is LineKind.FLAT]


def _by_component(rated: RatedCdr) -> dict[tuple[object, ...], Decimal]:
    found: dict[tuple[object, ...], Decimal] = {}
    for line in rated.lines:
        key = (line.kind, line.tariff, line.element, line.component, line.group)
        found[key] = found.get(key, Decimal(0)) + line.quantity
    return found


@UNHURRIED
@given(sessions(), tariffs(), st.data())
def test_the_order_of_elements_that_cannot_both_match_is_irrelevant(
    charged: RatableSession, chosen: Tariff, data: st.DataObject
) -> None:
    # Times of day cut the day into windows that exclude each other.
    cuts = sorted(data.draw(st.sets(st.integers(1, 23), min_size=1, max_size=4)))
    windows = [(time(0), time(cuts[0])), *((time(a), time(b)) for a, b in pairwise(cuts)), (time(cuts[-1]), time(0))]
    elements = [
        replace(
            data.draw(ELEMENTS),
            restrictions=replace(data.draw(RESTRICTIONS), start_time=start, end_time=end, reservation=None),
        )
        for start, end in windows
    ]
    shuffled = data.draw(st.permutations(elements))
    one = rate(charged, [replace(chosen, elements=tuple(elements))])
    two = rate(charged, [replace(chosen, elements=tuple(shuffled))])
    assert one.total_cost == two.total_cost
    assert [(line.kind, line.quantity, line.unit_price) for line in one.lines] == [
        (line.kind, line.quantity, line.unit_price) for line in two.lines
    ]


@UNHURRIED
@given(tariffs(), sessions())
def test_the_table_of_a_day_says_what_the_calendar_says(chosen: Tariff, charged: RatableSession) -> None:
    compiled = compile_tariff(chosen)
    local = charged.start
    row, _ = compiled.row_at(local)
    minute, day = local.hour * 60 + local.minute, local.toordinal()
    for slot, candidates in enumerate(row):
        holding = [
            candidate
            for calendar, its_slot, candidate in compiled.candidates
            if its_slot == slot and calendar.includes_day(day) and calendar.includes_minute(minute)
        ]
        free = next((i for i, candidate in enumerate(holding) if candidate.free_of_state), len(holding))
        assert list(candidates) == holding[: free + 1]


_NEW_YEAR = datetime.fromisoformat("2024-01-01")


@UNHURRIED
@given(RESTRICTIONS, st.datetimes(_NEW_YEAR, _NEW_YEAR + timedelta(days=366)))
def test_the_calendar_says_what_the_restrictions_say(restrictions: Restrictions, local: datetime) -> None:
    calendar = calendar_of(restrictions)
    start, end = restrictions.start_time or time(0), restrictions.end_time or time(0)
    clock = local.time().replace(second=0, microsecond=0)
    if start == end or end == time(0):
        in_window = start == end or clock >= start
    elif start < end:
        in_window = start <= clock < end
    else:
        in_window = clock >= start or clock < end
    day = local.date()
    expected = (
        in_window
        and (restrictions.start_date is None or restrictions.start_date <= day)
        and (restrictions.end_date is None or day < restrictions.end_date)
        and (restrictions.days is None or Weekday(day.weekday()) in restrictions.days)
    )
    minute = local.hour * 60 + local.minute
    assert (calendar.includes_day(day.toordinal()) and calendar.includes_minute(minute)) is expected


HOSTILE = st.decimals() | st.sampled_from([Decimal("1E+999999"), Decimal("1E-999999"), Decimal("-0"), Decimal("sNaN")])


@st.composite
def hostile_tariffs(draw: st.DrawFn) -> Tariff:
    component = st.builds(
        PriceComponent,
        dimension=st.sampled_from(Dimension),
        price=HOSTILE,
        vat=_maybe(HOSTILE),
        step_size=st.integers(),
    )
    numbers = dict.fromkeys(
        ("min_kwh", "max_kwh", "min_current", "max_current", "min_power", "max_power"), _maybe(HOSTILE)
    )
    restrictions = st.builds(
        Restrictions,
        start_time=_maybe(st.times()),
        end_time=_maybe(st.times()),
        start_date=_maybe(st.dates()),
        end_date=_maybe(st.dates()),
        min_duration=_maybe(st.integers()),
        max_duration=_maybe(st.integers()),
        days=_maybe(st.frozensets(st.sampled_from(Weekday))),
        reservation=_maybe(st.sampled_from(ReservationRestriction)),
        **numbers,
    )
    elements = st.builds(
        TariffElement, components=st.lists(component, max_size=3).map(tuple), restrictions=restrictions
    )
    limit = _maybe(st.builds(PriceLimit, before_taxes=_maybe(HOSTILE), after_taxes=_maybe(HOSTILE)))
    return draw(
        st.builds(
            Tariff,
            id=st.text(max_size=3),
            currency=st.sampled_from(["EUR", "eur", "DKK", ""]),
            elements=st.lists(elements, max_size=4).map(tuple),
            version=st.sampled_from(OcpiVersion),
            min_price=limit,
            max_price=limit,
            tax_included=_maybe(st.sampled_from(TaxIncluded)),
            start=_maybe(st.datetimes(timezones=_maybe(st.just(UTC)))),
            end=_maybe(st.datetimes(timezones=_maybe(st.just(UTC)))),
        )
    )


@st.composite
def hostile_sessions(draw: st.DrawFn) -> RatableSession:
    instants = st.datetimes(timezones=st.just(UTC)) | st.datetimes()
    numbers = dict.fromkeys(
        (
            "energy_kwh",
            "time_hours",
            "parking_hours",
            "reservation_hours",
            "min_current",
            "max_current",
            "min_power",
            "max_power",
            "average_power",
        ),
        _maybe(HOSTILE),
    )
    periods = st.builds(RatablePeriod, start=instants, tariff_id=_maybe(st.text(max_size=3)), **numbers)
    return draw(
        st.builds(
            RatableSession,
            start=instants,
            end=instants,
            time_zone=st.sampled_from([*ZONES, "", "..", "/", "Europe", "a" * 5000, "\0", "+99:99", "Ünïcode"]),
            currency=st.just("EUR"),
            periods=st.lists(periods, max_size=4).map(tuple),
            reservation_expired=st.booleans(),
        )
    )


@settings(UNHURRIED, max_examples=UNHURRIED.max_examples * 5 // 2)
@given(
    sessions() | hostile_sessions(),
    st.lists(tariffs() | hostile_tariffs(), max_size=3),
    st.sampled_from([*POLICIES.values(), replace(ROAMHUB_2026, discharged_energy=DischargedEnergy.NETTED)]),
)
def test_nothing_but_the_documented_error_is_ever_raised(
    charged: RatableSession, chosen: list[Tariff], policy: PricingPolicy
) -> None:
    try:
        rated = rate(charged, chosen, policy)
    except Invalid:
        return
    assert len(rated.lines) >= 0
    assert len(rated.taxes) >= 0
    assert len(rated.roundings) >= 0


@UNHURRIED
@given(
    hostile_tariffs() | tariffs(),
    st.builds(
        ChargingPlan,
        start=st.datetimes(timezones=st.just(UTC)) | st.datetimes(_NEW_YEAR, timezones=st.just(UTC)),
        time_zone=st.sampled_from([*ZONES, "Nowhere", ""]),
        energy_kwh=HOSTILE | _decimals("0", "99"),
        power_kw=_maybe(HOSTILE | _decimals("0", "99")),
        duration=_maybe(st.timedeltas() | st.timedeltas(timedelta(0), timedelta(days=31))),
        parking=st.just(timedelta(0)) | st.timedeltas(),
        so_far=_maybe(sessions() | hostile_sessions()),
    ),
)
def test_a_quote_and_the_lint_raise_nothing_but_the_documented_error(chosen: Tariff, planned: ChargingPlan) -> None:
    assert len(lint(chosen)) >= 0
    try:
        rated = quote(planned, [chosen])
    except Invalid:
        return
    assert len(rated.lines) >= 0


@UNHURRIED
@given(
    tariffs(),
    st.integers(0, 5000),
    st.sampled_from(ZONES),
    _decimals("0", "40", 1),
    st.integers(0, 1500),
    st.integers(0, 1500),
)
def test_a_plan_is_cut_wherever_its_price_changes(
    chosen: Tariff, minute: int, zone: str, energy: Decimal, charging: int, parking: int
) -> None:
    # The clocks of Amsterdam are put forward in this week, those of Lord Howe back by half an hour just after.
    start = datetime(2024, 3, 29, 12, tzinfo=UTC) + timedelta(minutes=minute)
    planned = ChargingPlan(
        start=start,
        time_zone=zone,
        energy_kwh=energy,
        duration=timedelta(minutes=charging),
        parking=timedelta(minutes=parking),
    )
    rated = quote(planned, [chosen])
    assert rated.total_time == _round(Decimal(charging + parking) / 60)
    assert rated.total_energy == energy
    if zone in {"UTC", "+05:45", "America/St_Johns", "Australia/Lord_Howe"}:
        assert not rated.has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)
