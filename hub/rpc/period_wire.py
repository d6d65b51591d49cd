"""Charging periods to what rating reads. The hot loop of every CDR: paths are only made for a refusal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from roamhub.v1 import session_object_pb2 as pb

from hub.domain.money import EXACT
from hub.domain.rating import RatablePeriod
from hub.rpc.wire import Reader

PERIODS_MAX = 10_000

_ENERGY, _TIME = pb.CDR_DIMENSION_TYPE_ENERGY, pb.CDR_DIMENSION_TYPE_TIME
#: Where every other dimension stands in a RatablePeriod, from its fourth field on.
_PLACES = {
    pb.CDR_DIMENSION_TYPE_PARKING_TIME: 0,
    pb.CDR_DIMENSION_TYPE_RESERVATION_TIME: 1,
    pb.CDR_DIMENSION_TYPE_MIN_CURRENT: 2,
    pb.CDR_DIMENSION_TYPE_MAX_CURRENT: 3,
    pb.CDR_DIMENSION_TYPE_MIN_POWER: 4,
    pb.CDR_DIMENSION_TYPE_MAX_POWER: 5,
    pb.CDR_DIMENSION_TYPE_POWER: 6,
}
assert RatablePeriod._fields == (
    "start",
    "energy_kwh",
    "time_hours",
    "parking_hours",
    "reservation_hours",
    "min_current",
    "max_current",
    "min_power",
    "max_power",
    "average_power",
    "tariff_id",
)
_LAST_ADDED = 1
_LEAST = frozenset({2, 4})
#: Dimensions that price and restrict nothing.
_IGNORED = frozenset(pb.CdrDimensionType.values()) - _PLACES.keys() - {_ENERGY, _TIME}
_NOTHING_ELSE: tuple[Decimal | None, ...] = (None,) * len(_PLACES)
_add, _make = EXACT.add, RatablePeriod._make


def read_periods(periods: Iterable[pb.ChargingPeriod]) -> tuple[RatablePeriod, ...] | None:
    """Return the periods as rating reads them; None when one breaks a rule, which `refuse_periods` names.

    Energies and times that are not finite are left to whoever adds them up.
    """
    found = []
    try:
        for period in periods:
            energy = time = None
            others = _NOTHING_ELSE
            for dimension in period.dimensions:
                kind = dimension.type
                if kind == _ENERGY:
                    volume = Decimal(dimension.volume.value)
                    energy = volume if energy is None else _add(energy, volume)
                elif kind == _TIME:
                    volume = Decimal(dimension.volume.value)
                    time = volume if time is None else _add(time, volume)
                elif kind not in _IGNORED:
                    others = _with(others, _PLACES[kind], Decimal(dimension.volume.value))
            stamp = period.start_date_time
            start = datetime.fromtimestamp(stamp.seconds, UTC)
            if nanos := stamp.nanos:
                start += timedelta(microseconds=nanos // 1000)
            elif not stamp.seconds:
                return None
            found.append(_make((start, energy, time, *others, period.tariff_id or None)))
    except (ArithmeticError, LookupError, ValueError, OSError):
        # No number, a type that is none, a time beyond the calendar.
        return None
    return tuple(found)


def _with(held: tuple[Decimal | None, ...], place: int, volume: Decimal) -> tuple[Decimal | None, ...]:
    """Return the volumes with another; one given twice adds up, of minima and maxima the extreme counts."""
    if not volume.is_finite():
        raise ValueError(volume)
    before = held[place]
    if before is not None:
        if place <= _LAST_ADDED:
            volume = _add(before, volume)
        else:
            volume = min(before, volume) if place in _LEAST else max(before, volume)
    return (*held[:place], volume, *held[place + 1 :])


def refuse_periods(reader: Reader, periods: Sequence[pb.ChargingPeriod], path: str) -> None:
    """Say which periods break which rule."""
    for position, period in enumerate(periods):
        at = f"{path}[{position}]"
        reader.time(f"{at}.start_date_time", period.start_date_time)
        for place, dimension in enumerate(period.dimensions):
            if dimension.type in _PLACES or dimension.type in {_ENERGY, _TIME}:
                reader.decimal(f"{at}.dimensions[{place}].volume", dimension.volume)
            elif dimension.type not in _IGNORED:
                reader.unknown(f"{at}.dimensions[{place}].type", dimension.type)
