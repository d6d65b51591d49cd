"""Calling partners at their endpoints: one channel per endpoint and platform, over mutual TLS, behind a breaker.

The endpoint may be any address: what counts is that the certificate there is the platform's own. After a few failures
in a row an endpoint is left alone for a while, so that its askers learn at once that it is away, then tried once.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from random import random
from time import monotonic
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message
from roamhub.v1 import partner_pb2_grpc

from hub.domain.clock import NewId
from hub.routing.outcomes import AnsweredBadlyError, NotSentError, from_status, not_an_answer

_log = logging.getLogger(__name__)

_METHODS = {
    "authorize": "Authorize",
    "execute_command": "ExecuteCommand",
    "notify_command_result": "NotifyCommandResult",
    "ping": "Ping",
}
_FAILURES_MAX = 5
_REST_SECONDS = (0.5, 30.0)
#: A channel that nobody has used for so long is closed.
_IDLE_SECONDS = 600.0


class Endpoint(NamedTuple):
    """Where a platform serves PartnerService: `host:port`, and the name its certificate must carry."""

    address: str
    host_name: str


@dataclass(slots=True)
class Breaker:
    """Opens after a few failures in a row; then lets one request through after each rest, which doubles up to a limit.

    `now` is monotonic seconds throughout.
    """

    failures: int = 0
    _rest: float = 0.0
    _until: float = 0.0
    _trying: bool = False

    def admits(self, now: float) -> bool:
        """Say whether a request may be sent; when the breaker is open, the one that may is the trial."""
        if self.failures < _FAILURES_MAX:
            return True
        if self._trying or now < self._until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """Note that the partner was reached, whatever it said."""
        self.failures = 0
        self._rest = 0.0
        self._trying = False

    def failed(self, now: float, jitter: float) -> None:
        """Note that it was not reached; `jitter` between 0 and 1 spreads the trials of many hubs."""
        self.failures += 1
        self._trying = False
        if self.failures >= _FAILURES_MAX:
            self._rest = min(max(self._rest * 2, _REST_SECONDS[0]), _REST_SECONDS[1])
            self._until = now + self._rest * (0.5 + jitter / 2)

    def dropped(self) -> None:
        """Note that a request ended without telling anything: its asker went away."""
        self._trying = False


@dataclass(slots=True)
class _Line:
    channel: grpc.aio.Channel
    stub: Any
    breaker: Breaker = field(default_factory=Breaker)
    used: float = 0.0
    in_flight: int = 0


class Dialled:
    """Calls endpoints.

    Args:
        credentials: Verifies the partner's certificate and shows the hub's own.
        keepalive_seconds: After how long a silence a connection is asked for life.
        reached: Told of every call whether its endpoint was reached.
    """

    def __init__(
        self,
        *,
        credentials: grpc.ChannelCredentials,
        new_id: NewId,
        message_bytes_max: int,
        keepalive_seconds: float,
        reached: Callable[[Endpoint, bool], None] = lambda _endpoint, _reached: None,
        random: Callable[[], float] = random,
    ) -> None:
        self._credentials = credentials
        self._new_id = new_id
        self._reached = reached
        self._random = random
        self._lines: dict[Endpoint, _Line] = {}
        self._options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", message_bytes_max),
            ("grpc.keepalive_time_ms", int(keepalive_seconds * 1000)),
            ("grpc.keepalive_timeout_ms", int(keepalive_seconds * 1000)),
            ("grpc.http2.ping_timeout_ms", int(keepalive_seconds * 1000)),  # without it gRPC waits a minute
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 5_000),
            ("grpc.enable_retries", 0),  # a command must not be sent twice by chance
        ]

    async def ask(
        self, endpoint: Endpoint, kind: str, request: Message, seconds: float, correlation_id: str
    ) -> Message:
        """Call the method for this kind of request.

        Raises:
            NotSentError: The endpoint cannot be reached, or could not the last few times.
            SilentError: No answer came in time.
            AnsweredBadlyError: The partner answered with an error, or with what is no message of that kind.
        """
        line = self._line(endpoint)
        if not line.breaker.admits(monotonic()):
            raise NotSentError
        request_id = self._new_id()
        metadata = (("x-request-id", request_id), ("x-correlation-id", correlation_id or request_id))
        line.in_flight += 1
        try:
            answer = await getattr(line.stub, _METHODS[kind])(request, timeout=seconds, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            outcome = from_status(error)
            if isinstance(outcome, AnsweredBadlyError) and error.code() is grpc.StatusCode.INTERNAL:
                outcome = not_an_answer(error.details() or "")
            self._note(endpoint, line, isinstance(outcome, AnsweredBadlyError))
            raise outcome from None
        except BaseException:
            line.breaker.dropped()
            raise
        finally:
            line.in_flight -= 1
            line.used = monotonic()
        self._note(endpoint, line, True)
        assert isinstance(answer, Message)
        return answer

    def _line(self, endpoint: Endpoint) -> _Line:
        line = self._lines.get(endpoint)
        if line is None:
            options = [*self._options, ("grpc.ssl_target_name_override", endpoint.host_name)]
            channel = grpc.aio.secure_channel(endpoint.address, self._credentials, options=options)
            stub = partner_pb2_grpc.PartnerServiceStub(channel)
            line = self._lines[endpoint] = _Line(channel, stub, used=monotonic())
        return line

    def _note(self, endpoint: Endpoint, line: _Line, reached: bool) -> None:
        if reached:
            line.breaker.succeeded()
        else:
            line.breaker.failed(monotonic(), self._random())
        self._reached(endpoint, reached)

    async def renew(self, endpoint: Endpoint) -> None:
        """Forget what became of an endpoint before, so that the next request is sent; one in use is left as it is."""
        line = self._lines.get(endpoint)
        if line is not None and not line.in_flight:
            del self._lines[endpoint]
            await line.channel.close()

    async def close_idle(self) -> None:
        """Close the channels that nobody has used for a while."""
        before = monotonic() - _IDLE_SECONDS
        for endpoint, line in list(self._lines.items()):
            if not line.in_flight and line.used < before:
                del self._lines[endpoint]
                await line.channel.close()

    async def close(self) -> None:
        """Close every channel."""
        lines, self._lines = self._lines, {}
        await asyncio.gather(*(line.channel.close() for line in lines.values()))
