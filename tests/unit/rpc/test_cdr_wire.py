"""What is read of a CDR, and which fields a bad one is refused by, however many are looked at together."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.type.decimal_pb2 import Decimal as PbDecimal
from hypothesis import given as examples
from hypothesis import strategies as st
from roamhub.v1 import common_pb2, session_object_pb2, tariff_object_pb2

from hub.domain.cdrs.record import Cdr, ClaimedCost
from hub.domain.errors import Invalid
from hub.domain.money import parse_decimal
from hub.rpc.cdr_wire import submission_from_pb
from hub.rpc.wire import Reader
from tests.cdrs import START, make_cdr, make_tariff, number, period, stamp, submission


def read(**changes: Any) -> Cdr:
    return submission_from_pb(submission(make_cdr(**changes)), "cpo").cdr


def refused(**changes: Any) -> list[str]:
    with pytest.raises(Invalid) as caught:
        read(**changes)
    return [violation.field for violation in caught.value.violations]


IDS = st.one_of(
    st.text(st.sampled_from("aZ9 \n\x7fé\u200b#*"), max_size=4),
    st.integers(35, 40).map(lambda length: "x" * length),
)
FIELDS = ("one", "two", "three")


@examples(st.tuples(IDS, IDS, IDS))
def test_ids_looked_at_together_are_refused_as_each_alone(texts: tuple[str, str, str]) -> None:
    together, alone = Reader(), Reader()
    together.ids(FIELDS, texts, 36)
    for field, text in zip(FIELDS, texts, strict=True):
        alone.id(field, text, 36)
    assert together.violations == alone.violations


NUMBERS = st.one_of(
    st.decimals(-(10**13), 10**13, places=5).map(str),
    st.decimals(-9, 9, places=4).map(str),
    st.sampled_from(["", "x", "NaN", "Infinity", "-0", "-0.0000", "+1", " 1", "1_0", "1e2", "1e12", "1.00000", "٣"]),
)


def is_exact(text: str, least: Decimal | None) -> bool:
    """Say whether settlement can add up an amount, by the rules one after the other."""
    try:
        value = parse_decimal(text)
    except ValueError:
        return False
    return abs(value) < 10**12 and value == round(value, 4) and (least is None or value >= least)


@examples(NUMBERS)
def test_amounts_are_read_exactly_or_refused(text: str) -> None:
    if is_exact(text, Decimal(0)):
        assert read(total_energy=number(text)).total_energy == Decimal(text)
    else:
        assert refused(total_energy=PbDecimal(value=text)) == ["cdr.total_energy"]
    cost = common_pb2.Price(before_taxes=PbDecimal(value=text))
    if is_exact(text, None):
        assert read(total_cost=cost).total_cost == Decimal(text)
    else:
        assert refused(total_cost=cost) == ["cdr.total_cost.before_taxes"]


def test_volumes_that_cannot_be_added_up_are_refused_wherever_they_stand() -> None:
    huge = period(0, "9e999999", "1")
    assert refused(charging_periods=[huge, huge]) == ["cdr.charging_periods"]
    huge.dimensions.append(huge.dimensions[0])
    assert refused(charging_periods=[huge]) == ["cdr.charging_periods"]
    endless = [period(0, "Infinity", "1"), period(1, "-Infinity", "1")]
    fields = [f"cdr.charging_periods[{place}].dimensions[0].volume" for place in (0, 1)]
    assert refused(charging_periods=endless) == fields


def test_what_a_cdr_states_of_its_costs_is_read_as_far_as_stated() -> None:
    price = common_pb2.Price(before_taxes=number("7.0000"), after_taxes=number("8.4700"))
    cdr = read(total_cost=price, total_time_cost={"after_taxes": {"value": "1.2"}}, total_energy_cost=price)
    assert cdr.costs == (
        ClaimedCost("total_cost", Decimal(7), Decimal("8.47")),
        ClaimedCost("total_energy_cost", Decimal(7), Decimal("8.47")),
        ClaimedCost("total_time_cost", None, Decimal("1.2")),
    )
    assert cdr.after_taxes == Decimal("8.47")
    assert read(total_cost=common_pb2.Price(before_taxes=number("7"))).costs == ()
    price.after_taxes.value = "x"
    assert refused(total_cost=price) == ["cdr.total_cost.after_taxes"]


def test_the_first_tariff_inside_is_the_one_applied() -> None:
    cheap, dear = (
        make_tariff(name, type=kind)
        for name, kind in (
            ("T1", tariff_object_pb2.TARIFF_TYPE_PROFILE_CHEAP),
            ("T2", tariff_object_pb2.TARIFF_TYPE_REGULAR),
        )
    )
    assert read(tariffs=[cheap, dear]).tariff_kind == "PROFILE_CHEAP"
    assert read(tariffs=[dear, cheap]).tariff_kind == "REGULAR"
    assert read(tariffs=[make_tariff()]).tariff_kind == read(tariffs=[]).tariff_kind == "REGULAR"
    assert refused(tariffs=[dear, make_tariff(type=99)]) == ["cdr.tariffs[1].type"]


def test_tariffs_are_named_once_by_the_cdr_and_by_its_periods() -> None:
    named = [
        session_object_pb2.ChargingPeriod(start_date_time=stamp(START), tariff_id=name)
        for name in ("t1", "T2", "", "T2", "n\n")
    ]
    cdr = read(charging_periods=named)
    assert cdr.tariff_ids == ("t1", "t2")
    assert cdr.reported.tariff_ids == ("t1", "T2", "", "T2", "n\n")


def test_how_far_times_may_lie_ahead_goes_with_the_submission() -> None:
    assert submission_from_pb(submission(make_cdr()), "cpo", skew_max=timedelta(hours=1)).skew_max == timedelta(hours=1)


@pytest.mark.parametrize("text", ["", "EU", "EURO", "eur", "E1R", "ÉUR"])
def test_a_currency_is_three_capital_letters(text: str) -> None:
    assert refused(currency=text) == ["cdr.currency"]
