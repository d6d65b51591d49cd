"""Where a CDR may go from where it stands, and until when."""

from datetime import timedelta

import pytest

from hub.domain.cdrs.record import CdrState, Step
from hub.domain.cdrs.standing import WAITING, Cause, Standing
from hub.domain.errors import Precondition
from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import Receipt
from tests.support import START

CPO, EMSP = PartyId("NL", "CPO"), PartyId("DE", "MSP")
WINDOW = timedelta(days=14)
ACCEPTED, RETURNED, QUARANTINED = CdrState.ACCEPTED, CdrState.RETURNED, CdrState.QUARANTINED
RESUBMITTED, WITHDRAWN = CdrState.RESUBMITTED, CdrState.WITHDRAWN
STORED = [ACCEPTED, RETURNED, QUARANTINED, RESUBMITTED, WITHDRAWN]
ALLOWED = {
    (QUARANTINED, ACCEPTED),
    (QUARANTINED, RETURNED),
    (QUARANTINED, WITHDRAWN),
    (RETURNED, RESUBMITTED),
    (RETURNED, WITHDRAWN),
}


def standing(state: CdrState, cause: Cause = Cause.CHECKS) -> Standing:
    return Standing(
        id=ObjectId(CPO, "C1"),
        emsp=EMSP,
        steps=(Step(state, 3, START, cause),),
        leaf_hash=b"3",
        deadline=START + timedelta(days=7),
        return_window=WINDOW,
        first_time=START,
    )


@pytest.mark.parametrize("before", STORED)
@pytest.mark.parametrize("after", CdrState)
def test_only_these_steps_are_possible(before: CdrState, after: CdrState) -> None:
    now = START + timedelta(days=1)
    if (before, after) in ALLOWED:
        moved = standing(before).moved(after, Receipt(9, b"9"), now, Cause.REVIEW, "so it is")
        assert moved.steps == (Step(before, 3, START, Cause.CHECKS), Step(after, 9, now, Cause.REVIEW, "so it is"))
        assert (moved.state, moved.index, moved.leaf_hash) == (after, 9, b"9")
        return
    with pytest.raises(Precondition) as caught:
        standing(before).moved(after, Receipt(9, b"9"), now, Cause.REVIEW)
    assert (caught.value.reason, caught.value.metadata) == ("CDR_STATE", {"state": before.name, "wanted": after.name})


def test_a_return_has_its_own_deadline_from_the_moment_of_its_return() -> None:
    now = START + timedelta(days=3)
    moved = standing(QUARANTINED).moved(RETURNED, Receipt(9, b""), now, Cause.REVIEW)
    assert moved.deadline == moved.open_deadline == now + WINDOW


@pytest.mark.parametrize("state", STORED)
def test_the_emsp_acts_on_what_is_quarantined_and_the_cpo_on_what_is_returned(state: CdrState) -> None:
    found = standing(state)
    assert found.awaited == {QUARANTINED: EMSP, RETURNED: CPO}.get(state)
    assert (found.awaited is not None) == (found.open_deadline is not None) == (state in WAITING)


@pytest.mark.parametrize(("seconds", "late"), [(-1, False), (0, True), (1, True)])
def test_a_deadline_is_over_at_its_very_instant(seconds: int, late: bool) -> None:
    now = START + timedelta(days=7, seconds=seconds)
    for check, reason in (
        (standing(QUARANTINED).require_reviewable, "REVIEW_DEADLINE_PASSED"),
        (standing(RETURNED).require_replaceable, "RETURN_DEADLINE_PASSED"),
    ):
        if not late:
            check(now)
            continue
        with pytest.raises(Precondition) as caught:
            check(now)
        assert (caught.value.reason, caught.value.metadata) == (reason, {"deadline": "2026-03-08T12:00:00Z"})


@pytest.mark.parametrize(
    ("state", "cause", "reason"),
    [
        (QUARANTINED, Cause.CHECKS, "REPLACED_CDR_STATE"),
        (ACCEPTED, Cause.REVIEW, "REPLACED_CDR_STATE"),
        (WITHDRAWN, Cause.GIVEN_UP, "REPLACED_CDR_STATE"),
        (WITHDRAWN, Cause.LAPSED, "RETURN_DEADLINE_PASSED"),
        (RESUBMITTED, Cause.REPLACED, "REPLACED_CDR_RESUBMITTED"),
    ],
)
def test_what_cannot_be_replaced_says_why_whatever_the_time(state: CdrState, cause: Cause, reason: str) -> None:
    for days in (1, 30):
        with pytest.raises(Precondition) as caught:
            standing(state, cause).require_replaceable(START + timedelta(days=days))
        assert caught.value.reason == reason


def test_what_is_replaced_names_what_took_its_place() -> None:
    replaced = standing(RETURNED).resubmitted(Receipt(9, b"9"), START, ObjectId(CPO, "C2"))
    assert (replaced.state, replaced.replaced_by, replaced.steps[-1].cause) == (RESUBMITTED, "C2", Cause.REPLACED)
