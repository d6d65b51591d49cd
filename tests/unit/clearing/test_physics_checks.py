"""What no station can have delivered, and what came late: the rules at their edges."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from hub.domain.agreements import Cycle
from hub.domain.cdrs.checks import Check, Known
from hub.domain.cdrs.checks.charges import check_charge
from hub.domain.cdrs.checks.physics import check_physics
from hub.domain.locations import EvseFacts, Offer
from tests.unit.clearing.making_cdrs import KNOWN, START, charge, evse, open_period


@dataclass(frozen=True)
class Case:
    rule: str
    energy: str
    minutes: float
    power: int | None
    found: str = ""


#: With the slack of a minute and the margin of a tenth, 59 minutes of 10 kW are 11 kWh.
PHYSICS = [
    Case("full power for the whole time is well", "10", 60, 10_000),
    Case("a tenth more is the margin", "11", 59, 10_000),
    Case("beyond margin and slack is found", "11.0001", 59, 10_000, "ENERGY_EXCEEDS_POWER"),
    Case("no time at all is worth a minute", "0.1833", 0, 10_000),
    Case("energy in no time is found", "0.1834", 0, 10_000, "ENERGY_EXCEEDS_POWER"),
    Case("no energy needs no power", "0", 0, 1),
    Case("unknown power is no finding", "3000", 59, None),
    Case("four megawatts are the most there is", "4000", 59, None),
    Case("more is impossible, whatever is published", "4000.0001", 59, None, "ENERGY_IMPOSSIBLE"),
    Case("Wh sent for kWh are impossible", "20000", 120, 11_000, "ENERGY_IMPOSSIBLE"),
]


@pytest.mark.parametrize("case", PHYSICS, ids=lambda case: case.rule)
def test_energy_is_held_against_power_times_time(case: Case) -> None:
    cdr = charge(end_time=START + timedelta(minutes=case.minutes), total_energy=Decimal(case.energy))
    found = [str(code) for code, _, _ in check_physics(cdr, KNOWN._replace(evse=evse(case.power)))]
    assert found == ([case.found] if case.found else [])


def test_without_a_published_evse_only_the_impossible_is_found() -> None:
    cdr = charge(end_time=START + timedelta(minutes=59), total_energy=Decimal(3000))
    assert not list(check_physics(cdr, KNOWN._replace(evse=None)))


POWERS = {
    "the connector's own": ("a", {"a": 11_000, "b": 50_000}, 11_000),
    "of one that does not say, none": ("c", {"a": 11_000, "b": 50_000}, None),
    "of one that is not published, none where any does not say": ("x", {"a": 11_000}, None),
    "of one that is not published, the highest": ("x", {"a": 11_000, "b": 50_000, "c": 22_000}, 50_000),
    "of one that changed later, none": ("late", {"late": 11_000}, None),
    "of one that is not published, none where any changed later": (
        "x",
        {"a": 11_000, "b": 50_000, "c": 22_000, "late": 11_000},
        None,
    ),
}


@pytest.mark.parametrize(("connector", "powers", "power"), POWERS.values(), ids=POWERS)
def test_the_power_is_that_of_the_connector(connector: str, powers: dict[str, int], power: int | None) -> None:
    facts = EvseFacts(
        time_zone="UTC",
        connectors={
            name: Offer(powers.get(name), (), START + timedelta(seconds=name == "late"))
            for name in dict.fromkeys([*"abc", *powers])
        },
    )
    assert facts.power_at(connector, START) == power


#: The open period is October in Amsterdam, whose first instant is 22:00 UTC of 30 September.
BOUNDARY = datetime(2026, 9, 30, 22, tzinfo=UTC)
ARRIVED = datetime(2026, 10, 6, 12, tzinfo=UTC)
LATE = {
    "an end after the boundary is in time": (BOUNDARY, Cycle.MONTHLY, None),
    "the last instant before it is late": (BOUNDARY - timedelta(microseconds=1), Cycle.MONTHLY, ("2026-09", 5)),
    "months ago is late by its own month": (datetime(2026, 7, 15, tzinfo=UTC), Cycle.MONTHLY, ("2026-07", 66)),
    "a day's period ended that day": (datetime(2026, 9, 29, 12, tzinfo=UTC), Cycle.DAILY, ("2026-09", 6)),
    "a week's on its Sunday": (datetime(2026, 9, 22, tzinfo=UTC), Cycle.WEEKLY, ("2026-09", 8)),
}


def late(end: datetime, known: Known) -> list[str]:
    """Return what is said about how late a charge is."""
    return [message for code, _, message in check_charge(charge(end_time=end), known) if code is Check.LATE]


@pytest.mark.parametrize(("end", "cycle", "told"), LATE.values(), ids=LATE)
def test_a_late_charge_is_told_its_month_and_whole_days(
    end: datetime, cycle: Cycle, told: tuple[str, int] | None
) -> None:
    known = KNOWN._replace(
        now=ARRIVED, period=open_period(BOUNDARY, first_date=date(2026, 10, 1), cycle=cycle, zone="Europe/Amsterdam")
    )
    found = late(end, known)
    expected = "is of {}, whose period ended {} days ago; it joins the one that is open"
    assert found == ([expected.format(*told)] if told else [])


def test_before_the_first_cut_off_nothing_is_late() -> None:
    assert not late(START - timedelta(days=400), KNOWN)


def test_within_one_day_nothing_is_late_as_statements_count_by_date() -> None:
    noon = datetime(2026, 10, 6, 12, tzinfo=UTC)
    period = open_period(noon, first_date=noon.date(), cycle=Cycle.HOURLY, zone="UTC")
    known = KNOWN._replace(now=noon + timedelta(minutes=5), period=period)
    assert not late(noon - timedelta(hours=1), known)
