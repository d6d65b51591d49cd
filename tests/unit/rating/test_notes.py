"""What the reader is told, word for word: partners' helpdesks quote these."""

from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal

import pytest

from hub.domain.errors import Invalid
from hub.domain.rating import (
    CostGroup,
    Line,
    LineKind,
    PricingPolicy,
    RatableSession,
    compile_tariff,
    period_of,
    policy_named,
    rate,
)
from hub.domain.rating.policy import ROAMHUB_2026, FlatRule, MissingMeasurement, TimeStepRule
from hub.domain.tariffs import Dimension, OcpiVersion, PriceLimit, ReservationRestriction, Tariff
from tests.unit.rating.making import MONDAY, element, period, price, session, tariff

ENERGY = element(price("ENERGY", "1"))
OLD = tariff(ENERGY, id="OLD", end=MONDAY)
A, B = tariff(ENERGY, id="A"), tariff(ENERGY, id="B")
TIMED = tariff(element(price("TIME", "6", step=600), price("PARKING_TIME", "6", step=600)))
EXPIRING = tariff(
    element(price("FLAT", "4"), reservation=ReservationRestriction.RESERVATION_EXPIRES),
    element(price("TIME", "1"), reservation=ReservationRestriction.RESERVATION),
)
LATE = tariff(element(price("ENERGY", "1"), end_time=time(11)), element(price("ENERGY", "2")))
POWER = tariff(ENERGY, element(price("FLAT", "1"), max_power=Decimal(5)))
TWO_FEES = tariff(element(price("FLAT", "1"), max_kwh=Decimal(5)), element(price("FLAT", "2")))

Case = tuple[RatableSession, list[Tariff], PricingPolicy, list[tuple[str, str, int | None]]]

