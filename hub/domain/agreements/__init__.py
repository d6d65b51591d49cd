"""Agreements: their words (`model`), what terms are possible (`terms`), how they change, and why one says no."""

from hub.domain.agreements.changes import (
    accept,
    as_time_passes,
    decline,
    next_version,
    proposed,
    resume,
    superseded,
    suspend,
    terminate,
)
from hub.domain.agreements.model import (
    Agreement,
    AgreementState,
    CheckAction,
    Cycle,
    Netting,
    Pair,
    Rounding,
    Service,
    Terms,
)
from hub.domain.agreements.refusals import Refusal, refusal, refusal_without_agreement
from hub.domain.agreements.terms import violations_of

__all__ = [
    "Agreement",
    "AgreementState",
    "CheckAction",
    "Cycle",
    "Netting",
    "Pair",
    "Refusal",
    "Rounding",
    "Service",
    "Terms",
    "accept",
    "as_time_passes",
    "decline",
    "next_version",
    "proposed",
    "refusal",
    "refusal_without_agreement",
    "resume",
    "superseded",
    "suspend",
    "terminate",
    "violations_of",
]
