"""What the lint finds, and `roamhub lint tariff`."""

import gzip
import json
from dataclasses import replace
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from hub.cli.app import run
from hub.domain.rating import policy_named, rate
from hub.domain.rating.compile import SLOTS, compile_tariff
from hub.domain.rating.coverage import box_of, grid_of, uncovered
from hub.domain.rating.json_reader import Remark
from hub.domain.rating.lint import CODES, Finding, lint
from hub.domain.tariffs import (
    OcpiVersion,
    PriceLimit,
    ReservationRestriction,
    Tariff,
    TariffElement,
    TaxIncluded,
    Weekday,
)
from tests.unit.rating.making import MONDAY, element, period, price, session, shared, tariff
from tests.unit.rating.test_properties import UNHURRIED, sessions, tariffs

ENERGY = price("ENERGY", "0.30", vat="21")
WEEKEND = frozenset({Weekday.SATURDAY, Weekday.SUNDAY})


def codes(chosen: Tariff) -> set[str]:
    return {finding.code for finding in lint(chosen)}


def found(chosen: Tariff, code: str) -> Finding:
    return next(finding for finding in lint(chosen) if finding.code == code)


def test_a_plain_tariff_has_no_findings() -> None:
    assert lint(tariff(element(ENERGY))) == ()


class TestUnreachable:
    def test_behind_an_element_without_restrictions(self) -> None:
        finding = found(tariff(element(ENERGY), element(ENERGY, min_kwh=Decimal(5))), "unreachable_element")
        assert finding.field == "elements[1].price_components[0]"
        assert "earlier elements" in finding.message

    def test_behind_several_elements_that_together_leave_nothing(self) -> None:
        chosen = tariff(
            element(ENERGY, start_time=time(6), end_time=time(22)),
            element(ENERGY, start_time=time(22), end_time=time(6)),
            element(ENERGY),
        )
        assert found(chosen, "unreachable_element").field == "elements[2].price_components[0]"

    def test_not_where_a_sliver_is_left(self) -> None:
        chosen = tariff(
            element(ENERGY, start_time=time(6), end_time=time(22)),
            element(ENERGY, start_time=time(22), end_time=time(5, 59)),
            element(ENERGY),
        )
        assert "unreachable_element" not in codes(chosen)

    def test_not_where_another_dimension_is_priced(self) -> None:
        assert "unreachable_element" not in codes(tariff(element(ENERGY), element(price("TIME", "1", vat="21"))))

    def test_where_energy_has_no_price_at_all(self) -> None:
        parking = price("PARKING_TIME", "1", vat="21")
        assert found(tariff(element(parking), element(parking)), "unreachable_element").field.startswith("elements[1]")

    def test_across_days_and_energy(self) -> None:
        chosen = tariff(
            element(ENERGY, days=WEEKEND),
            element(ENERGY, max_kwh=Decimal(10)),
            element(ENERGY, days=frozenset(Weekday) - WEEKEND, min_kwh=Decimal(5)),
            element(ENERGY),
        )
        assert found(chosen, "unreachable_element").field == "elements[3].price_components[0]"

    def test_a_power_between_two_restrictions_may_still_be_met(self) -> None:
        chosen = tariff(element(ENERGY, max_power=Decimal(16)), element(ENERGY, min_power=Decimal(16)), element(ENERGY))
        assert "unreachable_element" not in codes(chosen)  # a period from 3 to 20 kW meets neither

    def test_a_date_range_of_one_day_never_holds(self) -> None:
        chosen = tariff(element(ENERGY, start_date=date(2026, 6, 7), end_date=date(2026, 6, 7)), element(ENERGY))
        assert "can never hold" in found(chosen, "unreachable_element").message
        assert "contradictory_restrictions" in codes(chosen)

    @UNHURRIED
    @given(tariffs(), sessions())
    def test_no_session_is_ever_priced_by_an_element_called_unreachable(self, chosen: Tariff, charged: Any) -> None:
        dead = {finding.field for finding in lint(chosen) if finding.code == "unreachable_element"}
        rated = rate(charged, [chosen])
        used = {
            f"elements[{line.element}].price_components[{line.component}]"
            for line in rated.lines
            if line.element is not None
        }
        assert not used & dead

    @UNHURRIED
    @given(tariffs())
    def test_a_hole_that_is_found_is_a_hole(self, chosen: Tariff) -> None:
        compiled = compile_tariff(chosen)
        for slot in SLOTS:
            entries = [(calendar, candidate) for calendar, its, candidate in compiled.candidates if its == slot]
            grid = grid_of(entries)
            boxes = [box_of(calendar, candidate, grid) for calendar, candidate in entries]
            hole = uncovered(grid.full(), boxes)
            if hole is not None:
                atom = tuple(mask & -mask for mask in hole)
                assert not any(all(mask & bit for mask, bit in zip(box, atom, strict=True)) for box in boxes)


