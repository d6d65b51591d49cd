"""Which element prices what, and when: RATING rules 2 to 4 and 9."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.errors import Invalid
from hub.domain.rating import NoteCode, RatedCdr, compile_tariff, period_of, policy_named, rate
from hub.domain.rating.calendar import calendar_of
from hub.domain.rating.policy import ROAMHUB_2026, EqualTimes, MissingMeasurement
from hub.domain.tariffs import Restrictions, Tariff, Weekday
from tests.unit.rating.making import MONDAY, element, period, price, session, tariff


def _energy(rated: RatedCdr) -> list[tuple[int | None, str]]:
    """Return which element priced each energy line, and for how much."""
    return [(line.element, str(line.before_taxes)) for line in rated.lines if line.dimension == "ENERGY"]


def test_the_first_element_that_holds_wins_even_where_a_later_one_is_cheaper() -> None:
    chosen = tariff(element(price("ENERGY", "0.50")), element(price("ENERGY", "0.10")))
    assert _energy(rate(session(period(ENERGY=1)), [chosen])) == [(0, "0.50")]


def test_dimensions_are_looked_up_apart_and_may_come_from_different_elements() -> None:
    chosen = tariff(
        element(price("TIME", "1")), element(price("ENERGY", "2"), price("TIME", "9")), element(price("ENERGY", "7"))
    )
    rated = rate(session(period(ENERGY=1, TIME=1)), [chosen])
    assert [(line.dimension, line.element) for line in rated.lines] == [("ENERGY", 1), ("TIME", 0)]


def test_a_dimension_without_a_matching_element_is_free_and_says_so() -> None:
    chosen = tariff(element(price("ENERGY", "2"), min_kwh=Decimal(5)))
    rated = rate(session(period(ENERGY=1)), [chosen])
    (line,) = rated.lines
    assert (line.kind, line.element, rated.total_energy_cost) == ("FREE", None, None)
    assert [entry.restriction for entry in line.passed_over] == ["min_kwh"]
    assert rated.total_cost.before_taxes == 0


@pytest.mark.parametrize(
    ("restrictions", "before", "matches"),
    [
        ({"min_kwh": Decimal(5)}, "4.9999", False),
        ({"min_kwh": Decimal(5)}, "5", True),
        ({"max_kwh": Decimal(5)}, "4.9999", True),
        ({"max_kwh": Decimal(5)}, "5", False),
    ],
)
def test_energy_bounds_include_the_minimum_and_exclude_the_maximum(
    restrictions: dict[str, Decimal], before: str, matches: bool
) -> None:
    chosen = tariff(element(price("ENERGY", "1"), **restrictions), element(price("ENERGY", "9")))
    rated = rate(session(period(ENERGY=before), period(30, ENERGY=1)), [chosen])
    assert rated.lines[1].element == (0 if matches else 1)


@pytest.mark.parametrize(
    ("restrictions", "minute", "matches"),
    [
        ({"min_duration": 1800}, 29.99, False),
        ({"min_duration": 1800}, 30, True),
        ({"max_duration": 1800}, 29.99, True),
        ({"max_duration": 1800}, 30, False),
    ],
)
def test_duration_bounds_count_the_whole_session_so_far(
    restrictions: dict[str, int], minute: float, matches: bool
) -> None:
    chosen = tariff(element(price("ENERGY", "1"), **restrictions), element(price("ENERGY", "9")))
    rated = rate(session(period(PARKING_TIME=1), period(minute, ENERGY=1)), [chosen])
    assert rated.lines[1].element == (0 if matches else 1)


@pytest.mark.parametrize(
    ("restrictions", "measured", "matches"),
    [
        ({"min_power": Decimal(16)}, {"MIN_POWER": 16}, True),
        ({"min_power": Decimal(16)}, {"MIN_POWER": "15.9"}, False),
        ({"max_power": Decimal(16)}, {"MAX_POWER": "15.9"}, True),
        ({"max_power": Decimal(16)}, {"MAX_POWER": 16}, False),
        ({"min_current": Decimal(32)}, {"MIN_CURRENT": 32}, True),
        ({"min_current": Decimal(32)}, {"MIN_CURRENT": 31}, False),
        ({"max_current": Decimal(32)}, {"MAX_CURRENT": 31}, True),
        ({"max_current": Decimal(32)}, {"MAX_CURRENT": 32}, False),
        # One measurement refutes what the other would have to show.
        ({"max_current": Decimal(32)}, {"MIN_CURRENT": 34}, False),
        ({"min_current": Decimal(32)}, {"MAX_CURRENT": 10}, False),
        ({"max_power": Decimal(16)}, {"POWER": 20}, False),
        ({"min_power": Decimal(16)}, {"POWER": 10}, False),
        ({"min_power": Decimal(16)}, {"MAX_POWER": 10}, False),
        ({"max_power": Decimal(16)}, {"MIN_POWER": 20}, False),
        ({"max_power": Decimal(16)}, {"MIN_POWER": 16}, False),
        ({"max_current": Decimal(32)}, {"MIN_CURRENT": 32}, False),
    ],
)
def test_current_and_power_are_those_of_the_period_itself(
    restrictions: dict[str, Decimal], measured: dict[str, Any], matches: bool
) -> None:
    chosen = tariff(element(price("ENERGY", "1"), **restrictions), element(price("ENERGY", "9")))
    rated = rate(session(period(ENERGY=1, **measured)), [chosen])
    assert rated.lines[0].element == (0 if matches else 1)
    assert not rated.has(NoteCode.MISSING_MEASUREMENT)


@pytest.mark.parametrize(
    ("restrictions", "measured"),
    [
        ({"max_power": Decimal(16)}, {}),
        ({"max_power": Decimal(16)}, {"MIN_POWER": 3}),
        ({"min_power": Decimal(16)}, {"MAX_POWER": 22}),
        ({"min_power": Decimal(16)}, {"MAX_POWER": 16}),
        ({"min_power": Decimal(16)}, {"POWER": 16}),
        ({"max_current": Decimal(16)}, {}),
        ({"min_current": Decimal(16)}, {"MAX_CURRENT": 16}),
    ],
)
def test_a_missing_measurement_satisfies_its_restriction_with_a_note(
    restrictions: dict[str, Decimal], measured: dict[str, Any]
) -> None:
    chosen = tariff(element(price("ENERGY", "1"), **restrictions), element(price("ENERGY", "9")))
    charged = session(period(ENERGY=1, **measured))
    rated = rate(charged, [chosen])
    assert rated.lines[0].element == 0
    assert rated.has(NoteCode.MISSING_MEASUREMENT)
    strict = replace(ROAMHUB_2026, missing_measurement=MissingMeasurement.FAILS)
    rated = rate(charged, [chosen], strict)
    assert rated.lines[0].element == 1
    assert rated.has(NoteCode.MISSING_MEASUREMENT)


NIGHT = {"start_time": time(22), "end_time": time(6)}


@pytest.mark.parametrize(
    ("restrictions", "clock", "matches"),
    [
        ({"start_time": time(9), "end_time": time(17)}, "09:00", True),
        ({"start_time": time(9), "end_time": time(17)}, "08:59", False),
        ({"start_time": time(9), "end_time": time(17)}, "16:59", True),
        ({"start_time": time(9), "end_time": time(17)}, "17:00", False),
        (NIGHT, "22:00", True),
        (NIGHT, "23:59", True),
        (NIGHT, "00:00", True),
        (NIGHT, "05:59", True),
        (NIGHT, "06:00", False),
        (NIGHT, "21:59", False),
        ({"start_time": time(18), "end_time": time(0)}, "23:59", True),
        ({"start_time": time(18), "end_time": time(0)}, "00:00", False),
        ({"start_time": time(0), "end_time": time(0)}, "12:00", True),
        ({"start_time": time(8), "end_time": time(8)}, "12:00", True),
        ({"start_time": time(8), "end_time": time(8)}, "07:59", True),
        ({"start_time": time(18)}, "17:59", False),
        ({"start_time": time(18)}, "18:00", True),
        ({"end_time": time(18)}, "17:59", True),
        ({"end_time": time(18)}, "18:00", False),
        ({"end_time": time(0)}, "18:00", True),
    ],
)
def test_times_of_day_wrap_midnight_and_exclude_their_end(
    restrictions: dict[str, time], clock: str, matches: bool
) -> None:
    chosen = tariff(element(price("ENERGY", "1"), **restrictions), element(price("ENERGY", "9")))
    start = datetime.fromisoformat(f"2024-03-04T{clock}:00+00:00")
    charged = session(period_of(start, [("ENERGY", Decimal(1))]), start=start, end=start + timedelta(minutes=1))
    assert rate(charged, [chosen]).lines[0].element == (0 if matches else 1)


def test_equal_times_mean_never_where_the_policy_says_so() -> None:
    restrictions = Restrictions(start_time=time(8), end_time=time(8))
    assert calendar_of(restrictions, EqualTimes.NEVER).includes_day(738000) is False
    whole = calendar_of(restrictions)
    assert whole.includes_day(738000)
    assert whole.always


@pytest.mark.parametrize(
    ("restrictions", "day", "matches"),
    [
        ({"start_date": date(2024, 3, 5)}, 4, False),
        ({"start_date": date(2024, 3, 5)}, 5, True),
        ({"end_date": date(2024, 3, 5)}, 4, True),
        ({"end_date": date(2024, 3, 5)}, 5, False),
        ({"start_date": date(2024, 3, 4), "end_date": date(2024, 3, 4)}, 4, False),
        ({"days": frozenset({Weekday.MONDAY})}, 4, True),
        ({"days": frozenset({Weekday.MONDAY})}, 5, False),
        ({"days": frozenset({Weekday.SUNDAY})}, 3, True),
        ({"days": frozenset({Weekday.SUNDAY})}, 4, False),
        ({"days": frozenset()}, 4, False),
    ],
)
def test_dates_exclude_their_end_and_days_are_days_of_the_week(
    restrictions: dict[str, object], day: int, matches: bool
) -> None:
    chosen = tariff(element(price("ENERGY", "1"), **restrictions), element(price("ENERGY", "9")))
    start = datetime(2024, 3, day, 12, tzinfo=UTC)
    charged = session(period_of(start, [("ENERGY", Decimal(1))]), start=start, end=start)
    assert rate(charged, [chosen]).lines[0].element == (0 if matches else 1)


def test_a_date_range_of_one_day_means_that_day_to_the_lenient_policy() -> None:
    chosen = tariff(element(price("ENERGY", "1"), start_date=date(2024, 3, 4), end_date=date(2024, 3, 4)))
    charged = session(period(ENERGY=1))
    assert rate(charged, [chosen]).total_energy_cost is None
    assert rate(charged, [chosen], policy_named("lenient-2026")).total_energy_cost is not None


def test_a_night_window_on_mondays_holds_on_monday_at_both_ends_and_not_on_tuesday() -> None:
    chosen = tariff(element(price("ENERGY", "1"), **NIGHT, days=frozenset({Weekday.MONDAY})))
    hours = [
        datetime(2024, 3, 4, 2, tzinfo=UTC),
        datetime(2024, 3, 4, 23, tzinfo=UTC),
        datetime(2024, 3, 5, 2, tzinfo=UTC),
    ]
    periods = [period_of(hour, [("ENERGY", Decimal(1))]) for hour in hours]
    rated = rate(session(*periods, start=hours[0], end=hours[2]), [chosen])
    assert [line.kind for line in rated.lines] == ["USAGE", "USAGE", "FREE"]


@pytest.mark.parametrize(("zone", "element_index"), [("UTC", 0), ("Europe/Amsterdam", 1), ("+01:00", 1), ("-00:30", 0)])
def test_times_are_local_to_the_location(zone: str, element_index: int) -> None:
    chosen = tariff(element(price("ENERGY", "1"), end_time=time(11)), element(price("ENERGY", "9")))
    rated = rate(session(period(ENERGY=1), time_zone=zone), [chosen])
    assert rated.lines[0].element == element_index


def test_the_hour_that_summer_time_skips_belongs_to_no_window() -> None:
    chosen = tariff(element(price("ENERGY", "1"), start_time=time(2), end_time=time(3)), element(price("ENERGY", "9")))
    instants = [datetime(2024, 3, 31, 0, 59, tzinfo=UTC), datetime(2024, 3, 31, 1, 0, tzinfo=UTC)]
    periods = [period_of(instant, [("ENERGY", Decimal(1))]) for instant in instants]
    rated = rate(session(*periods, start=instants[0], end=instants[1], time_zone="Europe/Berlin"), [chosen])
    assert [line.element for line in rated.lines] == [1, 1]


def test_the_hour_that_winter_time_repeats_belongs_to_its_window_twice() -> None:
    chosen = tariff(element(price("ENERGY", "1"), start_time=time(2), end_time=time(3)), element(price("ENERGY", "9")))
    instants = [datetime(2024, 10, 27, hour, 30, tzinfo=UTC) for hour in (0, 1, 2)]
    periods = [period_of(instant, [("ENERGY", Decimal(1))]) for instant in instants]
    rated = rate(session(*periods, start=instants[0], end=instants[2], time_zone="Europe/Berlin"), [chosen])
    assert [line.element for line in rated.lines] == [0, 0, 1]


class TestPeriodSpansPriceChange:
    """`period_spans_price_change`: a period is priced by its start, and the reader is told where that matters."""

    def test_by_the_clock(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), end_time=time(11)), element(price("ENERGY", "9")))
        assert not rate(session(period(ENERGY=1), minutes=60), [chosen]).notes
        rated = rate(session(period(ENERGY=1), minutes=60.1), [chosen])
        assert rated.has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)
        assert _energy(rated) == [(0, "1")]

    def test_by_the_clock_and_back_again(self) -> None:
        chosen = tariff(
            element(price("ENERGY", "1"), start_time=time(11), end_time=time(12)), element(price("ENERGY", "9"))
        )
        assert rate(session(period(ENERGY=1), minutes=180), [chosen]).has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)

    def test_over_midnight(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), days=frozenset({Weekday.MONDAY})), element(price("ENERGY", "9")))
        assert not rate(session(period(ENERGY=1), minutes=14 * 60), [chosen]).notes
        assert rate(session(period(ENERGY=1), minutes=14 * 60 + 1), [chosen]).has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)

    def test_by_energy(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), max_kwh=Decimal(10)), element(price("ENERGY", "9")))
        assert not rate(session(period(ENERGY=10)), [chosen]).notes
        assert rate(session(period(ENERGY="10.1")), [chosen]).has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)

    def test_by_duration(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), max_duration=1800), element(price("ENERGY", "9")))
        assert not rate(session(period(ENERGY=1), minutes=30), [chosen]).notes
        assert rate(session(period(ENERGY=1), minutes=31), [chosen]).has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)

    def test_not_where_the_price_stays_the_same(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), end_time=time(11)), element(price("ENERGY", "1.0")))
        assert not rate(session(period(ENERGY=1), minutes=120), [chosen]).notes

    def test_from_priced_to_free(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), end_time=time(11)))
        assert rate(session(period(ENERGY=1), minutes=120), [chosen]).has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)

    windowed = tariff(
        element(price("ENERGY", "1"), start_time=time(11, 45), end_time=time(12, 15)), element(price("ENERGY", "9"))
    )

    @pytest.mark.parametrize(
        ("start", "minutes", "changes"),
        [
            (31, 74, False),  # 10:31 to 11:45
            (31, 74.01, True),
            (31, 74 + 1 / 60, True),
            (105, 30, False),  # 11:45 to 12:15
            (105, 30.01, True),
            (104.99, 1, True),
            (135, 24 * 60 - 30, False),  # 12:15 to 11:45 the next day
            (135, 24 * 60 - 29, True),
            (135, 24 * 60 + 30, True),
            (135, 3 * 24 * 60, True),
            (840, 0, False),  # midnight
            (60, 22 * 60, True),  # 11:00 to 09:00 the next day
            (105, 30 + 1 / 60_000_000, True),
        ],
    )
    def test_to_the_second_and_over_days(self, start: float, minutes: float, changes: bool) -> None:
        begin = MONDAY + timedelta(minutes=start)
        charged = session(
            period_of(begin, [("ENERGY", Decimal(1))]), start=begin, end=begin + timedelta(minutes=minutes)
        )
        assert rate(charged, [self.windowed]).has(NoteCode.PERIOD_SPANS_PRICE_CHANGE) is changes

    def test_on_a_day_of_the_month_that_is_not_the_same_day(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), days=frozenset({Weekday.MONDAY})), element(price("ENERGY", "9")))
        begin = MONDAY.replace(month=4, day=1)
        charged = session(period_of(begin, [("ENERGY", Decimal(1))]), start=begin, end=begin.replace(month=5, hour=11))
        assert rate(charged, [chosen]).has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)

    def test_where_a_measurement_that_is_missing_would_matter_later(self) -> None:
        chosen = tariff(
            element(price("ENERGY", "1"), end_time=time(11)), element(price("ENERGY", "9"), max_power=Decimal(5))
        )
        rated = rate(session(period(ENERGY=1), minutes=90), [chosen])
        assert [note.code for note in rated.notes] == [NoteCode.PERIOD_SPANS_PRICE_CHANGE]

    def test_only_for_what_is_measured(self) -> None:
        chosen = tariff(element(price("TIME", "1", step=0), end_time=time(11)), element(price("ENERGY", "1")))
        assert not rate(session(period(ENERGY=1, PARKING_TIME=1), minutes=90), [chosen]).notes

    def test_by_a_threshold_that_changes_another_dimension_only(self) -> None:
        chosen = tariff(element(price("TIME", "1", step=0), max_kwh=Decimal(5)), element(price("ENERGY", "1")))
        assert not rate(session(period(ENERGY=10), minutes=0), [chosen]).notes
        assert rate(session(period(ENERGY=10, TIME=1)), [chosen]).has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)

    @pytest.mark.parametrize("edge", [{"max_kwh": Decimal(5)}, {"max_duration": 1800}])
    def test_by_a_threshold_after_which_a_measurement_is_missing(self, edge: dict[str, Any]) -> None:
        chosen = tariff(element(price("ENERGY", "1"), **edge), element(price("ENERGY", "9"), max_power=Decimal(5)))
        rated = rate(session(period(ENERGY=10)), [chosen])
        assert [note.code for note in rated.notes] == [NoteCode.PERIOD_SPANS_PRICE_CHANGE]

    @pytest.mark.parametrize("edge", [{"max_kwh": Decimal(5)}, {"max_duration": 1800}])
    def test_not_by_a_threshold_on_either_side_of_which_the_price_is_the_same(self, edge: dict[str, Any]) -> None:
        chosen = tariff(element(price("ENERGY", "1", vat="9"), **edge), element(price("ENERGY", "1", vat="9")))
        assert not rate(session(period(ENERGY=10)), [chosen]).notes
        taxed = tariff(element(price("ENERGY", "1", vat="9"), **edge), element(price("ENERGY", "1", vat="21")))
        assert rate(session(period(ENERGY=10)), [taxed]).has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)

    def test_not_by_what_changed_before_the_period_though_something_else_changes_in_it(self) -> None:
        chosen = tariff(
            element(price("ENERGY", "1"), start_time=time(9, 40), end_time=time(10, 10)),
            element(price("ENERGY", "2"), price("PARKING_TIME", "1"), max_kwh=Decimal(5)),
            element(price("ENERGY", "2")),
        )
        assert not rate(session(period(30, ENERGY=10)), [chosen]).notes

    def test_each_period_is_noted(self) -> None:
        chosen = tariff(
            element(price("ENERGY", "1"), end_time=time(11)),
            element(price("ENERGY", "2"), end_time=time(12)),
            element(price("ENERGY", "3")),
        )
        rated = rate(session(period(ENERGY=1), period(90, ENERGY=1), minutes=180), [chosen])
        assert [note.period for note in rated.notes] == [0, 1]


class TestTariffChoice:
    """The tariff at the session's start holds; periods may name another."""

    old = tariff(element(price("ENERGY", "1")), id="OLD", end=MONDAY + timedelta(minutes=10))
    new = tariff(element(price("ENERGY", "2")), id="NEW", start=MONDAY + timedelta(minutes=10))

    def test_the_tariff_valid_at_the_start_holds_for_the_whole_session(self) -> None:
        rated = rate(session(period(ENERGY=1), period(30, ENERGY=1)), [self.new, self.old])
        assert [line.tariff for line in rated.lines] == ["OLD", "OLD"]
        assert rated.has(NoteCode.SEVERAL_TARIFFS)

    def test_a_period_may_name_another_whatever_the_case_of_its_letters(self) -> None:
        rated = rate(
            session(period(ENERGY=1, tariff_id="old"), period(30, ENERGY=1, tariff_id="New")), [self.old, self.new]
        )
        assert [line.tariff for line in rated.lines] == ["OLD", "NEW"]
        assert not rated.notes

    def test_a_period_that_names_none_keeps_the_tariff_in_force(self) -> None:
        charged = session(period(ENERGY=1, tariff_id="NEW"), period(30, ENERGY=1))
        rated = rate(charged, [self.old, self.new])
        assert [line.tariff for line in rated.lines] == ["NEW", "NEW"]
        assert rated.has(NoteCode.PERIOD_WITHOUT_TARIFF)
        literal = rate(charged, [self.old, self.new], policy_named("ocpi-literal-2026"))
        assert [(line.kind, line.tariff) for line in literal.lines] == [("USAGE", "NEW"), ("FREE", None)]
        assert literal.lines[1].why == "no tariff is named for this period, so its energy is free"

    def test_a_tariff_that_was_not_supplied_is_noted(self) -> None:
        rated = rate(session(period(ENERGY=1, tariff_id="OTHER")), [self.old])
        assert [line.tariff for line in rated.lines] == ["OLD"]
        assert rated.has(NoteCode.UNKNOWN_TARIFF)

    def test_a_tariff_that_was_not_in_force_is_noted(self) -> None:
        assert rate(session(period(ENERGY=1)), [self.new]).has(NoteCode.TARIFF_NOT_VALID_AT_START)
        assert not rate(session(period(ENERGY=1)), [self.old]).notes
        both = rate(session(period(ENERGY=1)), [self.new, tariff(id="X", start=MONDAY + timedelta(days=1))])
        assert both.has(NoteCode.TARIFF_NOT_VALID_AT_START)

    def test_validity_includes_its_start_and_excludes_its_end(self) -> None:
        assert tariff(start=MONDAY).valid_at(MONDAY)
        assert not tariff(end=MONDAY).valid_at(MONDAY)

    def test_a_regular_tariff_comes_before_one_for_a_profile(self) -> None:
        green = tariff(element(price("ENERGY", "2")), id="GREEN", type="PROFILE_GREEN")
        for ordinary in ("REGULAR", None):
            plain = tariff(element(price("ENERGY", "1")), id="PLAIN", type=ordinary)
            assert rate(session(period(ENERGY=1)), [green, plain]).lines[0].tariff == "PLAIN"

    def test_of_two_versions_of_one_tariff_the_valid_one_is_meant(self) -> None:
        old: Tariff = tariff(element(price("ENERGY", "1")), id="T", end=MONDAY)
        new: Tariff = tariff(element(price("ENERGY", "2")), id="T", start=MONDAY)
        rated = rate(session(period(ENERGY=1, tariff_id="T")), [old, new])
        assert str(rated.total_cost.before_taxes) == "2.0000"

    def test_a_session_needs_a_tariff(self) -> None:
        with pytest.raises(Invalid, match="at least one tariff"):
            rate(session(period(ENERGY=1)), [])

    def test_currencies_do_not_mix(self) -> None:
        with pytest.raises(Invalid, match="EUR"):
            rate(session(period(ENERGY=1), currency="DKK"), [self.old])
        assert rate(session(period(ENERGY=1), currency="eur"), [self.old]).currency == "eur"


