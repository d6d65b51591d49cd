"""What a partner answers when the hub asks: one class, whichever way the hub reaches it.

The same `Handler` is served at an endpoint (`adapters.partner.server`) or held on a link (`adapters.partner.link`).
`Answers` stands between the two and the handler: it holds the deadline, turns what goes wrong into statuses, and gives
a repeated command its first answer again.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1.partner_pb2 import (
    CommandResponse,
    ExecuteCommandRequest,
    NotifyCommandResultRequest,
    NotifyCommandResultResponse,
    PartnerServiceAuthorizeRequest,
    PingRequest,
    PingResponse,
)
from roamhub.v1.token_object_pb2 import AuthorizationInfo

from adapters.partner.errors import RoamhubError, TimedOut, Unimplemented

_log = logging.getLogger(__name__)

#: The id that joins the messages of the exchange which the handler is answering; empty outside of one.
correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")

_COMMANDS_REMEMBERED = 10_000


class Handler:
    """Override what your role needs: an eMSP `authorize` (and `command_result`), a CPO `command`.

    Methods run concurrently. To answer with an error raise one of `adapters.partner.errors`, such as
    `NotFound("this token is unknown", reason="UNKNOWN_TOKEN")`; anything else becomes INTERNAL, without its text.
    """

    async def authorize(self, request: PartnerServiceAuthorizeRequest) -> AuthorizationInfo:  # noqa: ARG002
        """Say whether a token may charge."""
        raise Unimplemented("this partner answers no authorizations")

    async def command(self, request: ExecuteCommandRequest) -> CommandResponse:  # noqa: ARG002
        """Send a command on to a station, and say whether that was done."""
        raise Unimplemented("this partner takes no commands")

    async def command_result(self, request: NotifyCommandResultRequest) -> None:  # noqa: ARG002
        """Learn what a station made of a command."""
        raise Unimplemented("this partner follows commands in the journal")


class Answers:
    """Answers the hub's requests with a handler."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._commands: OrderedDict[str, asyncio.Future[CommandResponse]] = OrderedDict()
        self._by_type: Mapping[type[Message], Callable[[Any], Awaitable[Message]]] = {
            PartnerServiceAuthorizeRequest: handler.authorize,
            ExecuteCommandRequest: self._command,
            NotifyCommandResultRequest: self._command_result,
            PingRequest: _ping,
        }

    async def answer(self, request: Message, seconds: float | None, correlation: str) -> Message:
        """Answer one request.

        Args:
            request: One of PartnerService's.
            seconds: How long the hub waits; None: no limit.
            correlation: The exchange's id.

        Raises:
            RoamhubError: The handler refuses, is late or has failed.
        """
        correlation_id.set(correlation)
        try:
            async with asyncio.timeout(seconds):
                return await self._by_type[type(request)](request)
        except TimeoutError:
            raise TimedOut("the partner was too slow") from None
        except RoamhubError:
            raise
        except Exception:  # noqa: BLE001 - a handler is foreign code; the hub learns only that it failed
            _log.exception("handler failed", extra={"request": type(request).__name__, "correlation_id": correlation})
            raise RoamhubError("the partner's handler failed", reason="HANDLER_FAILED") from None

    async def _command(self, request: ExecuteCommandRequest) -> CommandResponse:
        """Give a command with a name seen before its first answer again (PartnerService.ExecuteCommand)."""
        known = self._commands.get(request.name)
        if known is None:
            known = self._commands[request.name] = asyncio.ensure_future(self._handler.command(request))
            if len(self._commands) > _COMMANDS_REMEMBERED:
                self._commands.popitem(last=False)
        try:
            # A deadline ends this answer, not the command: a repetition finds it done.
            return await asyncio.shield(known)
        except RoamhubError:
            self._commands.pop(request.name, None)  # refused: it was not done, and may be tried again
            raise

    async def _command_result(self, request: NotifyCommandResultRequest) -> NotifyCommandResultResponse:
        await self._handler.command_result(request)
        return NotifyCommandResultResponse()


async def _ping(request: PingRequest) -> PingResponse:  # noqa: ARG001
    now = Timestamp()
    now.GetCurrentTime()
    return PingResponse(answer_time=now)
