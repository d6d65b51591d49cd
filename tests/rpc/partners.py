"""Partners as the tests play them: one behaviour, held on a link or served at an endpoint, over real mutual TLS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from roamhub.v1 import common_pb2, partner_pb2, token_object_pb2
from roamhub.v1 import link_pb2 as pb
from roamhub.v1.link_pb2_grpc import LinkServiceStub
from roamhub.v1.partner_pb2_grpc import PartnerServiceServicer, add_PartnerServiceServicer_to_server

from hub.app.ports.uow import UnitOfWork
from hub.domain.ids import PartyId
from hub.main import Hub
from tests.support import Partner

#: Answers one request of the hub's; raises Fault for an error status.
Behaviour = Callable[[Any], Awaitable[Message]]


#: How many seconds the hub will wait for the answer to the request that a behaviour answers, as it told the partner.
TIME_LEFT: ContextVar[float] = ContextVar("time_left")


class Fault(Exception):
    def __init__(self, code: grpc.StatusCode, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def key(party: PartyId) -> common_pb2.PartyKey:
    return common_pb2.PartyKey(country_code=party.country_code, party_id=party.party_id)


def granted(request: partner_pb2.PartnerServiceAuthorizeRequest, **changes: Any) -> token_object_pb2.AuthorizationInfo:
    """Return an eMSP's yes to what was asked."""
    info = token_object_pb2.AuthorizationInfo(
        allowed=changes.pop("allowed", 1),
        token=token_object_pb2.Token(
            country_code=request.emsp.country_code,
            party_id=request.emsp.party_id,
            uid=request.token_uid,
            type=request.token_type,
            contract_id="DE-XYZ-C00000001-1",
            issuer="XYZ",
            valid=True,
            whitelist=token_object_pb2.WHITELIST_TYPE_NEVER,
        ),
        authorization_reference="emsp-1",
    )
    if request.HasField("location"):
        info.location.CopyFrom(request.location)
    for name, value in changes.items():
        if isinstance(value, Message):
            getattr(info, name).CopyFrom(value)
        else:
            setattr(info, name, value)
    return info


async def says_yes(request: Any) -> Message:
    if isinstance(request, partner_pb2.PartnerServiceAuthorizeRequest):
        return granted(request)
    if isinstance(request, partner_pb2.ExecuteCommandRequest):
        return partner_pb2.CommandResponse(result=3)  # type: ignore[arg-type]
    if isinstance(request, partner_pb2.NotifyCommandResultRequest):
        return partner_pb2.NotifyCommandResultResponse()
    return partner_pb2.PingResponse()


async def say_nothing(request: Any) -> Message:
    if isinstance(request, partner_pb2.PingRequest):
        return partner_pb2.PingResponse()
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def held_link(
    partner: Partner, behaviour: Behaviour, *, concurrency_max: int = 0, requests: list[pb.LinkRequest] | None = None
) -> AsyncIterator[Any]:
    """Hold a link that answers with a behaviour; yields the call once the hub has accepted it.

    What is asked is added to `requests`.
    """
    call: Any = LinkServiceStub(partner.channel).Connect()
    parties = [key(party) for party in partner.parties]
    await call.write(pb.ConnectRequest(hello=pb.LinkHello(parties=parties, concurrency_max=concurrency_max)))
    first = await call.read()
    assert first.WhichOneof("message") == "welcome"
    tasks: set[asyncio.Task[None]] = set()
    writing = asyncio.Lock()

    async def answer(request: pb.LinkRequest) -> None:
        kind = request.WhichOneof("request")
        assert kind is not None
        said = pb.LinkAnswer(id=request.id)
        TIME_LEFT.set(request.timeout.ToMicroseconds() / 1_000_000)
        try:
            getattr(said, kind).CopyFrom(await behaviour(getattr(request, kind)))
        except Fault as fault:
            said.error.code, said.error.reason = fault.code.value[0], fault.reason
        async with writing:
            with suppress(asyncio.InvalidStateError, grpc.RpcError):
                await call.write(pb.ConnectRequest(answer=said))

    async def serve() -> None:
        with suppress(grpc.RpcError, asyncio.CancelledError):
            while (message := await call.read()) is not grpc.aio.EOF:
                if message.WhichOneof("message") == "request":
                    if requests is not None:
                        requests.append(message.request)
                    task = asyncio.create_task(answer(message.request))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)

    serving = asyncio.create_task(serve())
    try:
        yield call
    finally:
        for task in (serving, *tasks):
            task.cancel()
        call.cancel()
        await asyncio.gather(serving, *tasks, return_exceptions=True)


class _Servicer(PartnerServiceServicer):
    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    async def _answer(self, request: Message, context: Any) -> Any:
        TIME_LEFT.set(context.time_remaining())
        try:
            return await self._behaviour(request)
        except Fault as fault:
            status = status_pb2.Status(code=fault.code.value[0], message="refused")
            info = error_details_pb2.ErrorInfo(reason=fault.reason, domain="partner")
            status.details.add().Pack(info)
            await context.abort_with_status(rpc_status.to_status(status))

    Authorize = ExecuteCommand = NotifyCommandResult = Ping = _answer


@asynccontextmanager
async def served_endpoint(
    key_pem: bytes, chain_pem: bytes, ca_pem: bytes, behaviour: Behaviour, port: int = 0
) -> AsyncIterator[int]:
    """Serve PartnerService with a partner's certificate; yields the port."""
    server = grpc.aio.server()
    add_PartnerServiceServicer_to_server(_Servicer(behaviour), server)
    credentials = grpc.ssl_server_credentials([(key_pem, chain_pem)], ca_pem, require_client_auth=True)
    bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(None)


@asynccontextmanager
async def dialled(hub: Hub, partner: Partner, behaviour: Behaviour) -> AsyncIterator[None]:
    """Serve a partner's endpoint, and name it only once it listens.

    The hub pings a new endpoint at once, and rests after a failure: who names it first may not be asked for a while.
    """
    async with served_endpoint(partner.key_pem, partner.chain_pem, hub.ca.ca_pem, behaviour) as port:
        await hub.committer.run(lambda uow: _name_endpoint(uow, partner.party, f"127.0.0.1:{port}"))
        yield


def _name_endpoint(uow: UnitOfWork, party: PartyId, endpoint: str) -> None:
    known = uow.parties.find(party)
    assert known is not None
    uow.parties.save(replace(known, endpoint=endpoint))