CASES: dict[str, Case] = {
    "out of order and outside": (
        session(period(70, ENERGY=1), period(0, ENERGY=1)),
        [A],
        ROAMHUB_2026,
        [
            ("periods_out_of_order", "the charging periods were not in the order of time", None),
            ("period_outside_session", "a charging period begins outside the session", None),
        ],
    ),
    "tariff not in force": (
        session(period(ENERGY=1)),
        [OLD],
        ROAMHUB_2026,
        [
            (
                "tariff_not_valid_at_start",
                "tariff OLD was not in force at the start of the session, 2024-03-04T10:00:00Z",
                None,
            )
        ],
    ),
    "several tariffs": (
        session(period(ENERGY=1), period(30, ENERGY=1)),
        [A, B],
        ROAMHUB_2026,
        [("several_tariffs", "several tariffs were supplied and no period names one; A was used", None)],
    ),
    "unnamed period, inherited": (
        session(period(ENERGY=1, tariff_id="B"), period(30, ENERGY=1)),
        [A, B],
        ROAMHUB_2026,
        [("period_without_tariff", "a period names no tariff although others do; B was used", 1)],
    ),
    "unnamed period, free": (
        session(period(ENERGY=1, tariff_id="B"), period(30, ENERGY=1)),
        [A, B],
        policy_named("ocpi-literal-2026"),
        [("period_without_tariff", "a period names no tariff although others do; it is free", 1)],
    ),
    "unknown tariff": (
        session(period(ENERGY=1), period(30, ENERGY=1, tariff_id="C")),
        [A],
        ROAMHUB_2026,
        [("unknown_tariff", "tariff C was not supplied; A was used", 1)],
    ),
    "step left to parking": (
        session(period(TIME="0.1"), period(6, PARKING_TIME="0.1"), minutes=12),
        [TIMED],
        ROAMHUB_2026,
        [
            (
                "step_size_left_to_parking",
                "charging time is not rounded up to its step_size because parking time was billed too",
                None,
            )
        ],
    ),
    "step left to the last": (
        session(period(TIME="0.1"), period(6, PARKING_TIME="0.1"), minutes=12),
        [TIMED],
        replace(ROAMHUB_2026, time_step=TimeStepRule.LAST_TIME_BASED),
        [
            (
                "step_size_left_to_parking",
                "charging time is not rounded up: only the last of charging and parking time is",
                None,
            )
        ],
    ),
    "step on a switch": (
        session(period(ENERGY="0.3"), period(60, ENERGY="0.3"), minutes=90),
        [tariff(element(price("ENERGY", "1", step=500), end_time=time(11)), element(price("ENERGY", "2", step=500)))],
        ROAMHUB_2026,
        [
            (
                "step_size_on_switch",
                "ENERGY had several prices; the step size of the last one, 500, rounds up the total once",
                None,
            )
        ],
    ),
    "a price changes within": (
        session(period(ENERGY=1), minutes=90),
        [LATE],
        ROAMHUB_2026,
        [
            (
                "period_spans_price_change",
                "the price of ENERGY changes within a period; the price at its start was used",
                0,
            )
        ],
    ),
    "missing measurement, satisfied": (
        session(period(ENERGY=1)),
        [POWER],
        ROAMHUB_2026,
        [
            (
                "missing_measurement",
                "element 2 asks for a current or power that was not reported; it counts as satisfied",
                0,
            )
        ],
    ),
    "missing measurement, failed": (
        session(period(ENERGY=1)),
        [POWER],
        replace(ROAMHUB_2026, missing_measurement=MissingMeasurement.FAILS),
        [
            (
                "missing_measurement",
                "element 2 asks for a current or power that was not reported; it counts as not satisfied",
                0,
            )
        ],
    ),
    "missing time": (
        session(period(ENERGY=1)),
        [TIMED],
        ROAMHUB_2026,
        [("missing_time", "charging time has a price, but a period reports no time", 0)],
    ),
    "fed back": (
        session(period(ENERGY=1), period(30, ENERGY=-1)),
        [A],
        ROAMHUB_2026,
        [("discharge_not_priced", "energy fed back into the grid is not priced by this policy", 1)],
    ),
    "several fees, first": (
        session(period(ENERGY=5), period(30, ENERGY=1)),
        [TWO_FEES],
        ROAMHUB_2026,
        [("several_flats", "several flat fees became active; only the first is charged", 1)],
    ),
    "several fees, each": (
        session(period(ENERGY=5), period(30, ENERGY=1)),
        [TWO_FEES],
        replace(ROAMHUB_2026, flat=FlatRule.EACH_COMPONENT),
        [("several_flats", "several flat fees became active; each is charged", 1)],
    ),
    "reservation without an outcome": (
        session(period(RESERVATION_TIME=1)),
        [EXPIRING],
        ROAMHUB_2026,
        [
            (
                "reservation_outcome_assumed",
                "no charging followed the reservation; it is priced as cancelled, not as expired",
                None,
            )
        ],
    ),
    "assumed zone and unknown component": (
        session(period(ENERGY=1), time_zone_assumed=True),
        [tariff(replace(ENERGY, unknown_types=("SESSION_TIME",)))],
        ROAMHUB_2026,
        [
            ("time_zone_assumed", "no time zone was given; UTC was assumed", None),
            ("unknown_component", "SESSION_TIME is no OCPI dimension and was not priced", None),
        ],
    ),
    "unknown tax": (
        session(period(ENERGY=1)),
        [tariff(ENERGY, version=OcpiVersion.V2_1_1)],
        ROAMHUB_2026,
        [("unknown_tax", "a price came without its tax, so the total is known on one side only", None)],
    ),
    "limits": (
        session(period(ENERGY=5)),
        [
            tariff(
                ENERGY,
                min_price=PriceLimit(before_taxes=Decimal(9)),
                max_price=PriceLimit(before_taxes=Decimal(2)),
            )
        ],
        ROAMHUB_2026,
        [
            ("limits_contradict", "the minimum price is above the maximum price; the maximum holds", None),
            (
                "limit_without_tax",
                "the price limit names one side of the tax; the other side was moved in proportion",
                None,
            ),
            ("max_price_applied", "the total was lowered to the tariff's maximum price", None),
        ],
    ),
    "minimum": (
        session(period(ENERGY=1)),
        [tariff(ENERGY, min_price=PriceLimit(before_taxes=Decimal(2), after_taxes=Decimal(2)))],
        ROAMHUB_2026,
        [("min_price_applied", "the total was raised to the tariff's minimum price", None)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_note_says_exactly_this(name: str) -> None:
    charged, tariffs, policy, expected = CASES[name]
    rated = rate(charged, tariffs, policy)
    assert [(note.code.value, note.message, note.period) for note in rated.notes] == expected
    assert rated.policy == policy.name


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"start": MONDAY.replace(tzinfo=None)}, "start", "must be an aware time in UTC"),
        ({"end": MONDAY - timedelta(seconds=1)}, "end", "must not be before the start"),
        ({"start": MONDAY.replace(year=1899)}, "start", "must lie between the years 1900 and 9000"),
        ({"end": MONDAY.replace(year=9001)}, "end", "must lie between the years 1900 and 9000"),
        ({"currency": "DKK"}, "tariffs", "are in EUR, the session is in DKK"),
        ({"time_zone": "Nowhere"}, "time_zone", "must be an IANA zone such as Europe/Amsterdam"),
        (
            {"periods": (period(), period_of(MONDAY, [("MAX_POWER", Decimal("NaN"))]))},
            "charging_periods[1].dimensions",
            "must hold finite numbers of sensible size, and no negative times",
        ),
        (
            {"periods": (period(TIME="-0.1"),)},
            "charging_periods[0].dimensions",
            "must hold finite numbers of sensible size, and no negative times",
        ),
        (
            {"periods": (period(ENERGY="1e12"),)},
            "charging_periods[0].dimensions",
            "must hold finite numbers of sensible size, and no negative times",
        ),
        (
            {"periods": (period_of(MONDAY.replace(tzinfo=None), []),)},
            "charging_periods.start_date_time",
            "must be an aware time in UTC",
        ),
    ],
)
def test_an_unusable_session_is_refused_in_these_words(fields: dict[str, object], field: str, rule: str) -> None:
    with pytest.raises(Invalid) as raised:
        rate(session(**({"periods": ()} | fields)), [A])  # type: ignore[arg-type]
    (violation,) = raised.value.violations
    assert (violation.field, violation.rule) == (field, rule)


