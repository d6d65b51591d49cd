"""The simulated world is the same for the same seed, and adds up."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from google.type.decimal_pb2 import Decimal as PbDecimal
from hypothesis import given
from hypothesis import strategies as st
from roamhub.v1.session_object_pb2 import AUTH_METHOD_WHITELIST
from roamhub.v1.tariff_object_pb2 import (
    TARIFF_DIMENSION_TYPE_ENERGY,
    TARIFF_DIMENSION_TYPE_FLAT,
    TARIFF_DIMENSION_TYPE_TIME,
    TAX_INCLUDED_YES,
    PriceComponent,
    Tariff,
    TariffElement,
    TariffRestrictions,
)

from adapters.partner import party
from adapters.simulator.drives import Calendar, Papers, credit_of, make_drives
from adapters.simulator.emsp import cards_of
from adapters.simulator.pricing import simple_price
from adapters.simulator.real import Charge, place, read_charges
from adapters.simulator.world import make_stations, make_tariffs, plugs_of

CPO, EMSP = party("NL-VLT"), party("DE-STR")
MONTH = (datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 9, 29, tzinfo=UTC))


def world(seed: int) -> tuple[list[object], Papers]:
    rng = random.Random(seed)
    tariffs = make_tariffs(CPO, MONTH[0])
    plugs = [plug for station in make_stations(CPO, 20, MONTH[0], rng) for plug in plugs_of(station)]
    tokens = [card.token for card in cards_of(EMSP, 30, seed)]
    return list(make_drives(plugs, tokens, 200, MONTH, rng)), Papers(tariffs)


def test_the_same_seed_makes_the_same_world() -> None:
    assert world(7)[0] == world(7)[0]
    assert world(7)[0] != world(8)[0]


def test_no_card_and_no_evse_is_in_two_sessions_at_a_time() -> None:
    drives = world(1)[0]
    for name in ("token", "plug"):
        taken: dict[str, list[tuple[datetime, datetime]]] = {}
        for drive in drives:
            key = drive.token.uid if name == "token" else f"{drive.plug.location.id}/{drive.plug.evse.uid}"  # type: ignore[attr-defined]
            for start, end in taken.setdefault(key, []):
                assert drive.end <= start or end <= drive.start  # type: ignore[attr-defined]
            taken[key].append((drive.start, drive.end))  # type: ignore[attr-defined]


def test_a_cdr_adds_up_and_its_credit_takes_it_back() -> None:
    drives, papers = world(3)
    for drive in drives:
        cdr = papers.cdr(drive, AUTH_METHOD_WHITELIST, "r")  # type: ignore[arg-type]
        parts = (
            [cdr.total_energy_cost, cdr.total_fixed_cost]
            if cdr.HasField("total_fixed_cost")
            else [cdr.total_energy_cost]
        )
        for side in ("before_taxes", "after_taxes"):
            total = sum(Decimal(getattr(part, side).value) for part in parts)
            assert Decimal(getattr(cdr.total_cost, side).value) == total > 0
        assert Decimal(cdr.total_energy.value) <= drive.plug.power_kw * drive.hours + Decimal("0.1")  # type: ignore[attr-defined]
        credit = credit_of(cdr)
        assert Decimal(credit.total_cost.before_taxes.value) == -Decimal(cdr.total_cost.before_taxes.value)
        assert credit.total_energy == cdr.total_energy
        assert credit.credit_reference_id == cdr.id


def tariff(*components: PriceComponent, **more: object) -> Tariff:
    return Tariff(id="T", currency="EUR", elements=[TariffElement(price_components=components)], **more)  # type: ignore[arg-type]


def component(kind: int, price: str, vat: str | None = None, step: int = 1) -> PriceComponent:
    made = PriceComponent(type=kind, price=PbDecimal(value=price), step_size=step)  # type: ignore[arg-type]
    if vat is not None:
        made.vat.value = vat
    return made


ENERGY = component(TARIFF_DIMENSION_TYPE_ENERGY, "0.40", "21")


@pytest.mark.parametrize(
    ("kwh", "energy", "before", "after"),
    [
        ("11", ENERGY, "4.4000", "5.3240"),
        ("0.001", ENERGY, "0.0004", "0.0005"),
        ("10.001", component(TARIFF_DIMENSION_TYPE_ENERGY, "0.40", None, 1000), "4.4000", None),
        ("10", component(TARIFF_DIMENSION_TYPE_ENERGY, "0.12345"), "1.2345", None),
    ],
    ids=["plain", "rounded half up", "each begun step counts", "five decimals"],
)
def test_energy_costs_what_the_tariff_says(kwh: str, energy: PriceComponent, before: str, after: str | None) -> None:
    price = simple_price(tariff(energy))
    assert price is not None
    cost = price.total_cost(Decimal(kwh))
    assert cost.before_taxes.value == before
    assert (cost.after_taxes.value or None) == after


@pytest.mark.parametrize(
    "priced",
    [
        tariff(ENERGY, component(TARIFF_DIMENSION_TYPE_TIME, "1")),
        tariff(component(TARIFF_DIMENSION_TYPE_FLAT, "1")),
        tariff(ENERGY, ENERGY),
        tariff(ENERGY, tax_included=TAX_INCLUDED_YES),
        Tariff(elements=[TariffElement(price_components=[ENERGY], restrictions=TariffRestrictions(max_duration=60))]),
        Tariff(elements=[TariffElement(price_components=[ENERGY])] * 2),
        Tariff(),
    ],
    ids=["time", "flat alone", "energy twice", "tax included", "restricted", "two elements", "none"],
)
def test_what_the_simulator_cannot_price_it_does_not_sell(priced: Tariff) -> None:
    assert simple_price(priced) is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 10)), max_size=30))
def test_a_calendar_never_takes_a_thing_twice(spans: list[tuple[int, int]]) -> None:
    calendar, taken = Calendar(), []
    for start, length in spans:
        begin = MONTH[0] + timedelta(hours=start)
        if calendar.take(["a"], begin, begin + timedelta(hours=length)):
            taken.append((start, start + length))
    taken.sort()
    assert all(before[1] <= after[0] for before, after in pairwise(taken))


def test_real_sessions_keep_their_time_of_day_their_length_and_their_energy(tmp_path: Path) -> None:
    file = tmp_path / "sessions.csv"
    file.write_text(
        "Session,Arrival,Departure,Energy (Wh)\n"
        "1,2022-04-04 23:33:00,2022-04-04 23:59:00,9632\n"
        "2,2023-12-31 06:10:00,2023-12-31 06:40:00,12001\n"
        "3,2023-12-31 06:10:00,2023-12-31 06:10:00,5\n"
    )
    charges = list(read_charges(file))
    assert charges[0] == Charge(
        start=datetime(2022, 4, 4, 23, 33, tzinfo=UTC),
        end=datetime(2022, 4, 4, 23, 59, tzinfo=UTC),
        kwh=Decimal("9.632"),
    )
    assert len(charges) == 2, "a session of no length is left out"
    rng = random.Random(1)
    plugs = [
        plug
        for station in make_stations(CPO, 20, MONTH[0], rng)
        for plug in plugs_of(station)
        if plug.connector.tariff_ids[0].startswith("DC")
    ]
    drives = place(charges, plugs, [card.token for card in cards_of(EMSP, 5, 1)], MONTH, rng)
    assert {(drive.start.time(), drive.end - drive.start, drive.kwh) for drive in drives} == {
        (charge.start.time(), charge.end - charge.start, charge.kwh) for charge in charges
    }
    assert all(MONTH[0] <= drive.start < drive.end <= MONTH[1] for drive in drives)