class TestGaps:
    def test_in_the_week(self) -> None:
        chosen = tariff(
            element(ENERGY, start_time=time(7), end_time=time(23), days=frozenset(Weekday) - WEEKEND),
            element(ENERGY, days=frozenset({Weekday.SATURDAY})),
        )
        message = found(chosen, "gap_in_week").message
        assert "energy has no price 00:00-07:00 Monday to Friday" in message
        assert "23:00-24:00 Monday to Friday" in message
        assert "00:00-24:00 Sunday" in message

    def test_the_last_minute_of_the_day(self) -> None:
        chosen = tariff(element(ENERGY, start_time=time(0), end_time=time(23, 59)))
        assert "23:59-24:00 every day" in found(chosen, "gap_in_week").message

    def test_before_and_after_dates(self) -> None:
        chosen = tariff(element(ENERGY, start_date=date(2026, 1, 1), end_date=date(2027, 1, 1)))
        assert found(chosen, "gap_in_dates").message == "energy has no price before 2026-01-01 and from 2027-01-01 on"
        assert "gap_in_week" not in codes(chosen)

    def test_on_one_day_between_dates(self) -> None:
        chosen = tariff(element(ENERGY, end_date=date(2026, 6, 6)), element(ENERGY, start_date=date(2026, 6, 7)))
        assert "00:00-24:00 every day on 2026-06-06" in found(chosen, "gap_in_week").message

    @pytest.mark.parametrize(
        ("restrictions", "told"),
        [
            (
                {"start_date": date(2026, 6, 6), "end_date": date(2026, 6, 8), "days": frozenset({Weekday.SUNDAY})},
                "00:00-24:00 Saturday from 2026-06-06 until 2026-06-08",
            ),
            (
                {"start_date": date(2026, 6, 4), "end_date": date(2026, 6, 9), "days": WEEKEND},
                "00:00-24:00 Monday and Thursday and Friday from 2026-06-04 until 2026-06-09",
            ),
            (
                {"end_date": date(2026, 6, 6), "days": WEEKEND},
                "00:00-24:00 Monday to Friday until 2026-06-06",
            ),
            (
                {"end_date": date(1990, 6, 6), "days": frozenset({Weekday.MONDAY, Weekday.THURSDAY})},
                "00:00-24:00 Tuesday and Wednesday and Friday and Saturday and Sunday until 1990-06-06",
            ),
            (
                {"start_date": date(2026, 6, 6), "days": frozenset(Weekday) - {Weekday.WEDNESDAY}},
                "00:00-24:00 Wednesday from 2026-06-06",
            ),
        ],
    )
    def test_on_days_of_the_week_between_dates(self, restrictions: dict[str, Any], told: str) -> None:
        assert found(tariff(element(ENERGY, **restrictions)), "gap_in_week").message == f"energy has no price {told}"

    def test_in_energy_or_duration(self) -> None:
        chosen = tariff(element(ENERGY, max_kwh=Decimal(10)), element(ENERGY, min_kwh=Decimal(20)))
        assert "from 10 kWh below 20 kWh" in found(chosen, "gap_in_use").message
        later = tariff(element(price("TIME", "1", vat="21"), min_duration=18000))
        assert found(later, "gap_in_use").message == "charging time has no price at duration below 5 h"

    def test_in_power(self) -> None:
        chosen = tariff(element(ENERGY, max_power=Decimal(150)))
        assert "at most power from 150 kW" in found(chosen, "gap_in_power").message
        assert "missing_power" in codes(chosen)
        assert not codes(tariff(element(ENERGY, max_power=Decimal(150)), element(ENERGY))) & {
            "gap_in_power",
            "missing_power",
        }

    @pytest.mark.parametrize(
        ("days", "told"),
        [
            ("MONDAY", "Monday"),
            ("MONDAY TUESDAY", "Monday and Tuesday"),
            ("MONDAY TUESDAY WEDNESDAY", "Monday to Wednesday"),
            ("TUESDAY WEDNESDAY THURSDAY", "Tuesday to Thursday"),
            ("TUESDAY WEDNESDAY FRIDAY", "Tuesday and Wednesday and Friday"),
            ("THURSDAY FRIDAY SATURDAY SUNDAY", "Thursday to Sunday"),
        ],
    )
    def test_three_days_in_a_row_are_told_by_the_first_and_the_last(self, days: str, told: str) -> None:
        rest = frozenset(Weekday) - {Weekday[day] for day in days.split()}
        message = found(tariff(element(ENERGY, days=rest)), "gap_in_week").message
        assert message == f"energy has no price 00:00-24:00 {told}"

    @pytest.mark.parametrize(("hours", "more"), [(7, ""), (8, ""), (9, " and 1 more times"), (10, " and 2 more times")])
    def test_the_first_eight_are_told(self, hours: int, more: str) -> None:
        windows = [element(ENERGY, start_time=time(2 * n + 1), end_time=time(2 * n + 2)) for n in range(hours - 1)]
        chosen = tariff(*windows, element(ENERGY, start_time=time(2 * hours - 1), end_time=time(0)))
        told = [f"{2 * n:02}:00-{2 * n + 1:02}:00 every day" for n in range(hours)]
        assert found(chosen, "gap_in_week").message == f"energy has no price {', '.join(told[:8])}{more}"

    @pytest.mark.parametrize("when", [{"start_time": time(8), "end_time": time(20)}, {"days": WEEKEND}])
    def test_in_the_week_and_in_energy_at_once(self, when: dict[str, Any]) -> None:
        chosen = tariff(element(ENERGY, max_kwh=Decimal(10), **when))
        assert codes(chosen) == {"gap_in_week", "gap_in_use"}
        assert found(chosen, "gap_in_use").message == "energy has no price at energy from 10 kWh"

    @pytest.mark.parametrize(
        ("restrictions", "told"),
        [
            ({"min_kwh": Decimal(0)}, None),
            ({"min_kwh": Decimal(-1)}, None),
            ({"min_duration": 0}, None),
            ({"min_kwh": Decimal(0), "max_kwh": Decimal(10)}, "gap_in_use: energy from 10 kWh"),
            ({"min_kwh": Decimal(0), "min_duration": 0, "max_duration": 90}, "gap_in_use: duration from 1 min 30 s"),
            ({"min_duration": 0, "max_duration": 60}, "gap_in_use: duration from 1 min"),
            ({"min_current": Decimal(16)}, "gap_in_power: least current below 16 A"),
            ({"max_current": Decimal(16)}, "gap_in_power: most current from 16 A"),
            ({"min_power": Decimal(0), "max_power": Decimal(22)}, "gap_in_power: most power from 22 kW"),
        ],
    )
    def test_what_lies_below_zero_is_none(self, restrictions: dict[str, Any], told: str | None) -> None:
        gaps = [
            f"{finding.code}: {finding.message.removeprefix('energy has no price at ')}"
            for finding in lint(tariff(element(ENERGY, **restrictions)))
            if finding.code.startswith("gap")
        ]
        assert gaps == ([told] if told else [])

    def test_not_of_what_is_not_priced_at_all(self) -> None:
        assert lint(tariff(element(price("FLAT", "1", vat="21")))) == ()


