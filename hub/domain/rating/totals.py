"""From lines to totals: price limits, rounding, taxes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hub.domain.money import OCPI_DECIMALS, round_half_away
from hub.domain.rating.account import Account, Sides
from hub.domain.rating.breakdown import CostGroup, Line, LineKind, NoteCode, Price, RatedCdr, Rounding, TaxLine
from hub.domain.rating.limits import clamp, limits_of
from hub.domain.rating.policy import PricingPolicy
from hub.domain.rating.sheet import Sheet
from hub.domain.tariffs import Tariff

_ZERO = Decimal(0)
_ONE = Decimal(1)
_SECONDS_PER_HOUR = 3600
_GROUPS = (CostGroup.FIXED, CostGroup.ENERGY, CostGroup.TIME, CostGroup.PARKING, CostGroup.RESERVATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Volumes of the whole session, unrounded; `charged` is False where there was only a reservation, or nothing.

    `tariffs` are those the session had, the one at its start first.
    """

    energy: Decimal
    seconds: Decimal
    parking_hours: Decimal
    charged: bool
    currency: str
    tariffs: tuple[Tariff, ...]


def conclude(sheet: Sheet, measured: Measured, policy: PricingPolicy) -> RatedCdr:
    """Sum what is on the sheet, apply the price limits, round each total once; call within the engine's context."""
    accounts = [account for used in sheet.accounts.values() for account in used if account.used]
    exact = _sum(accounts) or (_ZERO, _ZERO)
    limited = _limit(sheet, exact, accounts, measured, policy)
    roundings: list[Rounding] = []
    total_cost = _price(CostGroup.LIMIT, limited, roundings)
    costs = {}
    for group in _GROUPS:
        sides = _sum(account for account in accounts if account.bucket.group is group)
        costs[group] = None if sides is None else _price(group, sides, roundings)
    if None in limited:
        sheet.note(NoteCode.UNKNOWN_TAX, "a price came without its tax, so the total is known on one side only")
    return RatedCdr(
        currency=measured.currency,
        policy=policy.name,
        total_cost=total_cost,
        total_fixed_cost=costs[CostGroup.FIXED],
        total_energy_cost=costs[CostGroup.ENERGY],
        total_time_cost=costs[CostGroup.TIME],
        total_parking_cost=costs[CostGroup.PARKING],
        total_reservation_cost=costs[CostGroup.RESERVATION],
        total_energy=round_half_away(measured.energy, OCPI_DECIMALS),
        total_time=round_half_away(measured.seconds / _SECONDS_PER_HOUR, OCPI_DECIMALS),
        total_parking_time=round_half_away(measured.parking_hours, OCPI_DECIMALS),
        lines=tuple(sheet.lines),
        taxes=_taxes(accounts, exact, limited, total_cost),
        roundings=tuple(roundings),
        notes=tuple(sheet.notes.values()),
    )


def _sum(accounts: Iterable[Account]) -> Sides | None:
    """Add accounts side by side; None where there are none, a side None where one of them does not know it."""
    before: Decimal | None = _ZERO
    after: Decimal | None = _ZERO
    empty = True
    for account in accounts:
        empty = False
        before = None if before is None or account.before is None else before + account.before
        after = None if after is None or account.after is None else after + account.after
    return None if empty else (before, after)


def _price(group: CostGroup, sides: Sides, roundings: list[Rounding]) -> Price:
    rounded: list[Decimal | None] = []
    for side, exact in zip(("before_taxes", "after_taxes"), sides, strict=True):
        result = None if exact is None else round_half_away(exact, OCPI_DECIMALS)
        rounded.append(result)
        if exact is not None and result is not None and result != exact:
            roundings.append(Rounding(total=group.value, side=side, exact=exact, rounded=result))
    return Price(before_taxes=rounded[0], after_taxes=rounded[1])


def _limit(sheet: Sheet, exact: Sides, accounts: Sequence[Account], measured: Measured, policy: PricingPolicy) -> Sides:
    """Clamp the total of a charging session and write down what that moved; a reservation alone is none."""
    limits = limits_of(measured.tariffs, policy) if measured.charged else None
    if limits is None:
        return exact
    limited = clamp(exact, limits, accounts, policy)
    for code, message in limited.findings:
        sheet.note(code, message)
    if limited.sides != exact:
        before, after = (
            None if old is None or new is None else new - old for old, new in zip(exact, limited.sides, strict=True)
        )
        sheet.lines.append(
            Line(
                kind=LineKind.LIMIT,
                group=CostGroup.LIMIT,
                dimension=None,
                quantity=_ONE,
                before_taxes=before,
                after_taxes=after,
            )
        )
    return limited.sides


def _taxes(accounts: Sequence[Account], exact: Sides, limited: Sides, total: Price) -> tuple[TaxLine, ...]:
    """Split the tax within the total by rate, so that the parts add up to it exactly."""
    if total.before_taxes is None or total.after_taxes is None:
        return ()
    parts: dict[Decimal | None, tuple[Decimal, Decimal]] = {}
    for account in accounts:
        base, tax = parts.get(account.bucket.vat, (_ZERO, _ZERO))
        moved_base, moved_tax = _base_and_tax(account.before, account.after)
        parts[account.bucket.vat] = (base + moved_base, tax + moved_tax)
    lines = [(vat, False, base, tax) for vat, (base, tax) in parts.items()]
    if limited != exact:
        limited_base, limited_tax = _base_and_tax(*limited)
        base, tax = _base_and_tax(*exact)
        lines.append((None, True, limited_base - base, limited_tax - tax))
    amounts = [round_half_away(tax, OCPI_DECIMALS) for _, _, _, tax in lines]
    residue = total.after_taxes - total.before_taxes - sum(amounts, _ZERO)
    if residue:
        amounts[max(range(len(amounts)), key=lambda index: abs(amounts[index]))] += residue
    return tuple(
        TaxLine(vat=vat, base=round_half_away(base, OCPI_DECIMALS), amount=amount, limit=limit)
        for (vat, limit, base, _), amount in zip(lines, amounts, strict=True)
    )


def _base_and_tax(before: Decimal | None, after: Decimal | None) -> tuple[Decimal, Decimal]:
    """Return the base and the tax on it, where both sides are known: a total known on both has no other parts."""
    assert before is not None
    assert after is not None
    return before, after - before
