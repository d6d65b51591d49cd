"""Why two parties do not roam: the agreement and the clause that says no, for the two of them alone."""

from dataclasses import dataclass
from datetime import datetime

from hub.domain.agreements.model import Agreement, AgreementState, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A no, with its cause.

    Attributes:
        reason: Stable code, UPPER_SNAKE_CASE.
        clause: Path of the field of the agreement that says no, such as `terms.services`; empty without an agreement.
        message: For people.
        agreement: The version that says it; None when there is none.
    """

    reason: str
    clause: str = ""
    message: str
    agreement: Agreement | None = None


_BY_STATE = {
    AgreementState.PROPOSED: ("AGREEMENT_PROPOSED", "the agreement waits for the other side to accept it"),
    AgreementState.DECLINED: ("AGREEMENT_DECLINED", "the agreement was declined"),
    AgreementState.SUSPENDED: ("AGREEMENT_SUSPENDED", "the agreement is suspended"),
    AgreementState.TERMINATED: ("AGREEMENT_TERMINATED", "the agreement is terminated"),
    AgreementState.SUPERSEDED: ("AGREEMENT_SUPERSEDED", "this version of the agreement is superseded"),
}


def refusal_without_agreement() -> Refusal:
    """Return the answer for two parties that never had an agreement, whether or not both exist."""
    return Refusal(reason="NO_AGREEMENT", message="the two parties have no agreement")


def refusal(agreement: Agreement, service: Service, at: datetime) -> Refusal | None:
    """Return why the agreement does not allow the service at that instant; None when it does."""
    by_state = _BY_STATE.get(agreement.state)
    if by_state is not None:
        return Refusal(reason=by_state[0], clause="state", message=by_state[1], agreement=agreement)
    if at < agreement.terms.start:
        return _by_terms(agreement, "AGREEMENT_NOT_YET_VALID", "start_time", "the agreement's start has not come")
    if not agreement.within(at):
        return _by_terms(agreement, "AGREEMENT_EXPIRED", "end_time", "the agreement's validity is over")
    if service not in agreement.terms.services:
        return _by_terms(agreement, "SERVICE_NOT_AGREED", "services", f"the agreement does not include {service}")
    return None


def _by_terms(agreement: Agreement, reason: str, clause: str, message: str) -> Refusal:
    return Refusal(reason=reason, clause=f"terms.{clause}", message=message, agreement=agreement)
