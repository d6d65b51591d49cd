"""The edge, for all four kinds of call: what goes wrong in a servicer becomes a status that says so, and no more."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.wrappers_pb2 import DESCRIPTOR as WRAPPERS
from google.protobuf.wrappers_pb2 import StringValue

from hub.app.trust.parties import suspend_party
from hub.app.trust.revocation import revoke_certificate
from hub.domain.errors import Conflict, HubError, Invalid, Violation
from hub.domain.ids import PartyId
from hub.main import Hub
from hub.rpc import policy
from hub.rpc.calls import CURRENT, Call
from tests.conftest import PartnerFactory
from tests.support import Partner, eventually, open_channel, refusal, stand_ins

_KINDS = {"Unary": (False, False), "Server": (False, True), "Client": (True, False), "Both": (True, True)}


def kinds_service() -> ServiceDescriptor:
    """Return a service with one method of each kind, whose messages are texts."""
    methods = [
        MethodDescriptorProto(
            name=name,
            input_type=".google.protobuf.StringValue",
            output_type=".google.protobuf.StringValue",
            client_streaming=client,
            server_streaming=server,
        )
        for name, (client, server) in _KINDS.items()
    ]
    pool = DescriptorPool()
    pool.AddSerializedFile(WRAPPERS.serialized_pb)
    pool.AddSerializedFile(
        FileDescriptorProto(
            name="kinds.proto",
            package="test",
            syntax="proto3",
            dependency=[WRAPPERS.name],
            service=[ServiceDescriptorProto(name="Kinds", method=methods)],
        ).SerializeToString()
    )
    return pool.FindServiceByName("test.Kinds")


class Servicer:
    """Does what a test says with each request; answers with the text it got."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.act: Callable[[str], Awaitable[None]] = self.nothing
        self.cancelled = asyncio.Event()

    async def nothing(self, text: str) -> None: ...

    async def _serve(self, text: str, call: Call) -> StringValue:
        self.calls.append(call)
        try:
            await self.act(text)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return StringValue(value=text)

    async def Unary(self, request: Any, call: Call) -> StringValue:
        return await self._serve(request.value, call)

    async def Client(self, requests: AsyncIterator[Any], call: Call) -> StringValue:
        return await self._serve("+".join([request.value async for request in requests]), call)

    async def Server(self, request: Any, call: Call) -> AsyncIterator[StringValue]:
        yield await self._serve(request.value, call)

    async def Both(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield await self._serve(request.value, call)


class Kinds:
    """The caller's side: one way to make a call of any kind."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    def open(self, kind: str, **options: Any) -> Any:
        coders = StringValue.SerializeToString, StringValue.FromString
        request, requests = StringValue(value="hello"), iter([StringValue(value="hello")])
        match kind:
            case "Unary":
                return self._channel.unary_unary("/test.Kinds/Unary", *coders)(request, **options)
            case "Server":
                return self._channel.unary_stream("/test.Kinds/Server", *coders)(request, **options)
            case "Client":
                return self._channel.stream_unary("/test.Kinds/Client", *coders)(requests, **options)
            case _:
                return self._channel.stream_stream("/test.Kinds/Both", *coders)(requests, **options)

    async def finish(self, call: Any) -> list[str]:
        if hasattr(call, "__aiter__"):
            return [answer.value async for answer in call]
        return [(await call).value]

    async def make(self, kind: str, **options: Any) -> list[str]:
        return await self.finish(self.open(kind, **options))


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def cpo(partner: PartnerFactory) -> Partner:
    return await partner("NL-ABC")


@pytest.fixture
async def kinds(hub: Hub, cpo: Partner, servicer: Servicer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kinds]:
    for name in _KINDS:
        monkeypatch.setitem(policy.TABLE, f"/test.Kinds/{name}", policy.PARTNER)
    async with (
        stand_ins(hub, [(kinds_service(), servicer)]) as port,
        open_channel(port, hub.ca.ca_pem, cpo.key_pem, cpo.chain_pem) as channel,
    ):
        yield Kinds(channel)


every_kind = pytest.mark.parametrize("kind", _KINDS)


@every_kind
async def test_a_call_is_answered_and_knows_its_caller_and_ids(kinds: Kinds, servicer: Servicer, kind: str) -> None:
    metadata = (("x-request-id", "r-1"), ("x-correlation-id", "c-1"))
    assert await kinds.make(kind, metadata=metadata) == ["hello"]
    (call,) = servicer.calls
    assert call.caller.platform == "nl-abc"
    assert call.caller.parties.keys() == {PartyId("NL", "ABC")}
    assert (call.request_id, call.correlation_id) == ("r-1", "c-1")


@every_kind
async def test_a_call_without_ids_gets_one_that_serves_as_both(kinds: Kinds, servicer: Servicer, kind: str) -> None:
    await kinds.make(kind)
    assert servicer.calls[0].request_id == servicer.calls[0].correlation_id != ""


@every_kind
async def test_ids_that_would_spoil_a_log_are_made_harmless(kinds: Kinds, servicer: Servicer, kind: str) -> None:
    await kinds.make(kind, metadata=(("x-request-id", "a b;c" + "d" * 200),))
    assert servicer.calls[0].request_id == "abc" + "d" * 59


@every_kind
@pytest.mark.parametrize(
    ("error", "code", "fields"),
    [
        (Conflict("TAKEN", "it is taken", by="someone"), grpc.StatusCode.ALREADY_EXISTS, []),
        (
            Invalid([Violation(field="a.b", rule="is odd"), Violation(field="c", rule="is even")]),
            grpc.StatusCode.INVALID_ARGUMENT,
            ["a.b", "c"],
        ),
    ],
    ids=["conflict", "invalid"],
)
async def test_an_error_of_the_hub_ends_the_call_with_its_status_and_details(
    kinds: Kinds, servicer: Servicer, kind: str, error: HubError, code: grpc.StatusCode, fields: list[str]
) -> None:
    async def fail(_: str) -> None:
        raise error

    servicer.act = fail
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await kinds.make(kind)
    answer = refusal(caught.value)
    assert (answer.code, answer.reason, answer.fields) == (code, error.reason, fields)
    assert answer.metadata == error.metadata
    assert answer.message == error.message


@every_kind
async def test_a_mistake_of_ours_tells_the_caller_an_incident_and_the_log_the_rest(
    kinds: Kinds, servicer: Servicer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: str) -> None:
        raise RuntimeError("secret detail")

    servicer.act = fail
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await kinds.make(kind)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (caught.value.details() or "")
    (record,) = [record for record in caplog.records if record.getMessage() == "incident"]
    assert record.__dict__["incident"] in (caught.value.details() or "")
    assert "secret detail" in (record.exc_text or str(record.exc_info))


@every_kind
async def test_a_call_whose_deadline_passes_is_stopped_and_counted_as_such(
    hub: Hub, kinds: Kinds, servicer: Servicer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How much later than its caller the hub sees the deadline is a matter of the machine.
    monkeypatch.setattr("hub.rpc.edge._ON_ITS_WAY_SECONDS", 60)

    async def wait(_: str) -> None:
        await asyncio.Event().wait()

    servicer.act = wait
    seconds = 0.2
    while not servicer.calls:  # a call that did not get through in its time gets more
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await kinds.make(kind, timeout=seconds)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        seconds *= 3
    async with asyncio.timeout(60):
        await servicer.cancelled.wait()
    labels = {"rpc": f"/test.Kinds/{kind}", "code": "DEADLINE_EXCEEDED"}
    await eventually(lambda: hub.metrics.registry.get_sample_value("roamhub_rpc_seconds_count", labels))


@every_kind
async def test_a_servicer_sees_how_long_its_caller_will_wait(kinds: Kinds, servicer: Servicer, kind: str) -> None:
    left: list[float | None] = []

    async def look(_: str) -> None:
        left.append(servicer.calls[-1].seconds_left())

    servicer.act = look
    await kinds.make(kind, timeout=60)
    await kinds.make(kind)
    assert left[0] is not None
    assert 0 < left[0] < 62, "gRPC rounds it up a little"
    assert left[1] is None


@every_kind
async def test_each_call_is_counted_and_logged_once_with_its_end(
    hub: Hub, kinds: Kinds, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "hub.rpc"):
        await kinds.make(kind, metadata=(("x-request-id", "r-1"),))

        def lines() -> list[dict[str, Any]]:
            return [r.__dict__ for r in caplog.records if r.__dict__.get("rpc") == f"/test.Kinds/{kind}"]

        await eventually(lines)  # a stream's end arrives after its last answer
    (line,) = lines()
    assert (line["code"], line["platform"], line["request_id"]) == ("OK", "nl-abc", "r-1")
    labels = {"rpc": f"/test.Kinds/{kind}", "code": "OK"}
    assert hub.metrics.registry.get_sample_value("roamhub_rpc_seconds_count", labels) == 1


@every_kind
async def test_what_a_servicer_logs_can_be_joined_to_its_call(kinds: Kinds, servicer: Servicer, kind: str) -> None:
    seen: list[Call | None] = []

    async def look(_: str) -> None:
        seen.append(CURRENT.get())

    servicer.act = look
    await kinds.make(kind)
    assert seen == servicer.calls


async def _suspend(hub: Hub, cpo: Partner) -> None:
    await hub.committer.run(lambda uow: suspend_party(uow, cpo.party, lambda _: b""))


async def _revoke(hub: Hub, cpo: Partner) -> None:
    await hub.committer.run(lambda uow: revoke_certificate(uow, cpo.serial, own=""))


@pytest.mark.parametrize(
    ("change", "reason"), [(_suspend, "NOT_PERMITTED"), (_revoke, "CERTIFICATE_REVOKED")], ids=["suspended", "revoked"]
)
@pytest.mark.parametrize("kind", ["Server", "Both"])
async def test_an_open_stream_ends_when_its_caller_is_shut_out(
    hub: Hub, cpo: Partner, kinds: Kinds, servicer: Servicer, kind: str, change: Any, reason: str
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: str) -> None:
        entered.set()
        await go_on.wait()

    servicer.act = wait
    call = kinds.open(kind)
    await entered.wait()
    await change(hub, cpo)
    go_on.set()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await kinds.finish(call)
    assert refusal(caught.value).reason == reason


@pytest.mark.parametrize(
    ("change", "reason"), [(_suspend, "NOT_PERMITTED"), (_revoke, "CERTIFICATE_REVOKED")], ids=["suspended", "revoked"]
)
@pytest.mark.parametrize("kind", ["Server", "Client", "Both"])
async def test_a_stream_on_which_nothing_happens_ends_as_well(
    hub: Hub, cpo: Partner, kinds: Kinds, servicer: Servicer, kind: str, change: Any, reason: str
) -> None:
    entered = asyncio.Event()

    async def wait(_: str) -> None:
        entered.set()
        await asyncio.Event().wait()

    servicer.act = wait
    call = kinds.open(kind)
    await entered.wait()
    await change(hub, cpo)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(60):
            await kinds.finish(call)
    assert refusal(caught.value).reason == reason
    await eventually(servicer.cancelled.is_set)
    labels = {"rpc": f"/test.Kinds/{kind}", "code": caught.value.code().name}
    await eventually(lambda: hub.metrics.registry.get_sample_value("roamhub_rpc_seconds_count", labels) == 1)


async def test_a_stream_whose_caller_is_welcome_goes_on(hub: Hub, cpo: Partner, kinds: Kinds) -> None:
    call = kinds._channel.stream_stream("/test.Kinds/Both", StringValue.SerializeToString, StringValue.FromString)()
    await call.write(StringValue(value="one"))
    assert await call.read() == StringValue(value="one")
    await hub.committer.run(lambda uow: uow.directory_changed())  # type: ignore[attr-defined]
    assert hub.edge.end_refused() == 0
    await call.write(StringValue(value="two"))
    assert await call.read() == StringValue(value="two")
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_a_stream_of_requests_notices_between_two_messages_that_its_caller_is_shut_out(
    hub: Hub, cpo: Partner, kinds: Kinds
) -> None:
    call = kinds._channel.stream_stream("/test.Kinds/Both", StringValue.SerializeToString, StringValue.FromString)()
    await call.write(StringValue(value="one"))
    assert await call.read() == StringValue(value="one")
    await _suspend(hub, cpo)
    await call.write(StringValue(value="two"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
