"""The edge: what every call passes on its way in and out, in one wrapper per RPC.

Outermost first: ids and the log line, errors to statuses, identity from the certificate, rate limit, authorization.
These are plain functions around the handler, not gRPC interceptors, of which each costs 5 to 10 percent of a unary
call. Servicers take `(request, call)`; streams of requests arrive as asynchronous iterators whose every
message has passed the same authorization.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status

from hub.domain.clock import NewId
from hub.domain.errors import Exhausted, HubError, Invalid, Violation
from hub.domain.parties import Caller
from hub.rpc import policy
from hub.rpc.calls import CORRELATION_ID, CURRENT, REQUEST_ID, Call
from hub.rpc.status import code_of, to_status

_log = logging.getLogger(__name__)

_ANONYMOUS = Caller(platform="")

#: A caller's deadline runs from when it called, and here from when the call came in: its giving up may come first.
_ON_ITS_WAY_SECONDS = 0.05

#: What comes on these streams are answers to what the hub asks itself, at its own pace.
_ANSWERS = frozenset({"/roamhub.v1.LinkService/Connect"})

#: gRPC's servicer context, whose generics exist for the type checker only.
Context = Any


class Identify(Protocol):
    """Says who calls."""

    def __call__(self, context: Context) -> Caller:
        """Return the caller that the connection's certificate names.

        Raises:
            Unauthenticated: It names none, or one that is revoked.
        """
        ...

    def refresh(self, caller: Caller) -> Caller:
        """Return the caller as it stands now, for streams that stay open; raises Unauthenticated."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Makes the handlers of services.

    Attributes:
        identify: Names the caller from the connection.
        admit: Raises Exhausted when the platform calls faster than it may.
        hold: Counts a message of a stream, and returns for how many seconds it must wait.
        admit_stranger: The same for an address that calls without a certificate.
        observe: Told method, status code name and seconds of each finished call.
        new_id: Makes request ids and incident ids.
        message_bytes_max: Largest message accepted, in bytes.
    """

    identify: Identify
    admit: Callable[[str], None]
    hold: Callable[[str], float]
    admit_stranger: Callable[[str], None]
    observe: Callable[[str, str, float], None]
    new_id: NewId
    message_bytes_max: int
    _streams: set["_Stream"] = field(default_factory=set, init=False, repr=False)

    def end_refused(self) -> int:
        """End the open streams whose callers were shut out since, also those on which nothing happens.

        Every message passes the same check; who calls this now and then bounds how long a silent stream outlives its
        caller's welcome. Returns how many were ended.
        """
        return sum(stream.end_if_refused() for stream in list(self._streams))

    def handlers(self, services: Iterable[tuple[ServiceDescriptor, object]]) -> grpc.GenericRpcHandler:
        """Return the wrapped handlers of services, each with what answers it.

        Raises:
            AttributeError: A servicer lacks one of its service's methods.
        """
        return _Handlers(
            {
                f"/{service.full_name}/{method.name}": self._handler(method, servicer)
                for service, servicer in services
                for method in service.methods
            }
        )

    def _handler(self, method: MethodDescriptor, servicer: object) -> Any:  # noqa: ANN401
        door = _Door(self, method, getattr(servicer, method.name))
        kinds: dict[tuple[bool, bool], tuple[Callable[..., Any], Callable[..., Any]]] = {
            (False, False): (door.unary, grpc.unary_unary_rpc_method_handler),
            (True, False): (door.client_stream, grpc.stream_unary_rpc_method_handler),
            (False, True): (door.server_stream, grpc.unary_stream_rpc_method_handler),
            (True, True): (door.both_streams, grpc.stream_stream_rpc_method_handler),
        }
        handle, make = kinds[method.client_streaming, method.server_streaming]
        # The door reads the messages itself: what is none must be refused like any other bad request.
        return make(handle, request_deserializer=None, response_serializer=_serialise)


class _Handlers(grpc.GenericRpcHandler):
    """Finds a handler at one look; gRPC asks its own handlers, one a service, in turn at every call."""

    def __init__(self, by_path: Mapping[str, Any]) -> None:
        self._by_path = by_path

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401
        """Return the handler of a method; None for one that there is not."""
        return self._by_path.get(handler_call_details.method)


class _Stream:
    """A stream under way, and the task that serves it."""

    __slots__ = ("_recheck", "_task", "refusal", "sending")

    def __init__(self, recheck: Callable[[], None]) -> None:
        self._recheck = recheck
        self._task = asyncio.current_task()
        self.refusal: HubError | None = None
        # While gRPC sends a message its task must not be cancelled: it would end the call with no status.
        self.sending = False

    def end_if_refused(self) -> bool:
        """End the stream if its caller may not have it any more; returns whether it did."""
        if self.sending or self.refusal is not None:
            return False
        try:
            self._recheck()
        except HubError as refusal:
            self.refusal = refusal
            assert self._task is not None
            self._task.cancel()
        return self.refusal is not None


class _Door:
    """The wrapper of one RPC, for its kind of call."""

    def __init__(self, edge: Edge, method: MethodDescriptor, serve: Callable[..., Any]) -> None:
        path = f"/{method.containing_service.full_name}/{method.name}"
        rule = policy.TABLE.get(path)
        self._edge = edge
        self._path = path
        self._serve = serve
        self._from_bytes = GetMessageClass(method.input_type).FromString
        self._check = policy.checker(rule)
        self._check_caller = policy.opener(rule)
        self._anonymous = rule is not None and rule.anonymous
        self._held = path not in _ANSWERS

    async def unary(self, sent: bytes, context: Context) -> Any:  # noqa: ANN401
        started = perf_counter()
        call = None
        try:
            call = self._open(context)
            request = self._read(sent)
            self._check(call.caller, request)
            response = await self._serve(request, call)
        except BaseException as error:
            await self._fail(call, context, error, started)
            raise
        self._finish(call, "OK", started)
        return response

    async def client_stream(self, sent: AsyncIterator[bytes], context: Context) -> Any:  # noqa: ANN401
        started = perf_counter()
        call = stream = None
        try:
            call = self._open(context)
            self._check_caller(call.caller)
            stream = self._begin(call)
            response = await self._serve(self._each(sent, call), call)
        except BaseException as error:
            await self._fail(call, context, self._end(stream) or error, started)
            raise
        self._end(stream)
        self._finish(call, "OK", started)
        return response

    async def server_stream(self, sent: bytes, context: Context) -> AsyncIterator[Any]:
        started = perf_counter()
        call = stream = None
        try:
            call = self._open(context)
            request = self._read(sent)
            self._check(call.caller, request)
            stream = self._begin(call)
            async for response in self._serve(request, call):
                self._recheck(call)
                stream.sending = True
                yield response
                stream.sending = False
        except BaseException as error:
            await self._fail(call, context, self._end(stream) or error, started)
            raise
        self._end(stream)
        self._finish(call, "OK", started)

    async def both_streams(self, sent: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        started = perf_counter()
        call = stream = None
        try:
            call = self._open(context)
            self._check_caller(call.caller)
            stream = self._begin(call)
            async for response in self._serve(self._each(sent, call), call):
                self._recheck(call)
                stream.sending = True
                yield response
                stream.sending = False
        except BaseException as error:
            await self._fail(call, context, self._end(stream) or error, started)
            raise
        self._end(stream)
        self._finish(call, "OK", started)

    def _begin(self, call: Call) -> _Stream:
        """Keep an eye on a stream from here on, if its caller can be shut out."""
        stream = _Stream(lambda: self._recheck(call))
        if not self._anonymous:
            self._edge._streams.add(stream)  # noqa: SLF001 - the door is the edge's own
        return stream

    def _end(self, stream: _Stream | None) -> HubError | None:
        """Forget a stream; returns for what refusal it was ended, if it was."""
        if stream is None:
            return None
        self._edge._streams.discard(stream)  # noqa: SLF001
        return stream.refusal

    async def _each(self, sent: AsyncIterator[bytes], call: Call) -> AsyncIterator[Message]:
        async for message in sent:
            if self._held and (wait := self._edge.hold(_rated(call.caller))):
                # Nothing more is read meanwhile, so that the sender waits as well: a stream is no way around the rate.
                await asyncio.sleep(wait)
            self._recheck(call)
            request = self._read(message)
            self._check(call.caller, request)
            yield request

    def _read(self, sent: bytes) -> Message:
        if len(sent) > (most := self._edge.message_bytes_max):
            raise Exhausted(
                "MESSAGE_TOO_LARGE",
                f"the request has {len(sent)} bytes, and at most {most} are taken",
                field="request",
                bytes=str(len(sent)),
                bytes_max=str(most),
            )
        try:
            return self._from_bytes(sent)
        except DecodeError:
            violation = Violation(field="request", rule="must be a message of the type that this method takes")
            raise Invalid([violation], reason="MALFORMED_MESSAGE") from None

    def _recheck(self, call: Call) -> None:
        """End a stream whose caller was revoked or suspended since it opened."""
        caller = self._edge.identify.refresh(call.caller)
        if caller is not call.caller:
            self._check_caller(caller)
            call.caller = caller

    def _open(self, context: Context) -> Call:
        request_id = correlation_id = ""
        for key, value in context.invocation_metadata() or ():
            if key == REQUEST_ID:
                request_id = _printable(value)
            elif key == CORRELATION_ID:
                correlation_id = _printable(value)
        if self._anonymous:
            caller = _ANONYMOUS
            self._edge.admit_stranger(_address(context.peer()))
        else:
            caller = self._edge.identify(context)
            self._edge.admit(_rated(caller))
        call = Call(caller, self._path, context, request_id, correlation_id, self._edge.new_id)
        CURRENT.set(call)
        return call

    async def _fail(self, call: Call | None, context: Context, error: BaseException, started: float) -> None:
        """Report how a call ended badly, and end it with the status that says so."""
        if isinstance(error, HubError):
            self._finish(call, code_of(error).name, started, reason=error.reason)
            await context.abort_with_status(rpc_status.to_status(to_status(error)))
        elif isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            left = context.time_remaining()
            self._finish(
                call, "CANCELLED" if left is None or left > _ON_ITS_WAY_SECONDS else "DEADLINE_EXCEEDED", started
            )
        else:
            incident = self._edge.new_id()
            _log.error("incident", extra={"incident": incident, "rpc": self._path}, exc_info=error)
            self._finish(call, "INTERNAL", started, reason=incident)
            await context.abort(grpc.StatusCode.INTERNAL, f"internal error; incident {incident}")

    def _finish(self, call: Call | None, code: str, started: float, reason: str = "") -> None:
        seconds = perf_counter() - started
        self._edge.observe(self._path, code, seconds)
        operator = call is not None and call.caller.operator
        level = logging.DEBUG if code == "OK" and not operator else logging.INFO
        if not _log.isEnabledFor(level):
            return
        detail = {"rpc": self._path, "code": code, "reason": reason, "seconds": round(seconds, 6)}
        if call is not None:
            detail |= {
                "platform": call.caller.platform,
                "request_id": call.request_id,
                "correlation_id": call.correlation_id,
            }
        _log.log(level, "rpc", extra=detail)


def _rated(caller: Caller) -> str:
    """Return under which name a caller's rate is counted."""
    return "operator " + caller.platform if caller.operator else caller.platform


def _address(peer: str) -> str:
    """Return a peer without its port, which is new with each connection."""
    return peer.rpartition(":")[0]


def _serialise(response: Message | bytes) -> bytes:
    """Serialise a response; one that is shared by many callers comes as bytes already."""
    return response if isinstance(response, bytes) else response.SerializeToString()


def _printable(value: str | bytes) -> str:
    """Return an id from metadata, bounded and harmless in a log."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    return "".join(c for c in text[:64] if c.isalnum() or c in "-_.:")
