"""Charging sessions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.sql.expression import tuple_

from hub.app.directory import Directory
from hub.domain.cdrs.checks import KnownSession
from hub.domain.ids import ObjectId, PartyId, fold_uid
from hub.domain.sessions import ChargingSession, SessionState
from hub.store.keys import by_party
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.routing import AuthorizationUseRow
from hub.store.tables.sessions import ChargingSessionRow
from hub.store.types import from_micros, to_micros

_ROW = ChargingSessionRow.__table__  # type: ignore[attr-defined]
_FIND = SelectIn(select(*_ROW.c).where(_ROW.c.cpo == bindparam("cpo_")), _ROW.c.session_id)
_KNOWN = SelectIn(
    select(_ROW.c.session_id, _ROW.c.emsp, _ROW.c.token_uid).where(_ROW.c.cpo == bindparam("cpo_")), _ROW.c.session_id
)


def _page(party: Any) -> Statement:  # noqa: ANN401 - a column
    return Statement(
        select(*_ROW.c)
        .where(
            party == bindparam("party_"),
            tuple_(_ROW.c.cpo, _ROW.c.session_id) > tuple_(bindparam("cpo_"), bindparam("session_")),
            _ROW.c.state.between(bindparam("state_from"), bindparam("state_to")),
        )
        .order_by(_ROW.c.cpo, _ROW.c.session_id)
        .limit(bindparam("most"))
    )


_PAGE_OF_CPO = _page(_ROW.c.cpo)
_PAGE_OF_EMSP = _page(_ROW.c.emsp)


class StoredSessions:
    """Implements `hub.app.ports.sessions.ChargingSessions`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def find(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, ChargingSession]:
        """Return those that are stored."""
        directory = self._directory()
        return {
            ObjectId(cpo, row[1]): _from_row(row, directory)
            for cpo, number, folded in by_party(ids, directory)
            for row in _FIND.all(self._session.connection, folded, (number,))
        }

    def known(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, KnownSession]:
        """Return the eMSP and token of those that are stored."""
        directory = self._directory()
        return {
            ObjectId(cpo, session_id): KnownSession(emsp=directory.by_number[emsp].id, token_uid=fold_uid(token_uid))
            for cpo, number, folded in by_party(ids, directory)
            for session_id, emsp, token_uid in _KNOWN.all(self._session.connection, folded, (number,))
        }

    def save(self, session: ChargingSession) -> None:
        """Insert or replace."""
        parties = self._directory().parties
        self._session.upsert(
            ChargingSessionRow,
            (
                parties[session.id.party].number,
                session.id.folded,
                parties[session.emsp].number,
                int(session.state),
                fold_uid(session.token_uid),
                to_micros(session.start_time),
                to_micros(session.last_updated),
                session.document,
                None if session.end_time is None else to_micros(session.end_time),
            ),
        )
        if session.authorization_reference:
            use = (parties[session.id.party].number, session.authorization_reference)
            self._session.upsert(AuthorizationUseRow, use)

    def list(
        self, parties: frozenset[PartyId], state: SessionState | None, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[tuple[int, str], ChargingSession]]:
        """Return a page by position."""
        directory = self._directory()
        states = (state, state) if state else (min(SessionState), max(SessionState))
        rows: dict[tuple[int, str], Row] = {}
        for party in parties:
            for statement in (_PAGE_OF_CPO, _PAGE_OF_EMSP):
                arguments = (directory.parties[party].number, *after, int(states[0]), int(states[1]), limit)
                rows |= {(row[0], row[1]): row for row in statement.all(self._session.connection, arguments)}
        return [(position, _from_row(rows[position], directory)) for position in sorted(rows)[:limit]]


def _from_row(row: Row, directory: Directory) -> ChargingSession:
    cpo, session_id, emsp, state, token_uid, start_time, last_updated, document, end_time = row
    return ChargingSession(
        id=ObjectId(directory.by_number[cpo].id, session_id),
        emsp=directory.by_number[emsp].id,
        token_uid=token_uid,
        state=SessionState(state),
        start_time=from_micros(start_time),
        last_updated=from_micros(last_updated),
        document=bytes(document),
        end_time=None if end_time is None else from_micros(end_time),
    )
