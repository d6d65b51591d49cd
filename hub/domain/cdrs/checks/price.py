"""What is checked about a charge's price: ours against the claimed one."""

from decimal import Decimal

from hub.domain.cdrs.checks.codes import Check, Found
from hub.domain.cdrs.checks.known import Known
from hub.domain.cdrs.pricing import CdrPrice, TariffSource, Unpriced, tolerated
from hub.domain.cdrs.record import Cdr, ClaimedCost
from hub.domain.ids import fold
from hub.domain.rating import Price, RatedCdr
from hub.domain.rating.exact import written

_ZERO = Decimal(0)
_LARGEST = Decimal(10) ** 12
_NOTHING = Price(before_taxes=_ZERO, after_taxes=_ZERO)


def check_price(cdr: Cdr, known: Known, price: CdrPrice) -> Found:
    """Yield what is wrong with a charge's price, of which ours is known."""
    for used in price.tariffs:
        if known.backdated and fold(used.id) in known.backdated:
            yield (
                Check.TARIFF_BACKDATED,
                used.field,
                "came with these prices only after the session; until its end the hub had been told others",
            )
        if used.source is None or used.source is TariffSource.EMBEDDED:
            yield Check.TARIFF_UNKNOWN, used.field, "is no tariff that the CPO had published when the session began"
        elif used.differs:
            field = used.field.removesuffix(".id")
            wrong = f"cannot be read: {used.unreadable}" if used.unreadable else "has other prices"
            yield Check.TARIFF_MISMATCH, field, f"{wrong}; the one published when the session began counts"
    if price.rated is None:
        # What is free by no tariff needs none.
        if price.reason != Unpriced.NO_TARIFF or cdr.total_cost:
            yield Check.PRICE_UNCHECKED, "total_cost", f"could not be rated ({price.reason}): {price.message}"
    else:
        yield from _compared(cdr, known, _fitting(cdr, known, price, price.rated))


def rated_cost(cdr: Cdr, known: Known) -> Decimal | None:
    """Return our total cost before taxes; None where there is none, or one that nobody can mean."""
    price = known.price
    if price is None or price.rated is None:
        return None
    ours = _fitting(cdr, known, price, price.rated).total_cost.before_taxes
    # Adding nothing turns a negative zero, which no table keeps, into zero.
    return ours + _ZERO if ours is not None and -_LARGEST < ours < _LARGEST else None


def _fitting(cdr: Cdr, known: Known, price: CdrPrice, rated: RatedCdr) -> RatedCdr:
    """Return our price; of the two a reservation without charging may have, the one that fits."""
    other = price.expired
    if other is None or _mismatch(cdr.total_cost, rated.total_cost.before_taxes, known) is None:
        return rated
    return other if _mismatch(cdr.total_cost, other.total_cost.before_taxes, known) is None else rated


def _compared(cdr: Cdr, known: Known, rated: RatedCdr) -> Found:
    ours = rated.total_cost
    if ours.before_taxes is None:
        # A North American price that contains a tax nobody named: only what the driver pays can be compared.
        yield from _without_net(cdr, known, ours)
    elif off := _mismatch(cdr.total_cost, ours.before_taxes, known):
        yield Check.PRICE_MISMATCH, "total_cost.before_taxes", off
    for cost in cdr.costs:
        if cost.total == "total_cost":
            if ours.before_taxes is not None and (off := _mismatch(cost.after_taxes, ours.after_taxes, known)):
                yield Check.TAX_MISMATCH, "total_cost.after_taxes", off
        else:
            yield from _part(cost, getattr(rated, cost.total) or _NOTHING, known)


def _without_net(cdr: Cdr, known: Known, ours: Price) -> Found:
    gross = next((cost.after_taxes for cost in cdr.costs if cost.total == "total_cost"), None)
    if gross is None or ours.after_taxes is None:
        yield Check.PRICE_UNCHECKED, "total_cost", "could not be rated (UNKNOWN_TAX): the tax in a price is not known"
    elif off := _mismatch(gross, ours.after_taxes, known):
        yield Check.PRICE_MISMATCH, "total_cost.after_taxes", off


def _part(cost: ClaimedCost, ours: Price, known: Known) -> Found:
    if off := _mismatch(cost.before_taxes, ours.before_taxes, known):
        yield Check.COST_PARTS_MISMATCH, f"{cost.total}.before_taxes", off
    elif off := _mismatch(cost.after_taxes, ours.after_taxes, known):
        yield Check.COST_PARTS_MISMATCH, f"{cost.total}.after_taxes", off


def _mismatch(claimed: Decimal | None, ours: Decimal | None, known: Known) -> str | None:
    """Say how far a claimed amount is from ours where that is too far; what either side leaves out is not compared."""
    if claimed is None or ours is None:
        return None
    difference = claimed - ours
    tolerance = tolerated(ours, known.price_tolerance, known.price_tolerance_relative)
    if abs(difference) <= tolerance:
        return None
    direction = "much" if difference > 0 else "little"
    return (
        f"is {claimed:f} and by the tariff {ours:f}: "
        f"{abs(difference):f} too {direction}, where {written(tolerance)} is tolerated"
    )
