"""How a version of an agreement changes its state, and what no change may do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain import agreements as rules
from hub.domain.agreements import Agreement, AgreementState
from hub.domain.errors import HubError, Precondition
from tests.unit.agreements.making import CPO, EMSP, NOW, active, proposal, terms

HOUR = timedelta(hours=1)
S = AgreementState


def test_a_proposal_waits_for_the_other_side() -> None:
    made = proposal()
    assert (made.version, made.state, made.proposer, made.since) == (1, S.PROPOSED, CPO, None)
    with pytest.raises(Precondition) as caught:
        rules.accept(made, CPO, NOW, None)
    assert caught.value.reason == "PROPOSER_HAS_ACCEPTED"


def test_accepting_puts_a_version_in_force_at_once_when_its_start_has_come() -> None:
    accepted = rules.accept(proposal(start=NOW), EMSP, NOW, None)
    assert (accepted.state, accepted.since, accepted.changed) == (S.ACTIVE, NOW, NOW)


def test_a_version_with_a_later_start_waits_as_accepted_and_time_brings_it_into_force() -> None:
    accepted = rules.accept(proposal(start=NOW + HOUR), EMSP, NOW, None)
    assert accepted.state is S.ACCEPTED
    assert rules.as_time_passes(accepted, NOW, None) is accepted
    begun = rules.as_time_passes(accepted, NOW + 2 * HOUR, None)
    assert (begun.state, begun.since) == (S.ACTIVE, NOW + HOUR)


def test_accepting_twice_changes_nothing() -> None:
    accepted = active()
    assert rules.accept(accepted, EMSP, NOW + HOUR, None) is accepted


def test_terms_that_have_run_out_cannot_be_accepted() -> None:
    with pytest.raises(Precondition) as caught:
        rules.accept(proposal(end=NOW + HOUR), EMSP, NOW + HOUR, None)
    assert caught.value.reason == "VALIDITY_ENDED"


def test_an_amendment_keeps_what_holds_the_agreement_back_and_since_when_it_has_been_in_force() -> None:
    held = rules.suspend(active(), EMSP, "unpaid", NOW + HOUR)
    amended = rules.accept(rules.next_version(held, EMSP, terms(), NOW + HOUR), CPO, NOW + 2 * HOUR, held)
    assert (amended.version, amended.state, amended.suspended_by) == (2, S.SUSPENDED, frozenset({EMSP}))
    assert amended.since == NOW


def test_each_side_that_suspended_must_resume() -> None:
    both = rules.suspend(rules.suspend(active(), CPO, "a", NOW), EMSP, "b", NOW)
    one_left = rules.resume(both, CPO, NOW)
    assert (one_left.state, one_left.suspended_by) == (S.SUSPENDED, frozenset({EMSP}))
    with pytest.raises(Precondition) as caught:
        rules.resume(one_left, CPO, NOW)
    assert caught.value.reason == "SUSPENDED_BY_OTHER_SIDE"
    assert rules.resume(one_left, EMSP, NOW).state is S.ACTIVE


def test_the_end_of_the_validity_terminates_to_the_instant_it_names() -> None:
    ended = rules.as_time_passes(active(end=NOW + HOUR), NOW + 2 * HOUR, None)
    assert (ended.state, ended.ended, ended.changed) == (S.TERMINATED, NOW + HOUR, NOW + 2 * HOUR)


def test_a_proposal_whose_validity_has_run_out_is_declined_by_time() -> None:
    assert rules.as_time_passes(proposal(end=NOW + HOUR), NOW + HOUR, None).state is S.DECLINED


def test_what_began_under_an_agreement_is_covered_by_it_after_its_end() -> None:
    ended = rules.terminate(active(), "moving on", NOW + HOUR)
    assert ended.covers(NOW)
    assert ended.covers(NOW + HOUR - timedelta(microseconds=1))
    assert not ended.covers(NOW + HOUR)
    assert not ended.covers(NOW - timedelta(microseconds=1))


ALLOWED = {
    "accept": {S.PROPOSED: S.ACTIVE, S.ACTIVE: S.ACTIVE, S.ACCEPTED: S.ACCEPTED, S.SUSPENDED: S.SUSPENDED},
    "decline": {S.PROPOSED: S.DECLINED, S.DECLINED: S.DECLINED},
    "suspend": {S.ACTIVE: S.SUSPENDED, S.SUSPENDED: S.SUSPENDED},
    "resume": {S.ACTIVE: S.ACTIVE, S.SUSPENDED: S.ACTIVE},
    "terminate": {
        S.PROPOSED: S.DECLINED,
        S.ACCEPTED: S.TERMINATED,
        S.ACTIVE: S.TERMINATED,
        S.SUSPENDED: S.TERMINATED,
        S.TERMINATED: S.TERMINATED,
    },
}
CHANGES: dict[str, Callable[[Agreement], Agreement]] = {
    "accept": lambda version: rules.accept(version, EMSP, NOW, None),
    "decline": lambda version: rules.decline(version, "", NOW),
    "suspend": lambda version: rules.suspend(version, EMSP, "", NOW),
    "resume": lambda version: rules.resume(version, EMSP, NOW),
    "terminate": lambda version: rules.terminate(version, "", NOW),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("state", list(AgreementState))
def test_every_change_in_every_state_is_either_in_the_table_or_refused(change: str, state: AgreementState) -> None:
    suspended_by = frozenset({EMSP}) if state is S.SUSPENDED else frozenset()
    version = replace(proposal(), state=state, suspended_by=suspended_by)
    wanted = ALLOWED[change].get(state)
    if wanted is None:
        with pytest.raises(Precondition) as caught:
            CHANGES[change](version)
        assert caught.value.reason == "AGREEMENT_STATE"
        assert caught.value.metadata["state"] == state
    else:
        assert CHANGES[change](version).state is wanted


@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=12))
def test_no_sequence_of_changes_alters_terms_or_leaves_the_end(names: list[str]) -> None:
    version = proposal()
    for name in names:
        try:
            after = CHANGES[name](version)
        except HubError:
            continue
        assert (after.terms, after.id, after.version, after.created) == (
            version.terms,
            version.id,
            version.version,
            version.created,
        )
        assert (after.state is S.SUSPENDED) == bool(after.suspended_by) or after.state is S.TERMINATED
        if version.state in (S.DECLINED, S.TERMINATED):
            assert after is version
        version = after


def test_the_etag_tells_states_apart() -> None:
    version = active()
    held = rules.suspend(version, CPO, "", NOW)
    assert len({version.etag, held.etag, rules.suspend(held, EMSP, "", NOW).etag, proposal().etag}) == 4