COMPONENT = "elements[0].price_components[0]"
RESERVED = ReservationRestriction.RESERVATION


def _limits(least: tuple[str | None, str | None], most: tuple[str | None, str | None] = (None, None)) -> Tariff:
    (least_limit, most_limit) = (
        PriceLimit(
            before_taxes=None if before is None else Decimal(before),
            after_taxes=None if after is None else Decimal(after),
        )
        for before, after in (least, most)
    )
    return tariff(element(ENERGY), min_price=least_limit, max_price=most_limit)


#: What is found in each odd tariff: (code, field, message), all of it.
ODDITIES: list[tuple[Tariff, list[tuple[str, str, str]]]] = [
    (
        tariff(element(ENERGY, start_time=time(8, 5), end_time=time(8, 5))),
        [("equal_times", "elements[0].restrictions", "starts and ends at 08:05: the whole day, or never?")],
    ),
    (
        tariff(element(ENERGY, start_time=time(8), end_time=time(8))),
        [("equal_times", "elements[0].restrictions", "starts and ends at 08:00: the whole day, or never?")],
    ),
    (tariff(element(ENERGY, start_time=time(0), end_time=time(0))), []),
    (
        tariff(element(price("FLAT", "1", vat="21"), max_kwh=Decimal(5)), element(price("FLAT", "2", vat="21"))),
        [
            (
                "flat_repeated",
                "elements",
                "2 flat fees: a session pays the first that becomes active, and only that",
            )
        ],
    ),
    (
        tariff(element(price("FLAT", "1", vat="21"), reservation=RESERVED), element(price("FLAT", "2", vat="21"))),
        [],
    ),
    (
        tariff(element(ENERGY, price("PARKING_TIME", "1", vat="21"), reservation=RESERVED), element(ENERGY)),
        [
            ("impossible_reservation_price", COMPONENT, "a reservation has no ENERGY"),
            (
                "impossible_reservation_price",
                "elements[0].price_components[1]",
                "a reservation has no PARKING_TIME",
            ),
        ],
    ),
    (_limits(("2", "1")), [("limit_sides_crossed", "min_price", "is higher before taxes than after them")]),
    (
        _limits((None, None), ("2", "1")),
        [("limit_sides_crossed", "max_price", "is higher before taxes than after them")],
    ),
    (_limits(("1", "1"), ("1", "1")), []),
    (_limits(("2", None), ("1", None)), [("limits_crossed", "min_price", "is above max_price")]),
    (_limits((None, "2"), (None, "1")), [("limits_crossed", "min_price", "is above max_price")]),
    (
        tariff(element(price("ENERGY", "-0.10", vat="21"))),
        [("negative_price", f"{COMPONENT}.price", "is -0.1")],
    ),
    (
        tariff(element(ENERGY), start=MONDAY, end=MONDAY),
        [("never_valid", "end_date_time", "is not after start_date_time")],
    ),
    (tariff(element(ENERGY), start=MONDAY), []),
    (tariff(element(ENERGY), end=MONDAY), []),
    (tariff(element(ENERGY), start=MONDAY, end=MONDAY + timedelta(seconds=1)), []),
    (tariff(), [("no_price", "elements", "no element prices anything")]),
    (tariff(element()), [("no_price", "elements", "no element prices anything")]),
    (tariff(element(price("ENERGY", "5", vat="21"))), []),
    (
        tariff(element(price("ENERGY", "35", vat="21"))),
        [("price_looks_wrong", f"{COMPONENT}.price", "35 per kWh: in cents?")],
    ),
    (tariff(element(price("TIME", "120", vat="21"), price("FLAT", "500", vat="21"))), []),
    (
        tariff(element(price("PARKING_TIME", "121", vat="21"))),
        [("price_looks_wrong", f"{COMPONENT}.price", "121 per hour: in cents?")],
    ),
    (
        tariff(element(price("TIME", "121", vat="21"))),
        [("price_looks_wrong", f"{COMPONENT}.price", "121 per hour: in cents?")],
    ),
    (
        tariff(element(price("ENERGY", "0.3", vat="21", step=1001))),
        [("step_size_large", f"{COMPONENT}.step_size", "bills in blocks of 1001")],
    ),
    (
        tariff(element(price("TIME", "1", vat="21", step=3601))),
        [("step_size_large", f"{COMPONENT}.step_size", "bills in blocks of 3601")],
    ),
    (
        tariff(element(price("PARKING_TIME", "1", vat="21", step=3601))),
        [("step_size_large", f"{COMPONENT}.step_size", "bills in blocks of 3601")],
    ),
    (
        tariff(
            element(
                price("ENERGY", "1", vat="21", step=1000),
                price("TIME", "1", vat="21", step=3600),
                price("FLAT", "1", vat="21", step=9999),
            )
        ),
        [],
    ),
    (
        tariff(replace(element(ENERGY), unknown_types=("SESSION_TIME",))),
        [("unknown_component", "elements[0]", "SESSION_TIME is no OCPI dimension and prices nothing")],
    ),
    (
        tariff(element(price("ENERGY", "NaN"))),
        [("unusable", f"{COMPONENT}.price", "must be a finite number of sensible size")],
    ),
    (tariff(element(price("ENERGY", "0.3"))), [("vat_absent", "elements", "no price has a VAT rate: no VAT applies")]),
    (
        tariff(element(price("ENERGY", "0.3", vat="0.21"))),
        [("vat_looks_like_fraction", f"{COMPONENT}.vat", "0.21 % of VAT: 21 % meant?")],
    ),
    (tariff(element(price("ENERGY", "0.3", vat="0"), price("TIME", "1", vat="1"))), []),
    (tariff(element(price("ENERGY", "0.3", vat="30"))), []),
    (
        tariff(element(price("ENERGY", "0.3", vat="210"))),
        [("vat_looks_wrong", f"{COMPONENT}.vat", "210 % is above any rate we know")],
    ),
    (
        tariff(element(ENERGY, price("FLAT", "1"))),
        [
            (
                "vat_on_some",
                "elements",
                "some prices have a VAT rate and others none: none means that no VAT applies",
            )
        ],
    ),
    (tariff(element(ENERGY, price("FLAT", "0"))), []),
    (
        tariff(element(ENERGY), tax_included=TaxIncluded.NOT_APPLICABLE),
        [("vat_without_tax", "tax_included", "says that no tax applies, yet prices name VAT")],
    ),
    (tariff(element(price("ENERGY", "1", vat="0")), tax_included=TaxIncluded.NOT_APPLICABLE), []),
    (tariff(element(price("ENERGY", "1")), tax_included=TaxIncluded.NO), []),
    (
        tariff(element(ENERGY, start_time=time(22), end_time=time(6), days=WEEKEND), element(ENERGY)),
        [
            (
                "window_wraps_its_day",
                "elements[0].restrictions",
                "22:00 to 06:00 wraps midnight, but only the days named count, not the mornings after",
            )
        ],
    ),
    (tariff(element(ENERGY, start_time=time(22), end_time=time(0), days=WEEKEND), element(ENERGY)), []),
    (
        tariff(element(ENERGY, start_time=time(22), end_time=time(6), days=frozenset(Weekday)), element(ENERGY)),
        [],
    ),
    (tariff(element(ENERGY, start_time=time(22), end_time=time(6)), element(ENERGY)), []),
]


