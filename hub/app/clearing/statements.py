"""Reading and answering issued statements, and who owes whom out of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hub.app.clearing.facts import no_statement, require_statement_name, state_fact
from hub.app.clearing.periods import require, terms_of
from hub.app.clearing.proofs import keyring as current_keyring
from hub.app.ports.clearing import ClearingSettings, StatementFilter
from hub.app.ports.uow import UnitOfWork
from hub.domain.acknowledgements import Acknowledgement, Decision, Reason
from hub.domain.agreements import Netting
from hub.domain.canonical import MalformedDocument, digest
from hub.domain.clearing.periods import Period, PeriodState
from hub.domain.clearing.positions import Position, Transfer, positions, transfers
from hub.domain.clearing.records import ANSWERED, AcknowledgementRecord, StatementRecord, StatementState
from hub.domain.errors import Conflict, Precondition, Stale, invalid
from hub.domain.ids import PartyId
from hub.domain.journal import EntryKind, Stream
from hub.domain.parties import Caller
from hub.domain.statements import parse_statement

#: All states but DRAFT: what partners see, and what is owed.
ISSUED = frozenset(StatementState) - {StatementState.DRAFT}
#: More currencies than one agreement will ever see.
_STATEMENTS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a party says to a statement.

    Attributes:
        name: The statement.
        party: Who says it; the caller operates it.
        digest: Digest of the statement that was looked at.
        decision: What it says; None when `envelope` does.
        lines: Numbers of the lines that are not accepted.
        reasons: Why not.
        envelope: The acknowledgement as signed by the party; empty to let the hub witness it.
    """

    name: str
    party: PartyId
    digest: str
    decision: Decision | None
    lines: tuple[int, ...] = ()
    reasons: tuple[Reason, ...] = ()
    envelope: bytes = b""


def get(uow: UnitOfWork, caller: Caller, name: str) -> StatementRecord:
    """Return a statement that the caller may see: operators any, its sides an issued one.

    Raises:
        Invalid: The name can be none.
        NotFound: There is none, or it is not the caller's.
    """
    statement = uow.clearing.statement(require_statement_name(name))
    if statement is None or not _may_see(caller, statement):
        raise no_statement()
    return statement


def _may_see(caller: Caller, statement: StatementRecord) -> bool:
    if caller.operator:
        return True
    mine = statement.creditor in caller.parties or statement.debtor in caller.parties
    return mine and statement.state is not StatementState.DRAFT


def acknowledge(uow: UnitOfWork, settings: ClearingSettings, answer: Answer) -> StatementRecord:
    """Record a party's answer to a statement.

    Raises:
        Invalid: The answer contradicts itself, names lines that there are not, or its envelope is not the party's.
        NotFound: There is no such issued statement of the party's.
        Stale: DIGEST_MISMATCH, another document was looked at.
        Conflict: ALREADY_ACKNOWLEDGED, the party gave another answer.
        Precondition: STATEMENT_STATE, the time to answer is over.
    """
    statement = uow.clearing.statement(require_statement_name(answer.name))
    sides = (statement.creditor, statement.debtor) if statement is not None else ()
    if statement is None or statement.state is StatementState.DRAFT or answer.party not in sides:
        raise no_statement()
    if answer.digest != statement.digest:
        raise Stale("DIGEST_MISMATCH", "digest: is not that of the issued statement", field="digest")
    keyring, _ = current_keyring(uow)
    index = uow.journal.head(Stream.CLEARING)
    given = _given(uow, settings, answer, keyring, index)
    if any(line > len(parse_statement(statement.document).lines) for line in given.lines):
        raise invalid("lines", "must be numbers of the statement's lines")
    known = next((each for each in uow.clearing.acknowledgements(answer.name) if each.party == answer.party), None)
    if known is not None:
        if not _same(Acknowledgement.from_bytes(known.document), given):
            raise Conflict("ALREADY_ACKNOWLEDGED", "the party has given another answer", statement=answer.name)
        return statement
    if statement.state is StatementState.DEEMED_ACCEPTED:
        raise Precondition("STATEMENT_STATE", "the time to answer is over", statement=answer.name)
    document = given.to_bytes()
    signed = answer.envelope or settings.notary.sign_acknowledgement(document, keyring=keyring, index=index)
    return _record(uow, statement, given, signed)


