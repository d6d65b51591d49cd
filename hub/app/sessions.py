"""Carrying charging sessions from the CPO to the eMSP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Service
from hub.domain.errors import HubError, NotFound, Precondition
from hub.domain.ids import ObjectId
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.parties import Caller
from hub.domain.sessions import ChargingSession, replaces


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAddition:
    """What to append to a stored session: `apply` takes its document and returns the session that results."""

    id: ObjectId
    apply: Callable[[bytes], ChargingSession]


def put_sessions(uow: UnitOfWork, reports: Sequence[ChargingSession]) -> list[bool | HubError]:
    """Store sessions as reported.

    Returns:
        For each whether anything changed, or Precondition `NO_ACTIVE_AGREEMENT` or `SESSION_COMPLETED`, or Stale.
    """
    stored = dict(uow.sessions.find({report.id for report in reports}))
    answers: list[bool | HubError] = []
    for report in reports:
        try:
            answers.append(_put(uow, stored, report))
        except HubError as refusal:
            answers.append(refusal)
    return answers


def append_periods(uow: UnitOfWork, additions: Sequence[SessionAddition]) -> list[bool | HubError]:
    """Append to stored sessions; answers as `put_sessions`, and NotFound for a session that was never reported."""
    stored = dict(uow.sessions.find({addition.id for addition in additions}))
    answers: list[bool | HubError] = []
    for addition in additions:
        try:
            session = stored.get(addition.id)
            if session is None:
                raise _not_found()
            answers.append(_put(uow, stored, addition.apply(session.document)))
        except HubError as refusal:
            answers.append(refusal)
    return answers


def _put(uow: UnitOfWork, stored: dict[ObjectId, ChargingSession], report: ChargingSession) -> bool:
    agreement = uow.directory.agreement_covering(report.id.party, report.emsp, report.start_time)
    if agreement is None or Service.ROAMING not in agreement.terms.services:
        raise Precondition(
            "NO_ACTIVE_AGREEMENT",
            "there is no active agreement for roaming between these parties",
            cpo=str(report.id.party),
            emsp=str(report.emsp),
        )
    if not replaces(stored.get(report.id), report):
        return False
    stored[report.id] = report
    uow.sessions.save(report)
    fact = Fact(
        kind=EntryKind.SESSION,
        owner=report.id.party,
        counterparty=report.emsp,
        subject=str(report.id),
        body=report.document,
        private=True,
    )
    uow.journal.append(Stream.REGISTRY, fact)
    return True


def get_session(uow: UnitOfWork, caller: Caller, session: ObjectId) -> ChargingSession:
    """Return a session of the caller's CPO or eMSP.

    Raises:
        NotFound: There is none, or none of the caller's.
    """
    found = uow.sessions.find([session]).get(session)
    if found is None or not (found.id.party in caller.parties or found.emsp in caller.parties):
        raise _not_found()
    return found


def _not_found() -> NotFound:
    return NotFound("SESSION_NOT_FOUND", "there is no such session")