def test_periods_are_taken_in_the_order_of_time() -> None:
    chosen = tariff(element(price("ENERGY", "1"), max_kwh=Decimal(1)), element(price("ENERGY", "2")))
    rated = rate(session(period(30, ENERGY=1), period(0, ENERGY=3)), [chosen])
    assert [(line.period, str(line.quantity), line.element) for line in rated.lines] == [(0, "3", 0), (1, "1", 1)]
    assert rated.has(NoteCode.PERIODS_OUT_OF_ORDER)


@pytest.mark.parametrize("minute", [-1, 61])
def test_a_period_outside_the_session_is_noted(minute: int) -> None:
    rated = rate(session(period(minute, ENERGY=1)), [tariff(element(price("ENERGY", "1")))])
    assert rated.has(NoteCode.PERIOD_OUTSIDE_SESSION)
    assert not rate(session(period(60, ENERGY=1)), [tariff(element(price("ENERGY", "1")))]).notes


def test_equal_tariffs_are_compiled_once() -> None:
    one, other = (tariff(element(price("ENERGY", "0.123")), id="SAME") for _ in range(2))
    assert one is not other
    assert compile_tariff(one) is compile_tariff(other)
    assert compile_tariff(one) is not compile_tariff(tariff(element(price("ENERGY", "0.124")), id="SAME"))


