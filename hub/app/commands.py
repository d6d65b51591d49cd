"""Commands from eMSPs to stations: recorded, handed to the CPO, and followed until the station's result or its time.

A command is on disk before the CPO sees it, so that a result can never come for a command that the hub does not know.
What the caller is told and what the journal says are the same states; see `hub.domain.commands`.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from hub.app.ports.commands import CommandDocument
from hub.app.ports.partners import CommandDelivery, Partners
from hub.app.ports.spine import Committer, Reads
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Service
from hub.domain.authorizations import Allowed, Authorization, Place, Source
from hub.domain.commands import RESULT_WAIT, Command, CommandKind, CommandResult, CommandState
from hub.domain.errors import Conflict, HubError, NotFound, Precondition, TimedOut, Unreachable
from hub.domain.ids import PartyId, fold_uid
from hub.domain.journal import EntryKind, Fact, Stream

_log = logging.getLogger(__name__)

_SERVICES = {
    CommandKind.START_SESSION: Service.REMOTE,
    CommandKind.STOP_SESSION: Service.REMOTE,
    CommandKind.UNLOCK_CONNECTOR: Service.REMOTE,
    CommandKind.RESERVE_NOW: Service.RESERVATION,
    CommandKind.CANCEL_RESERVATION: Service.RESERVATION,
}
#: Commands that end what is under way; they stay possible when the agreement no longer lets anything begin.
_ENDING = frozenset({CommandKind.STOP_SESSION, CommandKind.UNLOCK_CONNECTOR, CommandKind.CANCEL_RESERVATION})
_OVER = frozenset({"AGREEMENT_SUSPENDED", "AGREEMENT_TERMINATED", "AGREEMENT_EXPIRED"})
_EXPIRED_AT_ONCE = 200
_SECONDS_KEPT = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The eMSP's own authorization that a command carries: for which token, where, and under which reference."""

    reference: str
    token_uid: str
    token_type: str
    contract_id: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCommand:
    """A command as it came in; `order` is the serialised order that the CPO will get."""

    platform: str
    emsp: PartyId
    cpo: PartyId
    kind: CommandKind
    order: bytes
    grant: Grant | None
    request_id: str
    request_hash: bytes


class CommandDesk:
    """Takes commands and results.

    Args:
        document: Makes the published message of a command.
        wait_seconds: How long a CPO's direct response may take at most.
    """

    def __init__(
        self,
        *,
        committer: Committer,
        reads: Reads,
        partners: Partners,
        document: CommandDocument,
        wait_seconds: float,
    ) -> None:
        self._committer = committer
        self._reads = reads
        self._partners = partners
        self._document = document
        self._wait = wait_seconds
        self._running: set[asyncio.Task[Any]] = set()
        self._expiry: asyncio.Task[None] | None = None

    def start(self, every_seconds: float = 1.0) -> None:
        """Begin to mark commands whose time is up."""
        self._expiry = asyncio.create_task(self._expire_for_ever(every_seconds))

    async def stop(self) -> None:
        """Finish what is under way with CPOs, and end."""
        if self._expiry is not None:
            self._expiry.cancel()
            with suppress(asyncio.CancelledError):
                await self._expiry
        await asyncio.gather(*self._running, return_exceptions=True)

    async def send(self, new: NewCommand, *, seconds_left: float | None, correlation_id: str) -> Command:
        """Record a command, hand it to its CPO and return it with the CPO's response.

        Raises:
            Precondition: The agreement does not allow it.
            Conflict: REQUEST_ID_REUSED, or the eMSP's reference is taken.
            Unreachable: The CPO has not taken it; the same request may be sent again.
            TimedOut: The CPO may have taken it; the command stands.
        """
        command, first = await self._committer.run(partial(open_command, new=new))
        if not first:
            return command
        wait = (
            self._wait if seconds_left is None else min(self._wait, seconds_left - min(_SECONDS_KEPT, seconds_left / 5))
        )
        # The CPO's response is recorded even when the caller goes away meanwhile.
        return await asyncio.shield(self._in_background(self._deliver(command, wait, correlation_id)))

    async def _deliver(self, command: Command, wait: float, correlation_id: str) -> Command:
        delivery = CommandDelivery(
            name=command.name, cpo=command.cpo, emsp=command.emsp, order=command.order, correlation_id=correlation_id
        )
        try:
            reply = await self._partners.command(delivery, wait)
        except Unreachable as error:
            await self._committer.run(self._change(command, lambda found, _: found.undelivered()))
            raise Unreachable(error.reason, error.message, command=command.name) from None
        except TimedOut as error:
            raise TimedOut(error.reason, error.message, command=command.name) from None
        return await self._committer.run(self._change(command, lambda found, now: found.responded(reply, now)))

    async def report(
        self,
        cpo: PartyId,
        command_id: str,
        result: CommandResult,
        messages: tuple[bytes, ...],
        *,
        correlation_id: str = "",
    ) -> Command:
        """Record the station's result and tell the eMSP.

        Raises:
            NotFound: The CPO has no such command.
            Precondition, Conflict: As `Command.reported`.
        """

        def record(uow: UnitOfWork) -> tuple[Command, bool]:
            found = uow.commands.find(command_id, [cpo])
            if found is None or found.cpo != cpo:
                raise command_not_found(command_id)
            after = found.reported(result, messages, uow.now)
            return self._save(uow, found, after), after is not found

        command, changed = await self._committer.run(record)
        if changed:
            self._in_background(self._notify(command, correlation_id))
        return command

    async def _notify(self, command: Command, correlation_id: str) -> None:
        """Tell the eMSP, once and best effort: the journal tells it for good."""
        with suppress(Unreachable, TimedOut):
            await self._partners.notify_command_result(
                command.emsp, self._document(command), self._wait, correlation_id
            )

    async def expire(self) -> int:
        """Mark commands whose time is up; return how many."""

        def mark(uow: UnitOfWork) -> int:
            due = uow.commands.due(uow.now, _EXPIRED_AT_ONCE)
            for command in due:
                self._save(uow, command, command.expired(uow.now))
            return len(due)

        # The committer is not troubled when there is nothing to do.
        if not await self._reads.run(lambda uow: len(uow.commands.due(uow.now, 1))):
            return 0
        return await self._committer.run(mark)

    async def _expire_for_ever(self, every_seconds: float) -> None:
        while True:
            try:
                more = await self.expire() == _EXPIRED_AT_ONCE
            except HubError as error:
                _log.warning("commands_not_expired", extra={"reason": error.reason})
                more = False
            if not more:
                await asyncio.sleep(every_seconds)

    def _change(
        self, command: Command, change: Callable[[Command, datetime], Command]
    ) -> Callable[[UnitOfWork], Command]:
        """Return the use case that changes a command as it stands then."""

        def use_case(uow: UnitOfWork) -> Command:
            found = uow.commands.find(command.id, [command.cpo])
            assert found is not None, "commands are never removed"
            return self._save(uow, found, change(found, uow.now))

        return use_case

    def _save(self, uow: UnitOfWork, before: Command, after: Command) -> Command:
        """Store a changed command with the fact that its eMSP and CPO follow."""
        if after is not before:
            uow.commands.update(after)
            fact = Fact(
                kind=EntryKind.COMMAND,
                owner=after.emsp,
                counterparty=after.cpo,
                subject=after.name,
                body=self._document(after),
                private=True,
            )
            uow.journal.append(Stream.REGISTRY, fact)
        return after

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, HubError):
            _log.error("command_failed", exc_info=error)


