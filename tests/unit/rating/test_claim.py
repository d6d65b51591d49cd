"""A CDR's own totals against ours."""

from decimal import Decimal
from typing import Any

import pytest

from hub.domain.rating import Price, RatedCdr, rate
from hub.domain.rating.claim import COST_FIELDS, VOLUME_FIELDS, Claim, compare
from tests.unit.rating.making import element, period, price, session, tariff


def ours() -> RatedCdr:
    """Return 10.00 before and 12.00 after taxes: 8 of energy, 2 of fees; 8 kWh, 1 h."""
    chosen = tariff(element(price("ENERGY", "1", vat="20"), price("FLAT", "2", vat="20")))
    return rate(session(period(ENERGY=8)), [chosen])


def cost(before: str, after: str | None = None) -> Price:
    return Price(before_taxes=Decimal(before), after_taxes=None if after is None else Decimal(after))


@pytest.mark.parametrize(
    ("claim", "agrees"),
    [
        ({}, True),
        ({"total_cost": cost("10", "12")}, True),
        ({"total_cost": cost("10.01", "12.01")}, True),
        ({"total_cost": cost("9.99", "11.99")}, True),
        ({"total_cost": cost("10.0101")}, False),
        ({"total_cost": cost("9.9899")}, False),
        ({"total_cost": cost("10", "12.02")}, False),
        ({"total_cost": cost("10"), "total_energy_cost": cost("8")}, True),
        ({"total_cost": cost("10"), "total_energy_cost": cost("7")}, False),
        ({"total_parking_cost": cost("0", "0")}, True),
        ({"total_parking_cost": cost("1")}, False),
        ({"total_cost": cost("-10", "-12"), "credit": True}, True),
        ({"total_cost": cost("10", "12"), "credit": True}, False),
        ({"total_energy_cost": cost("8"), "credit": True}, True),
        ({"total_energy": Decimal(99)}, True),
    ],
)
def test_costs_agree_within_the_tolerance_on_both_sides(claim: dict[str, Any], agrees: bool) -> None:
    assert compare(Claim(**claim), ours(), Decimal("0.01")).agrees is agrees


def test_a_difference_is_claimed_less_ours_and_absent_where_one_side_is() -> None:
    claim = Claim(
        total_cost=cost("11", "14"), total_energy_cost=cost("7"), total_time_cost=cost("1"), total_energy=Decimal("7.5")
    )
    difference = compare(claim, ours(), Decimal("0.01"))
    assert difference.costs["total_cost"] == cost("1", "2")
    assert difference.costs["total_energy_cost"] == cost("-1")
    assert difference.costs["total_time_cost"] == cost("1")
    assert difference.costs["total_fixed_cost"] is None
    assert difference.volumes == {"total_energy": Decimal("-0.5"), "total_time": None, "total_parking_time": None}
    assert tuple(difference.costs) == COST_FIELDS
    assert tuple(difference.volumes) == VOLUME_FIELDS


def test_a_side_we_do_not_know_is_not_compared() -> None:
    claim = Claim(total_cost=Price(before_taxes=None, after_taxes=Decimal(12)))
    difference = compare(claim, ours(), Decimal(0))
    assert difference.costs["total_cost"] == Price(before_taxes=None, after_taxes=Decimal(0))
    assert difference.agrees


def test_what_else_differs_is_noted() -> None:
    claim = Claim(total_energy=Decimal("8.0101"), total_time=Decimal("1.01"), total_parking_time=Decimal("-0.5"))
    notes = [(note.code.value, note.message, note.period) for note in compare(claim, ours(), Decimal(0)).notes]
    assert notes == [
        ("volume_differs", "total_energy is off by 0.0101 from the sum of the periods", None),
        ("volume_differs", "total_parking_time is off by -0.5 from the sum of the periods", None),
    ]
    (credit,) = compare(Claim(credit=True), ours(), Decimal(0)).notes
    assert (credit.code.value, credit.message) == (
        "credit_cdr",
        "this is a credit CDR: its total cost is the negative of the session's",
    )