@pytest.mark.parametrize(("chosen", "expected"), ODDITIES, ids=[str(n) for n in range(len(ODDITIES))])
def test_each_oddity_is_found_and_told_and_nothing_else_is(
    chosen: Tariff, expected: list[tuple[str, str, str]]
) -> None:
    assert [(finding.code, finding.field, finding.message) for finding in lint(chosen)] == expected


@pytest.mark.parametrize(
    ("restrictions", "messages"),
    [
        (
            {"min_kwh": Decimal(5), "max_kwh": Decimal(5)},
            ["min_kwh 5 is not below max_kwh 5: the element never applies"],
        ),
        (
            {"min_duration": 60, "max_duration": 30},
            ["min_duration 60 is not below max_duration 30: the element never applies"],
        ),
        (
            {"min_current": Decimal(32), "max_current": Decimal(16)},
            ["min_current 32 is not below max_current 16: the element never applies"],
        ),
        (
            {"min_power": Decimal(50), "max_power": Decimal(20)},
            ["min_power 50 is not below max_power 20: the element never applies"],
        ),
        ({"max_kwh": Decimal(0)}, ["max_kwh 0 is not above 0: the element never applies"]),
        ({"max_duration": 0}, ["max_duration 0 is not above 0: the element never applies"]),
        ({"max_power": Decimal(0)}, ["max_power 0 is not above 0: the element never applies"]),
        ({"max_current": Decimal(-1)}, ["max_current -1 is not above 0: the element never applies"]),
        (
            {"start_date": date(2026, 2, 1), "end_date": date(2026, 2, 1)},
            ["end_date 2026-02-01 is exclusive and not after start_date 2026-02-01: the element never applies"],
        ),
        ({"days": frozenset()}, ["no day of the week is known: the element never applies"]),
        ({"min_kwh": Decimal(5), "max_kwh": Decimal(6), "max_duration": 1}, []),
        ({"start_date": date(2026, 2, 1), "end_date": date(2026, 2, 2)}, []),
    ],
)
def test_a_contradiction_is_told(restrictions: dict[str, Any], messages: list[str]) -> None:
    chosen = tariff(element(ENERGY, **restrictions), element(ENERGY))
    found = [finding for finding in lint(chosen) if finding.code == "contradictory_restrictions"]
    assert [(finding.field, finding.message) for finding in found] == [
        ("elements[0].restrictions", message) for message in messages
    ]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([element(ENERGY, start_date=date(2026, 1, 1))], ["energy has no price before 2026-01-01"]),
        ([element(ENERGY, end_date=date(2026, 1, 1))], ["energy has no price from 2026-01-01 on"]),
        (
            [element(ENERGY, start_date=date(2026, 1, 1), days=WEEKEND)],
            [
                "energy has no price before 2026-01-01",
                "energy has no price 00:00-24:00 Monday to Friday from 2026-01-01",
            ],
        ),
        (
            [element(ENERGY, end_date=date(2026, 1, 1)), element(ENERGY, start_date=date(2026, 1, 15))],
            ["energy has no price 00:00-24:00 every day from 2026-01-01 until 2026-01-15"],
        ),
        (
            [element(ENERGY, start_time=time(6), end_time=time(10)), element(ENERGY, start_time=time(12))],
            ["energy has no price 00:00-06:00 every day, 10:00-12:00 every day"],
        ),
        (
            [element(ENERGY, days=frozenset({Weekday.MONDAY, Weekday.WEDNESDAY, Weekday.THURSDAY, Weekday.FRIDAY}))],
            ["energy has no price 00:00-24:00 Tuesday and Saturday and Sunday"],
        ),
        (
            [element(ENERGY, start_time=time(hour), end_time=time(hour, 30)) for hour in range(1, 21, 2)],
            [
                (
                    "energy has no price 00:00-01:00 every day, 01:30-03:00 every day, 03:30-05:00 every day, "
                    "05:30-07:00 every day, 07:30-09:00 every day, 09:30-11:00 every day, 11:30-13:00 every day, "
                    "13:30-15:00 every day and 3 more times"
                )
            ],
        ),
        (
            [element(ENERGY, min_kwh=Decimal(2), max_kwh=Decimal(5))],
            ["energy has no price at energy below 2 kWh"],
        ),
        ([element(ENERGY, max_kwh=Decimal(5))], ["energy has no price at energy from 5 kWh"]),
        (
            [element(ENERGY, max_duration=90)],
            ["energy has no price at duration from 1 min 30 s"],
        ),
        (
            [element(ENERGY, min_current=Decimal(6))],
            [
                "energy has no price at least current below 6 A",
                "every price of energy asks for a current or power, which a CDR may not report",
            ],
        ),
        (
            [element(ENERGY, max_current=Decimal(6)), element(ENERGY, max_power=Decimal(50))],
            [
                "energy has no price at most current from 6 A and at most power from 50 kW",
                "every price of energy asks for a current or power, which a CDR may not report",
            ],
        ),
        (
            [element(ENERGY, min_power=Decimal(0))],
            ["every price of energy asks for a current or power, which a CDR may not report"],
        ),
        (
            [element(price("PARKING_TIME", "1", vat="21"), end_time=time(18), max_duration=60)],
            [
                "parking time has no price 18:00-24:00 every day",
                "parking time has no price at duration from 1 min",
            ],
        ),
        ([element(ENERGY, min_kwh=Decimal(0), min_duration=0)], []),
    ],
)
def test_a_gap_is_told(elements: list[TariffElement], expected: list[str]) -> None:
    assert sorted(finding.message for finding in lint(tariff(*elements))) == sorted(expected)
    assert {finding.field for finding in lint(tariff(*elements))} <= {"elements"}