def test_the_table_of_days_stays_small() -> None:
    compiled = compile_tariff(tariff(element(price("ENERGY", "1"), start_date=date(2020, 1, 1)), id="DAYS"))
    for day in range(1000):
        compiled.row_at(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day))
        assert len(compiled._days) <= 64


def _refusal(rated: RatedCdr) -> tuple[str, str]:
    (refused,) = rated.lines[-1].passed_over
    return refused.restriction, refused.text


@pytest.mark.parametrize(
    ("restrictions", "restriction", "text"),
    [
        ({"start_time": time(12)}, "start_time", "it is for 12:00-24:00 and it was 10:30"),
        ({"start_date": date(2025, 1, 1)}, "start_date", "it begins on 2025-01-01 and it was 2024-03-04"),
        ({"end_date": date(2024, 1, 1)}, "end_date", "it ended before 2024-01-01 and it was 2024-03-04"),
        ({"days": frozenset({Weekday.SUNDAY})}, "day_of_week", "it is not for a Monday"),
        ({"min_kwh": Decimal("9.50")}, "min_kwh", "it begins at 9.5 kWh and 5 kWh had been charged"),
        (
            {"start_time": time(9), "end_time": time(10)},
            "start_time",
            "it is for 09:00-10:00 and it was 10:30",
        ),
        (
            {"start_time": time(0), "end_time": time(1)},
            "start_time",
            "it is for 00:00-01:00 and it was 10:30",
        ),
        (
            {"start_time": time(10, 35), "end_time": time(11)},
            "start_time",
            "it is for 10:35-11:00 and it was 10:30",
        ),
        ({"end_date": date(2024, 3, 4)}, "end_date", "it ended before 2024-03-04 and it was 2024-03-04"),
        (
            {"start_date": date(2024, 3, 4), "end_date": date(2024, 3, 5), "days": frozenset({Weekday.TUESDAY})},
            "day_of_week",
            "it is not for a Monday",
        ),
        ({"max_kwh": Decimal(5)}, "max_kwh", "it ends at 5 kWh and 5 kWh had been charged"),
        (
            {"min_kwh": Decimal(5), "max_kwh": Decimal(5)},
            "max_kwh",
            "it ends at 5 kWh and 5 kWh had been charged",
        ),
        (
            {"min_duration": 1800, "max_duration": 1800},
            "max_duration",
            "it ends after 30 min and the session had lasted 30 min",
        ),
        ({"min_duration": 3600}, "min_duration", "it begins after 1 h and the session had lasted 30 min"),
        ({"max_duration": 90}, "max_duration", "it ends after 1 min 30 s and the session had lasted 30 min"),
        ({"min_power": Decimal(20)}, "min_power", "its min_power is 20 kW and the least measured was 10 kW"),
        ({"max_power": Decimal(11)}, "max_power", "its max_power is 11 kW and the most measured was 11 kW"),
        (
            {"min_current": Decimal(20)},
            "min_current",
            "its min_current is 20 A and what else was measured rules that out",
        ),
    ],
)
def test_a_line_says_why_an_earlier_element_was_passed_over(
    restrictions: dict[str, Any], restriction: str, text: str
) -> None:
    chosen = tariff(element(price("ENERGY", "1"), **restrictions), element(price("ENERGY", "9")))
    charged = session(period(ENERGY=5), period(30, ENERGY=1, MIN_POWER=10, MAX_POWER=11, MAX_CURRENT=16), minutes=60)
    rated = rate(charged, [chosen])
    assert _refusal(rated) == (restriction, text)
    assert rated.lines[-1].why == f"element 2 is the first that applies to energy: element 1 does not, {text}"