def test_an_unusable_tariff_is_refused_with_every_field() -> None:
    number = "must be a finite number of sensible size"
    bad = tariff(
        element(price("ENERGY", "NaN", vat="-1", step=-1), price("TIME", "1", vat="1001"), min_kwh=Decimal("Infinity")),
        element(price("FLAT", "1e12", step=10**9 + 1), max_power=Decimal("-1e12")),
        min_price=PriceLimit(before_taxes=Decimal("NaN")),
        max_price=PriceLimit(after_taxes=Decimal("NaN")),
    )
    with pytest.raises(Invalid) as raised:
        compile_tariff(bad)
    step, vat = "must be a number of Wh or seconds from 0 to 1000000000", "must be a percentage from 0 to 1000"
    assert [(violation.field, violation.rule) for violation in raised.value.violations] == [
        ("min_price", number),
        ("max_price", number),
        ("elements[0].price_components[0].price", number),
        ("elements[0].price_components[0].vat", vat),
        ("elements[0].price_components[0].step_size", step),
        ("elements[0].price_components[1].vat", vat),
        ("elements[0].restrictions.min_kwh", number),
        ("elements[1].price_components[0].price", number),
        ("elements[1].price_components[0].step_size", step),
        ("elements[1].restrictions.max_power", number),
    ]
    with pytest.raises(Invalid, match="end_date_time: must"):
        compile_tariff(tariff(end=MONDAY.replace(tzinfo=None)))


