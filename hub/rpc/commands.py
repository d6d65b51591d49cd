"""CommandService."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from roamhub.v1 import command_pb2 as pb
from roamhub.v1 import common_pb2

from hub.app.commands import CommandDesk, Grant, NewCommand, read_command
from hub.app.ports.spine import Reads
from hub.domain.authorizations import Place
from hub.domain.clock import Clock, NewId
from hub.domain.commands import Command, CommandKind, CommandResult, CommandState
from hub.domain.ids import PartyId
from hub.rpc.authorizations import party_key
from hub.rpc.calls import Call
from hub.rpc.paging import fitting, read_page
from hub.rpc.wire import Reader, time_to_pb

_ID_MAX = 36
_MESSAGES_MAX = 16
_TEXT_MAX = 512
_RESULTS = {int(value): value for value in CommandResult}
_STATES = {int(value): value for value in CommandState}
_KINDS = {
    "start_session": CommandKind.START_SESSION,
    "stop_session": CommandKind.STOP_SESSION,
    "reserve_now": CommandKind.RESERVE_NOW,
    "cancel_reservation": CommandKind.CANCEL_RESERVATION,
    "unlock_connector": CommandKind.UNLOCK_CONNECTOR,
}

#: Reads one kind of order; returns the eMSP's authorization that it carries, if any.
_ReadOrder = Callable[[Reader, Any, PartyId], Grant | None]


class CommandServicer:
    """Answers CommandService."""

    def __init__(self, *, desk: CommandDesk, reads: Reads, clock: Clock, new_id: NewId) -> None:
        self._desk = desk
        self._reads = reads
        self._clock = clock
        self._new_id = new_id

    async def StartSession(self, request: pb.StartSessionRequest, call: Call) -> pb.Command:
        """Send a StartSession."""
        return await self._send(request, "start_session", _read_start, call)

    async def StopSession(self, request: pb.StopSessionRequest, call: Call) -> pb.Command:
        """Send a StopSession."""
        return await self._send(request, "stop_session", _ids("session_id"), call)

    async def ReserveNow(self, request: pb.ReserveNowRequest, call: Call) -> pb.Command:
        """Send a ReserveNow."""
        return await self._send(request, "reserve_now", _reserve_reader(self._clock()), call)

    async def CancelReservation(self, request: pb.CancelReservationRequest, call: Call) -> pb.Command:
        """Send a CancelReservation."""
        return await self._send(request, "cancel_reservation", _ids("reservation_id"), call)

    async def UnlockConnector(self, request: pb.UnlockConnectorRequest, call: Call) -> pb.Command:
        """Send an UnlockConnector."""
        return await self._send(request, "unlock_connector", _ids("location_id", "evse_uid", "connector_id"), call)

    async def _send(self, request: Any, field: str, read: _ReadOrder, call: Call) -> pb.Command:  # noqa: ANN401
        asked = hashlib.sha256(field.encode() + b"\0" + request.SerializeToString(deterministic=True)).digest()
        reader = Reader()
        emsp = reader.party("emsp", request.emsp.country_code, request.emsp.party_id)
        cpo = reader.party("cpo", request.cpo.country_code, request.cpo.party_id)
        request_id = reader.request_id(request.request_id)
        order = getattr(request, field)
        if not request.HasField(field):
            reader.refuse(field, "is required")
            reader.done()
        if hasattr(order, "authorization_reference") and not order.authorization_reference:
            order.authorization_reference = self._new_id()
        inner = Reader(field)
        grant = read(inner, order, emsp)
        reader.violations += inner.violations
        reader.done()
        new = NewCommand(
            platform=call.caller.platform,
            emsp=emsp,
            cpo=cpo,
            kind=_KINDS[field],
            order=pb.CommandOrder(**{field: order}).SerializeToString(),
            grant=grant,
            request_id=request_id,
            request_hash=asked,
        )
        command = await self._desk.send(new, seconds_left=call.seconds_left(), correlation_id=call.correlation_id)
        return command_to_pb(command)

    async def GetCommand(self, request: pb.GetCommandRequest, call: Call) -> pb.Command:
        """Return one command."""
        reader = Reader()
        command_id = _command_id(reader, request.name)
        reader.done()
        parties = list(call.caller.parties)
        return command_to_pb(await self._reads.run(lambda uow: read_command(uow, command_id, parties)))

    async def ListCommands(self, request: pb.ListCommandsRequest, call: Call) -> pb.ListCommandsResponse:  # noqa: ARG002
        """List commands."""
        page = read_page(request)
        reader = Reader()
        party = reader.party("party", request.party.country_code, request.party.party_id)
        state = reader.one_of("state", request.state, _STATES, CommandState.PENDING) if request.state else None
        reader.done()
        (before,) = page.key(str) or ("",)
        found = await self._reads.run(lambda uow: uow.commands.list(party, state, before, page.size + 1))
        shown = fitting(found, page.size, lambda command: len(command.order))
        return pb.ListCommandsResponse(
            commands=[command_to_pb(each) for each in shown],
            next_page_token=page.next_token(shown[-1].id) if len(found) > len(shown) else "",
        )

    async def ReportCommandResult(self, request: pb.ReportCommandResultRequest, call: Call) -> pb.Command:
        """Take a station's result."""
        reader = Reader()
        cpo = reader.party("cpo", request.cpo.country_code, request.cpo.party_id)
        command_id = _command_id(reader, request.name)
        result = reader.one_of("result", request.result, _RESULTS, CommandResult.FAILED)
        if len(request.messages) > _MESSAGES_MAX:
            reader.refuse("messages", f"must have at most {_MESSAGES_MAX} texts")
        for position, text in enumerate(request.messages[:_MESSAGES_MAX]):
            if len(text.text) > _TEXT_MAX:
                reader.refuse(f"messages[{position}].text", f"must have at most {_TEXT_MAX} characters")
        reader.done()
        texts = tuple(text.SerializeToString() for text in request.messages)
        reported = await self._desk.report(cpo, command_id, result, texts, correlation_id=call.correlation_id)
        return command_to_pb(reported)


