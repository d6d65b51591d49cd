"""What is rated: a session's charging periods with what was measured in each (OCPI ChargingPeriod, CdrDimension).

A CDR and a session under way have the same shape here. The volumes are what the sender reported; whoever maps a
message to these types drops nothing and rounds nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

#: Dimensions whose volumes add up when a sender splits one dimension over several entries of a period.
_ADDED = {
    "ENERGY": "energy_kwh",
    "TIME": "time_hours",
    "PARKING_TIME": "parking_hours",
    "RESERVATION_TIME": "reservation_hours",
}
_LEAST = {"MIN_CURRENT": "min_current", "MIN_POWER": "min_power"}
_MOST = {"MAX_CURRENT": "max_current", "MAX_POWER": "max_power", "POWER": "average_power"}


class RatablePeriod(NamedTuple):
    """One charging period; it ends where the next one starts, the last one where the session ends.

    Volumes are None where the dimension was not reported. Energy is kWh and may be negative (fed back); times are
    hours; currents are A summed over the phases; powers are kW. `tariff_id` is None where the sender named none. A
    named tuple, as every CDR has several: it is made in a third of the time of a frozen dataclass.
    """

    start: datetime
    energy_kwh: Decimal | None = None
    time_hours: Decimal | None = None
    parking_hours: Decimal | None = None
    reservation_hours: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    average_power: Decimal | None = None
    tariff_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatableSession:
    """A session or CDR to be priced.

    `start` and `end` are aware UTC; `start` is the reservation's where there was one. `time_zone` is the location's
    IANA zone, or a fixed offset such as `+01:00` where only that is known; `time_zone_assumed` says that nobody
    stated it. `reservation_expired` says that the reservation ran out and no charging followed: OCPI has no field for
    it, so the caller must know.
    """

    start: datetime
    end: datetime
    time_zone: str
    currency: str
    periods: tuple[RatablePeriod, ...]
    reservation_expired: bool = False
    time_zone_assumed: bool = False


def period_of(
    start: datetime, dimensions: Iterable[tuple[str, Decimal]], *, tariff_id: str | None = None
) -> RatablePeriod:
    """Build a period from OCPI's list of (CdrDimensionType, volume).

    Additive dimensions given twice are summed; of minima the least and of maxima the greatest counts. Types that
    price and restrict nothing (STATE_OF_CHARGE, CURRENT, ENERGY_IMPORT, the FLAT of 2.1.1, unknown ones) are ignored.
    """
    volumes: dict[str, Decimal] = {}
    for kind, volume in dimensions:
        if name := _ADDED.get(kind):
            volumes[name] = volumes[name] + volume if name in volumes else volume
        elif name := _LEAST.get(kind):
            volumes[name] = min(volumes[name], volume) if name in volumes else volume
        elif name := _MOST.get(kind):
            volumes[name] = max(volumes[name], volume) if name in volumes else volume
    return RatablePeriod(start=start, tariff_id=tariff_id, **volumes)
