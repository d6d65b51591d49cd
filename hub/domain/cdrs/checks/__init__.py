"""The checks a CDR passes, each with a public code.

A check looks at the CDR and at what the hub knew (`Known`). What a finding leads to is the agreement's to say, check by
check.
"""

from hub.domain.cdrs.checks.codes import DEFAULT_ACTIONS, PRICE_CHECKS, Check
from hub.domain.cdrs.checks.examine import compare_anew, decide, examine
from hub.domain.cdrs.checks.hints import FIX_HINTS
from hub.domain.cdrs.checks.known import (
    Known,
    KnownAuthorization,
    KnownEvse,
    KnownNeighbours,
    KnownOriginal,
    KnownPeriod,
    KnownProven,
    KnownSession,
)
from hub.domain.cdrs.checks.price import rated_cost

__all__ = [
    "DEFAULT_ACTIONS",
    "FIX_HINTS",
    "PRICE_CHECKS",
    "Check",
    "Known",
    "KnownAuthorization",
    "KnownEvse",
    "KnownNeighbours",
    "KnownOriginal",
    "KnownPeriod",
    "KnownProven",
    "KnownSession",
    "compare_anew",
    "decide",
    "examine",
    "rated_cost",
]
