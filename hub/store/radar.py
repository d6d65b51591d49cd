"""Loose ends, found by anti-joins over the keys of what is stored.

Nothing is written for their sake but when a session ended, and which authorizations were quoted.

Every lane is a walk along one index of one party, within a window of time, that looks each row up in one other index.
A window of time is a range of journal indexes for CDRs, and one of references for authorizations: both are ordered by
time.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from roamhub.v1.cdr_object_pb2 import Cdr
from roamhub.v1.session_object_pb2 import Session as SessionMessage
from sqlalchemy import ColumnElement, Exists, bindparam, exists, func, literal_column, or_, select, text
from sqlalchemy.sql.expression import tuple_

from hub.app.directory import Directory
from hub.app.ports.radar import Beat, Key, Lane, Radar, Window
from hub.domain.cdrs.record import CdrState
from hub.domain.clock import uuid7
from hub.domain.radar import STANDING, Loose, LooseAuthorization, LooseCdr, LooseSession, SessionCdr, SilentSession
from hub.store.journal import JournalTimes
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.cdrs import CdrRow, CdrStandingRow
from hub.store.tables.routing import AuthorizationRow, AuthorizationUseRow
from hub.store.tables.sessions import ChargingSessionRow
from hub.store.types import from_micros, to_micros

_S = ChargingSessionRow.__table__.alias("s")  # type: ignore[attr-defined]
_C = CdrRow.__table__.alias("c")  # type: ignore[attr-defined]
_STANDING = CdrStandingRow.__table__.alias("t")  # type: ignore[attr-defined]
_CREDIT = CdrRow.__table__.alias("k")  # type: ignore[attr-defined]
_A = AuthorizationRow.__table__.alias("a")  # type: ignore[attr-defined]
_USE = AuthorizationUseRow.__table__.alias("u")  # type: ignore[attr-defined]
_ANY_CDR = CdrRow.__table__.alias("x")  # type: ignore[attr-defined]
_ANY_SESSION = ChargingSessionRow.__table__.alias("y")  # type: ignore[attr-defined]
_ANY_USE = AuthorizationUseRow.__table__.alias("z")  # type: ignore[attr-defined]

#: An answer may be recorded later than its reference was made, by as long as the eMSP took; clocks may be set back.
_SLACK = timedelta(hours=1)

#: Literals, not parameters: the partial indexes serve queries that say so.
_ENDED = text("s.state = 2")
_ACTIVE = text("s.state = 1")
_COMMANDED = text("a.source = 4")
_LET_IN = text("a.allowed = 1")
_STANDING_NOW = text(f"t.state IN ({', '.join(str(int(state)) for state in STANDING)})")
_CHARGE = text("c.credit = 0")


def _one(*conditions: Any) -> Exists:  # noqa: ANN401 - columns and texts
    return exists(1).where(*conditions)


#: Accepted at once, or its standing says that it stands.
_OWN_STANDING = (_STANDING.c.cpo == _C.c.cpo, _STANDING.c.cdr_id == _C.c.cdr_id)
_STANDS = or_(text("c.state = 1"), _one(*_OWN_STANDING, _STANDING_NOW))
_STATE_NOW = func.coalesce(select(_STANDING.c.state).where(*_OWN_STANDING).correlate(_C).scalar_subquery(), _C.c.state)
_NOT_CREDITED = ~_one(_CREDIT.c.cpo == _C.c.cpo, _CREDIT.c.credit_of == _C.c.cdr_id)
_HAS_CDR = _one(_C.c.cpo == _S.c.cpo, _C.c.session_id == _S.c.session_id, _STANDS, _CHARGE, _NOT_CREDITED)
_HAS_SESSION = _one(_S.c.cpo == _C.c.cpo, _S.c.session_id == _C.c.session_id)
#: The CPO had reported a session by then: before, or where it never does, none can be missing.
_REPORTS_SESSIONS = _C.c.end_time >= (
    select(func.min(_ANY_SESSION.c.end_time))
    .where(_ANY_SESSION.c.cpo == _C.c.cpo, text("y.state = 2"))
    .correlate(_C)
    .scalar_subquery()
)
_QUOTED = _one(_USE.c.cpo == _A.c.cpo, _USE.c.reference == _A.c.reference)
#: A CPO that reports and never quotes a reference (OCPI 2.1.1 has none) leaves open which sessions were authorized.
_QUOTES = or_(
    _one(_ANY_USE.c.cpo == _A.c.cpo),
    ~or_(_one(_ANY_SESSION.c.cpo == _A.c.cpo), _one(_ANY_CDR.c.cpo == _A.c.cpo)),
)


class _Pass(NamedTuple):
    """A lane from one side: its page, its count and the other side's part in both."""

    page: Statement
    total: Statement


