"""What follows from a time zone that nobody stated: whether the price, and the verdict on a claim, hang on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hub.domain.rating.breakdown import RatedCdr
from hub.domain.rating.claim import COST_FIELDS, Claim, compare
from hub.domain.rating.compile import compile_tariff
from hub.domain.rating.engine import rate
from hub.domain.rating.policy import PricingPolicy
from hub.domain.rating.session import RatableSession
from hub.domain.tariffs import Tariff

#: The clocks of the world, in minutes from UTC: every whole hour, and those that are half an hour or a quarter off.
_OFFSETS = (*range(-720, 841, 60), -570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneEffect:
    """What another time zone would change.

    Attributes:
        price: A cost would be another one somewhere.
        verdict: A claim that agrees would not somewhere, or one that does not would.
    """

    price: bool
    verdict: bool


_NONE = ZoneEffect(price=False, verdict=False)


def zone_effect(
    session: RatableSession,
    tariffs: Sequence[Tariff],
    policy: PricingPolicy,
    claim: Claim,
    rated: RatedCdr,
) -> ZoneEffect:
    """Say what hangs on the time zone, where UTC was assumed as nobody stated one; nothing where somebody did.

    Times written with an offset state the location's clock well enough. A zone counts as its offset throughout, without
    a change to summer time within the session.
    """
    if not session.time_zone_assumed or session.time_zone != "UTC":
        return _NONE
    price, agrees = False, compare(claim, rated, policy.tolerance).agrees
    for other in _elsewhere(session, tariffs, policy):
        price = price or any(getattr(other, name) != getattr(rated, name) for name in COST_FIELDS)
        if compare(claim, other, policy.tolerance).agrees != agrees:
            return ZoneEffect(price=True, verdict=True)
    return ZoneEffect(price=price, verdict=False)


def _elsewhere(session: RatableSession, tariffs: Sequence[Tariff], policy: PricingPolicy) -> Iterator[RatedCdr]:
    """Yield the session as rated by the clocks of the world; nothing if no price looks at the clock."""
    compiled = [compile_tariff(tariff, policy) for tariff in tariffs]
    if all(each.static_row is not None for each in compiled):
        return
    for minutes in _OFFSETS:
        hours, rest = divmod(abs(minutes), 60)
        clock = f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
        yield rate(replace(session, time_zone=clock), compiled, policy)