def _given(uow: UnitOfWork, settings: ClearingSettings, answer: Answer, keyring: bytes, index: int) -> Acknowledgement:
    if answer.envelope:
        document = settings.notary.open_acknowledgement(
            answer.envelope, keyring=keyring, index=index, party=answer.party
        )
        try:
            given = Acknowledgement.from_bytes(document)
        except MalformedDocument as error:
            raise invalid("envelope", f"holds no acknowledgement: {error}") from None
        if given.statement != answer.digest or given.party != answer.party:
            raise invalid("envelope", "is about another statement, or of another party")
        return given
    if answer.decision is None:
        raise invalid("decision", "is required, or an envelope that says it")
    try:
        return Acknowledgement(
            statement=answer.digest,
            party=answer.party,
            decision=answer.decision,
            lines=answer.lines,
            reasons=answer.reasons,
            time=uow.now,
        )
    except ValueError as error:
        raise invalid("decision", str(error)) from None


def _same(one: Acknowledgement, other: Acknowledgement) -> bool:
    return replace(one, time=other.time) == other


def _record(uow: UnitOfWork, statement: StatementRecord, given: Acknowledgement, envelope: bytes) -> StatementRecord:
    document = given.to_bytes()
    receipt = state_fact(
        uow,
        EntryKind.STATEMENT_ACKNOWLEDGED,
        creditor=statement.creditor,
        debtor=statement.debtor,
        subject=statement.name,
        fields={"statement": statement.digest.encode(), "acknowledgement": digest(document).encode()},
    )
    uow.clearing.add_acknowledgement(
        AcknowledgementRecord(
            statement=statement.name, party=given.party, document=document, envelope=envelope, recorded_time=uow.now
        ),
        receipt.index,
    )
    if given.party != statement.debtor:
        return statement
    answered = replace(statement, state=ANSWERED[given.decision])
    uow.clearing.save_statement(answered)
    _follow(uow, require(uow, statement.period, ""))
    return answered


def unanswered(uow: UnitOfWork) -> Sequence[str]:
    """Return the names of issued periods whose time to answer is over and that hold an unanswered statement."""
    issued = uow.clearing.in_states((PeriodState.ISSUED,))
    return [
        period.name
        for period in issued
        if _window_over(uow, period) and any(each.state is StatementState.ISSUED for each in _of(uow, period))
    ]


def _window_over(uow: UnitOfWork, period: Period) -> bool:
    assert period.issue_time is not None
    return uow.now >= period.issue_time + terms_of(uow, period).terms.dispute_window


def deem_accepted(uow: UnitOfWork, name: str) -> None:
    """Take the unanswered statements of a period for accepted, if its time to answer is over. Safe to run twice."""
    period = require(uow, name, "")
    if period.state is not PeriodState.ISSUED or not _window_over(uow, period):
        return
    for statement in _of(uow, period):
        if statement.state is StatementState.ISSUED:
            uow.clearing.save_statement(replace(statement, state=StatementState.DEEMED_ACCEPTED))
    _follow(uow, period)


def _of(uow: UnitOfWork, period: Period) -> Sequence[StatementRecord]:
    return uow.clearing.statements(StatementFilter(period=period.name), "", _STATEMENTS_MAX)


def _follow(uow: UnitOfWork, period: Period) -> None:
    """Move a period on when all its statements are accepted; one that is not keeps it where it is."""
    states = {statement.state for statement in _of(uow, period)}
    if period.state is not PeriodState.ISSUED:
        return
    if states == {StatementState.ACKNOWLEDGED}:
        uow.clearing.save_period(period.advance(PeriodState.ACKNOWLEDGED))
    elif states <= {StatementState.ACKNOWLEDGED, StatementState.DEEMED_ACCEPTED}:
        uow.clearing.save_period(period.advance(PeriodState.DEEMED_ACCEPTED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Who owes whom: nets, the payments that settle them, and from how many statements."""

    positions: tuple[Position, ...]
    transfers: tuple[Transfer, ...]
    statements: int


def list_positions(
    uow: UnitOfWork, caller: Caller, netting: Netting, issued_from: datetime | None, issued_before: datetime | None
) -> Positions:
    """Return positions and payments out of issued statements; a partner sees those of its own parties."""
    mine = None if caller.operator else frozenset(caller.parties)
    wanted = StatementFilter(parties=mine, states=ISSUED, issued_from=issued_from, issued_before=issued_before)
    obligations = uow.clearing.obligations(wanted)
    nets, due = positions(obligations), transfers(obligations, netting)
    if mine is not None:
        nets = tuple(each for each in nets if each.party in mine)
        due = tuple(each for each in due if each.payer in mine or each.payee in mine)
    return Positions(positions=nets, transfers=due, statements=len(obligations))
