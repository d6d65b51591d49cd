"""The price of a charge: which tariff rules, what is compared, and what is said where the claim differs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from hub.domain.cdrs.checks import Check, examine
from hub.domain.cdrs.pricing import CdrPrice, TariffSource, Unpriced, price_cdr
from hub.domain.cdrs.record import Cdr, ClaimedCost, Severity
from hub.domain.ids import PartyId
from hub.domain.rating import POLICIES, ROAMHUB_2026, Price, PricingPolicy, RatablePeriod
from hub.domain.rating.claim import COST_FIELDS
from hub.domain.rating.policy import LITERAL_2026
from hub.domain.tariffs import (
    Dimension,
    GivenTariff,
    OcpiVersion,
    PriceComponent,
    PriceLimit,
    ReservationRestriction,
    Restrictions,
    Tariff,
    TariffElement,
    TaxIncluded,
)
from tests.unit.clearing.making_cdrs import CPO, START, charge, evse, reported
from tests.unit.clearing.making_cdrs import KNOWN as NOWHERE

KNOWN = NOWHERE._replace(evse=evse(None))


def component(dimension: Dimension, price: str, vat: str | None = None, step_size: int = 1) -> PriceComponent:
    return PriceComponent(
        dimension=dimension, price=Decimal(price), vat=None if vat is None else Decimal(vat), step_size=step_size
    )


ENERGY = TariffElement(components=(component(Dimension.ENERGY, "0.35", "21"),))
T1 = Tariff(id="T1", currency="EUR", party=CPO, elements=(ENERGY,))
DEAR = replace(T1, elements=(TariffElement(components=(component(Dimension.ENERGY, "0.50", "21"),)),))
BY_CLOCK = replace(
    T1,
    elements=(
        TariffElement(
            components=(component(Dimension.ENERGY, "0.10"),),
            restrictions=Restrictions(start_time=time(10), end_time=time(11)),
        ),
        ENERGY,
    ),
)


def given(tariff: Tariff) -> GivenTariff:
    return GivenTariff(tariff.id, tariff)


def published(*tariffs: Tariff) -> Mapping[str, GivenTariff]:
    return {tariff.id.lower(): given(tariff) for tariff in tariffs}


def rated(*inside: Tariff, **changes: Any) -> Cdr:
    """Return a charge of 20 kWh in two hours for 7.00, with tariffs inside."""
    period = RatablePeriod(start=START, energy_kwh=Decimal(20), time_hours=Decimal(2))
    changes = {"reported": reported(*changes.pop("ratable", [period])), "tariffs": tuple(map(given, inside)), **changes}
    named = [each.lower() for each in changes["reported"].tariff_ids if each]
    ids = dict.fromkeys([each.id.lower() for each in changes["tariffs"]] + named)
    return charge(start_time=START, tariff_ids=tuple(ids), **changes)


def check(cdr: Cdr, hub: Mapping[str, GivenTariff], zone: str | None = "Europe/Amsterdam", **known: Any) -> list[str]:
    """Return the codes that the price of a charge leads to under the default actions."""
    return [str(finding.code) for finding in findings(cdr, hub, zone, **known)]


def findings(cdr: Cdr, hub: Mapping[str, GivenTariff], zone: str | None = "Europe/Amsterdam", **known: Any) -> Any:
    price = price_cdr(cdr, hub, zone, known.pop("policy", ROAMHUB_2026))
    told = KNOWN._replace(price=price, price_tolerance=Decimal("0.01"), **known)
    return [
        each
        for each in examine(cdr, told, {})
        if "PRICE" in each.code or "TARIFF" in each.code or "COST" in each.code or "TAX" in each.code
    ]


def test_the_published_tariff_rules_and_not_the_one_inside_the_cdr() -> None:
    (told,) = findings(rated(DEAR), published(T1))
    assert (told.code, told.field) == (Check.TARIFF_MISMATCH, "tariffs[0]")
    assert told.message == "has other prices; the one published when the session began counts"
    assert check(rated(T1), published(DEAR)) == ["TARIFF_MISMATCH", "PRICE_MISMATCH"]
    assert price_cdr(rated(DEAR), published(T1), None, ROAMHUB_2026).tariffs[0].source is TariffSource.PUBLISHED


def test_the_tariff_inside_the_cdr_rules_where_none_is_published() -> None:
    assert check(rated(T1), {}) == ["TARIFF_UNKNOWN"]
    assert check(rated(DEAR), {}) == ["TARIFF_UNKNOWN", "PRICE_MISMATCH"]
    assert price_cdr(rated(T1), {}, None, ROAMHUB_2026).tariffs[0].source is TariffSource.EMBEDDED


def test_a_period_names_a_published_tariff_by_its_id_alone() -> None:
    period = RatablePeriod(start=START, energy_kwh=Decimal(20), tariff_id="t1")
    assert check(rated(ratable=(period,)), published(T1)) == []


def test_what_a_period_names_and_nobody_has_leaves_the_charge_unpriced() -> None:
    period = RatablePeriod(start=START, energy_kwh=Decimal(20), tariff_id="T9")
    (unknown, unchecked) = findings(rated(T1, ratable=(period,)), published(T1))
    assert (unknown.code, unknown.field) == (Check.TARIFF_UNKNOWN, "charging_periods[0].tariff_id")
    assert unchecked.message == ("could not be rated (TARIFF_MISSING): tariff T9 is neither published nor in the CDR")


def test_of_findings_that_are_alike_the_first_are_told_and_the_rest_are_counted() -> None:
    unknown = [replace(T1, id=f"T{n}") for n in range(10_000)]
    told = [each for each in findings(rated(*unknown), {}) if each.code == Check.TARIFF_UNKNOWN]
    assert [each.field for each in told] == [f"tariffs[{n}].id" for n in range(20)]
    assert told[18].message == "is no tariff that the CPO had published when the session began"
    assert told[19].message == f"{told[18].message}; 9980 more are like it"


def test_a_tariff_that_says_more_or_the_same_otherwise_is_the_published_one() -> None:
    same = replace(
        T1,
        id="t1",
        document=b"other",
        elements=(TariffElement(components=(component(Dimension.ENERGY, "0.3500", "21.0"),)),),
    )
    assert check(rated(same), published(T1)) == []


@pytest.mark.parametrize(
    "other",
    [
        replace(T1, currency="CHF"),
        replace(T1, min_price=PriceLimit(before_taxes=Decimal(1))),
        replace(T1, max_price=PriceLimit(before_taxes=Decimal(90))),
        replace(T1, tax_included=TaxIncluded.NO),
        replace(T1, elements=(ENERGY, ENERGY)),
    ],
    ids=["currency", "min_price", "max_price", "tax_included", "elements"],
)
def test_a_tariff_that_prices_otherwise_is_told(other: Tariff) -> None:
    assert check(rated(other), published(T1)) == ["TARIFF_MISMATCH"]


CLAIMS = {
    "exact": ("7.0000", "0.01", "0", None),
    "within the tolerance": ("7.0100", "0.01", "0", None),
    "too much": ("7.0101", "0.01", "0", "is 7.0101 and by the tariff 7.0000: 0.0101 too much, where 0.01 is tolerated"),
    "too little": ("6.5", "0.01", "0", "is 6.5 and by the tariff 7.0000: 0.5000 too little, where 0.01 is tolerated"),
    "within the share, the larger": ("7.0700", "0.01", "0.01", None),
    "beyond the share": (
        "7.0701",
        "0.01",
        "0.01",
        "is 7.0701 and by the tariff 7.0000: 0.0701 too much, where 0.07 is tolerated",
    ),
    "within the amount, the larger": ("7.1000", "0.1", "0.01", None),
    "no tolerance at all": (
        "7.0001",
        "0",
        "0",
        "is 7.0001 and by the tariff 7.0000: 0.0001 too much, where 0 is tolerated",
    ),
}


@pytest.mark.parametrize(("claimed", "tolerance", "relative", "message"), CLAIMS.values(), ids=CLAIMS)
def test_the_larger_tolerance_decides(claimed: str, tolerance: str, relative: str, message: str | None) -> None:
    cdr = rated(T1, total_cost=Decimal(claimed))
    price = price_cdr(cdr, published(T1), "Europe/Amsterdam", ROAMHUB_2026)
    known = KNOWN._replace(price=price, price_tolerance=Decimal(tolerance), price_tolerance_relative=Decimal(relative))
    told = examine(cdr, known, {})
    assert [each.message for each in told] == ([message] if message else [])
    assert all((each.code, each.severity) == (Check.PRICE_MISMATCH, Severity.ERROR) for each in told)
    assert all(each.field == "total_cost.before_taxes" for each in told)


def test_a_charge_without_a_tariff_is_told_unless_it_is_free() -> None:
    (told,) = findings(rated(), {})
    assert (told.code, told.severity) == (Check.PRICE_UNCHECKED, Severity.WARNING)
    assert (
        told.message == "could not be rated (NO_TARIFF): the CDR names no tariff, and its connector had none in force"
    )
    assert check(rated(total_cost=Decimal(0)), {}) == []


def test_a_tariff_that_cannot_be_read_is_told_with_its_reason_unless_the_published_one_can() -> None:
    unreadable = GivenTariff("T1", None, "INVALID_FIELD", "tariff.elements: has 1 to 1000 entries")
    cdr = rated(tariffs=(unreadable,))
    assert findings(cdr, {})[-1].message == (
        "could not be rated (INVALID_FIELD): tariff T1 cannot be read: tariff.elements: has 1 to 1000 entries"
    )
    (told,) = findings(cdr, published(T1))
    assert (told.code, told.field) == (Check.TARIFF_MISMATCH, "tariffs[0]")
    assert told.message == (
        "cannot be read: tariff.elements: has 1 to 1000 entries; the one published when the session began counts"
    )


def test_what_the_engine_refuses_is_told_with_its_reason() -> None:
    (told,) = findings(rated(T1, currency="CHF"), published(T1), currency="CHF")
    assert told.code == Check.PRICE_UNCHECKED
    assert told.message == "could not be rated (INVALID_FIELD): tariffs: are in EUR, the session is in CHF"


def test_the_local_time_is_that_of_the_location() -> None:
    # 08:00 UTC in September: 10:00 in Amsterdam, 09:00 in Lisbon.
    cheap = rated(BY_CLOCK, total_cost=Decimal(2))
    assert check(cheap, published(BY_CLOCK), "Europe/Amsterdam") == []
    assert check(cheap, published(BY_CLOCK), "Europe/Lisbon") == ["PRICE_MISMATCH"]


def test_without_a_known_zone_only_what_the_clock_decides_is_left_unpriced() -> None:
    assert check(rated(T1), published(T1), None) == []
    price = price_cdr(rated(BY_CLOCK), published(BY_CLOCK), None, ROAMHUB_2026)
    assert (price.rated, price.reason) == (None, Unpriced.TIME_ZONE_UNKNOWN)


def test_the_agreements_reading_of_the_rules_decides() -> None:
    fed_back = (RatablePeriod(start=START, energy_kwh=Decimal(-20)),)
    cdr = rated(T1, ratable=fed_back, total_cost=Decimal(-7))
    assert check(cdr, published(T1), policy=LITERAL_2026) == []
    assert check(cdr, published(T1), policy=ROAMHUB_2026) == ["PRICE_MISMATCH"]


PARTS = {
    "as ours": (ClaimedCost("total_energy_cost", Decimal(7), Decimal("8.47")), []),
    "another part": (ClaimedCost("total_energy_cost", Decimal(6), None), ["total_energy_cost.before_taxes"]),
    "its tax": (ClaimedCost("total_energy_cost", Decimal(7), Decimal(8)), ["total_energy_cost.after_taxes"]),
    "a part that does not occur, as 0": (ClaimedCost("total_time_cost", Decimal(0), Decimal(0)), []),
    "a part that does not occur": (ClaimedCost("total_time_cost", Decimal(1), None), ["total_time_cost.before_taxes"]),
}


@pytest.mark.parametrize(("part", "fields"), PARTS.values(), ids=PARTS)
def test_parts_of_the_cost_are_compared_on_both_sides_of_the_tax(part: ClaimedCost, fields: list[str]) -> None:
    told = findings(rated(T1, costs=(part,)), published(T1))
    assert [(each.code, each.severity, each.field) for each in told] == [
        (Check.COST_PARTS_MISMATCH, Severity.WARNING, field) for field in fields
    ]


def test_the_total_after_taxes_is_compared_where_the_tax_is_known() -> None:
    wrong = (ClaimedCost("total_cost", None, Decimal("8.33")),)
    assert check(rated(T1, costs=wrong), published(T1)) == ["TAX_MISMATCH"]
    old = replace(
        T1, version=OcpiVersion.V2_1_1, elements=(TariffElement(components=(component(Dimension.ENERGY, "0.35"),)),)
    )
    assert check(rated(old, costs=wrong), published(old)) == []


def test_where_only_the_price_with_tax_is_known_that_is_compared() -> None:
    gross = replace(
        T1,
        version=OcpiVersion.V2_3_0,
        party=PartyId("US", CPO.party_id),
        tax_included=TaxIncluded.YES,
        elements=(TariffElement(components=(component(Dimension.ENERGY, "0.35"),)),),
    )
    (told,) = findings(rated(gross), published(gross))
    assert told.message == "could not be rated (UNKNOWN_TAX): the tax in a price is not known"
    right, wrong = (ClaimedCost("total_cost", None, Decimal(text)) for text in ("7.00", "7.50"))
    assert check(rated(gross, total_cost=Decimal(6), costs=(right,)), published(gross)) == []
    assert check(rated(gross, total_cost=Decimal(6), costs=(wrong,)), published(gross)) == ["PRICE_MISMATCH"]


RESERVED = replace(
    T1,
    elements=(
        TariffElement(
            components=(component(Dimension.FLAT, "2"),),
            restrictions=Restrictions(reservation=ReservationRestriction.RESERVATION),
        ),
        TariffElement(
            components=(component(Dimension.FLAT, "5"),),
            restrictions=Restrictions(reservation=ReservationRestriction.RESERVATION_EXPIRES),
        ),
    ),
)


@pytest.mark.parametrize(("cost", "codes"), [("2", []), ("7", []), ("5", ["PRICE_MISMATCH"])])
def test_a_reservation_without_charging_may_have_run_out_or_not(cost: str, codes: list[str]) -> None:
    reserved = (RatablePeriod(start=START, reservation_hours=Decimal("0.5")),)
    assert check(rated(RESERVED, ratable=reserved, total_cost=Decimal(cost)), published(RESERVED)) == codes


def test_several_tariffs_are_each_looked_up() -> None:
    night = replace(DEAR, id="T2")
    later = START + timedelta(hours=1)
    periods = (
        RatablePeriod(start=START, energy_kwh=Decimal(10), tariff_id="T1"),
        RatablePeriod(start=later, energy_kwh=Decimal(10), tariff_id="T2"),
    )
    cdr = rated(T1, night, ratable=periods, total_cost=Decimal("8.5"))
    assert check(cdr, published(T1, night)) == []
    assert check(cdr, published(T1)) == ["TARIFF_UNKNOWN"]


def test_without_a_price_of_ours_nothing_is_said() -> None:
    cdr = rated(T1, total_cost=Decimal(99))
    assert examine(cdr, KNOWN._replace(price=None), {}) == ()
    assert isinstance(price_cdr(cdr, {}, None, ROAMHUB_2026), CdrPrice)


HOURS = st.decimals(0, 5, places=4)
VOLUMES = st.fixed_dictionaries(
    {},
    optional={
        "energy_kwh": st.decimals(-5, 50, places=4),
        "time_hours": HOURS,
        "parking_hours": HOURS,
        "reservation_hours": HOURS,
        "min_power": HOURS,
    },
)
COMPONENTS = st.builds(
    PriceComponent,
    dimension=st.sampled_from(Dimension),
    price=st.decimals(0, 2, places=4),
    vat=st.none() | st.decimals(0, 25, places=1),
    step_size=st.sampled_from([0, 1, 60, 500, 1000, 3600]),
)
ELEMENTS = st.builds(
    TariffElement,
    components=st.lists(COMPONENTS, min_size=1, max_size=4).map(tuple),
    restrictions=st.sampled_from(
        [
            Restrictions(),
            Restrictions(max_kwh=Decimal(20)),
            Restrictions(min_duration=3600),
            Restrictions(min_power=Decimal(2)),
            Restrictions(start_time=time(10), end_time=time(11)),
            Restrictions(reservation=ReservationRestriction.RESERVATION),
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@examples(
    volumes=st.lists(VOLUMES, min_size=1, max_size=6),
    plain=st.booleans(),
    elements=st.lists(ELEMENTS, min_size=1, max_size=4),
    maximum=st.none() | st.decimals(0, 30, places=2),
    policy=st.sampled_from([*POLICIES.values()]),
)
def test_periods_that_are_added_up_first_cost_the_same(
    volumes: list[dict[str, Any]],
    plain: bool,
    elements: list[TariffElement],
    maximum: Decimal | None,
    policy: PricingPolicy,
) -> None:
    if plain:
        volumes = [{**each, "energy_kwh": abs(each.get("energy_kwh", Decimal(1)))} for each in volumes]
        volumes = [{name: each[name] for name in each if name != "reservation_hours"} for each in volumes]
        elements = [replace(element, restrictions=Restrictions()) for element in elements]
    limit = None if maximum is None else PriceLimit(before_taxes=maximum)
    tariff = replace(T1, elements=tuple(elements), max_price=limit)
    periods = tuple(
        RatablePeriod(start=START + place * timedelta(minutes=10), **each) for place, each in enumerate(volumes)
    )
    cdr = rated(tariff, ratable=periods)
    slow, fast = (price_cdr(cdr, {}, "Europe/Amsterdam", policy, costs_only=only) for only in (False, True))
    assert (slow.reason, slow.message) == (fast.reason, fast.message)
    if slow.rated is not None and fast.rated is not None:
        nothing = Price(before_taxes=Decimal(0), after_taxes=Decimal(0))
        for name in COST_FIELDS:
            one, other = getattr(slow.rated, name), getattr(fast.rated, name)
            assert (one or nothing) == (other or nothing), name


def test_nothing_absurd_is_hidden_by_adding_up() -> None:
    odd: list[tuple[Decimal, ...]] = [
        (Decimal(-1), Decimal(9), Decimal(1)),
        (Decimal(10) ** 12, Decimal(1), Decimal(1)),
        (Decimal(9) * 10**11,) * 3,
    ]
    for hours in odd:
        periods = tuple(RatablePeriod(start=START, time_hours=each) for each in hours)
        slow, fast = (
            price_cdr(rated(T1, ratable=periods), {}, None, ROAMHUB_2026, costs_only=only) for only in (False, True)
        )
        assert (slow.reason, slow.message) == (fast.reason, fast.message)
