"""Minimum and maximum price: clamp the total alone, before and after taxes independently (Tariff, notes on both)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hub.domain.rating.account import Sides
from hub.domain.rating.breakdown import NoteCode
from hub.domain.rating.compile import Bucket
from hub.domain.rating.exact import divide
from hub.domain.rating.policy import LimitRule, LimitWithoutTax, PricingPolicy
from hub.domain.tariffs import PriceLimit, Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What binds a session; a side that nothing limits is None."""

    least: PriceLimit
    most: PriceLimit

    def names(self, side: str) -> bool:
        """Say whether either limit names that side of the tax."""
        return getattr(self.least, side) is not None or getattr(self.most, side) is not None


def limits_of(tariffs: Sequence[Tariff], policy: PricingPolicy) -> Limits | None:
    """Combine the limits of a session's tariffs, the one at its start first; None where there are none.

    Each tariff promises that a session with it costs at least and at most so much, so the strictest side counts.
    """
    if policy.limits is LimitRule.NONE:
        return None
    if policy.limits is LimitRule.FIRST_TARIFF:
        tariffs = tariffs[:1]
    least = [tariff.min_price for tariff in tariffs if tariff.min_price is not None]
    most = [tariff.max_price for tariff in tariffs if tariff.max_price is not None]
    if not least and not most:
        return None
    return Limits(
        least=PriceLimit(
            before_taxes=max((p.before_taxes for p in least if p.before_taxes is not None), default=None),
            after_taxes=max((p.after_taxes for p in least if p.after_taxes is not None), default=None),
        ),
        most=PriceLimit(
            before_taxes=min((p.before_taxes for p in most if p.before_taxes is not None), default=None),
            after_taxes=min((p.after_taxes for p in most if p.after_taxes is not None), default=None),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """The total after its limits, exact, and what the reader should know."""

    sides: Sides
    findings: tuple[tuple[NoteCode, str], ...]


def clamp(exact: Sides, limits: Limits, buckets: Sequence[Bucket], policy: PricingPolicy) -> Limited:
    """Clamp the exact total. `buckets` tell the session's own rates of tax where a limit names one side only."""
    findings: list[tuple[NoteCode, str]] = []
    sides = (
        _between(exact[0], limits.least.before_taxes, limits.most.before_taxes),
        _between(exact[1], limits.least.after_taxes, limits.most.after_taxes),
    )
    if _crossed(limits):
        message = "the minimum price is above the maximum price; the maximum holds"
        findings.append((NoteCode.LIMITS_CONTRADICT, message))
    if policy.limit_without_tax is LimitWithoutTax.SCALE and sides != exact and None not in exact:
        scaled = _scale(exact, sides, limits, buckets)
        if scaled is not None:
            sides = scaled
            message = "the price limit names one side of the tax; the other side was moved in proportion"
            findings.append((NoteCode.LIMIT_WITHOUT_TAX, message))
    moves = [new - old for old, new in zip(exact, sides, strict=True) if old is not None and new is not None]
    if any(move > 0 for move in moves):
        findings.append((NoteCode.MIN_PRICE_APPLIED, "the total was raised to the tariff's minimum price"))
    if any(move < 0 for move in moves):
        findings.append((NoteCode.MAX_PRICE_APPLIED, "the total was lowered to the tariff's maximum price"))
    return Limited(sides=sides, findings=tuple(findings))


def _between(exact: Decimal | None, least: Decimal | None, most: Decimal | None) -> Decimal | None:
    if exact is None:
        return None
    if least is not None and exact < least:
        exact = least
    return most if most is not None and exact > most else exact


def _crossed(limits: Limits) -> bool:
    pairs = (
        (limits.least.before_taxes, limits.most.before_taxes),
        (limits.least.after_taxes, limits.most.after_taxes),
    )
    return any(low is not None and high is not None and low > high for low, high in pairs)


def _scale(exact: Sides, sides: Sides, limits: Limits, buckets: Sequence[Bucket]) -> Sides | None:
    """Move the side no limit names in proportion to the one that was moved; None where both or neither is named."""
    before_named, after_named = limits.names("before_taxes"), limits.names("after_taxes")
    if before_named == after_named:
        return None
    factor = _factor(exact, buckets)
    before, after = sides
    if before_named:
        return before, None if factor is None or before is None else before * factor
    return None if factor is None or after is None else divide(after, factor), after


def _factor(exact: Sides, buckets: Sequence[Bucket]) -> Decimal | None:
    """Return after / before of the session, or its one tax rate where nothing was billed; None where unknown."""
    before, after = exact
    if before and after:
        return divide(after, before)
    factors = {bucket.factor for bucket in buckets}
    return factors.pop() if len(factors) == 1 else None
