"""Commands: accepted now, result later (OCPI 2.3.0, mod_commands).

A command is PENDING while its CPO's response is unknown, ACCEPTED while the station's result is awaited, COMPLETED when
that came. A result after the deadline is kept and marked late: the session may well have started (ocpi/ocpi 475).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from hub.domain.errors import Conflict, Precondition
from hub.domain.ids import PartyId

#: How long a result may take when the CPO does not say, and at most.
RESULT_WAIT = timedelta(seconds=30)
RESULT_WAIT_MAX = timedelta(hours=1)


class CommandKind(StrEnum):
    """What is to be done (OCPI: CommandType)."""

    START_SESSION = "START_SESSION"
    STOP_SESSION = "STOP_SESSION"
    RESERVE_NOW = "RESERVE_NOW"
    CANCEL_RESERVATION = "CANCEL_RESERVATION"
    UNLOCK_CONNECTOR = "UNLOCK_CONNECTOR"


class CommandState(IntEnum):
    """How far a command has come; the number is the stored and the published one."""

    PENDING = 1
    UNDELIVERED = 2
    REFUSED = 3
    ACCEPTED = 4
    COMPLETED = 5
    TIMED_OUT = 6


class CommandResponse(IntEnum):
    """The CPO's direct response (OCPI: CommandResponseType); numbers as published."""

    NOT_SUPPORTED = 1
    REJECTED = 2
    ACCEPTED = 3
    UNKNOWN_SESSION = 4


class CommandResult(IntEnum):
    """The station's result (OCPI: CommandResultType); numbers as published."""

    ACCEPTED = 1
    CANCELED_RESERVATION = 2
    EVSE_OCCUPIED = 3
    EVSE_INOPERATIVE = 4
    FAILED = 5
    NOT_SUPPORTED = 6
    REJECTED = 7
    TIMEOUT = 8
    UNKNOWN_RESERVATION = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReply:
    """What a CPO answers to a command; `messages` are serialised texts, `wait` how long the result may take."""

    response: CommandResponse
    wait: timedelta = RESULT_WAIT
    messages: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command as the hub knows it.

    Attributes:
        id: The last part of its resource name.
        order: The eMSP's serialised order.
        expire_time: Until when the next step is awaited: the response while PENDING, the result while ACCEPTED.
        late: The result came after `expire_time`.
    """

    id: str
    emsp: PartyId
    cpo: PartyId
    kind: CommandKind
    order: bytes
    state: CommandState
    create_time: datetime
    expire_time: datetime
    response: CommandResponse | None = None
    response_messages: tuple[bytes, ...] = ()
    result: CommandResult | None = None
    result_messages: tuple[bytes, ...] = ()
    result_time: datetime | None = None
    late: bool = False

    @property
    def name(self) -> str:
        """The AIP resource name."""
        return f"commands/{self.id}"

    def undelivered(self) -> "Command":
        """Return it as not having reached the CPO; a result that has come meanwhile says otherwise and stays."""
        return replace(self, state=CommandState.UNDELIVERED) if self.state is CommandState.PENDING else self

    def resent(self, now: datetime) -> "Command":
        """Return an undelivered command as it is sent once more."""
        assert self.state is CommandState.UNDELIVERED
        return replace(self, state=CommandState.PENDING, expire_time=now + RESULT_WAIT)

    def responded(self, reply: CommandReply, now: datetime) -> "Command":
        """Return it with the CPO's response; a result that came before the response stays."""
        answered = replace(self, response=reply.response, response_messages=reply.messages)
        if self.state is CommandState.COMPLETED:
            return answered
        wait = min(max(reply.wait, timedelta(seconds=1)), RESULT_WAIT_MAX)
        accepted = reply.response is CommandResponse.ACCEPTED
        state = CommandState.ACCEPTED if accepted else CommandState.REFUSED
        return replace(answered, state=state, expire_time=now + wait if accepted else self.expire_time)

    def expired(self, now: datetime) -> "Command":
        """Return it as timed out if its time is up, else unchanged."""
        waiting = self.state in {CommandState.PENDING, CommandState.ACCEPTED}
        return replace(self, state=CommandState.TIMED_OUT) if waiting and now >= self.expire_time else self

    def reported(self, result: CommandResult, messages: tuple[bytes, ...], now: datetime) -> "Command":
        """Return it with the station's result; the same result again returns it unchanged.

        Raises:
            Precondition: COMMAND_REFUSED, the CPO refused the command before.
            Conflict: RESULT_REPORTED, another result was reported before.
        """
        if self.state is CommandState.REFUSED:
            raise Precondition("COMMAND_REFUSED", "this command was refused; it has no result", command=self.name)
        if self.state is CommandState.COMPLETED:
            if result is self.result:
                return self
            if not self._cancels(result):
                raise Conflict("RESULT_REPORTED", "another result was reported before", command=self.name)
        # An UNDELIVERED command with a result was delivered after all.
        return replace(
            self,
            state=CommandState.COMPLETED,
            result=result,
            result_messages=messages,
            result_time=now,
            late=self.late if self.state is CommandState.COMPLETED else now >= self.expire_time,
        )

    def _cancels(self, result: CommandResult) -> bool:
        """Say whether the CPO takes back a reservation it had confirmed."""
        return (
            self.kind is CommandKind.RESERVE_NOW
            and self.result is CommandResult.ACCEPTED
            and result is CommandResult.CANCELED_RESERVATION
        )
