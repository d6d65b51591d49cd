"""The worked examples of the specification that the shared vectors leave out, on its own example tariffs.

Where the specification contradicts itself, the table says so and why ours is what it is.
"""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from hub.domain.rating import RatableSession, RatedCdr, period_of, rate
from hub.domain.rating.json_tariff import tariffs_from_json
from hub.domain.tariffs import Tariff
from tests.unit.rating.making import shared

pytestmark = pytest.mark.data

Piece = tuple[int, dict[str, str]]


def _tariff(version: str, name: str) -> Tariff:
    return tariffs_from_json(shared("ocpi", "spec-examples", version, f"{name}.json").read_bytes())[0].tariff


def _rate(tariff: Tariff, start: str, minutes: int, pieces: list[Piece], *, expired: bool = False) -> RatedCdr:
    begin = datetime.fromisoformat(start)
    periods = tuple(
        period_of(begin + timedelta(minutes=minute), [(kind, Decimal(volume)) for kind, volume in volumes.items()])
        for minute, volumes in pieces
    )
    session = RatableSession(
        start=begin,
        end=begin + timedelta(minutes=minutes),
        time_zone="UTC",
        currency=tariff.currency,
        periods=periods,
        reservation_expired=expired,
    )
    return rate(session, [tariff])


#: Example tariff; start; minutes; periods; the amounts the text states; ours where they differ, and why.
EXAMPLES: dict[str, tuple[str, str, int, list[Piece], tuple[str, str | None]]] = {
    "less than 2 kWh pay the minimum price": (
        "tariff_12_025kwh_min_price",
        "2024-03-04T10:00:00Z",
        60,
        [(0, {"ENERGY": "1.2"})],
        ("0.50", "0.55"),
    ),
    "50 kWh pay the maximum price": (
        "tariff_6_025kwh_start_max_price",
        "2019-03-04T10:00:00Z",
        60,
        [(0, {"ENERGY": "50"})],
        ("10.00", "11.00"),
    ),
    "a reservation with fee and time": (
        "tariff_16_reservation_2_euro_fee_5_euro_per_hour",
        "2024-03-04T10:00:00Z",
        73,
        [(0, {"RESERVATION_TIME": "0.2167"}), (13, {"ENERGY": "20"})],
        ("8.75", "10.00"),
    ),
    "switching to another element, #2": (
        "tariff_14_step_size",
        "2024-03-04T16:35:00Z",
        35,
        [(0, {"TIME": "0.4167"}), (25, {"TIME": "0.1667"})],
        ("1.30", "1.30"),
    ),
    "switching to a free element": (
        "tariff_14_step_size",
        "2024-03-04T19:40:00Z",
        32,
        [(0, {"TIME": "0.2"}), (12, {"PARKING_TIME": "0.1333"}), (20, {"PARKING_TIME": "0.2"})],
        ("0.73", "0.73"),
    ),
    "max_duration": (
        "tariffrestriction_example_max_duration",
        "2024-03-04T10:00:00Z",
        40,
        [(0, {"ENERGY": "5"}), (30, {"ENERGY": "1.2"})],
        ("0.30", None),
    ),
}
EXPIRED = {
    "tariff_17_reservation_with_expire_fee": (60, "1", ("6.00", "7.20")),
    "tariff_18_reservation_with_expire_time": (90, "1.5", ("9.00", "10.80")),
}
#: What the text says, what we say, and why the text is wrong.
SPECIFICATION_WRONG = {
    "complex, Saturday": (
        "tariff_4_complex",
        "2024-03-09T13:30:00Z",
        185,
        [
            (0, {"TIME": "1.9", "MIN_CURRENT": "43", "MAX_CURRENT": "43"}),
            (114, {"PARKING_TIME": "1.1833"}),
        ],
        ("12.28", "13.861"),
        ("12.375", "13.975"),
        "bills 114 minutes at 1.25 an hour as 2.28, which is 1.20 an hour; 1.9 h x 1.25 is 2.375",
    ),
    "alternative URL, 2.3.0 table": (
        "tariff_3_alt_url",
        "2024-03-04T10:00:00Z",
        60,
        [(0, {"ENERGY": "20.45"})],
        ("5.61", "6.22"),
        ("5.625", "6.2375"),
        "the table bills 20.45 kWh; the text above it rounds up to 20.5 kWh, as step_size 100 demands",
    ),
}


@pytest.mark.parametrize("version", ["2.2.1-d2+", "2.3.0-core"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_costs_what_its_text_says(name: str, version: str) -> None:
    example, start, minutes, pieces, (before, after) = EXAMPLES[name]
    rated = _rate(_tariff(version, example), start, minutes, pieces)
    assert rated.total_cost.before_taxes == Decimal(before)
    if after is not None:
        assert rated.total_cost.after_taxes == Decimal(after)


@pytest.mark.parametrize("version", ["2.2.1-d2+", "2.3.0-core"])
@pytest.mark.parametrize("example", EXPIRED)
def test_an_expired_reservation_costs_what_its_text_says(example: str, version: str) -> None:
    minutes, hours, (before, after) = EXPIRED[example]
    pieces: list[Piece] = [(0, {"RESERVATION_TIME": hours})]
    rated = _rate(_tariff(version, example), "2024-03-04T10:00:00Z", minutes, pieces, expired=True)
    assert (rated.total_cost.before_taxes, rated.total_cost.after_taxes) == (Decimal(before), Decimal(after))


@pytest.mark.parametrize("version", ["2.2.1-d2+", "2.3.0-core"])
@pytest.mark.parametrize("name", SPECIFICATION_WRONG)
def test_where_the_text_contradicts_itself_its_rules_win(name: str, version: str) -> None:
    example, start, minutes, pieces, stated, ours, why = SPECIFICATION_WRONG[name]
    rated = _rate(_tariff(version, example), start, minutes, pieces)
    assert (rated.total_cost.before_taxes, rated.total_cost.after_taxes) == tuple(map(Decimal, ours)), why
    assert rated.total_cost.before_taxes != Decimal(stated[0])


def test_north_american_taxes_come_on_top_or_are_within() -> None:
    pieces: list[Piece] = [(0, {"TIME": "2.5"})]
    on_top = _rate(
        _tariff("2.3.0-core", "tariff_19_simple_north_american_exclusive"), "2024-12-06T10:00:00Z", 150, pieces
    )
    assert (on_top.total_cost.before_taxes, on_top.total_cost.after_taxes) == (Decimal(5), None)
    within = _rate(
        _tariff("2.3.0-core", "tariff_20_simple_north_american_inclusive"), "2024-12-06T10:00:00Z", 150, pieces
    )
    assert (within.total_cost.before_taxes, within.total_cost.after_taxes) == (None, Decimal("5.25"))
