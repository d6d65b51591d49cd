"""Where a CDR stands that was not accepted at once: who has to do something about it, until when, and what was done.

    QUARANTINED -> ACCEPTED     the eMSP takes it
                -> RETURNED     the eMSP does not, or says nothing until the deadline
                -> WITHDRAWN    the CPO takes it back
    RETURNED    -> RESUBMITTED  the CPO sends another CDR in its place before the deadline
                -> WITHDRAWN    the CPO gives it up, or lets the deadline pass

ACCEPTED, RESUBMITTED and WITHDRAWN are final here. Each step is an entry of the clearing journal. A deadline holds by
the clock, whether or not the job that acts on it has run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from hub.domain.cdrs.record import CdrState, Finding, Step
from hub.domain.errors import Precondition
from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import Receipt


class Cause(StrEnum):
    """Why a CDR came into its state; published."""

    CHECKS = "CHECKS"  # what was found on submission
    REVIEW = "REVIEW"  # the eMSP decided
    UNDECIDED = "UNDECIDED"  # the eMSP let the deadline pass
    REPLACED = "REPLACED"  # the CPO sent another
    GIVEN_UP = "GIVEN_UP"  # the CPO withdrew it
    LAPSED = "LAPSED"  # the CPO let the deadline pass


#: The states in which somebody has to do something before a deadline.
WAITING = frozenset({CdrState.QUARANTINED, CdrState.RETURNED})

_NEXT: Mapping[CdrState, frozenset[CdrState]] = {
    CdrState.QUARANTINED: frozenset({CdrState.ACCEPTED, CdrState.RETURNED, CdrState.WITHDRAWN}),
    CdrState.RETURNED: frozenset({CdrState.RESUBMITTED, CdrState.WITHDRAWN}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one CDR stands.

    Attributes:
        id: Its key, in the CPO's spelling.
        emsp: The eMSP that is to pay.
        steps: All its states, the present one last.
        leaf_hash: Leaf hash of the last step's entry.
        deadline: Of the present state, or of the last one that had any.
        return_window: How long a return may be put right, by the terms under which it was submitted.
        first_time: When it came; of a replacement, when the first of its line did. Its age is measured then.
        replaced_by: The CPO's id of the CDR sent in its place; empty when there is none.
    """

    id: ObjectId
    emsp: PartyId
    steps: tuple[Step, ...]
    leaf_hash: bytes
    deadline: datetime
    return_window: timedelta
    first_time: datetime
    replaced_by: str = ""

    @property
    def state(self) -> CdrState:
        """The present state."""
        return self.steps[-1].state

    @property
    def index(self) -> int:
        """Index in the clearing journal of what brought it there."""
        return self.steps[-1].index

    @property
    def open_deadline(self) -> datetime | None:
        """Until when somebody has to act; None when nobody has to."""
        return self.deadline if self.state in WAITING else None

    @property
    def awaited(self) -> PartyId | None:
        """Who has to act: the eMSP on a quarantined CDR, the CPO on a returned one."""
        if self.state is CdrState.QUARANTINED:
            return self.emsp
        return self.id.party if self.state is CdrState.RETURNED else None

    def require(self, state: CdrState) -> None:
        """Raise Precondition (CDR_STATE) unless the CDR can come into that state now."""
        if state not in _NEXT.get(self.state, frozenset()):
            raise Precondition(
                "CDR_STATE", f"the CDR is {self.state.name}", state=self.state.name, wanted=CdrState(state).name
            )

    def require_reviewable(self, now: datetime) -> None:
        """Raise Precondition (CDR_STATE, REVIEW_DEADLINE_PASSED) unless the eMSP may decide now."""
        self.require(CdrState.ACCEPTED)
        if now >= self.deadline:
            raise _passed("REVIEW_DEADLINE_PASSED", self.deadline)

    def require_replaceable(self, now: datetime) -> None:
        """Raise Precondition unless another CDR may take its place now.

        Raises:
            Precondition: REPLACED_CDR_RESUBMITTED; RETURN_DEADLINE_PASSED; REPLACED_CDR_STATE.
        """
        if self.state is CdrState.RESUBMITTED:
            raise Precondition(
                "REPLACED_CDR_RESUBMITTED",
                "replaces: another CDR has taken its place already",
                field="replaces",
                replaced_by=self.replaced_by,
            )
        lapsed = self.state is CdrState.WITHDRAWN and self.steps[-1].cause == Cause.LAPSED
        if lapsed or (self.state is CdrState.RETURNED and now >= self.deadline):
            raise _passed("RETURN_DEADLINE_PASSED", self.deadline)
        if self.state is not CdrState.RETURNED:
            raise not_returned(self.state)

    def moved(
        self,
        state: CdrState,
        receipt: Receipt,
        now: datetime,
        cause: Cause,
        note: str = "",
        *,
        findings: tuple[Finding, ...] = (),
    ) -> "Standing":
        """Return the CDR in its next state; a return has a deadline from now on.

        Raises:
            Precondition: CDR_STATE.
        """
        self.require(state)
        step = Step(state=state, index=receipt.index, time=now, cause=cause, note=note, findings=findings)
        deadline = now + self.return_window if state is CdrState.RETURNED else self.deadline
        return replace(self, steps=(*self.steps, step), leaf_hash=receipt.leaf_hash, deadline=deadline)

    def resubmitted(self, receipt: Receipt, now: datetime, by: ObjectId) -> "Standing":
        """Return the CDR as replaced by another."""
        return replace(self.moved(CdrState.RESUBMITTED, receipt, now, Cause.REPLACED), replaced_by=by.id)


def not_returned(state: CdrState) -> Precondition:
    """Return the refusal to replace a CDR that is in another state than RETURNED."""
    return Precondition(
        "REPLACED_CDR_STATE",
        f"replaces: the CDR is {state.name}; only a returned one can be replaced",
        field="replaces",
        state=state.name,
    )


def _passed(reason: str, deadline: datetime) -> Precondition:
    text = deadline.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Precondition(reason, f"the deadline was {text}", deadline=text)
