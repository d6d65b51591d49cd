"""Charging periods as rating reads them, and which field a bad one is refused by."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st
from roamhub.v1 import session_object_pb2 as pb

from hub.domain.rating import RatablePeriod, period_of
from hub.rpc.period_wire import read_periods, refuse_periods
from hub.rpc.wire import Reader

START = datetime(2026, 9, 14, 8, tzinfo=UTC)
SECONDS = int(START.timestamp())


def period(*dimensions: tuple[str, str], seconds: int = SECONDS, nanos: int = 0, **fields: Any) -> pb.ChargingPeriod:
    return pb.ChargingPeriod(
        start_date_time=Timestamp(seconds=seconds, nanos=nanos),
        dimensions=[
            pb.CdrDimension(
                type=pb.CdrDimensionType.Value(f"CDR_DIMENSION_TYPE_{name}"), volume=PbDecimal(value=volume)
            )
            for name, volume in dimensions
        ],
        **fields,
    )


def ratable(*periods: pb.ChargingPeriod) -> tuple[RatablePeriod, ...]:
    read = read_periods(periods)
    assert read is not None
    return read.ratable()


def violations(*periods: pb.ChargingPeriod) -> list[str]:
    assert read_periods(periods) is None
    return named(periods)


def named(periods: Sequence[pb.ChargingPeriod]) -> list[str]:
    reader = Reader()
    refuse_periods(reader, periods, "periods")
    return [violation.field for violation in reader.violations]


ALL = [
    "ENERGY",
    "TIME",
    "PARKING_TIME",
    "RESERVATION_TIME",
    "MIN_CURRENT",
    "MAX_CURRENT",
    "MIN_POWER",
    "MAX_POWER",
    "POWER",
]


def test_every_dimension_that_prices_or_restricts_is_read() -> None:
    given = [(name, f"{place}.5") for place, name in enumerate(ALL)]
    (read,) = ratable(period(*given, tariff_id="T1"))
    assert read == period_of(START, [(name, Decimal(volume)) for name, volume in given], tariff_id="T1")
    assert None not in read


@pytest.mark.parametrize("name", ALL)
def test_a_dimension_given_twice_counts_as_in_a_file(name: str) -> None:
    given = [(name, "3"), (name, "5"), (name, "4")]
    (read,) = ratable(period(*given))
    assert read == period_of(START, [(each, Decimal(volume)) for each, volume in given])


@pytest.mark.parametrize(
    "name", ["CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "STATE_OF_CHARGE", "FLAT", "UNSPECIFIED"]
)
def test_a_dimension_that_prices_nothing_is_not_even_looked_at(name: str) -> None:
    assert ratable(period((name, "x"))) == (RatablePeriod(start=START),)


def test_times_are_read_to_the_microsecond_and_before_1970_too() -> None:
    (fine,) = ratable(period(nanos=123_456_789))
    assert fine.start == START.replace(microsecond=123_456)
    (old,) = ratable(period(seconds=-1))
    assert old.start == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_what_cannot_be_read_is_refused_by_its_field() -> None:
    good = period(("ENERGY", "1"))
    assert violations(good, period(("TIME", "1"), ("ENERGY", "x"))) == ["periods[1].dimensions[1].volume"]
    assert violations(period(("MIN_POWER", ""))) == ["periods[0].dimensions[0].volume"]
    assert violations(period(("MAX_CURRENT", "NaN"))) == ["periods[0].dimensions[0].volume"]
    assert violations(pb.ChargingPeriod(), good) == ["periods[0].start_date_time"]
    assert violations(period(seconds=10**15)) == ["periods[0].start_date_time"]
    assert violations(period(nanos=10**9), period(nanos=-1)) == [f"periods[{n}].start_date_time" for n in (0, 1)]
    unknown = pb.ChargingPeriod(start_date_time=good.start_date_time, dimensions=[{"type": 99}])  # type: ignore[list-item]
    assert violations(unknown) == ["periods[0].dimensions[0].type"]


MOMENTS = st.sampled_from([0, 1, -1, -62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800]) | st.integers(
    SECONDS, SECONDS + 9
)
VOLUMES = st.one_of(
    st.sampled_from(
        ["", "x", "NaN", "sNaN", "Infinity", "-Infinity", "-0", " 1", "1_0", "1" * 41, "9e999999", "1e-9", "-2.5"]
    ),
    st.decimals(0, 50, places=4).map(str),
)
DIMENSIONS = st.builds(
    lambda kind, volume: pb.CdrDimension(type=kind, volume=PbDecimal(value=volume)),
    st.sampled_from([*pb.CdrDimensionType.values(), 99]),
    VOLUMES,
)
PERIODS = st.builds(
    lambda seconds, nanos, dimensions, tariff_id: pb.ChargingPeriod(
        start_date_time=Timestamp(seconds=seconds, nanos=nanos), dimensions=dimensions, tariff_id=tariff_id
    ),
    MOMENTS,
    st.sampled_from([0, 0, 1, 999, 1_000, 123_456_789, 999_999_999, 1_000_000_000, -1]),
    st.lists(DIMENSIONS, max_size=4),
    st.sampled_from([None, "", "T1", "t2"]),
)


def plainly(message: pb.ChargingPeriod) -> RatablePeriod:
    """Return a sound period as it is read field by field."""
    reader = Reader()
    names = pb.CdrDimensionType.Name
    volumes = [
        (names(each.type).removeprefix("CDR_DIMENSION_TYPE_"), reader.decimal("volume", each.volume))
        for each in message.dimensions
    ]
    return period_of(
        reader.time("start", message.start_date_time),
        [(name, volume) for name, volume in volumes if name in ALL],
        tariff_id=message.tariff_id or None,
    )


@settings(max_examples=500, deadline=None)
@examples(st.lists(PERIODS, min_size=1, max_size=4))
def test_periods_read_at_once_are_those_read_field_by_field(periods: list[pb.ChargingPeriod]) -> None:
    refused = named(periods)
    read = read_periods(periods)
    try:
        sums = read.sums() if read is not None else None
    except ArithmeticError:
        sums = None
    if read is None or sums is None:
        beyond = any("e9" in each.volume.value for period in periods for each in period.dimensions)
        assert refused or beyond
        return
    assert not refused
    expected = tuple(map(plainly, periods))
    assert read.ratable() == expected
    starts = [each.start for each in expected]
    assert (sums.number, sums.first_start, sums.last_start) == (len(expected), min(starts), max(starts))
    assert sums.energy == sum(each.energy_kwh or 0 for each in expected)
    assert sums.time == sum((each.time_hours or 0) + (each.parking_hours or 0) for each in expected)
