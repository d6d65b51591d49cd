"""The completeness radar: what should be on record and is not (docs/radar.md).

Four things can be missing: the session of an authorization, the end of a session, its CDR, and the session of a CDR.
The store finds what is loose; the rules here say what that means: why it is a gap, how pressing, and who should act.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from hub.domain.cdrs.record import CdrState
from hub.domain.ids import PartyId

#: What is younger than this is no gap unless the caller says otherwise: most of it comes to something by itself.
AGE_MIN = timedelta(hours=24)
#: The least that a look back covers when the caller names no first instant.
HORIZON = timedelta(days=90)
#: What a look back covers beyond the longest time that an agreement gives for sending a CDR.
_BEYOND = timedelta(days=31)
#: A session's gap is an error once no more than this share of the time for its CDR is left: one in four.
_PRESSING_SHARE = 4

#: CDRs in these states stand for nothing: they were handed back, replaced under another id, or taken back.
_FALLEN = frozenset({CdrState.RETURNED, CdrState.RESUBMITTED, CdrState.WITHDRAWN})
#: CDRs in these stand, or may yet: accepted, stated and settled, or held until somebody has looked at them.
STANDING = tuple(state for state in CdrState if state not in _FALLEN)


class GapKind(IntEnum):
    """What is missing; the numbers are the contract's."""

    AUTHORIZATION_WITHOUT_SESSION = 1
    SESSION_WITHOUT_CDR = 2
    CDR_WITHOUT_SESSION = 3
    SESSION_WITHOUT_END = 4


class GapLevel(IntEnum):
    """How pressing a gap is; the numbers are the contract's."""

    WARNING = 1
    ERROR = 2


class GapReason(IntEnum):
    """Why it is one; the numbers are the contract's."""

    NOT_USED = 1
    NO_CDR = 2
    CDR_RETURNED = 3
    CDR_CREDITED = 4
    SESSION_UNKNOWN = 5
    SESSION_NOT_NAMED = 6
    CDR_WITHDRAWN = 7
    NOT_ENDED = 8


