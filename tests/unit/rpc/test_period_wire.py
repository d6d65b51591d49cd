"""Charging periods as rating reads them, and which field a bad one is refused by."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
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


def violations(*periods: pb.ChargingPeriod) -> list[str]:
    assert read_periods(periods) is None
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
    (read,) = read_periods([period(*given, tariff_id="T1")]) or ()
    assert read == period_of(START, [(name, Decimal(volume)) for name, volume in given], tariff_id="T1")
    assert None not in read


@pytest.mark.parametrize("name", ALL)
def test_a_dimension_given_twice_counts_as_in_a_file(name: str) -> None:
    given = [(name, "3"), (name, "5"), (name, "4")]
    (read,) = read_periods([period(*given)]) or ()
    assert read == period_of(START, [(each, Decimal(volume)) for each, volume in given])


@pytest.mark.parametrize(
    "name", ["CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "STATE_OF_CHARGE", "FLAT", "UNSPECIFIED"]
)
def test_a_dimension_that_prices_nothing_is_not_even_looked_at(name: str) -> None:
    assert read_periods([period((name, "x"))]) == (RatablePeriod(start=START),)


def test_times_are_read_to_the_microsecond_and_before_1970_too() -> None:
    (fine,) = read_periods([period(nanos=123_456_789)]) or ()
    assert fine.start == START.replace(microsecond=123_456)
    (old,) = read_periods([period(seconds=-1)]) or ()
    assert old.start == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_what_cannot_be_read_is_refused_by_its_field() -> None:
    good = period(("ENERGY", "1"))
    assert violations(good, period(("TIME", "1"), ("ENERGY", "x"))) == ["periods[1].dimensions[1].volume"]
    assert violations(period(("MIN_POWER", ""))) == ["periods[0].dimensions[0].volume"]
    assert violations(period(("MAX_CURRENT", "NaN"))) == ["periods[0].dimensions[0].volume"]
    assert violations(pb.ChargingPeriod(), good) == ["periods[0].start_date_time"]
    assert violations(period(seconds=10**15)) == ["periods[0].start_date_time"]
    unknown = pb.ChargingPeriod(start_date_time=good.start_date_time, dimensions=[{"type": 99}])  # type: ignore[list-item]
    assert violations(unknown) == ["periods[0].dimensions[0].type"]