@pytest.mark.parametrize(
    ("code", "severity"), [("unreachable_element", "error"), ("gap_in_week", "warning"), ("vat_absent", "info")]
)
def test_a_finding_knows_its_severity(code: str, severity: str) -> None:
    assert Finding(code=code, field="f", message="m").severity == severity


def test_what_reading_remarked_is_found_too() -> None:
    remark = Remark(field="new", text="is no field of OCPI here and was ignored")
    assert lint(tariff(element(ENERGY)), [remark]) == (
        Finding(code="odd_field", field="new", message="is no field of OCPI here and was ignored"),
    )
    unusable = lint(tariff(element(price("ENERGY", "NaN"))), [remark])
    assert [finding.code for finding in unusable] == ["odd_field", "unusable"]


def test_the_policy_decides_what_can_be_reached() -> None:
    chosen = tariff(element(ENERGY, start_date=date(2026, 6, 7), end_date=date(2026, 6, 7)), element(ENERGY))
    found = {finding.code for finding in lint(chosen, policy=policy_named("lenient-2026"))}
    assert "unreachable_element" not in found
    assert "unreachable_element" in codes(chosen)


def test_an_unreachable_price_is_told() -> None:
    chosen = tariff(element(ENERGY), element(price("TIME", "1", vat="21"), ENERGY, days=frozenset()))
    found = [(f.field, f.message) for f in lint(chosen) if f.code == "unreachable_element"]
    assert found == [
        (
            "elements[1].price_components[1]",
            "the price of energy can never be reached: its restrictions can never hold together",
        ),
        (
            "elements[1].price_components[0]",
            "the price of charging time can never be reached: its restrictions can never hold together",
        ),
    ]
    twice = tariff(element(ENERGY), element(ENERGY))
    assert [f.message for f in lint(twice)] == [
        "the price of energy can never be reached: earlier elements always apply first"
    ]