#: What to do, by reason.
HINTS = {
    GapReason.NOT_USED: "if the driver charged, report the session with this authorization_reference; if not, nothing",
    GapReason.NO_CDR: "submit the session's CDR before the deadline, naming the session",
    GapReason.CDR_RETURNED: "mend what the findings of the returned CDR name, and submit it under a new id",
    GapReason.CDR_WITHDRAWN: "submit the session's CDR under a new id, or leave it if nothing is to be paid",
    GapReason.CDR_CREDITED: "submit the CDR that replaces the credited one, or leave it if nothing is to be paid",
    GapReason.NOT_ENDED: "report how the session goes on, or that it is COMPLETED or INVALID",
    GapReason.SESSION_UNKNOWN: "report the session that the CDR names, or look for a mistyped session_id",
    GapReason.SESSION_NOT_NAMED: "report the session, and name it in the CDRs to come; a reservation needs none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCdr:
    """A charge (no credit) that names a session: its id, its state, and whether an accepted credit took it back."""

    id: str
    state: CdrState
    credited: bool = False

    @property
    def stands(self) -> bool:
        """Whether it closes its session's gap: a returned one does not, nor does a credited one."""
        return self.state in STANDING and not self.credited


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseAuthorization:
    """A driver was let charge, and no session or CDR of the CPO's quotes it."""

    cpo: PartyId
    emsp: PartyId
    reference: str
    recorded_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseSession:
    """A session that ended, and the charges that name it, none of which stands; the newest last."""

    cpo: PartyId
    emsp: PartyId
    id: str
    start_time: datetime
    end_time: datetime
    cdrs: tuple[SessionCdr, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseCdr:
    """A charge that stands, of a CPO that reports sessions, whose session was never reported; it may name none."""

    cpo: PartyId
    emsp: PartyId
    id: str
    session_id: str
    recorded_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentSession:
    """A session that is ACTIVE by its last report, some time ago, and has no charge that stands."""

    cpo: PartyId
    emsp: PartyId
    id: str
    start_time: datetime
    last_updated: datetime


Loose = LooseAuthorization | LooseSession | LooseCdr | SilentSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One thing that is missing, and what is to be done about it.

    Attributes:
        since: When what is there happened: the authorization was given, the session ended or was last heard of, the
            CDR came.
        deadline: Until when the gap can be closed; None when nothing ends the time for it.
        responsible: Who should act.
        authorization_reference, session_id, cdr_id: What is known of the subject; empty when it is not.
    """

    kind: GapKind
    reason: GapReason
    level: GapLevel
    cpo: PartyId
    emsp: PartyId
    since: datetime
    age: timedelta
    deadline: datetime | None
    authorization_reference: str = ""
    session_id: str = ""
    cdr_id: str = ""

    @property
    def responsible(self) -> PartyId:
        """The CPO: what can be missing is its to report."""
        return self.cpo

    @property
    def hint(self) -> str:
        """What to do, for people."""
        return HINTS[self.reason]


def closed(cdrs: Iterable[SessionCdr]) -> bool:
    """Say whether a session has the CDR it should have: one that stands."""
    return any(cdr.stands for cdr in cdrs)


def horizon(age_max: Iterable[timedelta]) -> timedelta:
    """Return how far to look back unless told: past the longest time that these agreements give for a CDR."""
    return max(HORIZON, *(each + _BEYOND for each in age_max), HORIZON)


def assess(loose: Loose, now: datetime, age_max: timedelta | None) -> Gap:
    """Say what a loose end means.

    Args:
        loose: The loose end.
        now: The present instant.
        age_max: How long after its session's end the agreement takes a CDR; None when it sets no limit.
    """
    match loose:
        case LooseAuthorization():
            return _of_authorization(loose, now)
        case LooseSession():
            return _of_session(loose, now, age_max)
        case LooseCdr():
            return _of_cdr(loose, now)
        case SilentSession():
            return _of_silence(loose, now)


def _of_authorization(loose: LooseAuthorization, now: datetime) -> Gap:
    return Gap(
        kind=GapKind.AUTHORIZATION_WITHOUT_SESSION,
        reason=GapReason.NOT_USED,
        level=GapLevel.WARNING,
        cpo=loose.cpo,
        emsp=loose.emsp,
        since=loose.recorded_time,
        age=now - loose.recorded_time,
        deadline=None,
        authorization_reference=loose.reference,
    )


def _of_session(loose: LooseSession, now: datetime, age_max: timedelta | None) -> Gap:
    deadline = None if age_max is None else loose.end_time + age_max
    pressing = deadline is not None and age_max is not None and deadline - now <= age_max / _PRESSING_SHARE
    fallen = next((cdr for cdr in reversed(loose.cdrs) if not cdr.credited), None)
    credited = next((cdr for cdr in reversed(loose.cdrs) if cdr.credited), None)
    reason, cdr = GapReason.NO_CDR, ""
    if fallen is not None:
        withdrawn = fallen.state is CdrState.WITHDRAWN
        reason, cdr = GapReason.CDR_WITHDRAWN if withdrawn else GapReason.CDR_RETURNED, fallen.id
    elif credited is not None:
        reason, cdr = GapReason.CDR_CREDITED, credited.id
    return Gap(
        kind=GapKind.SESSION_WITHOUT_CDR,
        reason=reason,
        level=GapLevel.ERROR if pressing else GapLevel.WARNING,
        cpo=loose.cpo,
        emsp=loose.emsp,
        since=loose.end_time,
        age=now - loose.end_time,
        deadline=deadline,
        session_id=loose.id,
        cdr_id=cdr,
    )


def _of_cdr(loose: LooseCdr, now: datetime) -> Gap:
    return Gap(
        kind=GapKind.CDR_WITHOUT_SESSION,
        reason=GapReason.SESSION_UNKNOWN if loose.session_id else GapReason.SESSION_NOT_NAMED,
        level=GapLevel.WARNING,
        cpo=loose.cpo,
        emsp=loose.emsp,
        since=loose.recorded_time,
        age=now - loose.recorded_time,
        deadline=None,
        session_id=loose.session_id,
        cdr_id=loose.id,
    )


def _of_silence(silent: SilentSession, now: datetime) -> Gap:
    return Gap(
        kind=GapKind.SESSION_WITHOUT_END,
        reason=GapReason.NOT_ENDED,
        level=GapLevel.WARNING,
        cpo=silent.cpo,
        emsp=silent.emsp,
        since=silent.last_updated,
        age=now - silent.last_updated,
        deadline=None,
        session_id=silent.id,
    )