def test_the_largest_sensible_numbers_are_taken() -> None:
    edge = tariff(element(price("ENERGY", "0.5", vat="1000", step=10**9)), element(price("FLAT", "0", vat="0", step=0)))
    rated = rate(session(period(ENERGY="999999999999")), [edge])
    assert str(rated.total_cost.before_taxes) == "500000000000.0000"
    assert str(rated.total_cost.after_taxes) == "5500000000000.0000"


def test_each_kind_of_line_carries_all_it_knows() -> None:
    chosen = tariff(
        element(price("FLAT", "1", vat="10"), price("TIME", "6", vat="20", step=600)),
        id="T",
        max_price=PriceLimit(before_taxes=Decimal(2), after_taxes=Decimal(3)),
    )
    rated = rate(session(period(ENERGY="0.5"), period(30, TIME="0.25"), minutes=45), [chosen])
    later = MONDAY + timedelta(minutes=30)
    flat, free, time_line, step, limit = rated.lines
    assert flat == Line(
        kind=LineKind.FLAT,
        group=CostGroup.FIXED,
        dimension=Dimension.FLAT,
        quantity=Decimal(1),
        before_taxes=Decimal(1),
        after_taxes=Decimal("1.1"),
        unit_price=Decimal(1),
        vat=Decimal(10),
        period=0,
        start=MONDAY,
        tariff="T",
        element=0,
        component=0,
        step_size=1,
        why="element 1 is the first with a price for flat fee, and applies now",
    )
    assert free == Line(
        kind=LineKind.FREE,
        group=CostGroup.ENERGY,
        dimension=Dimension.ENERGY,
        quantity=Decimal("0.5"),
        before_taxes=Decimal(0),
        after_taxes=Decimal(0),
        period=0,
        start=MONDAY,
        tariff="T",
        why="the tariff has no price for energy",
    )
    assert time_line == Line(
        kind=LineKind.USAGE,
        group=CostGroup.TIME,
        dimension=Dimension.TIME,
        quantity=Decimal(900),
        before_taxes=Decimal("1.5"),
        after_taxes=Decimal("1.8"),
        unit_price=Decimal(6),
        vat=Decimal(20),
        period=1,
        start=later,
        tariff="T",
        element=0,
        component=1,
        step_size=600,
        why="element 1 is the first with a price for charging time, and applies now",
    )
    assert step == replace(
        time_line,
        kind=LineKind.STEP,
        quantity=Decimal(300),
        before_taxes=Decimal("0.5"),
        after_taxes=Decimal("0.6"),
        why="15 min is billed as 20 min: charging time comes in steps of 10 min",
    )
    assert limit == Line(
        kind=LineKind.LIMIT,
        group=CostGroup.LIMIT,
        dimension=None,
        quantity=Decimal(1),
        before_taxes=Decimal(-1),
        after_taxes=Decimal("-0.5"),
        why="the tariff's maximum price holds",
    )


def test_a_step_of_energy_and_a_raised_total_are_told() -> None:
    chosen = tariff(
        element(price("ENERGY", "1", step=500)), min_price=PriceLimit(before_taxes=Decimal(2), after_taxes=Decimal(2))
    )
    rated = rate(session(period(ENERGY="0.7")), [chosen])
    assert [line.why for line in rated.lines[1:]] == [
        "0.7 kWh is billed as 1 kWh: energy comes in steps of 0.5 kWh",
        "the tariff's minimum price holds",
    ]


def test_roundings_name_the_total_its_side_and_both_numbers() -> None:
    rated = rate(session(period(ENERGY="0.33335")), [tariff(element(price("ENERGY", "1", vat="10", step=0)))])
    assert [(entry.total, entry.side, str(entry.exact), str(entry.rounded)) for entry in rated.roundings] == [
        ("total_energy_cost", "before_taxes", "0.33335", "0.3334"),
        ("total_energy_cost", "after_taxes", "0.3666850", "0.3667"),
        ("total_cost", "before_taxes", "0.33335", "0.3334"),
        ("total_cost", "after_taxes", "0.3666850", "0.3667"),
    ]