def test_an_absent_vat_is_normal_where_the_version_has_none_or_the_price_is_zero() -> None:
    assert "vat_absent" not in codes(tariff(element(price("ENERGY", "0.3")), version=OcpiVersion.V2_1_1))
    assert "vat_absent" not in codes(tariff(element(price("FLAT", "0"))))


def test_findings_come_worst_first_and_every_code_has_a_severity() -> None:
    chosen = tariff(element(price("ENERGY", "0.3")), element(ENERGY, days=frozenset()))
    severities = [finding.severity for finding in lint(chosen)]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert all(finding.code in CODES for finding in lint(chosen))


RAW = {
    "id": "T1",
    "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.3, "vat": 21, "step_size": 1}]}],
}
DEAD = RAW | {"id": "T2", "elements": RAW["elements"] * 2}  # type: ignore[operator]


def test_the_command_reads_objects_arrays_lines_and_archives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = [
        (json.dumps(RAW).encode(), 0, 1),
        (json.dumps(RAW, indent=2).encode(), 0, 1),
        (json.dumps([RAW, DEAD]).encode(), 1, 2),
        (json.dumps([RAW, DEAD], indent=1).encode(), 1, 2),
        (f"{json.dumps(RAW)}\n\n{json.dumps(DEAD)}\n".encode(), 1, 2),
        (gzip.compress(json.dumps({"status_code": 1000, "data": [DEAD]}).encode()), 1, 1),
    ]
    for content, code, count in contents:
        path = tmp_path / "tariffs"
        path.write_bytes(content)
        assert run(["lint", "tariff", str(path), "--json"]) == code
        answer = json.loads(capsys.readouterr().out)
        assert answer["tariffs"] == count
        assert answer["counts"] == ({"unreachable_element": 1} if code else {})


