"""Reaching a partner's back end. Whether over a link or at its endpoint, the caller cannot tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.domain.authorizations import EmspAnswer, Place
from hub.domain.commands import CommandReply
from hub.domain.ids import PartyId


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenQuestion:
    """What an eMSP is asked in real time; `reference` is the hub's, which session and CDR will quote."""

    emsp: PartyId
    cpo: PartyId
    token_uid: str
    token_type: str
    place: Place | None
    reference: str
    correlation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDelivery:
    """A command on its way to a CPO; `order` is the serialised order, `name` the hub's name of the command."""

    name: str
    cpo: PartyId
    emsp: PartyId
    order: bytes
    correlation_id: str = ""


class Partners(Protocol):
    """Asks partners; every wait is bounded by `seconds`.

    All methods raise:
        Unreachable: PARTNER_UNREACHABLE when the partner is not connected, PARTNER_BUSY when it takes no more requests,
            PARTNER_FAILED when it answered with an error or with something that is no answer.
        TimedOut: PARTNER_TIMED_OUT when no answer came in time, or the connection was lost before it came.
    """

    async def authorize(self, question: TokenQuestion, seconds: float) -> EmspAnswer | None:
        """Ask an eMSP whether a token may charge; None when it does not know the token.

        Raises:
            Invalid: The eMSP cannot tell without a location.
        """
        ...

    async def command(self, delivery: CommandDelivery, seconds: float) -> CommandReply:
        """Hand a command to a CPO and return its direct response."""
        ...

    async def notify_command_result(
        self, emsp: PartyId, command: bytes, seconds: float, correlation_id: str = ""
    ) -> None:
        """Tell an eMSP what became of a command; `command` is the serialised message."""
        ...


class PresenceSink(Protocol):
    """Is told which parties came within reach (True) or went out of it (False), in order."""

    async def changed(self, changes: Sequence[tuple[PartyId, bool]]) -> None:
        """Record the changes durably; returns when they are."""
        ...