def _pass(
    columns: Sequence[ColumnElement[Any]],
    instant: ColumnElement[Any],
    order: Sequence[ColumnElement[Any]],
    *conditions: Any,  # noqa: ANN401 - columns and texts
) -> _Pass:
    """Return the statements of a lane; parameters: those of the conditions, then the place's, then the limit."""
    place = tuple_(*order) > tuple_(*(bindparam(f"after_{number}") for number in range(len(order))))
    return _Pass(
        Statement(select(*columns).where(*conditions, place).order_by(*order).limit(bindparam("most"))),
        Statement(select(func.count(), func.min(instant)).select_from(instant.table).where(*conditions)),
    )


def one_or_all(other: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return a condition that never leads a planner to another index than the own party's; see `other_party`."""
    return or_(literal_column("0") == bindparam("other_given"), other == bindparam("other_"))


def other_party(number: int | None) -> Row:
    """Return the parameters of `one_or_all`: one party, or None for all."""
    return (0, 0) if number is None else (1, number)


def _sides(table: Any, side: str) -> list[Any]:  # noqa: ANN401 - an alias
    """Return the conditions on whose rows: one party's, and of the other side one or all."""
    other = table.c.emsp if side == "cpo" else table.c.cpo
    return [table.c[side] == bindparam("own"), one_or_all(other)]


def _between(column: ColumnElement[Any], name: str) -> list[Any]:
    return [column >= bindparam(f"{name}_from"), column < bindparam(f"{name}_before")]


def _sessions(side: str) -> _Pass:
    columns = (_S.c.end_time, _S.c.cpo, _S.c.session_id, _S.c.emsp, _S.c.start_time, _S.c.document)
    order = (_S.c.end_time, _S.c.cpo, _S.c.session_id)
    return _pass(columns, _S.c.end_time, order, _ENDED, *_sides(_S, side), *_between(_S.c.end_time, "time"), ~_HAS_CDR)


def _silent(side: str) -> _Pass:
    columns = (_S.c.last_updated, _S.c.cpo, _S.c.session_id, _S.c.emsp, _S.c.start_time, _S.c.document)
    time, order = _S.c.last_updated, (_S.c.last_updated, _S.c.cpo, _S.c.session_id)
    return _pass(columns, time, order, _ACTIVE, *_sides(_S, side), *_between(time, "time"), ~_HAS_CDR)


def _cdrs(side: str) -> _Pass:
    columns = (_C.c.idx, _C.c.cpo, _C.c.id_as_sent, _C.c.emsp, _C.c.recorded_time, _C.c.document)
    return _pass(
        columns,
        _C.c.recorded_time,
        (_C.c.idx,),
        *_sides(_C, side),
        *_between(_C.c.idx, "idx"),
        *_between(_C.c.recorded_time, "time"),
        _STANDS,
        _CHARGE,
        ~_HAS_SESSION,
        _REPORTS_SESSIONS,
        _NOT_CREDITED,
    )


def _authorizations(side: str) -> _Pass:
    columns = (_A.c.reference, _A.c.cpo, _A.c.emsp, _A.c.recorded_time)
    return _pass(
        columns,
        _A.c.recorded_time,
        (_A.c.reference, _A.c.cpo),
        *_sides(_A, side),
        *_between(_A.c.reference, "reference"),
        *_between(_A.c.recorded_time, "time"),
        text("a.source <> 4"),
        _LET_IN,
        ~_QUOTED,
        _QUOTES,
    )


def _commanded(side: str) -> _Pass:
    columns = (_A.c.reference, _A.c.cpo, _A.c.emsp, _A.c.recorded_time)
    order = (_A.c.recorded_time, _A.c.cpo, _A.c.reference)
    return _pass(
        columns,
        _A.c.recorded_time,
        order,
        *_sides(_A, side),
        *_between(_A.c.recorded_time, "time"),
        _COMMANDED,
        _LET_IN,
        ~_QUOTED,
        _QUOTES,
    )


_PASSES = {
    (lane, side): made(side)
    for lane, made in (
        (Lane.ENDED_SESSIONS, _sessions),
        (Lane.CDRS, _cdrs),
        (Lane.AUTHORIZATIONS, _authorizations),
        (Lane.COMMANDED_AUTHORIZATIONS, _commanded),
        (Lane.SILENT_SESSIONS, _silent),
    )
    for side in ("cpo", "emsp")
}
_ENDED_COUNT = {
    side: Statement(
        select(func.count()).select_from(_S).where(_ENDED, *_sides(_S, side), *_between(_S.c.end_time, "time"))
    )
    for side in ("cpo", "emsp")
}
#: The charges that name a session, for telling why none of them closes its gap.
_CHARGES = SelectIn(
    select(_C.c.session_id, _C.c.idx, _C.c.id_as_sent, _STATE_NOW, ~_NOT_CREDITED).where(
        _C.c.cpo == bindparam("cpo_"), _CHARGE
    ),
    _C.c.session_id,
)


class StoredRadar:
    """Implements `hub.app.ports.radar.Radar`.

    Args:
        session: The transaction's.
        directory: Returns the directory.
        times: Finds entries of the clearing journal by time.
    """

    def __init__(self, session: Session, directory: Callable[[], Directory], times: JournalTimes) -> None:
        self._session = session
        self._directory = directory
        self._times = times

    def loose(self, lane: Lane, beat: Beat, window: Window, after: Key, limit: int) -> Sequence[tuple[Key, Loose]]:
        """Return loose ends in order."""
        found = self._found(lane, beat, window)
        if found is None:
            return []
        passes, arguments = found
        places: dict[Lane, Row] = {
            Lane.ENDED_SESSIONS: after,
            Lane.CDRS: (after.order,),
            Lane.AUTHORIZATIONS: (after.id, after.cpo),
            Lane.COMMANDED_AUTHORIZATIONS: after,
            Lane.SILENT_SESSIONS: after,
        }
        rows = passes.page.all(self._session.connection, (*arguments, *places[lane], limit))
        if lane is Lane.ENDED_SESSIONS:
            return self._loose_sessions(rows)
        if lane is Lane.SILENT_SESSIONS:
            return [self._silent_session(row) for row in rows]
        return [self._loose_cdr(row) if lane is Lane.CDRS else self._loose_authorization(lane, row) for row in rows]

    def count(self, lane: Lane, beat: Beat, window: Window) -> tuple[int, datetime | None]:
        """Count, and tell the oldest."""
        found = self._found(lane, beat, window)
        if found is None:
            return 0, None
        passes, arguments = found
        number, oldest = passes.total.all(self._session.connection, arguments)[0]
        return number, None if oldest is None else from_micros(oldest)

    def ended_sessions(self, beat: Beat, window: Window) -> int:
        """Count sessions that ended."""
        sides = self._sides(beat)
        if sides is None:
            return 0
        side, arguments = sides
        arguments = (*arguments, to_micros(window.start), to_micros(window.end))
        number: int = _ENDED_COUNT[side].all(self._session.connection, arguments)[0][0]
        return number

    def _found(self, lane: Lane, beat: Beat, window: Window) -> tuple[_Pass, Row] | None:
        """Return a lane's statements and the parameters of their conditions; None for parties there are not."""
        sides = self._sides(beat)
        if sides is None or window.start >= window.end:
            return None
        side, arguments = sides
        times = to_micros(window.start), to_micros(window.end)
        if lane is Lane.CDRS:
            arguments = (*arguments, self._times.index_at(times[0]), self._times.index_at(times[1]))
        elif lane is Lane.AUTHORIZATIONS:
            arguments = (*arguments, uuid7(window.start - _SLACK, bytes(10)), uuid7(window.end, bytes([255] * 10)))
        return _PASSES[lane, side], (*arguments, *times)

    def _sides(self, beat: Beat) -> tuple[str, Row] | None:
        parties = self._directory().parties
        own, other = (beat.cpo, beat.emsp) if beat.cpo is not None else (beat.emsp, None)
        if own is None or own not in parties or (other is not None and other not in parties):
            return None
        others = other_party(None if other is None else parties[other].number)
        return "emsp" if beat.cpo is None else "cpo", (parties[own].number, *others)

    def _loose_sessions(self, rows: Sequence[Row]) -> Sequence[tuple[Key, Loose]]:
        numbers = self._directory().by_number
        charges = self._charges(rows)
        return [
            (
                Key(end_time, cpo, session_id),
                LooseSession(
                    cpo=numbers[cpo].id,
                    emsp=numbers[emsp].id,
                    id=SessionMessage.FromString(bytes(document)).id,
                    start_time=from_micros(start_time),
                    end_time=from_micros(end_time),
                    cdrs=tuple(charges.get((cpo, session_id), ())),
                ),
            )
            for end_time, cpo, session_id, emsp, start_time, document in rows
        ]

    def _charges(self, sessions: Sequence[Row]) -> dict[tuple[int, str], list[SessionCdr]]:
        named: dict[int, list[str]] = {}
        for _, cpo, session_id, *_ in sessions:
            named.setdefault(cpo, []).append(session_id)
        charges: dict[tuple[int, str], list[SessionCdr]] = {}
        for cpo, ids in named.items():
            rows = _CHARGES.all(self._session.connection, ids, (cpo,))
            for session_id, _, id_as_sent, state, credited in sorted(rows, key=lambda row: row[1]):
                charge = SessionCdr(id=id_as_sent, state=CdrState(state), credited=bool(credited))
                charges.setdefault((cpo, session_id), []).append(charge)
        return charges

    def _silent_session(self, row: Row) -> tuple[Key, Loose]:
        numbers = self._directory().by_number
        last_updated, cpo, session_id, emsp, start_time, document = row
        return Key(last_updated, cpo, session_id), SilentSession(
            cpo=numbers[cpo].id,
            emsp=numbers[emsp].id,
            id=SessionMessage.FromString(bytes(document)).id,
            start_time=from_micros(start_time),
            last_updated=from_micros(last_updated),
        )

    def _loose_cdr(self, row: Row) -> tuple[Key, Loose]:
        numbers = self._directory().by_number
        idx, cpo, id_as_sent, emsp, recorded_time, document = row
        return Key(idx, cpo, ""), LooseCdr(
            cpo=numbers[cpo].id,
            emsp=numbers[emsp].id,
            id=id_as_sent,
            session_id=Cdr.FromString(bytes(document)).session_id,
            recorded_time=from_micros(recorded_time),
        )

    def _loose_authorization(self, lane: Lane, row: Row) -> tuple[Key, Loose]:
        numbers = self._directory().by_number
        reference, cpo, emsp, recorded_time = row
        order = 0 if lane is Lane.AUTHORIZATIONS else recorded_time
        return Key(order, cpo, reference), LooseAuthorization(
            cpo=numbers[cpo].id,
            emsp=numbers[emsp].id,
            reference=reference,
            recorded_time=from_micros(recorded_time),
        )


_: type[Radar] = StoredRadar