def test_a_line_says_which_measurement_could_not_be_checked() -> None:
    chosen = tariff(element(price("ENERGY", "1"), max_power=Decimal(5)), element(price("ENERGY", "9")))
    strict = replace(ROAMHUB_2026, missing_measurement=MissingMeasurement.FAILS)
    assert _refusal(rate(session(period(ENERGY=5)), [chosen], strict)) == (
        "max_power",
        "its max_power could not be checked",
    )


def test_equal_times_that_mean_never_are_told() -> None:
    chosen = tariff(element(price("ENERGY", "1"), start_time=time(8), end_time=time(8)), element(price("ENERGY", "9")))
    never = replace(ROAMHUB_2026, equal_times=EqualTimes.NEVER)
    assert _refusal(rate(session(period(ENERGY=5)), [chosen], never)) == (
        "start_time",
        "its start and end times are the same",
    )


def test_of_many_elements_passed_over_the_last_few_are_told() -> None:
    early = [element(price("ENERGY", "1"), min_kwh=Decimal(n)) for n in range(9, 4, -1)]
    told = "element {} does not, it begins at {} kWh and 0 kWh had been charged".format
    three = rate(session(period(ENERGY=5)), [tariff(*early[:3], element(price("ENERGY", "9")))]).lines[0]
    assert three.why == f"element 4 is the first that applies to energy: {told(1, 9)}; {told(2, 8)}; {told(3, 7)}"
    four = rate(session(period(ENERGY=5)), [tariff(*early[:4])]).lines[0]
    last = f"{told(2, 8)}; {told(3, 7)}; {told(4, 6)}"
    assert four.why == f"no element with a price for energy applies: 1 others do not; {last}"
    line = rate(session(period(ENERGY=5)), [tariff(*early, element(price("ENERGY", "9")))]).lines[0]
    assert len(line.passed_over) == 5
    assert line.why.startswith("element 6 is the first that applies to energy: 2 others do not; element 3 does not, it")


@pytest.mark.parametrize(
    ("restrictions", "why"),
    [
        ({}, "element 1 is the first with a price for energy, and applies now"),
        ({"max_kwh": Decimal(9)}, "element 1 is the first with a price for energy, and its restrictions hold"),
    ],
)
def test_a_line_says_why_its_own_element_applies(restrictions: dict[str, Any], why: str) -> None:
    rated = rate(session(period(ENERGY=5, TIME=1)), [tariff(element(price("ENERGY", "1"), **restrictions))])
    assert [line.why for line in rated.lines] == [why, "the tariff has no price for charging time"]
