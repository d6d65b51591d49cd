"""CommandService over real mutual TLS: accepted now, result later, whatever the CPO does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1 import authorization_pb2, common_pb2, journal_pb2, partner_pb2
from roamhub.v1 import command_pb2 as pb
from roamhub.v1.authorization_pb2_grpc import AuthorizationServiceStub
from roamhub.v1.command_pb2_grpc import CommandServiceStub
from roamhub.v1.journal_pb2_grpc import JournalServiceStub
from roamhub.v1.link_pb2 import LinkRequest

from hub.config import Config
from hub.domain.agreements import AgreementState, Service
from hub.domain.ids import PartyId
from hub.domain.parties import Role
from hub.main import Hub
from tests.conftest import PATIENCE_SECONDS, PartnerFactory
from tests.rpc.partners import TIME_LEFT, held_link, key, say_nothing
from tests.rpc.roaming import agree, token_message
from tests.support import Partner, eventually, refusal

CPO = PartyId("NL", "ABC")
EMSP = PartyId("DE", "XYZ")
State = pb.Command.State


@pytest.fixture
def patience() -> float:
    """Return for how many seconds the hub waits for a partner; parametrize to vary."""
    return PATIENCE_SECONDS


@pytest.fixture
def config(config: Config, patience: float) -> Config:
    return replace(config, partner_timeout_seconds=patience)


@pytest.fixture
async def cpo(hub: Hub, partner: PartnerFactory) -> Partner:
    return await partner(str(CPO))


@pytest.fixture
async def emsp(hub: Hub, partner: PartnerFactory, cpo: Partner) -> Partner:
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    await agree(hub, CPO, EMSP)
    return emsp


@dataclass
class BackEnd:
    """A CPO's or eMSP's back end that notes what it is told."""

    response: int = pb.COMMAND_RESPONSE_TYPE_ACCEPTED
    wait_seconds: int = 60
    told: list[Any] = field(default_factory=list)

    async def __call__(self, request: Any) -> Any:
        self.told.append(request)
        if isinstance(request, partner_pb2.ExecuteCommandRequest):
            return partner_pb2.CommandResponse(
                result=self.response,  # type: ignore[arg-type]
                timeout=Duration(seconds=self.wait_seconds),
                messages=[common_pb2.DisplayText(language="en", text="we try")],
            )
        if isinstance(request, partner_pb2.NotifyCommandResultRequest):
            return partner_pb2.NotifyCommandResultResponse()
        return partner_pb2.PingResponse()

    def commands(self) -> list[partner_pb2.ExecuteCommandRequest]:
        return [each for each in self.told if isinstance(each, partner_pb2.ExecuteCommandRequest)]


@pytest.fixture
async def station(cpo: Partner) -> AsyncIterator[BackEnd]:
    back_end = BackEnd()
    async with held_link(cpo, back_end):
        yield back_end


def stub(partner: Partner) -> Any:
    return CommandServiceStub(partner.channel)


def start(**changes: Any) -> pb.StartSessionRequest:
    order = pb.StartSessionOrder(token=token_message(EMSP, "APP1"), location_id="LOC1", evse_uid="E1")
    request = pb.StartSessionRequest(emsp=key(EMSP), cpo=key(CPO), start_session=order, request_id=str(uuid4()))
    for name, value in changes.items():
        setattr(request if hasattr(request, name) else request.start_session, name, value)
    return request


def result(command: pb.Command, outcome: int = pb.COMMAND_RESULT_TYPE_ACCEPTED) -> pb.ReportCommandResultRequest:
    return pb.ReportCommandResultRequest(cpo=key(CPO), name=command.name, result=outcome)  # type: ignore[arg-type]


async def refused(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


@asynccontextmanager
async def followed(partner: Partner) -> AsyncIterator[Any]:
    """Follow the commands in the journal; yields a function that returns the next state."""
    watch = JournalServiceStub(partner.channel).Watch(
        journal_pb2.WatchRequest(stream=1, after_index=-1, kinds=["command"])  # type: ignore[arg-type]
    )
    waiting: list[pb.Command] = []

    async def state() -> pb.Command:
        async with asyncio.timeout(60):
            while not waiting:
                response: Any = await watch.read()
                waiting.extend(pb.Command.FromString(entry.body) for entry in response.entries)
        return waiting.pop(0)

    yield state
    watch.cancel()


async def test_a_session_is_started_and_the_emsp_learns_of_it_three_ways(
    hub: Hub, cpo: Partner, emsp: Partner, station: BackEnd
) -> None:
    app = BackEnd()
    async with held_link(emsp, app), followed(emsp) as next_state:
        command = await stub(emsp).StartSession(start(authorization_reference="mine-1"))
        assert (command.state, command.response) == (State.STATE_ACCEPTED, pb.COMMAND_RESPONSE_TYPE_ACCEPTED)
        assert command.response_messages[0].text == "we try"
        # The time to answer begins with the response, which takes a while as well.
        assert 60 <= command.expire_time.seconds - command.create_time.seconds <= 60 + PATIENCE_SECONDS
        (told,) = station.commands()
        assert (told.name, told.emsp) == (command.name, key(EMSP))
        assert told.order.start_session.authorization_reference == "mine-1"
        done = await stub(cpo).ReportCommandResult(result(command))
        assert (done.state, done.late) == (State.STATE_COMPLETED, False)
        assert (await next_state()).state == State.STATE_ACCEPTED
        assert (await next_state()).result == pb.COMMAND_RESULT_TYPE_ACCEPTED
        assert await stub(emsp).GetCommand(pb.GetCommandRequest(name=command.name)) == done
        await eventually(lambda: any(isinstance(each, partner_pb2.NotifyCommandResultRequest) for each in app.told))


async def test_all_messages_of_an_exchange_carry_its_correlation_id(cpo: Partner, emsp: Partner) -> None:
    to_cpo: list[LinkRequest] = []
    to_emsp: list[LinkRequest] = []
    async with held_link(cpo, BackEnd(), requests=to_cpo), held_link(emsp, BackEnd(), requests=to_emsp):
        command = await stub(emsp).StartSession(start(), metadata=(("x-correlation-id", "c-1"),))
        await stub(cpo).ReportCommandResult(result(command), metadata=(("x-correlation-id", "c-2"),))
        await eventually(lambda: bool(to_emsp))
    assert [(each.WhichOneof("request"), each.correlation_id) for each in to_cpo + to_emsp] == [
        ("execute_command", "c-1"),
        ("notify_command_result", "c-2"),
    ]


async def test_the_authorization_that_a_start_carries_is_on_record_for_session_and_cdr(
    hub: Hub, cpo: Partner, emsp: Partner, station: BackEnd
) -> None:
    await stub(emsp).StartSession(start())
    (told,) = station.commands()
    reference = told.order.start_session.authorization_reference
    assert reference, "the hub gives one where the eMSP gave none"
    found = await AuthorizationServiceStub(cpo.channel).GetAuthorization(
        authorization_pb2.GetAuthorizationRequest(authorization_reference=reference)
    )
    assert (found.source, found.token.uid) == (authorization_pb2.Authorization.SOURCE_COMMAND, "APP1")
    assert list(found.location.evse_uids) == ["E1"]


async def test_one_reference_may_come_with_several_commands_but_stands_for_one_token(
    emsp: Partner, station: BackEnd
) -> None:
    await stub(emsp).StartSession(start(authorization_reference="mine-1"))
    await stub(emsp).StartSession(start(authorization_reference="mine-1"))
    other = start(authorization_reference="mine-1")
    other.start_session.token.uid = "APP2"
    taken = await refused(stub(emsp).StartSession(other))
    assert (taken.code, taken.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REFERENCE_TAKEN")


async def test_each_kind_of_command_reaches_the_cpo_as_it_was_ordered(emsp: Partner, station: BackEnd) -> None:
    ends = Timestamp()
    ends.GetCurrentTime()
    ends.seconds += 3600
    parties: dict[str, Any] = {"emsp": key(EMSP), "cpo": key(CPO)}
    stop = pb.StopSessionOrder(session_id="S1")
    reserve = pb.ReserveNowOrder(
        token=token_message(EMSP, "APP1"), expiry_date=ends, reservation_id="R1", location_id="LOC1"
    )
    cancel = pb.CancelReservationOrder(reservation_id="R1")
    unlock = pb.UnlockConnectorOrder(location_id="LOC1", evse_uid="E1", connector_id="1")
    calls = stub(emsp)
    await calls.StopSession(pb.StopSessionRequest(**parties, stop_session=stop, request_id=str(uuid4())))
    await calls.ReserveNow(pb.ReserveNowRequest(**parties, reserve_now=reserve, request_id=str(uuid4())))
    await calls.CancelReservation(
        pb.CancelReservationRequest(**parties, cancel_reservation=cancel, request_id=str(uuid4()))
    )
    await calls.UnlockConnector(pb.UnlockConnectorRequest(**parties, unlock_connector=unlock, request_id=str(uuid4())))
    orders = [each.order for each in station.commands()]
    assert [order.WhichOneof("order") for order in orders] == [
        "stop_session",
        "reserve_now",
        "cancel_reservation",
        "unlock_connector",
    ]
    assert (orders[0].stop_session, orders[2].cancel_reservation, orders[3].unlock_connector) == (stop, cancel, unlock)
    listed = await calls.ListCommands(pb.ListCommandsRequest(party=key(EMSP), page_size=3))
    assert len(listed.commands) == 3
    assert listed.next_page_token


async def test_a_refused_command_is_an_answer_and_takes_no_result(
    cpo: Partner, emsp: Partner, station: BackEnd
) -> None:
    station.response = pb.COMMAND_RESPONSE_TYPE_REJECTED
    command = await stub(emsp).StartSession(start())
    assert (command.state, command.response) == (State.STATE_REFUSED, pb.COMMAND_RESPONSE_TYPE_REJECTED)
    late = await refused(stub(cpo).ReportCommandResult(result(command)))
    assert (late.code, late.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "COMMAND_REFUSED")


async def test_no_result_in_time_is_a_time_out_and_a_late_one_is_kept_as_late(
    cpo: Partner, emsp: Partner, station: BackEnd
) -> None:
    station.wait_seconds = 1
    async with followed(emsp) as next_state:
        command = await stub(emsp).StartSession(start())
        assert (await next_state()).state == State.STATE_ACCEPTED
        assert (await next_state()).state == State.STATE_TIMED_OUT
        done = await stub(cpo).ReportCommandResult(result(command))
        assert (done.state, done.late) == (State.STATE_COMPLETED, True)
        assert (await next_state()).late


async def test_the_same_result_again_is_no_news_and_another_one_is_refused(
    cpo: Partner, emsp: Partner, station: BackEnd
) -> None:
    command = await stub(emsp).StartSession(start())
    first = await stub(cpo).ReportCommandResult(result(command))
    assert await stub(cpo).ReportCommandResult(result(command)) == first
    other = await refused(stub(cpo).ReportCommandResult(result(command, pb.COMMAND_RESULT_TYPE_FAILED)))
    assert (other.code, other.reason) == (grpc.StatusCode.ALREADY_EXISTS, "RESULT_REPORTED")


async def test_a_cpo_out_of_reach_has_not_seen_the_command_and_the_same_request_may_be_sent_again(
    cpo: Partner, emsp: Partner
) -> None:
    request = start()
    away = await refused(stub(emsp).StartSession(request))
    assert (away.code, away.reason) == (grpc.StatusCode.UNAVAILABLE, "PARTNER_UNREACHABLE")
    name = away.metadata["command"]
    undelivered = await stub(emsp).GetCommand(pb.GetCommandRequest(name=name))
    assert undelivered.state == State.STATE_UNDELIVERED
    back_end = BackEnd()
    async with held_link(cpo, back_end):
        command = await stub(emsp).StartSession(request)
    assert (command.name, command.state) == (name, State.STATE_ACCEPTED)
    assert len(back_end.commands()) == 1


@pytest.mark.parametrize("patience", [0.4])
async def test_a_cpo_that_does_not_answer_may_have_the_command_and_its_result_still_counts(
    cpo: Partner, emsp: Partner
) -> None:
    request = start()
    async with held_link(cpo, say_nothing):
        silent = await refused(stub(emsp).StartSession(request))
        assert (silent.code, silent.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "PARTNER_TIMED_OUT")
        pending = await stub(emsp).StartSession(request)
        assert (pending.name, pending.state) == (silent.metadata["command"], State.STATE_PENDING)
    done = await stub(cpo).ReportCommandResult(result(pending))
    assert done.state == State.STATE_COMPLETED


async def test_a_cpo_has_no_longer_to_respond_than_the_caller_waits(cpo: Partner, emsp: Partner) -> None:
    given = []

    async def note(request: Any) -> Any:
        if isinstance(request, partner_pb2.ExecuteCommandRequest):
            given.append(TIME_LEFT.get())
        return await BackEnd()(request)

    async with held_link(cpo, note):
        await stub(emsp).StartSession(start(), timeout=PATIENCE_SECONDS / 3)
        await stub(emsp).StartSession(start())
    # Far apart, as gRPC rounds a timeout up by as much as a hundredth, and a busy machine takes seconds off it.
    assert 0 < given[0] < PATIENCE_SECONDS / 2
    assert given[1] > PATIENCE_SECONDS / 2, "who sets no deadline waits as long as the hub"


async def test_a_caller_that_goes_away_does_not_lose_the_response(hub: Hub, cpo: Partner, emsp: Partner) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def slow(request: Any) -> Any:
        asked.set()
        await gone.wait()
        return await BackEnd()(request)

    request = start()
    async with held_link(cpo, slow), followed(emsp) as next_state:
        call = stub(emsp).StartSession(request)
        sending = asyncio.ensure_future(call)
        await asked.wait()
        call.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        labels = {"rpc": "/roamhub.v1.CommandService/StartSession", "code": "CANCELLED"}
        await eventually(lambda: hub.metrics.registry.get_sample_value("roamhub_rpc_seconds_count", labels))
        gone.set()
        assert (await next_state()).state == State.STATE_ACCEPTED
        command = await stub(emsp).StartSession(request)
        assert command.state == State.STATE_ACCEPTED


async def test_the_same_request_is_sent_to_the_cpo_once(emsp: Partner, station: BackEnd) -> None:
    request = start()
    commands = await asyncio.gather(*(stub(emsp).StartSession(request) for _ in range(5)))
    assert len({command.name for command in commands}) == 1
    assert len(station.commands()) == 1
    changed = start(request_id=request.request_id, evse_uid="E2")
    reused = await refused(stub(emsp).StartSession(changed))
    assert (reused.code, reused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_a_reservation_may_be_cancelled_by_its_cpo_after_it_was_confirmed(
    cpo: Partner, emsp: Partner, station: BackEnd
) -> None:
    ends = Timestamp()
    ends.GetCurrentTime()
    ends.seconds += 3600
    order = pb.ReserveNowOrder(
        token=token_message(EMSP, "APP1"), expiry_date=ends, reservation_id="R1", location_id="LOC1"
    )
    command = await stub(emsp).ReserveNow(
        pb.ReserveNowRequest(emsp=key(EMSP), cpo=key(CPO), reserve_now=order, request_id=str(uuid4()))
    )
    await stub(cpo).ReportCommandResult(result(command))
    cancelled = await stub(cpo).ReportCommandResult(result(command, pb.COMMAND_RESULT_TYPE_CANCELED_RESERVATION))
    assert cancelled.result == pb.COMMAND_RESULT_TYPE_CANCELED_RESERVATION


async def test_what_the_agreement_does_not_include_is_refused_with_its_clause(
    hub: Hub, cpo: Partner, partner: PartnerFactory
) -> None:
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    none = await refused(stub(emsp).StartSession(start()))
    assert (none.code, none.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_AGREEMENT")
    nobody = start()
    nobody.cpo.party_id = "NOP"
    assert await refused(stub(emsp).StartSession(nobody)) == none
    await agree(hub, CPO, EMSP, services=frozenset({Service.ROAMING}))
    clause = await refused(stub(emsp).StartSession(start()))
    assert (clause.reason, clause.metadata) == (
        "SERVICE_NOT_AGREED",
        {"agreement": "agreements/a1", "clause": "terms.services"},
    )


async def test_under_a_suspended_agreement_nothing_begins_but_what_runs_can_be_stopped(
    hub: Hub, cpo: Partner, partner: PartnerFactory, station: BackEnd
) -> None:
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    await agree(hub, CPO, EMSP, state=AgreementState.SUSPENDED)
    assert (await refused(stub(emsp).StartSession(start()))).reason == "AGREEMENT_SUSPENDED"
    stopped = await stub(emsp).StopSession(
        pb.StopSessionRequest(
            emsp=key(EMSP),
            cpo=key(CPO),
            stop_session=pb.StopSessionOrder(session_id="S1"),
            request_id=str(uuid4()),
        )
    )
    assert stopped.state == State.STATE_ACCEPTED


def _with_token(**changes: Any) -> pb.StartSessionRequest:
    request = start()
    for name, value in changes.items():
        setattr(request.start_session.token, name, value)
    return request


_BAD: dict[str, tuple[pb.StartSessionRequest, list[str]]] = {
    "no request id": (start(request_id=""), ["request_id"]),
    "no location": (start(location_id=""), ["start_session.location_id"]),
    "a connector without its EVSE": (start(evse_uid="", connector_id="1"), ["start_session.evse_uid"]),
    "another eMSP's token": (_with_token(party_id="OTH"), ["start_session.token.party_id"]),
    "a token without uid": (_with_token(uid=""), ["start_session.token.uid"]),
    "a reference too long": (start(authorization_reference="r" * 37), ["start_session.authorization_reference"]),
    "no order": (
        pb.StartSessionRequest(emsp=key(EMSP), cpo=key(CPO), request_id=str(uuid4())),
        ["start_session"],
    ),
}


@pytest.mark.parametrize(("request_", "fields"), _BAD.values(), ids=_BAD.keys())
async def test_a_malformed_command_is_refused_with_its_field_and_not_sent(
    emsp: Partner, station: BackEnd, request_: pb.StartSessionRequest, fields: list[str]
) -> None:
    bad = await refused(stub(emsp).StartSession(request_))
    assert (bad.code, bad.fields) == (grpc.StatusCode.INVALID_ARGUMENT, fields)
    assert station.commands() == []
    assert not (await stub(emsp).ListCommands(pb.ListCommandsRequest(party=key(EMSP)))).commands


async def test_a_result_is_taken_from_the_commands_own_cpo_only(
    emsp: Partner, station: BackEnd, partner: PartnerFactory
) -> None:
    command = await stub(emsp).StartSession(start())
    stranger = await partner("FR-NOA")
    theirs = result(command)
    denied = await refused(stub(stranger).ReportCommandResult(theirs))
    assert denied.code is grpc.StatusCode.PERMISSION_DENIED
    theirs.cpo.CopyFrom(key(stranger.party))
    missing = await refused(stub(stranger).ReportCommandResult(theirs))
    assert (missing.code, missing.reason) == (grpc.StatusCode.NOT_FOUND, "COMMAND_NOT_FOUND")
    hidden = await refused(stub(stranger).GetCommand(pb.GetCommandRequest(name=command.name)))
    assert hidden.code is grpc.StatusCode.NOT_FOUND


async def test_commands_are_listed_by_state(cpo: Partner, emsp: Partner, station: BackEnd) -> None:
    first = await stub(emsp).StartSession(start())
    second = await stub(emsp).StartSession(start())
    await stub(cpo).ReportCommandResult(result(first))
    waiting = await stub(cpo).ListCommands(pb.ListCommandsRequest(party=key(CPO), state=State.STATE_ACCEPTED))
    assert [each.name for each in waiting.commands] == [second.name]
