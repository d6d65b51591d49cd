"""Charging periods to what rating reads. The hot loop of every CDR: paths are only made for a refusal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from roamhub.v1 import session_object_pb2 as pb

from hub.domain.money import EXACT
from hub.domain.rating import RatablePeriod
from hub.rpc.wire import Reader

PERIODS_MAX = 10_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Where each dimension stands in a RatablePeriod. One given twice adds up; of minima and maxima the extreme counts.
_PLACES = {
    pb.CDR_DIMENSION_TYPE_ENERGY: 1,
    pb.CDR_DIMENSION_TYPE_TIME: 2,
    pb.CDR_DIMENSION_TYPE_PARKING_TIME: 3,
    pb.CDR_DIMENSION_TYPE_RESERVATION_TIME: 4,
    pb.CDR_DIMENSION_TYPE_MIN_CURRENT: 5,
    pb.CDR_DIMENSION_TYPE_MAX_CURRENT: 6,
    pb.CDR_DIMENSION_TYPE_MIN_POWER: 7,
    pb.CDR_DIMENSION_TYPE_MAX_POWER: 8,
    pb.CDR_DIMENSION_TYPE_POWER: 9,
}
assert RatablePeriod._fields[1:10] == (
    "energy_kwh",
    "time_hours",
    "parking_hours",
    "reservation_hours",
    "min_current",
    "max_current",
    "min_power",
    "max_power",
    "average_power",
)
_LAST_ADDED = 4
_LEAST = frozenset({5, 7})
#: Dimensions that price and restrict nothing.
_IGNORED = frozenset(pb.CdrDimensionType.values()) - _PLACES.keys()
_NO_VOLUMES = (None,) * 9


def read_periods(periods: Iterable[pb.ChargingPeriod]) -> tuple[RatablePeriod, ...] | None:
    """Return the periods as rating reads them; None when one breaks a rule, which `refuse_periods` names."""
    found = []
    try:
        for period in periods:
            stamp = period.start_date_time
            seconds, nanos = stamp.seconds, stamp.nanos
            if not seconds and not nanos:
                return None
            values: list[Decimal | None] = [*_NO_VOLUMES]
            for dimension in period.dimensions:
                place = _PLACES.get(dimension.type)
                if place is not None:
                    volume = Decimal(dimension.volume.value)
                    if not volume.is_finite():
                        return None
                    held = values[place - 1]
                    values[place - 1] = volume if held is None else _both(place, held, volume)
                elif dimension.type not in _IGNORED:
                    return None
            start = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
            found.append(RatablePeriod._make((start, *values, period.tariff_id or None)))
    except (ArithmeticError, ValueError):
        return None
    return tuple(found)


def _both(place: int, held: Decimal, volume: Decimal) -> Decimal:
    if place <= _LAST_ADDED:
        return EXACT.add(held, volume)
    return min(held, volume) if place in _LEAST else max(held, volume)


def refuse_periods(reader: Reader, periods: Sequence[pb.ChargingPeriod], path: str) -> None:
    """Say which periods break which rule."""
    for position, period in enumerate(periods):
        at = f"{path}[{position}]"
        reader.time(f"{at}.start_date_time", period.start_date_time)
        for place, dimension in enumerate(period.dimensions):
            if dimension.type in _PLACES:
                reader.decimal(f"{at}.dimensions[{place}].volume", dimension.volume)
            elif dimension.type not in _IGNORED:
                reader.unknown(f"{at}.dimensions[{place}].type", dimension.type)
