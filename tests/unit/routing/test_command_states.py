"""How a command comes to its end, in every order in which its CPO may speak."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.commands import (
    RESULT_WAIT_MAX,
    Command,
    CommandKind,
    CommandReply,
    CommandResponse,
    CommandResult,
    CommandState,
)
from hub.domain.errors import Conflict, HubError, Precondition
from hub.domain.ids import PartyId

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=5)
LATER = NOW + timedelta(hours=2)
ACCEPTS = CommandReply(response=CommandResponse.ACCEPTED, wait=timedelta(seconds=60))


def command(kind: CommandKind = CommandKind.START_SESSION) -> Command:
    return Command(
        id="c1",
        emsp=PartyId("DE", "XYZ"),
        cpo=PartyId("NL", "ABC"),
        kind=kind,
        order=b"",
        state=CommandState.PENDING,
        create_time=NOW,
        expire_time=NOW + timedelta(seconds=30),
    )


def test_accepted_then_completed() -> None:
    accepted = command().responded(ACCEPTS, SOON)
    assert (accepted.state, accepted.expire_time) == (CommandState.ACCEPTED, SOON + timedelta(seconds=60))
    done = accepted.reported(CommandResult.ACCEPTED, (b"ok",), SOON)
    assert (done.state, done.late, done.result_time) == (CommandState.COMPLETED, False, SOON)


@pytest.mark.parametrize("response", [r for r in CommandResponse if r is not CommandResponse.ACCEPTED])
def test_a_refused_command_has_no_result(response: CommandResponse) -> None:
    refused = command().responded(CommandReply(response=response), SOON)
    assert refused.state is CommandState.REFUSED
    with pytest.raises(Precondition, match="was refused"):
        refused.reported(CommandResult.ACCEPTED, (), SOON)
    assert refused.expired(LATER) is refused


def test_a_result_after_the_time_is_kept_and_marked_late() -> None:
    timed_out = command().responded(ACCEPTS, SOON).expired(LATER)
    assert timed_out.state is CommandState.TIMED_OUT
    done = timed_out.reported(CommandResult.ACCEPTED, (), LATER)
    assert (done.state, done.late) == (CommandState.COMPLETED, True)


def test_a_result_may_overtake_the_response() -> None:
    done = command().reported(CommandResult.EVSE_OCCUPIED, (), SOON)
    after = done.responded(ACCEPTS, SOON)
    assert (after.state, after.result, after.response) == (
        CommandState.COMPLETED,
        CommandResult.EVSE_OCCUPIED,
        CommandResponse.ACCEPTED,
    )
    assert done.undelivered() is done


def test_a_result_for_a_command_thought_undelivered_says_that_it_arrived() -> None:
    undelivered = command().undelivered()
    assert undelivered.state is CommandState.UNDELIVERED
    assert undelivered.reported(CommandResult.ACCEPTED, (), SOON).state is CommandState.COMPLETED


def test_the_same_result_again_changes_nothing_and_another_one_is_refused() -> None:
    done = command().reported(CommandResult.ACCEPTED, (), SOON)
    assert done.reported(CommandResult.ACCEPTED, (), LATER) is done
    with pytest.raises(Conflict, match="another result"):
        done.reported(CommandResult.FAILED, (), SOON)


def test_a_cpo_may_take_back_a_reservation_it_confirmed_and_nothing_else() -> None:
    reserved = command(CommandKind.RESERVE_NOW).reported(CommandResult.ACCEPTED, (), SOON)
    cancelled = reserved.reported(CommandResult.CANCELED_RESERVATION, (), LATER)
    assert (cancelled.result, cancelled.late) == (CommandResult.CANCELED_RESERVATION, False)
    started = command().reported(CommandResult.ACCEPTED, (), SOON)
    with pytest.raises(Conflict):
        started.reported(CommandResult.CANCELED_RESERVATION, (), LATER)


def test_the_time_for_a_result_is_bounded_both_ways() -> None:
    long = command().responded(CommandReply(response=CommandResponse.ACCEPTED, wait=timedelta(days=9)), NOW)
    assert long.expire_time == NOW + RESULT_WAIT_MAX
    short = command().responded(CommandReply(response=CommandResponse.ACCEPTED, wait=timedelta(0)), NOW)
    assert short.expire_time == NOW + timedelta(seconds=1)


_STEPS = st.lists(
    st.one_of(
        st.sampled_from(["expire", "undelivered"]),
        st.sampled_from(list(CommandResponse)),
        st.sampled_from(list(CommandResult)),
    ),
    max_size=12,
)


@given(st.sampled_from(list(CommandKind)), _STEPS)
def test_in_any_order_a_result_once_known_is_never_lost(kind: CommandKind, steps: list[object]) -> None:
    now, current = NOW, command(kind)
    for step in steps:
        now += timedelta(seconds=20)
        before = current
        try:
            if step == "expire":
                current = current.expired(now)
            elif step == "undelivered":
                current = current.undelivered()
            elif isinstance(step, CommandResponse):
                current = current.responded(CommandReply(response=step), now)
            elif isinstance(step, CommandResult):
                current = current.reported(step, (), now)
        except HubError:
            assert current is before
        assert (current.state is CommandState.COMPLETED) == (current.result is not None)
        if before.result is not None and current.result is not before.result:
            assert current.result is CommandResult.CANCELED_RESERVATION
