"""The rating engine: what a session costs under its tariffs, and why. Pure and exact.

`docs/rating.md` states the rules, the readings chosen and the sections of the specification they come from.
"""

from hub.domain.rating.breakdown import (
    CostGroup,
    Line,
    LineKind,
    Note,
    NoteCode,
    Price,
    RatedCdr,
    Rounding,
    TaxLine,
)
from hub.domain.rating.compile import CompiledTariff, compile_tariff
from hub.domain.rating.engine import rate
from hub.domain.rating.policy import POLICIES, ROAMHUB_2026, PricingPolicy, policy_named
from hub.domain.rating.quote import ChargingPlan, quote
from hub.domain.rating.session import RatablePeriod, RatableSession, period_of

__all__ = [
    "POLICIES",
    "ROAMHUB_2026",
    "ChargingPlan",
    "CompiledTariff",
    "CostGroup",
    "Line",
    "LineKind",
    "Note",
    "NoteCode",
    "Price",
    "PricingPolicy",
    "RatablePeriod",
    "RatableSession",
    "RatedCdr",
    "Rounding",
    "TaxLine",
    "compile_tariff",
    "period_of",
    "policy_named",
    "quote",
    "rate",
]