def test_the_command_shows_what_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tariff.json"
    path.write_text(json.dumps(RAW | {"new_field": 1}))
    assert run(["lint", "tariff", str(path)]) == 0
    assert capsys.readouterr().out == "1 tariff, 0 with findings\n"
    assert run(["lint", "tariff", str(path), "--severity", "info"]) == 1
    assert "odd_field  new_field: is no field of OCPI here and was ignored" in capsys.readouterr().out


def test_one_bad_tariff_among_others_is_a_finding_and_alone_it_is_unusable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = RAW | {"currency": "euros"}
    path = tmp_path / "tariffs.json"
    path.write_text(json.dumps([RAW, bad, 5]))
    assert run(["lint", "tariff", str(path), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [(f["place"], f["code"], f["field"]) for f in answer["findings"]] == [
        ("element 1", "unusable", "currency"),
        ("element 2", "unusable", "element 2"),
    ]
    path.write_text(json.dumps(bad))
    assert run(["lint", "tariff", str(path)]) == 2
    path.write_text(f"{json.dumps(RAW)}\nnot json\n")
    assert run(["lint", "tariff", str(path)]) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"nonsense", b"\x1f\x8bbroken", b"5"])
def test_what_holds_no_tariff_exits_with_2(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tariffs"
    path.write_bytes(content)
    assert run(["lint", "tariff", str(path)]) == 2


@pytest.mark.data
def test_every_real_dutch_tariff_is_read_and_linted(capsys: pytest.CaptureFixture[str]) -> None:
    path = shared("locations", "ndw-nl-tariffs.jsonl.gz")
    assert run(["lint", "tariff", str(path), "--severity", "info", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["tariffs"] == 11527
    assert answer["counts"]["unreachable_element"] == 80
    assert answer["counts"]["gap_in_week"] == 325
    assert "unusable" not in answer["counts"]


@pytest.mark.data
def test_every_real_dutch_tariff_prices_a_session() -> None:
    from hub.domain.rating.json_tariff import tariffs_from_json

    path = shared("locations", "ndw-nl-tariffs.jsonl.gz")
    charged = session(
        period(ENERGY=10, TIME=1, MIN_POWER=5, MAX_POWER=11),
        period(60, PARKING_TIME=1),
        minutes=120,
        start=MONDAY.replace(year=2026) + timedelta(days=94),
        time_zone="Europe/Amsterdam",
    )
    with gzip.open(path, "rb") as lines:
        for line in lines:
            (parsed,) = tariffs_from_json(line)
            moved = replace(charged, end=charged.start + timedelta(hours=2), currency=parsed.tariff.currency)
            rated = rate(moved, [parsed.tariff])
            assert rated.total_cost.before_taxes is not None
            assert rated.total_cost.before_taxes >= 0
