"""What would it cost: plans, and sessions they continue."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from time import tzset
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.domain.errors import Invalid
from hub.domain.rating import (
    ChargingPlan,
    NoteCode,
    RatedCdr,
    compile_tariff,
    policy_named,
    quote,
    rate,
)
from hub.domain.rating.policy import ROAMHUB_2026, EqualTimes
from hub.domain.tariffs import PriceLimit, ReservationRestriction, Tariff, Weekday
from tests.unit.rating.making import MONDAY, element, period, price, session, tariff


def plan(energy: str, **fields: object) -> ChargingPlan:
    standard: dict[str, object] = {"start": MONDAY, "time_zone": "UTC", "energy_kwh": Decimal(energy)}
    return ChargingPlan(**(standard | fields))  # type: ignore[arg-type]


def total(tariffs: list[Tariff], planned: ChargingPlan) -> str:
    return str(quote(planned, tariffs).total_cost.before_taxes)


def test_thirty_kwh_at_a_price_per_kwh() -> None:
    chosen = tariff(element(price("FLAT", "0.5"), price("ENERGY", "0.25")))
    assert total([chosen], plan("30", power_kw=Decimal(11))) == "8.0000"


def test_time_follows_from_power_or_is_given() -> None:
    chosen = tariff(element(price("TIME", "6", step=0)))
    assert total([chosen], plan("22", power_kw=Decimal(11))) == "12.0000"
    assert total([chosen], plan("22", duration=timedelta(minutes=30))) == "3.0000"
    assert total([chosen], plan("22", power_kw=Decimal(11), duration=timedelta(minutes=30))) == "3.0000"


def test_a_duration_is_of_whole_seconds_a_part_of_one_counting_as_one() -> None:
    chosen = tariff(element(price("TIME", "3600", step=0)))
    assert total([chosen], plan("22", duration=timedelta(microseconds=1))) == "1.0000"
    assert total([chosen], plan("22", duration=timedelta(seconds=2))) == "2.0000"


def test_without_power_or_duration_time_is_left_out_with_a_note() -> None:
    chosen = tariff(element(price("ENERGY", "1"), price("TIME", "6")))
    rated = quote(plan("10"), [chosen])
    assert str(rated.total_cost.before_taxes) == "10.0000"
    assert rated.has(NoteCode.DURATION_UNKNOWN)


def test_a_price_that_changes_by_the_clock_is_met_where_it_changes() -> None:
    chosen = tariff(element(price("ENERGY", "1", step=0), end_time=time(11)), element(price("ENERGY", "2", step=0)))
    rated = quote(plan("20", power_kw=Decimal(10)), [chosen])
    assert [line.before_taxes for line in rated.lines if line.dimension == "ENERGY"] == [10, 20]
    assert not rated.has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)


def test_a_price_that_changes_by_energy_or_duration_is_met_where_it_changes() -> None:
    chosen = tariff(
        element(price("ENERGY", "1", step=0), max_kwh=Decimal(5)),
        element(price("ENERGY", "2", step=0), max_duration=3600),
        element(price("ENERGY", "4", step=0)),
    )
    rated = quote(plan("20", power_kw=Decimal(10)), [chosen])
    assert str(rated.total_cost.before_taxes) == "55.0000"  # 5 x 1 + 5 x 2 + 10 x 4
    assert not rated.notes


def test_without_time_only_energy_changes_a_price() -> None:
    chosen = tariff(element(price("ENERGY", "1", step=0), max_kwh=Decimal(5)), element(price("ENERGY", "2", step=0)))
    assert total([chosen], plan("20")) == "35.0000"


def test_power_is_what_the_plan_says() -> None:
    chosen = tariff(element(price("ENERGY", "1"), max_power=Decimal(16)), element(price("ENERGY", "2")))
    assert total([chosen], plan("10", power_kw=Decimal(11))) == "10.0000"
    assert total([chosen], plan("10", power_kw=Decimal(22))) == "20.0000"
    assert total([chosen], plan("22", duration=timedelta(hours=1))) == "44.0000"
    assert not quote(plan("10", power_kw=Decimal(11)), [chosen]).notes


def test_parking_after_charging_is_priced_across_its_changes() -> None:
    chosen = tariff(
        element(price("PARKING_TIME", "1", step=0), end_time=time(12)), element(price("PARKING_TIME", "4", step=0))
    )
    assert total([chosen], plan("11", power_kw=Decimal(11), parking=timedelta(hours=2))) == "5.0000"


def test_a_plan_continues_a_session() -> None:
    chosen = tariff(
        element(price("FLAT", "1"), price("ENERGY", "1", step=0), max_kwh=Decimal(10)),
        element(price("ENERGY", "2", step=0)),
        max_price=PriceLimit(before_taxes=Decimal(15), after_taxes=Decimal(15)),
    )
    so_far = session(period(ENERGY=8, TIME=1), minutes=60)
    assert str(rate(so_far, [chosen]).total_cost.before_taxes) == "9.0000"
    assert total([chosen], plan("3", power_kw=Decimal(3), so_far=so_far)) == "13.0000"
    assert total([chosen], plan("30", power_kw=Decimal(3), so_far=so_far)) == "15.0000"
    assert total([chosen], plan("0", so_far=so_far)) == "9.0000"


def test_a_plan_keeps_the_tariff_its_session_has() -> None:
    one, two = tariff(element(price("ENERGY", "1")), id="A"), tariff(element(price("ENERGY", "5")), id="B")
    so_far = session(period(ENERGY=1, tariff_id="B"))
    assert total([one, two], plan("1", so_far=so_far)) == "10.0000"


def test_duration_counts_from_where_the_reservation_ended() -> None:
    chosen = tariff(
        element(price("TIME", "1", step=0), reservation=ReservationRestriction.RESERVATION),
        element(price("ENERGY", "1", step=0), max_duration=3600),
        element(price("ENERGY", "3", step=0)),
    )
    so_far = session(period(RESERVATION_TIME=1), period(60, ENERGY=0, TIME="0.5"), minutes=90)
    rated = quote(plan("10", power_kw=Decimal(10), so_far=so_far), [chosen])
    assert str(rated.total_energy_cost and rated.total_energy_cost.before_taxes) == "20.0000"


def test_summer_time_moves_the_cut() -> None:
    chosen = tariff(element(price("TIME", "1", step=0), end_time=time(6)), element(price("TIME", "9", step=0)))
    night = MONDAY.replace(month=3, day=31, hour=0)
    # 06:00 in Berlin is 04:00 UTC after the change: four hours of night, one of day.
    rated = quote(plan("5", start=night, time_zone="Europe/Berlin", duration=timedelta(hours=5)), [chosen])
    assert str(rated.total_cost.before_taxes) == "13.0000"
    assert _pieces(rated, "TIME") == [
        ("31 00:00:00", Decimal(3600)),
        ("31 01:00:00", Decimal(10800)),
        ("31 04:00:00", Decimal(3600)),
    ]
    # 02:30 is skipped: it is 03:00 at 01:00 UTC.
    skipped = tariff(element(price("TIME", "1", step=0), end_time=time(2, 30)), element(price("TIME", "9", step=0)))
    rated = quote(plan("5", start=night, time_zone="Europe/Berlin", duration=timedelta(hours=5)), [skipped])
    assert str(rated.total_cost.before_taxes) == "37.0000"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"energy_kwh": Decimal(-1)}, "energy_kwh"),
        ({"energy_kwh": Decimal("NaN")}, "energy_kwh"),
        ({"power_kw": Decimal(0)}, "power_kw"),
        ({"power_kw": Decimal("0.0001")}, "duration"),
        ({"duration": timedelta(days=32)}, "duration"),
        ({"duration": timedelta(seconds=-1)}, "duration"),
        ({"parking": timedelta(days=32)}, "parking"),
        ({"parking": timedelta(seconds=-1)}, "parking"),
    ],
)
def test_an_impossible_plan_is_refused_by_field(fields: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as raised:
        quote(plan("30", **fields) if "energy_kwh" not in fields else plan("1", **fields), [tariff()])
    assert raised.value.violations[0].field == field


def _pieces(rated: RatedCdr, kind: str) -> list[tuple[str, Decimal]]:
    """Return when each line of a dimension begins, in UTC, and how much it holds."""
    return [(f"{line.start:%d %H:%M:%S}", line.quantity) for line in rated.lines if line.dimension == kind]


def test_a_plan_is_cut_exactly_where_prices_change() -> None:
    chosen = tariff(
        element(price("ENERGY", "1", step=0), price("TIME", "1", step=0), end_time=time(11, 30)),
        element(price("ENERGY", "2", step=0), price("TIME", "2", step=0), max_kwh=Decimal(7)),
        element(price("ENERGY", "3", step=0), price("TIME", "3", step=0), max_duration=2700),
        element(price("ENERGY", "4", step=0), price("TIME", "4", step=0)),
    )
    # 11:00 in Berlin; 12 kW: 6 kWh by 11:30, 7 by 11:35, 9 by 11:45.
    rated = quote(plan("12", power_kw=Decimal(12), time_zone="Europe/Berlin"), [chosen])
    assert _pieces(rated, "ENERGY") == [
        ("04 10:00:00", Decimal(6)),
        ("04 10:30:00", Decimal(1)),
        ("04 10:35:00", Decimal(2)),
        ("04 10:45:00", Decimal(3)),
    ]
    assert _pieces(rated, "TIME") == [
        ("04 10:00:00", Decimal(1800)),
        ("04 10:30:00", Decimal(300)),
        ("04 10:35:00", Decimal(600)),
        ("04 10:45:00", Decimal(900)),
    ]
    assert [line.unit_price for line in rated.lines if line.dimension == "TIME"] == [1, 2, 3, 4]
    assert not rated.notes
    assert (str(rated.total_energy), str(rated.total_time)) == ("12.0000", "1.0000")


def test_a_plan_over_days_is_cut_at_each() -> None:
    chosen = tariff(
        element(price("PARKING_TIME", "1", step=0), start_time=time(8, 15), end_time=time(20, 45)),
        element(price("PARKING_TIME", "0", step=0)),
    )
    rated = quote(plan("0", parking=timedelta(days=2, hours=1)), [chosen])
    assert _pieces(rated, "PARKING_TIME") == [
        ("04 10:00:00", Decimal(38700)),
        ("04 20:45:00", Decimal(11700)),
        ("05 00:00:00", Decimal(29700)),
        ("05 08:15:00", Decimal(45000)),
        ("05 20:45:00", Decimal(11700)),
        ("06 00:00:00", Decimal(29700)),
        ("06 08:15:00", Decimal(9900)),
    ]


def test_a_power_that_takes_no_whole_seconds_ends_at_the_next() -> None:
    chosen = tariff(element(price("TIME", "1", step=0), max_kwh=Decimal(5)), element(price("TIME", "2", step=0)))
    rated = quote(plan("10", power_kw=Decimal(7)), [chosen])
    assert _pieces(rated, "TIME") == [("04 10:00:00", Decimal(2572)), ("04 10:42:52", Decimal(2571))]


def test_a_threshold_at_either_end_of_the_plan_is_no_cut() -> None:
    chosen = tariff(element(price("ENERGY", "1", step=0), max_kwh=Decimal(5)), element(price("ENERGY", "2", step=0)))
    assert len(quote(plan("5", power_kw=Decimal(5)), [chosen]).lines) == 2
    so_far = session(period(ENERGY=5), minutes=60)
    continued = quote(plan("5", power_kw=Decimal(5), so_far=so_far), [chosen])
    assert [line.before_taxes for line in continued.lines if line.dimension == "ENERGY"] == [5, 10]


def test_energy_fed_back_before_counts_for_nothing() -> None:
    chosen = tariff(element(price("ENERGY", "1", step=0), max_kwh=Decimal(5)), element(price("ENERGY", "2", step=0)))
    so_far = session(period(ENERGY=4), period(30, ENERGY=-3), minutes=60)
    continued = quote(plan("2", power_kw=Decimal(2), so_far=so_far), [chosen])
    assert [line.before_taxes for line in continued.lines if line.dimension == "ENERGY"] == [4, 0, 1, 2]


def test_a_quote_keeps_the_currency_and_zone_of_its_tariff_and_plan() -> None:
    krone = tariff(element(price("ENERGY", "3")), currency="DKK")
    assert quote(plan("1"), [krone]).currency == "DKK"
    so_far = session(period(ENERGY=1), currency="dkk")
    assert quote(plan("1", so_far=so_far), [krone]).currency == "dkk"


def test_a_plan_under_another_policy_is_read_by_it() -> None:
    chosen = tariff(element(price("ENERGY", "1"), start_date=MONDAY.date(), end_date=MONDAY.date()))
    assert quote(plan("1"), [chosen], policy_named("lenient-2026")).total_energy_cost is not None
    assert quote(plan("1"), [chosen]).total_energy_cost is None


def test_the_note_on_duration_comes_last_and_says_so() -> None:
    (note,) = quote(plan("1"), [tariff(element(price("ENERGY", "1")))]).notes
    assert note.message == "neither power nor duration is known; what charging costs by time is left out"


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"start": MONDAY.replace(tzinfo=None)}, "start", "must be an aware time in UTC"),
        ({"energy_kwh": Decimal(-1)}, "energy_kwh", "must be a finite number that is not negative"),
        ({"power_kw": Decimal(-1)}, "power_kw", "must be a finite number above 0"),
        ({"power_kw": Decimal("Infinity")}, "power_kw", "must be a finite number above 0"),
        ({"duration": timedelta(days=31, seconds=1)}, "duration", "must be from 0 to 31 days"),
        ({"parking": timedelta(days=31, seconds=1)}, "parking", "must be from 0 to 31 days"),
    ],
)
def test_a_refused_plan_says_why(fields: dict[str, object], field: str, rule: str) -> None:
    with pytest.raises(Invalid) as raised:
        quote(plan("1", **fields), [tariff()])
    (violation,) = raised.value.violations
    assert (violation.field, violation.rule) == (field, rule)


def test_a_month_is_the_longest_plan() -> None:
    chosen = tariff(element(price("PARKING_TIME", "1", step=0), price("TIME", "1", step=0)))
    month = timedelta(days=31)
    assert total([chosen], plan("1", duration=month, parking=month)) == "1488.0000"


def test_a_plan_is_cut_by_the_tariff_its_session_named_last() -> None:
    plain = tariff(element(price("ENERGY", "1", step=0), price("PARKING_TIME", "1", step=0)), id="A")
    steep = tariff(
        element(price("ENERGY", "2", step=0), price("PARKING_TIME", "2", step=0), max_kwh=Decimal(5)),
        element(price("ENERGY", "4", step=0), price("PARKING_TIME", "4", step=0)),
        id="B",
    )
    so_far = session(period(ENERGY=1, tariff_id="A"), period(20, ENERGY=1, tariff_id="b"), period(40, ENERGY=1))
    planned = plan("4", power_kw=Decimal(4), parking=timedelta(hours=1), so_far=so_far)
    rated = quote(planned, [plain, steep])
    assert [(line.tariff, line.before_taxes) for line in rated.lines if line.dimension != "TIME"] == [
        ("A", Decimal(1)),
        ("B", Decimal(2)),
        ("B", Decimal(2)),
        ("B", Decimal(4)),
        ("B", Decimal(8)),
        ("B", Decimal(4)),
    ]


def test_a_plan_names_its_sessions_tariff_so_that_a_literal_policy_prices_it_too() -> None:
    chosen = [
        tariff(element(price("ENERGY", "1"), price("PARKING_TIME", "1")), id="A"),
        tariff(element(price("ENERGY", "2"), price("PARKING_TIME", "2")), id="B"),
    ]
    so_far = session(period(ENERGY=1, tariff_id="B"))
    planned = plan("4", power_kw=Decimal(4), parking=timedelta(hours=1), so_far=so_far)
    rated = quote(planned, chosen, policy_named("ocpi-literal-2026"))
    assert (str(rated.total_cost.before_taxes), rated.policy) == ("12.0000", "ocpi-literal-2026")


def test_a_tariff_that_nobody_supplied_leaves_the_one_at_the_start() -> None:
    so_far = session(period(ENERGY=1, tariff_id="gone"))
    assert total([tariff(element(price("ENERGY", "1")), id="A")], plan("1", so_far=so_far)) == "2.0000"


def test_the_tariff_in_force_when_the_session_began_prices_the_plan() -> None:
    old = tariff(element(price("ENERGY", "1")), id="OLD", end=MONDAY + timedelta(minutes=30))
    new = tariff(element(price("ENERGY", "5")), id="NEW", start=MONDAY + timedelta(minutes=30))
    assert total([old, new], plan("1", so_far=session(period(ENERGY=1)))) == "2.0000"


def test_a_least_power_is_that_of_the_plan() -> None:
    chosen = tariff(element(price("ENERGY", "1"), min_power=Decimal(16)), element(price("ENERGY", "2")))
    rated = quote(plan("10", power_kw=Decimal(22)), [chosen])
    assert (str(rated.total_cost.before_taxes), rated.notes) == ("10.0000", ())
    assert total([chosen], plan("10", power_kw=Decimal(11))) == "20.0000"


def test_nothing_charged_in_no_time_is_a_plan_too() -> None:
    chosen = tariff(element(price("FLAT", "1"), price("TIME", "5")))
    rated = quote(plan("0", duration=timedelta(0)), [chosen])
    assert (str(rated.total_cost.before_taxes), str(rated.total_time)) == ("1.0000", "0.0000")
    assert not rated.notes


def test_the_end_of_summer_time_gives_an_hour_its_prices_twice() -> None:
    chosen = tariff(element(price("TIME", "1", step=0), end_time=time(2, 30)), element(price("TIME", "9", step=0)))
    night = MONDAY.replace(month=10, day=26, hour=22)
    # Midnight in Berlin. At 03:00, which is 01:00 UTC, it is 02:00 again.
    whole = quote(plan("5", start=night, time_zone="Europe/Berlin", duration=timedelta(hours=5)), [chosen])
    assert _pieces(whole, "TIME") == [
        ("26 22:00:00", Decimal(9000)),
        ("27 00:30:00", Decimal(1800)),
        ("27 01:00:00", Decimal(1800)),
        ("27 01:30:00", Decimal(5400)),
    ]
    assert (str(whole.total_cost.before_taxes), whole.notes) == ("21.0000", ())
    assert all(line.start is not None and line.start.microsecond == 0 for line in whole.lines)
    repeated = MONDAY.replace(month=10, day=27, hour=1, minute=15)
    rest = quote(plan("5", start=repeated, time_zone="Europe/Berlin", duration=timedelta(hours=1)), [chosen])
    assert _pieces(rest, "TIME") == [("27 01:15:00", Decimal(900)), ("27 01:30:00", Decimal(2700))]


@pytest.mark.parametrize(
    ("zone", "day", "pieces"),
    [
        ("Europe/Berlin", 4, ["04 21:30:45.250000 5354750000", "04 23:00:00.000000 50250000"]),
        ("Asia/Kathmandu", 4, ["04 16:45:45.250000 5354750000", "04 18:15:00.000000 50250000"]),
    ],
)
def test_a_plan_that_ends_just_after_midnight_is_cut_at_midnight(zone: str, day: int, pieces: list[str]) -> None:
    chosen = tariff(
        element(price("PARKING_TIME", "1", step=0), days=frozenset({Weekday.MONDAY})),
        element(price("PARKING_TIME", "9", step=0)),
    )
    start = datetime(2024, 3, day, 22, 30, 45, 250_000, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    raw = replace(ROAMHUB_2026, snap_to_seconds=False)
    rated = quote(plan("0", start=start, time_zone=zone, parking=timedelta(seconds=5405)), [chosen], raw)
    told = [f"{line.start:%d %H:%M:%S.%f} {round(line.quantity * 10**6)}" for line in rated.lines]
    assert told == pieces


def test_a_plan_over_midnight_meets_the_prices_of_the_morning() -> None:
    chosen = tariff(
        element(price("TIME", "1", step=0), start_time=time(2), end_time=time(5)), element(price("TIME", "9"))
    )
    late = quote(plan("8", start=MONDAY.replace(hour=22), duration=timedelta(hours=8)), [chosen])
    assert _pieces(late, "TIME") == [
        ("04 22:00:00", Decimal(7200)),
        ("05 00:00:00", Decimal(7200)),
        ("05 02:00:00", Decimal(10800)),
        ("05 05:00:00", Decimal(3600)),
    ]


@pytest.mark.parametrize("fee", [{"min_kwh": Decimal(5)}, {"start_time": time(11)}, {"min_duration": 3600}])
def test_a_fee_that_would_begin_where_the_plan_ends_is_not_due(fee: dict[str, Any]) -> None:
    chosen = tariff(element(price("FLAT", "1"), **fee), element(price("ENERGY", "1")))
    assert total([chosen], plan("5", duration=timedelta(hours=1))) == "5.0000"
    assert total([chosen], plan("5.01", duration=timedelta(seconds=3601))) == "6.0100"


def test_charging_and_its_cuts_end_with_a_whole_second() -> None:
    chosen = tariff(element(price("TIME", "1", step=0), max_kwh=Decimal(1)), element(price("TIME", "2", step=0)))
    assert _pieces(quote(plan("1", power_kw=Decimal(7)), [chosen]), "TIME") == [("04 10:00:00", Decimal(515))]
    assert _pieces(quote(plan("10", power_kw=Decimal(7)), [chosen]), "TIME") == [
        ("04 10:00:00", Decimal(515)),
        ("04 10:08:35", Decimal(4628)),
    ]


def test_a_plan_may_be_as_large_as_numbers_are() -> None:
    chosen = tariff(element(price("ENERGY", "1")))
    assert total([chosen], plan("1000000000", duration=timedelta(hours=1))) == "1000000000.0000"


def test_a_compiled_tariff_is_taken_as_it_is() -> None:
    compiled = compile_tariff(tariff(element(price("ENERGY", "1"), start_time=time(8), end_time=time(8))))
    never = replace(ROAMHUB_2026, equal_times=EqualTimes.NEVER)
    assert str(quote(plan("2"), [compiled], never).total_cost.before_taxes) == "2.0000"


def test_the_tariff_of_the_sessions_start_cuts_the_plan() -> None:
    later = MONDAY + timedelta(minutes=30)
    old = tariff(element(price("ENERGY", "1"), end_time=time(12)), element(price("ENERGY", "3")), id="OLD", end=later)
    new = tariff(element(price("ENERGY", "5")), id="NEW", start=later)
    so_far = session(period(ENERGY=1, TIME=1))
    rated = quote(plan("2", duration=timedelta(hours=2), so_far=so_far), [old, new])
    assert [line.before_taxes for line in rated.lines if line.dimension == "ENERGY"] == [1, 1, 3]
    assert not rated.has(NoteCode.PERIOD_SPANS_PRICE_CHANGE)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns"])
def test_the_zone_of_the_machine_plays_no_part(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = tariff(element(price("ENERGY", "1", step=0), end_time=time(11, 30)), element(price("ENERGY", "2", step=0)))
    planned = plan("12", power_kw=Decimal(12), time_zone="Europe/Berlin")
    charged = session(period(ENERGY=6), time_zone="Europe/Berlin")
    here = quote(planned, [chosen]), rate(charged, [chosen])
    with monkeypatch.context() as there:
        there.setenv("TZ", zone)
        tzset()
        elsewhere = quote(planned, [chosen]), rate(charged, [chosen])
    tzset()
    assert here == elsewhere


def test_duration_counts_on_from_the_session_that_a_plan_continues() -> None:
    chosen = tariff(element(price("TIME", "1", step=0), max_duration=3600), element(price("TIME", "9", step=0)))
    charging = session(period(TIME="0.5"), minutes=30)
    assert total([chosen], plan("1", duration=timedelta(hours=1), so_far=charging)) == "5.5000"
    reserved = session(period(20, TIME="0.5"), period(0, RESERVATION_TIME="0.3333"), minutes=50)
    assert total([chosen], plan("1", duration=timedelta(hours=1), so_far=reserved)) == "5.5000"
    together = session(period(20, TIME="0.5"), period(20, ENERGY=1), period(0, RESERVATION_TIME="0.3333"), minutes=50)
    assert total([chosen], plan("1", duration=timedelta(hours=1), so_far=together)) == "5.5000"
