"""The charging periods of a CDR or session, as reported: kept in columns, and told period by period when asked.

Every CDR is read, and of its periods the checks ask for sums alone. Columns add up at once, where a record of eleven
fields for every period has to be made first; those are made for who prices the CDR.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from functools import reduce
from typing import NamedTuple

from hub.domain.money import EXACT
from hub.domain.rating.session import RatablePeriod

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO = Decimal(0)


class OtherVolumes(NamedTuple):
    """What a period reports beside energy and charging, under the names of a `RatablePeriod` and in its order."""

    parking_hours: Decimal | None = None
    reservation_hours: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    average_power: Decimal | None = None


NO_OTHERS = OtherVolumes()
assert RatablePeriod._fields == ("start", "energy_kwh", "time_hours", *OtherVolumes._fields, "tariff_id")


class PeriodSums(NamedTuple):
    """What the checks ask of all charging periods together: the first and last start, and sums in kWh and hours."""

    number: int
    first_start: datetime
    last_start: datetime
    energy: Decimal
    time: Decimal


class ReportedPeriods(NamedTuple):
    """Charging periods column by column, in the order in which they were reported.

    Attributes:
        starts: Microseconds since 1970.
        energies: In kWh; None where a period reports none.
        times: Hours of charging; None likewise.
        others: All other volumes; None where a period reports none of them.
        tariff_ids: As spelt; empty where a period names none.
    """

    starts: tuple[int, ...] = ()
    energies: tuple[Decimal | None, ...] = ()
    times: tuple[Decimal | None, ...] = ()
    others: tuple[OtherVolumes | None, ...] = ()
    tariff_ids: tuple[str, ...] = ()

    def parkings(self) -> list[Decimal | None]:
        """Return the hours of parking of those periods that report anything but energy and charging."""
        return [volumes.parking_hours for volumes in self.others if volumes is not None]

    def reservations(self) -> list[Decimal | None]:
        """Return the hours of reservation of those periods that report anything but energy and charging."""
        return [volumes.reservation_hours for volumes in self.others if volumes is not None]

    def sums(self) -> PeriodSums:
        """Return what the checks ask of at least one period.

        Raises:
            ArithmeticError: The volumes are beyond adding up, such as infinities of both signs.
        """
        time = total(self.times)
        if any(self.others):
            time = EXACT.add(time, total(self.parkings()))
        first, last = _instant(min(self.starts)), _instant(max(self.starts))
        return PeriodSums(len(self.starts), first, last, total(self.energies), time)

    def ratable(self) -> tuple[RatablePeriod, ...]:
        """Return the periods as rating reads them; made anew at each call."""
        return tuple(
            RatablePeriod(_instant(start), energy, time, *(others or NO_OTHERS), tariff_id or None)
            for start, energy, time, others, tariff_id in zip(*self, strict=True)
        )


def total(volumes: Iterable[Decimal | None], context: Context = EXACT) -> Decimal:
    """Add up what is there; raises ArithmeticError for what cannot be added."""
    return reduce(context.add, filter(None, volumes), _ZERO)


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(0, 0, micros)
