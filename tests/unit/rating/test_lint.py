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
from hub.domain.rating import rate
from hub.domain.rating.compile import SLOTS, compile_tariff
from hub.domain.rating.coverage import box_of, grid_of, uncovered
from hub.domain.rating.lint import CODES, Finding, lint
from hub.domain.tariffs import OcpiVersion, PriceLimit, ReservationRestriction, Tariff, TaxIncluded, Weekday
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

    def test_not_of_what_is_not_priced_at_all(self) -> None:
        assert lint(tariff(element(price("FLAT", "1", vat="21")))) == ()


@pytest.mark.parametrize(
    "restrictions",
    [
        {"min_kwh": Decimal(5), "max_kwh": Decimal(5)},
        {"min_duration": 60, "max_duration": 30},
        {"min_power": Decimal(50), "max_power": Decimal(20)},
        {"min_current": Decimal(32), "max_current": Decimal(16)},
        {"start_date": date(2026, 2, 1), "end_date": date(2026, 1, 1)},
        {"days": frozenset()},
        {"max_kwh": Decimal(0)},
    ],
)
def test_restrictions_that_contradict_each_other(restrictions: dict[str, Any]) -> None:
    assert "contradictory_restrictions" in codes(tariff(element(ENERGY, **restrictions), element(ENERGY)))


@pytest.mark.parametrize(
    ("code", "chosen"),
    [
        ("equal_times", tariff(element(ENERGY, start_time=time(8), end_time=time(8)))),
        ("flat_repeated", tariff(element(price("FLAT", "1", vat="21"), price("FLAT", "2", vat="21")))),
        (
            "impossible_reservation_price",
            tariff(element(ENERGY, reservation=ReservationRestriction.RESERVATION), element(ENERGY)),
        ),
        (
            "limit_sides_crossed",
            tariff(element(ENERGY), min_price=PriceLimit(before_taxes=Decimal(2), after_taxes=Decimal(1))),
        ),
        (
            "limits_crossed",
            tariff(
                element(ENERGY),
                min_price=PriceLimit(before_taxes=Decimal(2)),
                max_price=PriceLimit(before_taxes=Decimal(1)),
            ),
        ),
        ("negative_price", tariff(element(price("ENERGY", "-0.1", vat="21")))),
        ("never_valid", tariff(element(ENERGY), start=MONDAY, end=MONDAY)),
        ("no_price", tariff()),
        ("price_looks_wrong", tariff(element(price("ENERGY", "35", vat="21")))),
        ("step_size_large", tariff(element(price("ENERGY", "0.3", vat="21", step=5000)))),
        ("unknown_component", tariff(replace(element(ENERGY), unknown_types=("SESSION_TIME",)))),
        ("unusable", tariff(element(price("ENERGY", "NaN")))),
        ("vat_absent", tariff(element(price("ENERGY", "0.3")))),
        ("vat_looks_like_fraction", tariff(element(price("ENERGY", "0.3", vat="0.21")))),
        ("vat_looks_wrong", tariff(element(price("ENERGY", "0.3", vat="210")))),
        ("vat_on_some", tariff(element(ENERGY, price("FLAT", "1")))),
        ("vat_without_tax", tariff(element(ENERGY), tax_included=TaxIncluded.NOT_APPLICABLE)),
        (
            "window_wraps_its_day",
            tariff(element(ENERGY, start_time=time(22), end_time=time(6), days=WEEKEND), element(ENERGY)),
        ),
    ],
)
def test_each_oddity_has_its_code(code: str, chosen: Tariff) -> None:
    assert code in codes(chosen)


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
    from hub.domain.rating.ocpi_json import tariffs_from_json

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
