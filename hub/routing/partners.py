"""Asking a partner by whichever way it can be reached: a link first, else its endpoint."""

from collections.abc import Callable
from time import perf_counter

from google.protobuf.message import Message
from grpc import StatusCode
from roamhub.v1 import command_pb2, partner_pb2, token_object_pb2

from hub.app.ports.partners import CommandDelivery, Partners, TokenQuestion
from hub.domain.authorizations import EmspAnswer
from hub.domain.commands import CommandReply, CommandResponse
from hub.domain.errors import HubError, TimedOut, Unreachable, invalid
from hub.domain.ids import PartyId
from hub.routing import wire
from hub.routing.bus import Bus
from hub.routing.dialled import Dialled, Endpoint
from hub.routing.outcomes import (
    AnsweredBadlyError,
    Counts,
    LostError,
    NotSentError,
    Observe,
    SilentError,
    not_an_answer,
)

_FAILURES = (NotSentError, LostError, SilentError, AnsweredBadlyError)


class RoutedPartners:
    """Implements `hub.app.ports.partners.Partners`.

    Args:
        bus: Reaches links, of this process and of others.
        dialled: Calls endpoints.
        endpoint_of: Where a party serves; None when it has no endpoint.
        observe: Told of each request, for the metrics.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        dialled: Dialled,
        endpoint_of: Callable[[PartyId], Endpoint | None],
        counts: Counts,
        observe: Observe = lambda _kind, _way, _outcome, _seconds: None,
    ) -> None:
        self._bus = bus
        self._dialled = dialled
        self._endpoint_of = endpoint_of
        self._counts = counts
        self._observe = observe

    async def authorize(self, question: TokenQuestion, seconds: float) -> EmspAnswer | None:
        """Ask an eMSP whether a token may charge; a question that was lost on the way is asked once more."""
        request = wire.question_to_pb(question)
        deadline = perf_counter() + seconds
        try:
            try:
                answer = await self._ask(question.emsp, "authorize", request, seconds, question.correlation_id)
            except LostError:
                left = deadline - perf_counter()
                answer = await self._ask(question.emsp, "authorize", request, left, question.correlation_id)
            assert isinstance(answer, token_object_pb2.AuthorizationInfo)
            return wire.answer_from_pb(question, answer)
        except ValueError as error:
            self._counts.garbage += 1
            raise _refusal(not_an_answer(str(error))) from None
        except AnsweredBadlyError as error:
            if error.code is StatusCode.NOT_FOUND:
                return None
            if error.code is StatusCode.INVALID_ARGUMENT and error.reason == "LOCATION_REQUIRED":
                raise invalid("location", "is required by the eMSP of this token") from None
            raise _refusal(error) from None
        except _FAILURES as error:
            raise _refusal(error) from None

    async def command(self, delivery: CommandDelivery, seconds: float) -> CommandReply:
        """Hand a command to a CPO."""
        request = wire.delivery_to_pb(delivery)
        try:
            answer = await self._ask(delivery.cpo, "execute_command", request, seconds, delivery.correlation_id)
            assert isinstance(answer, partner_pb2.CommandResponse)
            return wire.reply_from_pb(answer)
        except ValueError as error:
            self._counts.garbage += 1
            raise _refusal(not_an_answer(str(error))) from None
        except AnsweredBadlyError as error:
            if error.code is StatusCode.UNIMPLEMENTED:
                return CommandReply(response=CommandResponse.NOT_SUPPORTED)
            raise _refusal(error) from None
        except _FAILURES as error:
            raise _refusal(error) from None

    async def notify_command_result(
        self, emsp: PartyId, command: bytes, seconds: float, correlation_id: str = ""
    ) -> None:
        """Tell an eMSP what became of a command."""
        request = partner_pb2.NotifyCommandResultRequest(
            emsp=wire.party_to_pb(emsp), command=command_pb2.Command.FromString(command)
        )
        try:
            await self._ask(emsp, "notify_command_result", request, seconds, correlation_id)
        except _FAILURES as error:
            raise _refusal(error) from None

    async def _ask(self, party: PartyId, kind: str, request: Message, seconds: float, correlation_id: str) -> Message:
        started = perf_counter()
        linked = self._bus.reaches(party)
        endpoint = None if linked else self._endpoint_of(party)
        outcome = "answered"
        try:
            if seconds <= 0:
                raise SilentError  # noqa: TRY301 - counted like all the others
            if linked:
                return await self._bus.ask(party, kind, request, seconds, correlation_id)
            if endpoint is None:
                raise NotSentError  # noqa: TRY301
            return await self._dialled.ask(endpoint, kind, request, seconds, correlation_id)
        except BaseException as error:
            outcome = _OUTCOMES.get(type(error), "cancelled")
            raise
        finally:
            way = "link" if linked else "none" if endpoint is None else "dial"
            self._observe(kind, way, outcome, perf_counter() - started)


_OUTCOMES: dict[type[BaseException], str] = {
    NotSentError: "unreachable",
    LostError: "lost",
    SilentError: "timed_out",
    AnsweredBadlyError: "failed",
}


def _refusal(error: Exception) -> HubError:
    """Return the error that the asker's caller gets; it tells nothing of the partner's own words."""
    match error:
        case NotSentError(reason="PARTNER_BUSY"):
            return Unreachable("PARTNER_BUSY", "the other party takes no more requests at the moment")
        case NotSentError():
            return Unreachable("PARTNER_UNREACHABLE", "the other party is not connected")
        case SilentError():
            return TimedOut("PARTNER_TIMED_OUT", "the other party gave no answer in time")
        case LostError():
            return TimedOut("PARTNER_LOST", "the connection to the other party was lost before its answer came")
        case _:
            return Unreachable("PARTNER_FAILED", "the other party answered with an error, or with no usable answer")


_: type[Partners] = RoutedPartners
