"""From sums to totals: price limits, then one rounding each."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from hub.domain.money import OCPI_DECIMALS, round_half_away
from hub.domain.rating.account import Sides, plus
from hub.domain.rating.breakdown import NoteCode, Price, RatedCdr
from hub.domain.rating.compile import GROUPS
from hub.domain.rating.limits import clamp, limits_of
from hub.domain.rating.policy import PricingPolicy
from hub.domain.rating.sheet import Account, Sheet
from hub.domain.rating.workings import SheetWorkings
from hub.domain.tariffs import Tariff

_ZERO = Decimal(0)
_SECONDS_PER_HOUR = 3600


class Measured(NamedTuple):
    """Volumes of the whole session, unrounded; `charged` is False where there was only a reservation, or nothing.

    `tariffs` are those the session had, the one at its start first; empty where none of them limits the price.
    """

    energy: Decimal
    seconds: Decimal
    parking_hours: Decimal
    charged: bool
    currency: str
    tariffs: Sequence[Tariff]


def conclude(sheet: Sheet, measured: Measured, policy: PricingPolicy) -> RatedCdr:
    """Sum what is on the sheet, apply the price limits, round each total once; call within the engine's context."""
    accounts = sheet.accounts()
    exact: Sides = (_ZERO, _ZERO)
    totals: list[Sides | None] = [None] * len(GROUPS)
    for bucket, sides in accounts:
        exact = plus(exact, sides)
        so_far = totals[bucket.number]
        totals[bucket.number] = sides if so_far is None else plus(so_far, sides)
    limited = _limit(sheet, exact, accounts, measured, policy)
    fixed, energy, time, parking, reservation = totals
    if limited[0] is None or limited[1] is None:
        sheet.note(NoteCode.UNKNOWN_TAX, "a price came without its tax, so the total is known on one side only")
    return RatedCdr(
        currency=measured.currency,
        policy=policy.name,
        total_cost=_price(limited),
        total_fixed_cost=_occurring(fixed),
        total_energy_cost=_occurring(energy),
        total_time_cost=_occurring(time),
        total_parking_cost=_occurring(parking),
        total_reservation_cost=_occurring(reservation),
        total_energy=round_half_away(measured.energy, OCPI_DECIMALS),
        total_time=round_half_away(measured.seconds / _SECONDS_PER_HOUR, OCPI_DECIMALS),
        total_parking_time=round_half_away(measured.parking_hours, OCPI_DECIMALS),
        notes=tuple(sheet.notes.values()),
        workings=SheetWorkings(entries=sheet.entries, accounts=accounts, totals=(*totals, limited), exact=exact),
    )


def _price(sides: Sides) -> Price:
    before, after = sides
    rounded = None if before is None else round_half_away(before, OCPI_DECIMALS)
    if after is before:
        return Price(before_taxes=rounded, after_taxes=rounded)
    return Price(before_taxes=rounded, after_taxes=None if after is None else round_half_away(after, OCPI_DECIMALS))


def _occurring(sides: Sides | None) -> Price | None:
    return None if sides is None else _price(sides)


def _limit(sheet: Sheet, exact: Sides, accounts: Sequence[Account], measured: Measured, policy: PricingPolicy) -> Sides:
    """Clamp the total of a charging session; a reservation alone is none."""
    limits = limits_of(measured.tariffs, policy) if measured.tariffs and measured.charged else None
    if limits is None:
        return exact
    limited = clamp(exact, limits, [bucket for bucket, _ in accounts], policy)
    for code, message in limited.findings:
        sheet.note(code, message)
    return limited.sides
