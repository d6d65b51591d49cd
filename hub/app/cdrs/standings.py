"""What happens to CDRs that were not accepted at once: the eMSP decides, the CPO withdraws, deadlines pass.

The hub takes no side: whether a doubtful CDR is paid is for who pays to say, and for nobody else. Replacing a returned
CDR is a submission (`hub.app.cdrs.submit`).
"""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from hub.app.cdrs.neighbours import by_name
from hub.app.cdrs.submit import stored_item
from hub.app.clearing.facts import state_fact
from hub.app.ports.cdrs import StoredCdr
from hub.app.ports.uow import UnitOfWork
from hub.domain.cdrs.checks import compare_anew
from hub.domain.cdrs.record import CdrRecord, CdrState, Finding
from hub.domain.cdrs.standing import Cause, Standing
from hub.domain.errors import Conflict, NotFound, Precondition
from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import EntryKind


class Decision(StrEnum):
    """What an eMSP says to a quarantined CDR."""

    ACCEPT = "ACCEPT"
    RETURN = "RETURN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """An eMSP's decision on a quarantined CDR that it is to pay; the note is for people."""

    platform: str
    request_id: str
    cdr: ObjectId
    emsp: PartyId
    decision: Decision
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A CPO takes back one of its CDRs; the note is for people."""

    platform: str
    request_id: str
    cdr: ObjectId
    note: str = ""


#: What a step is recorded as.
_KINDS = {
    CdrState.ACCEPTED: EntryKind.CDR_ACCEPTED,
    CdrState.RETURNED: EntryKind.CDR_RETURNED,
    CdrState.WITHDRAWN: EntryKind.CDR_WITHDRAWN,
}


def review(uow: UnitOfWork, given: Review) -> CdrRecord:
    """Decide on a quarantined CDR; returns it as it stands then. The same request again changes nothing.

    Raises:
        NotFound: It is not on record, or this eMSP is not the one to pay it.
        Precondition: CDR_STATE; REVIEW_DEADLINE_PASSED.
        Conflict: REQUEST_ID_REUSED.
    """
    stored, standing = _find(uow, given.cdr)
    if stored.emsp != given.emsp:
        raise no_cdr()
    asked = _hash("review", given.cdr, given.decision, given.note)
    if not _known(uow, given, asked):
        if standing is None:
            raise _final(stored)
        standing.require_reviewable(uow.now)
        state = CdrState.ACCEPTED if given.decision is Decision.ACCEPT else CdrState.RETURNED
        _move(uow, standing, state, stored=stored, cause=Cause.REVIEW, note=given.note)
        uow.idempotency.remember(given.platform, given.request_id, asked, b"")
    return _record(uow, given.cdr)


def withdraw(uow: UnitOfWork, given: Withdrawal) -> CdrRecord:
    """Withdraw a returned or quarantined CDR; returns it as it stands then. The same request again changes nothing.

    Raises:
        NotFound: It is not on record.
        Precondition: CDR_STATE.
        Conflict: REQUEST_ID_REUSED.
    """
    stored, standing = _find(uow, given.cdr)
    asked = _hash("withdraw", given.cdr, "", given.note)
    if not _known(uow, given, asked):
        if standing is None:
            raise _final(stored)
        standing.require(CdrState.WITHDRAWN)
        _move(uow, standing, CdrState.WITHDRAWN, stored=stored, cause=Cause.GIVEN_UP, note=given.note)
        uow.idempotency.remember(given.platform, given.request_id, asked, b"")
    return _record(uow, given.cdr)


def due(uow: UnitOfWork) -> bool:
    """Say whether a deadline has passed: ask before `follow_deadlines`, which takes a transaction."""
    return bool(uow.cdr_standings.due(1))


def follow_deadlines(uow: UnitOfWork, limit: int = 100) -> int:
    """Return quarantined CDRs that nobody decided on in time, and withdraw returned ones that nobody put right.

    Returns how many, at most `limit`: others have to write as well, so call again. Safe to run twice.
    """
    late = uow.cdr_standings.due(limit)
    found = uow.cdrs.find(standing.id for standing in late)
    for standing in late:
        stored = found[standing.id]
        if standing.state is CdrState.QUARANTINED:
            _move(uow, standing, CdrState.RETURNED, stored=stored, cause=Cause.UNDECIDED)
        else:
            _move(uow, standing, CdrState.WITHDRAWN, stored=stored, cause=Cause.LAPSED)
    return len(late)


def no_cdr() -> NotFound:
    """Return the error of a CDR that is not there, or not the caller's."""
    return NotFound("CDR_NOT_FOUND", "there is no such CDR")


def _find(uow: UnitOfWork, cdr: ObjectId) -> tuple[StoredCdr, Standing | None]:
    stored = uow.cdrs.find([cdr]).get(cdr)
    if stored is None:
        raise no_cdr()
    return stored, uow.cdr_standings.find([cdr]).get(cdr)


def _final(stored: StoredCdr) -> Precondition:
    name = stored.answer.state.name
    return Precondition("CDR_STATE", f"the CDR is {name}", state=name)


def _hash(what: str, cdr: ObjectId, decision: str, note: str) -> bytes:
    return sha256("\0".join((what, str(cdr.party), cdr.folded, decision, note)).encode()).digest()


def _known(uow: UnitOfWork, given: Review | Withdrawal, asked: bytes) -> bool:
    known = uow.idempotency.find(given.platform, [given.request_id]).get(given.request_id)
    if known is not None and known[0] != asked:
        raise Conflict("REQUEST_ID_REUSED", "request_id: was used for something else", field="request_id")
    return known is not None


def _move(
    uow: UnitOfWork, standing: Standing, state: CdrState, *, stored: StoredCdr, cause: Cause, note: str = ""
) -> None:
    """Record the next state in the journal; an acceptance shows what settlement rests on, as one at once does."""
    fields = {
        "document": stored.digest,
        "follows": b"%d" % standing.index,
        "cause": cause.encode(),
        "note": note.encode(),
    }
    if state is CdrState.ACCEPTED:
        fields["settlement"] = stored_item(standing.id, stored).to_bytes()
    standing.require(state)
    receipt = state_fact(
        uow,
        _KINDS[state],
        creditor=standing.id.party,
        debtor=standing.emsp,
        subject=str(standing.id),
        fields=fields,
    )
    findings = _occupy(uow, standing.id) if state is CdrState.ACCEPTED else ()
    uow.cdr_standings.save(standing.moved(state, receipt, uow.now, cause, note, findings=findings))


def _occupy(uow: UnitOfWork, accepted: ObjectId) -> tuple[Finding, ...]:
    """Record what an accepted charge occupies, for later ones to be compared with; return what it shares with others.

    Others may have been accepted while it was held. That is told and changes nothing: its eMSP has decided.
    """
    occupied = uow.spans.of([accepted])
    findings: tuple[Finding, ...] = ()
    for span, _ in occupied.values():
        found = uow.spans.neighbours([span], ()).get(0)
        if found is not None:
            names = uow.spans.names(span.cpo, span.emsp, {index for index in found if index is not None})
            agreement = uow.directory.agreement_covering(span.cpo, span.emsp, span.start_time)
            actions = agreement.terms.checks if agreement is not None else {}
            findings += compare_anew(by_name(found, names), actions, session=span.names_session)
    # Only now: it is no neighbour of its own.
    uow.spans.add(occupied.values())
    return findings


def _record(uow: UnitOfWork, cdr: ObjectId) -> CdrRecord:
    record = uow.cdrs.get(cdr)
    assert record is not None, "it was found"
    return record