def open_command(uow: UnitOfWork, new: NewCommand) -> tuple[Command, bool]:
    """Record a command; return it, and whether it is to be sent: a repetition is not, unless it never arrived.

    Raises:
        Precondition: The agreement does not allow it.
        Conflict: REQUEST_ID_REUSED, or REFERENCE_TAKEN.
    """
    earlier = uow.idempotency.find(new.platform, [new.request_id]).get(new.request_id)
    if earlier is not None:
        asked, command_id = earlier
        if asked != new.request_hash:
            raise Conflict("REQUEST_ID_REUSED", "request_id: was used for another command", field="request_id")
        command = uow.commands.find(command_id.decode(), [new.emsp])
        assert command is not None, "the command was recorded in the transaction of its request id"
        if command.state is not CommandState.UNDELIVERED:
            return command, False
        _require_agreement(uow, new)
        command = command.resent(uow.now)
        uow.commands.update(command)
        return command, True
    agreement = _require_agreement(uow, new)
    if new.grant is not None:
        _record_grant(uow, new, new.grant, agreement)
    command = Command(
        id=uow.new_id(),
        emsp=new.emsp,
        cpo=new.cpo,
        kind=new.kind,
        order=new.order,
        state=CommandState.PENDING,
        create_time=uow.now,
        expire_time=uow.now + RESULT_WAIT,
    )
    uow.commands.add(command)
    uow.idempotency.remember(new.platform, new.request_id, new.request_hash, command.id.encode())
    return command, True


def _require_agreement(uow: UnitOfWork, new: NewCommand) -> str:
    """Return the agreement's name; raises Precondition."""
    service = _SERVICES[new.kind]
    refusal = uow.directory.why_not(new.cpo, new.emsp, service, uow.now)
    standing = uow.directory.standing.get((new.cpo, new.emsp))
    if refusal is None:
        assert standing is not None, "nothing refuses without an agreement"
        return standing.name
    if new.kind in _ENDING and refusal.reason in _OVER and standing is not None and service in standing.terms.services:
        return standing.name
    named = {"clause": refusal.clause, "agreement": refusal.agreement.name if refusal.agreement is not None else ""}
    raise Precondition(refusal.reason, refusal.message, **{key: value for key, value in named.items() if value})


def _record_grant(uow: UnitOfWork, new: NewCommand, grant: Grant, agreement: str) -> None:
    """Record the eMSP's authorization, which the session and CDR will quote; it may come with several commands."""
    parties = uow.directory.parties
    key = parties[new.cpo].number, grant.reference
    known = uow.authorizations.find_many([key]).get(key)
    if known is not None:
        if known.emsp != parties[new.emsp].number or known.token_uid != fold_uid(grant.token_uid):
            raise Conflict("REFERENCE_TAKEN", "this authorization_reference stands for another authorization")
        return
    uow.authorizations.add(
        Authorization(
            reference=grant.reference,
            cpo=new.cpo,
            emsp=new.emsp,
            token_uid=grant.token_uid,
            token_type=grant.token_type,
            contract_id=grant.contract_id,
            allowed=Allowed.ALLOWED,
            source=Source.COMMAND,
            reason="",
            agreement=agreement,
            clause="",
            place=grant.place,
            token_document=b"",
            info_document=b"",
            emsp_reference="",
            recorded_time=uow.now,
        )
    )


def command_not_found(command_id: str) -> NotFound:
    """Return the one answer for a command that is not there, or not the caller's."""
    return NotFound("COMMAND_NOT_FOUND", "there is no such command", command=f"commands/{command_id}")


def read_command(uow: UnitOfWork, command_id: str, parties: list[PartyId]) -> Command:
    """Return a command to its eMSP or CPO, timed out if it should be by now; raises NotFound."""
    found = uow.commands.find(command_id, parties)
    if found is None:
        raise command_not_found(command_id)
    return found.expired(uow.now)
