"""A link survives what happens to its streams."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from roamhub.v1.command_pb2 import COMMAND_RESPONSE_TYPE_ACCEPTED
from roamhub.v1.link_pb2 import ConnectRequest, ConnectResponse, LinkDrain, LinkRequest, LinkWelcome
from roamhub.v1.link_pb2_grpc import LinkServiceServicer, add_LinkServiceServicer_to_server
from roamhub.v1.partner_pb2 import (
    CommandResponse,
    ExecuteCommandRequest,
    PartnerServiceAuthorizeRequest,
    PingRequest,
)
from roamhub.v1.token_object_pb2 import ALLOWED_TYPE_ALLOWED, AuthorizationInfo

from adapters.partner import Handler, correlation_id, party
from adapters.partner.errors import Denied, NotFound
from adapters.partner.link import Link
from adapters.partner.retry import Backoff
from tests.unit.partner.fake_hub import FakeHub, fake

AT_ONCE = Backoff(first_seconds=0.001, longest_seconds=0.002)
EMSP = party("DE-XYZ")


class Answering(Handler):
    def __init__(self) -> None:
        self.commands = 0
        self.correlations: list[str] = []
        self.gate = asyncio.Event()

    async def authorize(self, request: PartnerServiceAuthorizeRequest) -> AuthorizationInfo:
        self.correlations.append(correlation_id.get())
        match request.token_uid:
            case "unknown":
                raise NotFound("this token is unknown", reason="UNKNOWN_TOKEN")
            case "broken":
                raise ZeroDivisionError
            case "slow":
                await self.gate.wait()
            case _:
                pass
        return AuthorizationInfo(allowed=ALLOWED_TYPE_ALLOWED)

    async def command(self, request: ExecuteCommandRequest) -> CommandResponse:
        self.commands += 1
        return CommandResponse(result=COMMAND_RESPONSE_TYPE_ACCEPTED)


class LinkHub(LinkServiceServicer):
    """Hands each stream to the test."""

    def __init__(self, refuse: grpc.StatusCode | None = None) -> None:
        self.refuse = refuse
        self.refused = 0
        self.streams: asyncio.Queue[HubSide] = asyncio.Queue()

    async def Connect(self, requests: AsyncIterator[ConnectRequest], context: Any) -> AsyncIterator[ConnectResponse]:
        if self.refuse:
            self.refused += 1
            await context.abort(self.refuse, "no")
        side = HubSide(requests)
        first = await anext(requests)
        side.parties = [each.party_id for each in first.hello.parties]
        yield ConnectResponse(welcome=LinkWelcome(link_id="1", keepalive_interval=Duration(seconds=60)))
        self.streams.put_nowait(side)
        while (message := await side.outgoing.get()) is not None:
            yield message


class HubSide:
    def __init__(self, requests: AsyncIterator[ConnectRequest]) -> None:
        self.requests = requests
        self.outgoing: asyncio.Queue[ConnectResponse | None] = asyncio.Queue()
        self.parties: list[str] = []
        self.answers: list[Any] = []

    def ask(self, number: int, uid: str, milliseconds: int = 60_000) -> None:
        request = LinkRequest(
            id=number,
            timeout=Duration(nanos=milliseconds % 1000 * 1_000_000, seconds=milliseconds // 1000),
            correlation_id=f"c{number}",
            authorize=PartnerServiceAuthorizeRequest(token_uid=uid),
        )
        self.outgoing.put_nowait(ConnectResponse(request=request))

    async def answer(self) -> Any:
        if not self.answers:
            message = await anext(self.requests)
            self.answers += message.answers.answers or [message.answer]
        return self.answers.pop(0)


async def test_answers_come_back_by_number_with_their_errors(fake_hub: FakeHub) -> None:
    hub, handler = fake(LinkHub)(), Answering()
    async with (
        fake_hub.serving((add_LinkServiceServicer_to_server, hub)),
        fake_hub.connected() as connection,
        Link(connection, handler, [EMSP], backoff=AT_ONCE) as link,
    ):
        side = await hub.streams.get()
        await asyncio.wait_for(link.connected.wait(), 60)
        assert side.parties == ["XYZ"]
        for number, uid in enumerate(("known", "unknown", "broken"), start=1):
            side.ask(number, uid)
        answers = {answer.id: answer for answer in [await side.answer() for _ in range(3)]}
        assert answers[1].authorize.allowed == ALLOWED_TYPE_ALLOWED
        assert (answers[2].error.code, answers[2].error.reason) == (5, "UNKNOWN_TOKEN")
        assert (answers[3].error.code, answers[3].error.reason) == (2, "HANDLER_FAILED")
        assert "Zero" not in answers[3].error.message
        assert sorted(handler.correlations) == ["c1", "c2", "c3"]
        side.ask(4, "slow", milliseconds=20)
        assert (await side.answer()).error.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
        ping = LinkRequest(id=5, ping=PingRequest())
        side.outgoing.put_nowait(ConnectResponse(request=ping))
        assert (await side.answer()).ping.answer_time.seconds > 0
        side.outgoing.put_nowait(None)


async def test_a_repeated_command_gets_its_first_answer_again(fake_hub: FakeHub) -> None:
    hub, handler = fake(LinkHub)(), Answering()
    async with (
        fake_hub.serving((add_LinkServiceServicer_to_server, hub)),
        fake_hub.connected() as connection,
        Link(connection, handler, [EMSP], backoff=AT_ONCE),
    ):
        side = await hub.streams.get()
        for number in (1, 2):
            request = LinkRequest(id=number, execute_command=ExecuteCommandRequest(name="commands/1"))
            side.outgoing.put_nowait(ConnectResponse(request=request))
            answer = await side.answer()
            assert answer.execute_command.result == COMMAND_RESPONSE_TYPE_ACCEPTED
        side.outgoing.put_nowait(None)
    assert handler.commands == 1


async def test_a_broken_link_is_opened_again(fake_hub: FakeHub) -> None:
    hub, handler = fake(LinkHub)(), Answering()
    async with fake_hub.connected() as early:
        assert early.credentials.hub == ""
    async with fake_hub.serving((add_LinkServiceServicer_to_server, hub)):
        pass  # now the address is known, and nobody listens there
    async with fake_hub.connected() as connection, Link(connection, handler, [EMSP], backoff=AT_ONCE) as link:
        for _ in range(2):
            async with fake_hub.serving((add_LinkServiceServicer_to_server, hub)):
                side = await asyncio.wait_for(hub.streams.get(), 60)
                side.ask(1, "known")
                assert (await side.answer()).authorize.allowed == ALLOWED_TYPE_ALLOWED
                assert link.connected.is_set()


async def test_a_drained_link_answers_what_is_open_while_another_already_serves(fake_hub: FakeHub) -> None:
    hub, handler = fake(LinkHub)(), Answering()
    async with (
        fake_hub.serving((add_LinkServiceServicer_to_server, hub)),
        fake_hub.connected() as connection,
        Link(connection, handler, [EMSP], backoff=AT_ONCE),
    ):
        first = await hub.streams.get()
        first.ask(1, "slow")
        first.outgoing.put_nowait(ConnectResponse(drain=LinkDrain(grace_period=Duration(seconds=5))))
        second = await asyncio.wait_for(hub.streams.get(), 60)
        second.ask(1, "known")
        assert (await second.answer()).authorize.allowed == ALLOWED_TYPE_ALLOWED
        handler.gate.set()
        assert (await first.answer()).authorize.allowed == ALLOWED_TYPE_ALLOWED
        with pytest.raises(StopAsyncIteration):
            await anext(first.requests)
        first.outgoing.put_nowait(None)
        second.outgoing.put_nowait(None)


async def test_a_link_that_is_refused_for_good_says_so(fake_hub: FakeHub) -> None:
    hub = fake(LinkHub)(refuse=grpc.StatusCode.PERMISSION_DENIED)
    async with (
        fake_hub.serving((add_LinkServiceServicer_to_server, hub)),
        fake_hub.connected() as connection,
        Link(connection, Answering(), [EMSP], backoff=AT_ONCE) as link,
    ):
        with pytest.raises(Denied):
            await asyncio.wait_for(link.wait(), 60)


async def test_a_link_that_was_taken_away_is_asked_for_again(fake_hub: FakeHub) -> None:
    hub = fake(LinkHub)()
    async with (
        fake_hub.serving((add_LinkServiceServicer_to_server, hub)),
        fake_hub.connected() as connection,
        Link(connection, Answering(), [EMSP], backoff=AT_ONCE) as link,
    ):
        first = await hub.streams.get()
        await asyncio.wait_for(link.connected.wait(), 60)
        hub.refuse = grpc.StatusCode.PERMISSION_DENIED
        first.outgoing.put_nowait(None)
        while hub.refused < 3:
            await asyncio.sleep(0.01)
        hub.refuse = None
        second = await asyncio.wait_for(hub.streams.get(), 60)
        await asyncio.wait_for(link.connected.wait(), 60)
        second.outgoing.put_nowait(None)


async def test_a_link_moves_to_the_next_certificate_and_serves_meanwhile(fake_hub: FakeHub) -> None:
    hub = fake(LinkHub)()
    async with (
        fake_hub.serving((add_LinkServiceServicer_to_server, hub)),
        fake_hub.connected() as connection,
        Link(connection, Answering(), [EMSP], backoff=AT_ONCE) as link,
    ):
        first = await hub.streams.get()
        await asyncio.wait_for(link.connected.wait(), 30)
        connection.replace(fake_hub.credentials())
        first.ask(1, "known")
        assert (await first.answer()).authorize.allowed == ALLOWED_TYPE_ALLOWED
        second = await asyncio.wait_for(hub.streams.get(), 30)
        second.ask(2, "known")
        assert (await second.answer()).authorize.allowed == ALLOWED_TYPE_ALLOWED
        assert link.connected.is_set()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(first.requests), 30)
        first.outgoing.put_nowait(None)
        second.outgoing.put_nowait(None)