def _ids(*fields: str) -> _ReadOrder:
    """Return the reader of an order that consists of required ids."""

    def read(reader: Reader, order: Message, emsp: PartyId) -> None:  # noqa: ARG001
        for field in fields:
            reader.id(field, getattr(order, field), _ID_MAX)

    return read


def _read_start(reader: Reader, order: pb.StartSessionOrder, emsp: PartyId) -> Grant:
    if order.connector_id and not order.evse_uid:
        reader.refuse("evse_uid", "is required with connector_id")
    return _grant(reader, order, emsp, (order.connector_id,) if order.connector_id else ())


def _reserve_reader(now: datetime) -> _ReadOrder:
    def read(reader: Reader, order: pb.ReserveNowOrder, emsp: PartyId) -> Grant:
        reader.id("reservation_id", order.reservation_id, _ID_MAX)
        if reader.time("expiry_date", order.expiry_date) <= now and order.HasField("expiry_date"):
            reader.refuse("expiry_date", "must lie in the future")
        return _grant(reader, order, emsp, ())

    return read


def _grant(
    reader: Reader, order: pb.StartSessionOrder | pb.ReserveNowOrder, emsp: PartyId, connectors: tuple[str, ...]
) -> Grant:
    """Read what a command authorizes: a token of the eMSP's own, at a location."""
    token = order.token
    if reader.party("token", token.country_code, token.party_id) != emsp:
        reader.refuse("token.party_id", "must be that of the eMSP that sends the command")
    for field in ("evse_uid", "connector_id"):
        if getattr(order, field, ""):
            reader.id(field, getattr(order, field), _ID_MAX)
    return Grant(
        reference=reader.id("authorization_reference", order.authorization_reference, _ID_MAX),
        token_uid=reader.id("token.uid", token.uid, _ID_MAX),
        token_type=reader.id("token.type", token.type, _ID_MAX),
        contract_id=reader.id("token.contract_id", token.contract_id, _ID_MAX),
        place=Place(
            location_id=reader.id("location_id", order.location_id, _ID_MAX),
            evse_uids=(order.evse_uid,) if order.evse_uid else (),
            connector_ids=connectors,
        ),
    )


def _command_id(reader: Reader, name: str) -> str:
    prefix, _, command_id = name.partition("/")
    if prefix != "commands" or not command_id:
        reader.refuse("name", "must have the form commands/{command}")
        return ""
    return reader.id("name", command_id)


def command_to_pb(command: Command) -> pb.Command:
    """Return the message of a command."""
    message = pb.Command(
        name=command.name,
        emsp=party_key(command.emsp),
        cpo=party_key(command.cpo),
        order=pb.CommandOrder.FromString(command.order),
        state=command.state,  # type: ignore[arg-type] # the numbers are the contract's
        response=command.response or 0,  # type: ignore[arg-type]
        response_messages=[common_pb2.DisplayText.FromString(text) for text in command.response_messages],
        result=command.result or 0,  # type: ignore[arg-type]
        result_messages=[common_pb2.DisplayText.FromString(text) for text in command.result_messages],
        late=command.late,
        create_time=time_to_pb(command.create_time),
        expire_time=time_to_pb(command.expire_time),
    )
    if command.result_time is not None:
        message.result_time.CopyFrom(time_to_pb(command.result_time))
    return message


def command_document(command: Command) -> bytes:
    """Return the serialised message of a command, for the journal and for its eMSP."""
    return command_to_pb(command).SerializeToString()
