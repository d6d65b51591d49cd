"""Charging periods to what rating reads. The hot loop of every CDR: paths are only made for a refusal."""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from roamhub.v1 import session_object_pb2 as pb

from hub.domain.cdrs.periods import NO_OTHERS, OtherVolumes, ReportedPeriods
from hub.domain.ids import fold
from hub.domain.money import EXACT, parse_decimal
from hub.rpc.listing import ID_MAX as TARIFF_ID_MAX
from hub.rpc.wire import Reader, is_instant

PERIODS_MAX = 10_000

_ENERGY, _TIME = pb.CDR_DIMENSION_TYPE_ENERGY, pb.CDR_DIMENSION_TYPE_TIME
#: What every other dimension is called, as far as it prices or restricts anything.
_OTHERS = {
    pb.CDR_DIMENSION_TYPE_PARKING_TIME: "parking_hours",
    pb.CDR_DIMENSION_TYPE_RESERVATION_TIME: "reservation_hours",
    pb.CDR_DIMENSION_TYPE_MIN_CURRENT: "min_current",
    pb.CDR_DIMENSION_TYPE_MAX_CURRENT: "max_current",
    pb.CDR_DIMENSION_TYPE_MIN_POWER: "min_power",
    pb.CDR_DIMENSION_TYPE_MAX_POWER: "max_power",
    pb.CDR_DIMENSION_TYPE_POWER: "average_power",
}
_ADDED = frozenset({"parking_hours", "reservation_hours"})
_LEAST = frozenset({"min_current", "min_power"})
#: Dimensions that price and restrict nothing.
_IGNORED = frozenset(pb.CdrDimensionType.values()) - _OTHERS.keys() - {_ENERGY, _TIME}
#: Volumes as nearly all are written, one after the other: numbers by any rule, as one look tells of all of them.
PLAIN_VOLUMES = re.compile(r"([0-9.]{1,40} )*[0-9.]{1,40}")
_add = EXACT.add


def read_periods(periods: Sequence[pb.ChargingPeriod]) -> ReportedPeriods | None:
    """Return the periods; None when one breaks a rule, which `refuse_periods` names."""
    rows, texts = [], []
    try:
        # Copied, as a list of messages tells its end by an exception, which costs more.
        for period in periods[:]:
            energy = time = others = None
            for dimension in period.dimensions[:]:
                kind = dimension.type
                if kind in _IGNORED:
                    continue
                texts.append(text := dimension.volume.value)
                if kind == _ENERGY:
                    energy = Decimal(text) if energy is None else _add(energy, Decimal(text))
                elif kind == _TIME:
                    time = Decimal(text) if time is None else _add(time, Decimal(text))
                else:
                    others = _with(others or NO_OTHERS, _OTHERS[kind], Decimal(text))
            stamp = period.start_date_time
            seconds, nanos = stamp.seconds, stamp.nanos
            if not (seconds or nanos) or not is_instant(seconds, nanos):
                return None
            rows.append((seconds * 1_000_000 + nanos // 1000, energy, time, others, period.tariff_id))
        if not PLAIN_VOLUMES.fullmatch(" ".join(texts)):
            for text in texts:
                parse_decimal(text)
    except (ArithmeticError, LookupError, ValueError):
        # No number, or none of sensible size, or of a type that is none.
        return None
    return ReportedPeriods._make(zip(*rows, strict=True)) if rows else ReportedPeriods()


def _with(held: OtherVolumes, name: str, volume: Decimal) -> OtherVolumes:
    """Return the volumes with another; one given twice adds up, of minima and maxima the extreme counts."""
    before = getattr(held, name)
    if before is not None:
        if name in _ADDED:
            volume = _add(before, volume)
        else:
            volume = min(before, volume) if name in _LEAST else max(before, volume)
    return held._replace(**{name: volume})


def refuse_periods(reader: Reader, periods: Sequence[pb.ChargingPeriod], path: str) -> None:
    """Say which periods break which rule."""
    for position, period in enumerate(periods):
        at = f"{path}[{position}]"
        reader.time(f"{at}.start_date_time", period.start_date_time)
        for place, dimension in enumerate(period.dimensions):
            if dimension.type in _OTHERS or dimension.type in {_ENERGY, _TIME}:
                reader.decimal(f"{at}.dimensions[{place}].volume", dimension.volume)
            elif dimension.type not in _IGNORED:
                reader.unknown(f"{at}.dimensions[{place}].type", dimension.type)


@lru_cache(maxsize=2_048)
def folded_tariff_ids(named: tuple[str, ...]) -> tuple[str, ...]:
    """Return the folded ids that can be tariffs' of those named, each once; remembered, as many name the same."""
    return tuple(dict.fromkeys(fold(each) for each in named if each.isprintable() and 0 < len(each) <= TARIFF_ID_MAX))
