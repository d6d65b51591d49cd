"""What lies exactly on an edge, and what the shortest way through the engine must not lose."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.domain.errors import Invalid
from hub.domain.rating import LineKind, NoteCode, Price, RatableSession, TaxLine, compile_tariff, policy_named, rate
from hub.domain.rating.account import less, plus
from hub.domain.rating.exact import spoken, written
from hub.domain.rating.policy import ROAMHUB_2026, MissingMeasurement, TimeStepRule
from hub.domain.rating.zones import zone_named
from hub.domain.tariffs import PriceLimit, ReservationRestriction, Tariff, TaxIncluded, Weekday
from tests.unit.rating.making import MONDAY, element, period, price, session, tariff

ONE, TWO, THREE = Decimal(1), Decimal(2), Decimal(3)
RESERVED = ReservationRestriction.RESERVATION
EXPIRED = ReservationRestriction.RESERVATION_EXPIRES


def _refusal(chosen: Tariff, charged: RatableSession | None = None) -> tuple[str, str]:
    with pytest.raises(Invalid) as raised:
        rate(charged or session(), [chosen])
    (violation,) = raised.value.violations
    return violation.field, violation.rule


class TestSidesOfTheTax:
    """A side that one of two amounts does not know is unknown; the other side is not."""

    @pytest.mark.parametrize(
        ("left", "right", "added", "subtracted"),
        [
            ((THREE, TWO), (ONE, ONE), (Decimal(4), THREE), (TWO, ONE)),
            ((None, TWO), (ONE, ONE), (None, THREE), (None, ONE)),
            ((THREE, None), (ONE, ONE), (Decimal(4), None), (TWO, None)),
            ((THREE, TWO), (None, ONE), (None, THREE), (None, ONE)),
            ((THREE, TWO), (ONE, None), (Decimal(4), None), (TWO, None)),
        ],
    )
    def test_each_side_is_added_and_subtracted_by_itself(
        self, left: Any, right: Any, added: object, subtracted: object
    ) -> None:
        assert plus(left, right) == added
        assert less(left, right) == subtracted

    def test_a_price_per_hour_that_contains_its_tax_loses_it_before_taxes(self) -> None:
        chosen = tariff(element(price("TIME", "12.10", vat="21")), tax_included=TaxIncluded.YES)
        cost = rate(session(period(TIME="0.5")), [chosen]).total_cost
        assert cost == Price(before_taxes=Decimal("5.0000"), after_taxes=Decimal("6.0500"))

    def test_a_rate_where_no_tax_applies_is_no_rate(self) -> None:
        chosen = tariff(element(price("ENERGY", "1", vat="21")), tax_included=TaxIncluded.NOT_APPLICABLE)
        assert rate(session(period(ENERGY=2)), [chosen]).taxes == (TaxLine(vat=None, base=TWO, amount=Decimal(0)),)

    def test_a_rate_where_no_tax_applies_scales_no_limit(self) -> None:
        least = PriceLimit(before_taxes=Decimal(5))
        free = element(price("ENERGY", "0", vat="21"))
        chosen = tariff(free, tax_included=TaxIncluded.NOT_APPLICABLE, min_price=least)
        cost = rate(session(period(ENERGY=2)), [chosen]).total_cost
        assert cost == Price(before_taxes=Decimal(5), after_taxes=Decimal(5))

    def test_a_rate_keeps_all_its_digits(self) -> None:
        vat = "10.00000000000000000000000000000000001"
        compiled = compile_tariff(tariff(element(price("ENERGY", "1", vat=vat))))
        assert compiled.buckets[0].factor == Decimal("1.1000000000000000000000000000000000001")

    def test_a_sum_of_many_digits_is_exact(self) -> None:
        chosen = tariff(element(price("ENERGY", "900000000000.00015", step=0)))
        rated = rate(session(period(ENERGY="999999999999")), [chosen])
        assert str(rated.lines[0].before_taxes) == "899999999999100149999999.99985"
        assert str(rated.total_cost.before_taxes) == "899999999999100149999999.9999"


class TestCalendar:
    """Clock and calendar, to the minute and the day."""

    def test_a_date_range_of_one_day_is_that_day_and_no_other_to_the_lenient_policy(self) -> None:
        day = MONDAY.date()
        chosen = tariff(element(price("ENERGY", "1"), start_date=day, end_date=day))
        lenient = policy_named("lenient-2026")
        costs = [
            rate(
                session(
                    period(ENERGY=1)._replace(start=MONDAY + timedelta(days=shift)),
                    start=MONDAY + timedelta(days=shift),
                    end=MONDAY + timedelta(days=shift, hours=1),
                ),
                [chosen],
                lenient,
            ).total_cost.before_taxes
            for shift in (-1, 0, 1, 2)
        ]
        assert costs == [0, 1, 0, 0]

    def test_the_same_day_of_another_week_has_its_own_price(self) -> None:
        later = (MONDAY + timedelta(days=7)).date()
        chosen = tariff(element(price("ENERGY", "9"), start_date=later), element(price("ENERGY", "1")))
        now = session(period(ENERGY=1))
        then = session(
            period(ENERGY=1)._replace(start=MONDAY + timedelta(days=7)),
            start=MONDAY + timedelta(days=7),
            end=MONDAY + timedelta(days=7, hours=1),
        )
        compiled = compile_tariff(chosen)
        assert [rate(one, [compiled]).total_cost.before_taxes for one in (now, then, now)] == [1, 9, 1]

    def test_a_tariff_that_looks_at_no_clock_has_one_row_for_all_time(self) -> None:
        assert compile_tariff(tariff(element(price("ENERGY", "1"), min_kwh=ONE))).static_row is not None

    def test_the_table_of_a_day_is_made_once(self) -> None:
        night = compile_tariff(tariff(element(price("ENERGY", "1"), end_time=time(6))))
        tables = [night.day_table(MONDAY + timedelta(days=day)) for day in range(21)]
        assert len({id(table) for table in tables}) == 7
        assert all(tables[day] is tables[day % 7] for day in range(21))
        dated = compile_tariff(tariff(element(price("ENERGY", "1"), start_date=date(2024, 1, 1))))
        assert len({id(dated.day_table(MONDAY + timedelta(days=day))) for day in range(21)}) == 21

    def test_a_price_that_changes_by_the_clock_of_a_place_far_east_is_noted(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), end_time=time(19, 30)), element(price("ENERGY", "2")))
        rated = rate(session(period(ENERGY=1), time_zone="Asia/Tokyo"), [chosen])
        assert [note.code for note in rated.notes] == [NoteCode.PERIOD_SPANS_PRICE_CHANGE]


class TestUsable:
    """What is refused, and what is just not."""

    @pytest.mark.parametrize("zone", [UTC, ZoneInfo("UTC"), ZoneInfo("Etc/GMT")])
    def test_any_zone_without_an_offset_is_utc(self, zone: Any) -> None:
        start = MONDAY.replace(tzinfo=zone)
        rated = rate(
            session(period(ENERGY=1)._replace(start=start), start=start), [tariff(element(price("ENERGY", "1")))]
        )
        assert rated.total_cost.before_taxes == 1

    @pytest.mark.parametrize("year", [1900, 9000])
    def test_the_first_and_the_last_year_are_taken(self, year: int) -> None:
        start = datetime(year, 1, 1, tzinfo=UTC)
        charged = session(
            period(ENERGY=1)._replace(start=start), start=start, end=start + timedelta(hours=1), time_zone="UTC"
        )
        assert rate(charged, [tariff(element(price("ENERGY", "1")))]).total_cost.before_taxes == 1

    @pytest.mark.parametrize("volumes", [{"TIME": "1e12"}, {"ENERGY": "-1e12"}, {"MAX_POWER": "1e12"}])
    def test_a_volume_of_a_million_million_is_refused(self, volumes: dict[str, Any]) -> None:
        plain = tariff(element(price("ENERGY", "1")))
        assert _refusal(plain, session(period(**volumes)))[0] == "charging_periods[0].dimensions"
        just: dict[str, Any] = {kind: volume.replace("1e12", "999999999999.9") for kind, volume in volumes.items()}
        rate(session(period(**just)), [plain])

    def test_the_times_of_a_tariff_are_refused_by_their_names(self) -> None:
        naive = MONDAY.replace(tzinfo=None)
        assert _refusal(tariff(start=naive)) == ("start_date_time", "must be an aware time in UTC")
        assert _refusal(tariff(end=naive)) == ("end_date_time", "must be an aware time in UTC")

    def test_a_signalling_nan_is_refused_by_its_field(self) -> None:
        chosen = tariff(element(price("ENERGY", "sNaN")))
        assert _refusal(chosen)[0] == "elements[0].price_components[0].price"

    def test_no_tariff_at_all_is_refused_by_name(self) -> None:
        with pytest.raises(Invalid) as raised:
            rate(session(period(ENERGY=1)), [])
        (violation,) = raised.value.violations
        assert (violation.field, violation.rule) == ("tariffs", "must hold at least one tariff")


class TestChoice:
    """Which tariff, which component."""

    def test_of_several_tariffs_none_of_which_was_in_force_the_first_is_told(self) -> None:
        early, late = (tariff(element(price("ENERGY", "1")), id=name, end=MONDAY) for name in ("EARLY", "LATE"))
        notes = rate(session(period(ENERGY=1, tariff_id="EARLY")), [early, late]).notes
        assert [note.message for note in notes] == [
            "tariff EARLY was not in force at the start of the session, 2024-03-04T10:00:00Z"
        ]

    def test_each_unknown_tariff_is_noted_once(self) -> None:
        charged = session(
            period(ENERGY=1, tariff_id="X"),
            period(20, ENERGY=1, tariff_id="Y"),
            period(40, ENERGY=1, tariff_id="x"),
        )
        rated = rate(charged, [tariff(element(price("ENERGY", "1")), id="A")])
        assert [(note.code, note.period) for note in rated.notes] == [
            (NoteCode.UNKNOWN_TARIFF, 0),
            (NoteCode.UNKNOWN_TARIFF, 1),
        ]

    def test_restrictions_on_current_and_power_together_all_count(self) -> None:
        bounds = {"min_current": 16, "max_current": 32, "min_power": 11, "max_power": 22}
        chosen = tariff(
            element(price("ENERGY", "9"), **{name: Decimal(bound) for name, bound in bounds.items()}),
            element(price("ENERGY", "1")),
        )
        fits: dict[str, Any] = {"MIN_CURRENT": 16, "MAX_CURRENT": 31, "MIN_POWER": 11, "MAX_POWER": 21}
        for name, beyond in {"": 0, "MIN_CURRENT": 15, "MAX_CURRENT": 32, "MIN_POWER": 10, "MAX_POWER": 22}.items():
            measured: dict[str, Any] = fits | ({name: beyond} if name else {})
            rated = rate(session(period(ENERGY=1, **measured)), [chosen])
            assert rated.total_cost.before_taxes == (1 if name else 9)

    def test_nothing_but_a_component_of_its_own_prices_a_period_without_a_tariff(self) -> None:
        first, second = tariff(element(price("ENERGY", "1")), id="A"), tariff(element(price("FLAT", "5")), id="B")
        charged = session(period(ENERGY=1, tariff_id="A"), period(30, ENERGY=1))
        rated = rate(charged, [first, second], policy_named("ocpi-literal-2026"))
        assert [(line.kind, line.tariff) for line in rated.lines] == [(LineKind.USAGE, "A"), (LineKind.FREE, None)]


class TestNotes:
    """Once for each thing they are about."""

    def test_each_element_whose_measurement_is_missing_is_noted(self) -> None:
        chosen = tariff(
            element(price("ENERGY", "1"), max_power=Decimal(5)),
            element(price("TIME", "1"), min_current=Decimal(5)),
        )
        rated = rate(session(period(ENERGY=1, TIME=1), period(30, ENERGY=1, TIME=1)), [chosen])
        assert [note.message.split(" asks")[0] for note in rated.notes] == ["element 1", "element 2"]

    def test_each_unknown_component_is_noted(self) -> None:
        chosen = tariff(replace(element(price("ENERGY", "1")), unknown_types=("LIGHT", "SOUND", "LIGHT")))
        rated = rate(session(period(ENERGY=1)), [chosen])
        assert [note.message.split()[0] for note in rated.notes] == ["LIGHT", "SOUND"]

    def test_an_element_that_comes_later_was_not_passed_over(self) -> None:
        chosen = tariff(
            element(price("ENERGY", "9", step=1000), min_kwh=Decimal(5)),
            element(price("ENERGY", "1", step=1000)),
            element(price("ENERGY", "9", step=1000), min_kwh=Decimal(5)),
        )
        rated = rate(session(period(ENERGY="0.5")), [chosen])
        assert [(line.kind, [refused.element for refused in line.passed_over]) for line in rated.lines] == [
            (LineKind.USAGE, [0]),
            (LineKind.STEP, []),
        ]


class TestLength:
    """Time and where it begins."""

    @pytest.mark.parametrize(
        ("length", "hours"),
        [
            (timedelta(days=2, hours=1), "49.0000"),
            (timedelta(hours=1, milliseconds=900), "1.0003"),
            (timedelta(hours=1, milliseconds=100), "1.0000"),
            (timedelta(0), "0.0000"),
        ],
    )
    def test_the_total_time_is_that_between_start_and_end(self, length: timedelta, hours: str) -> None:
        rated = rate(session(end=MONDAY + length), [tariff(element(price("ENERGY", "1")))])
        assert str(rated.total_time) == hours

    @pytest.mark.parametrize(
        ("first", "cost"),
        [
            ({}, 9),
            ({"RESERVATION_TIME": "0.75"}, 1),
            ({"RESERVATION_TIME": "0.5", "TIME": "0.25"}, 9),
            ({"RESERVATION_TIME": "0.5", "PARKING_TIME": "0.25"}, 9),
            ({"RESERVATION_TIME": "0.75", "ENERGY": "0"}, 1),
        ],
    )
    def test_duration_counts_from_the_first_period_that_is_more_than_a_reservation(
        self, first: dict[str, Any], cost: int
    ) -> None:
        chosen = tariff(element(price("ENERGY", "1"), max_duration=1800), element(price("ENERGY", "9")))
        rated = rate(session(period(**first), period(45, ENERGY=1)), [chosen])
        assert rated.total_cost.before_taxes == cost

    def test_energy_beside_a_reservation_is_more_than_a_reservation(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), max_duration=1800), element(price("ENERGY", "9")))
        rated = rate(session(period(RESERVATION_TIME="0.75", ENERGY=1), period(45, ENERGY=1)), [chosen])
        assert rated.total_cost.before_taxes == 10

    @pytest.mark.parametrize(
        ("name", "offset"),
        [("+05:45", (5, 45)), ("-0530", (-5, -30)), ("+00:00", (0, 0)), ("-23:59", (-23, -59)), ("UTC", (0, 0))],
    )
    def test_a_fixed_offset_is_a_zone(self, name: str, offset: tuple[int, int]) -> None:
        assert zone_named(name).utcoffset(MONDAY) == timedelta(hours=offset[0], minutes=offset[1])

    @pytest.mark.parametrize("name", ["+24:00", "-24:00", "+24:30", "+99:99", "05:45", "+5:45"])
    def test_an_offset_of_a_day_or_more_is_none(self, name: str) -> None:
        with pytest.raises(Invalid):
            zone_named(name)


class TestSteps:
    """The last block."""

    @pytest.mark.parametrize(("volume", "billed"), [("1.0000009", "1.0000009"), ("1.000001", "2")])
    def test_a_thousandth_of_a_wh_buys_a_block_and_less_does_not(self, volume: str, billed: str) -> None:
        rated = rate(session(period(ENERGY=volume)), [tariff(element(price("ENERGY", "1", step=1000)))])
        assert sum(line.quantity for line in rated.lines) == Decimal(billed)

    def test_each_dimension_whose_price_switched_is_noted(self) -> None:
        early, late = ([price("ENERGY", n, step=500), price("TIME", n, step=600)] for n in ("1", "2"))
        chosen = tariff(element(*early, end_time=time(11)), element(*late))
        charged = session(
            period(ENERGY="0.3", TIME="0.1"), period(60, ENERGY="0.3", TIME="0.1"), minutes=90, time_zone="UTC"
        )
        notes = [note.message.split()[0] for note in rate(charged, [chosen]).notes if "switch" in note.code]
        assert notes == ["ENERGY", "TIME"]

    def test_of_charging_and_parking_that_end_together_parking_is_rounded_up(self) -> None:
        chosen = tariff(element(price("TIME", "6", step=600), price("PARKING_TIME", "6", step=600)))
        last = replace(ROAMHUB_2026, time_step=TimeStepRule.LAST_TIME_BASED)
        rated = rate(session(period(TIME="0.1", PARKING_TIME="0.1")), [chosen], last)
        assert [line.dimension for line in rated.lines if line.kind is LineKind.STEP] == ["PARKING_TIME"]

    def test_times_are_taken_as_written_where_the_policy_does_not_snap(self) -> None:
        chosen = tariff(element(price("TIME", "6", step=300)))
        written_down = replace(ROAMHUB_2026, snap_to_seconds=False)
        costs = [
            rate(session(period(TIME="0.1667")), [chosen], policy).total_cost.before_taxes
            for policy in (ROAMHUB_2026, written_down)
        ]
        assert costs == [Decimal("1.0000"), Decimal("1.5000")]


def _limit(before: str | None = None, after: str | None = None) -> PriceLimit:
    return PriceLimit(
        before_taxes=None if before is None else Decimal(before),
        after_taxes=None if after is None else Decimal(after),
    )


class TestLimits:
    """Each side of the tax by itself."""

    @pytest.mark.parametrize(
        ("limits", "cost", "notes"),
        [
            ({"min_price": _limit("2", "2")}, ("2", "2"), ["min_price_applied"]),
            ({"min_price": _limit("2", "1")}, ("2", "1.21"), ["min_price_applied"]),
            ({"min_price": _limit("1", "2")}, ("1", "2"), ["min_price_applied"]),
            ({"min_price": _limit("1", "1.21")}, ("1", "1.21"), []),
            ({"max_price": _limit("0.9", "5")}, ("0.9", "1.21"), ["max_price_applied"]),
            ({"max_price": _limit("5", "0.7")}, ("1", "0.7"), ["max_price_applied"]),
            ({"max_price": _limit("1", "1.21")}, ("1", "1.21"), []),
            ({"min_price": _limit("3", "3"), "max_price": _limit("3", "3")}, ("3", "3"), ["min_price_applied"]),
            (
                {"min_price": _limit("2", "1"), "max_price": _limit("9", "1.2")},
                ("2", "1.2"),
                ["min_price_applied", "max_price_applied"],
            ),
            (
                {"min_price": _limit("2", "3"), "max_price": _limit("4", "2.9")},
                ("2", "2.9"),
                ["limits_contradict", "min_price_applied"],
            ),
        ],
    )
    def test_a_side_that_no_limit_moves_stays_and_is_not_noted(
        self, limits: dict[str, PriceLimit], cost: tuple[str, str], notes: list[str]
    ) -> None:
        rated = rate(session(period(ENERGY=1)), [tariff(element(price("ENERGY", "1", vat="21")), **limits)])
        assert (rated.total_cost.before_taxes, rated.total_cost.after_taxes) == tuple(Decimal(side) for side in cost)
        assert [note.code for note in rated.notes] == notes
        word = "minimum" if "min_price_applied" in notes else "maximum"
        moved = [line.why for line in rated.lines if line.kind is LineKind.LIMIT]
        assert moved == ([f"the tariff's {word} price holds"] if notes else [])

    def test_nothing_billed_at_several_rates_leaves_the_side_unknown_that_no_limit_names(self) -> None:
        free = element(price("ENERGY", "0", vat="21"), price("TIME", "0", vat="9"))
        charged = session(period(ENERGY=1, TIME=1))
        by_side = {
            side: rate(charged, [tariff(free, min_price=least)])
            for side, least in (("after", _limit(after="5")), ("before", _limit(before="5")))
        }
        assert by_side["after"].total_cost == Price(before_taxes=None, after_taxes=Decimal(5))
        assert by_side["before"].total_cost == Price(before_taxes=Decimal(5), after_taxes=None)
        assert all(rated.has(NoteCode.UNKNOWN_TAX) and rated.taxes == () for rated in by_side.values())
        assert all(rated.lines[-1].kind is LineKind.LIMIT for rated in by_side.values())


class TestReservation:
    """Its time counts from its own start, whatever follows."""

    def test_an_impossible_price_beside_it_hides_none(self) -> None:
        chosen = tariff(element(price("ENERGY", "9"), price("TIME", "6"), price("FLAT", "1"), reservation=RESERVED))
        rated = rate(session(period(RESERVATION_TIME=1)), [chosen])
        assert rated.total_reservation_cost == Price(before_taxes=Decimal(7), after_taxes=Decimal(7))

    @pytest.mark.parametrize("kind", [RESERVED, EXPIRED])
    @pytest.mark.parametrize("charged", [True, False])
    def test_its_duration_counts_from_the_start_of_the_session(
        self, kind: ReservationRestriction, charged: bool
    ) -> None:
        chosen = tariff(
            element(price("TIME", "6"), reservation=kind, max_duration=600),
            element(price("TIME", "12"), reservation=kind),
            element(price("ENERGY", "1")),
        )
        reserved = [period(RESERVATION_TIME="0.25"), period(15, RESERVATION_TIME="0.25")]
        rated = rate(
            session(*reserved, *([period(30, ENERGY=1)] if charged else []), reservation_expired=kind is EXPIRED),
            [chosen],
        )
        assert rated.total_reservation_cost == Price(before_taxes=Decimal("4.5"), after_taxes=Decimal("4.5"))

    @pytest.mark.parametrize("kind", [RESERVED, EXPIRED])
    def test_a_power_that_was_not_measured_is_asked_of_it_too(self, kind: ReservationRestriction) -> None:
        chosen = tariff(
            element(price("TIME", "6"), reservation=kind, max_power=Decimal(5)),
            element(price("TIME", "12"), reservation=kind),
        )
        charged = session(period(RESERVATION_TIME="0.5"), reservation_expired=kind is EXPIRED)
        strict = replace(ROAMHUB_2026, missing_measurement=MissingMeasurement.FAILS)
        costs = [rate(charged, [chosen], policy).total_cost.before_taxes for policy in (ROAMHUB_2026, strict)]
        assert costs == [3, 6]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("10", "10"),
        ("100.0", "100"),
        ("0.50", "0.5"),
        ("-1.250", "-1.25"),
        ("1e3", "1000"),
        ("1E-7", "0.0000001"),
    ],
)
def test_a_number_is_written_without_exponent_and_trailing_zeros(number: str, text: str) -> None:
    assert written(Decimal(number)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ("0", "0 s"),
        ("1", "1 s"),
        ("59.5", "59.5 s"),
        ("60", "1 min"),
        ("61", "1 min 1 s"),
        ("3600", "1 h"),
        ("9900", "2 h 45 min"),
        ("90061", "25 h 1 min 1 s"),
    ],
)
def test_a_duration_is_spoken_in_hours_minutes_and_seconds(seconds: str, text: str) -> None:
    assert spoken(Decimal(seconds)) == text


def test_a_week_has_its_days() -> None:
    for shift, day in enumerate(Weekday):
        start = MONDAY + timedelta(days=shift)
        chosen = tariff(element(price("ENERGY", "1"), days=frozenset({day})))
        charged = session(period(ENERGY=1)._replace(start=start), start=start, end=start + timedelta(hours=1))
        assert rate(charged, [chosen]).total_cost.before_taxes == 1
