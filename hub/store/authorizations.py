"""Authorizations given, one row each."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select

from hub.app.directory import Directory
from hub.app.ports.authorizations import AuthorizationFilter, Authorizations
from hub.domain.authorizations import Allowed, Authorization, AuthorizationFacts, Place, Source
from hub.domain.ids import PartyId, fold, fold_uid
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.routing import AuthorizationRow
from hub.store.types import from_micros, to_micros

_ROW = AuthorizationRow.__table__  # type: ignore[attr-defined]
_FACTS = SelectIn(
    select(
        _ROW.c.reference, _ROW.c.emsp, _ROW.c.token_uid, _ROW.c.allowed, _ROW.c.recorded_time, _ROW.c.location_id
    ).where(_ROW.c.cpo == bindparam("cpo_")),
    _ROW.c.reference,
)
_OF_CPO = SelectIn(select(*_ROW.c).where(_ROW.c.reference == bindparam("reference_")), _ROW.c.cpo)
_OF_EMSP = SelectIn(select(*_ROW.c).where(_ROW.c.reference == bindparam("reference_")), _ROW.c.emsp)


def _page(column: ColumnElement[Any], *, first: bool) -> Statement:
    """Return the query of one page of a party's records: the first one, or the one below a reference."""
    page = select(*_ROW.c).where(
        column == bindparam("party_"),
        _ROW.c.recorded_time >= bindparam("start_"),
        _ROW.c.recorded_time < bindparam("end_"),
    )
    if not first:
        page = page.where(_ROW.c.reference < bindparam("before_"))
    return Statement(page.order_by(_ROW.c.reference.desc()).limit(bindparam("most_")))


_FIRST = [_page(column, first=True) for column in (_ROW.c.cpo, _ROW.c.emsp)]
_NEXT = [_page(column, first=False) for column in (_ROW.c.cpo, _ROW.c.emsp)]
_FOREVER = 1 << 62


class StoredAuthorizations:
    """Implements `hub.app.ports.authorizations.Authorizations`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def add(self, authorization: Authorization) -> None:
        """Queue the row."""
        parties = self._directory().parties
        place = authorization.place
        self._session.insert(
            AuthorizationRow,
            (
                parties[authorization.cpo].number,
                authorization.reference,
                None if authorization.emsp is None else parties[authorization.emsp].number,
                authorization.token_uid,
                authorization.token_type,
                authorization.contract_id,
                int(authorization.allowed),
                int(authorization.source),
                authorization.reason,
                authorization.agreement,
                authorization.clause,
                "" if place is None else place.location_id,
                "" if place is None else _to_text(place.evse_uids),
                "" if place is None else _to_text(place.connector_ids),
                authorization.info_document,
                authorization.emsp_reference,
                to_micros(authorization.recorded_time),
            ),
        )

    def find_many(self, keys: Iterable[tuple[int, str]]) -> Mapping[tuple[int, str], AuthorizationFacts]:
        """Return what checks need, one IN-select for each CPO."""
        by_cpo: dict[int, set[str]] = {}
        for cpo, reference in keys:
            by_cpo.setdefault(cpo, set()).add(reference)
        self._session.flush()
        return {
            (cpo, reference): AuthorizationFacts(
                reference=reference,
                cpo=cpo,
                emsp=emsp,
                token_uid=fold_uid(token_uid),
                allowed=allowed == Allowed.ALLOWED,
                recorded_time=from_micros(recorded_time),
                location_id=fold(location_id),
            )
            for cpo, references in by_cpo.items()
            for reference, emsp, token_uid, allowed, recorded_time, location_id in _FACTS.all(
                self._session.connection, references, (cpo,)
            )
        }

    def find(self, reference: str, parties: Collection[PartyId]) -> Authorization | None:
        """Return one record."""
        numbers = _numbers(self._directory(), parties)
        for statement in (_OF_CPO, _OF_EMSP) if numbers else ():
            rows = statement.all(self._session.connection, numbers, (reference,))
            if rows:
                return self._from_row(rows[0])
        return None

    def list(self, wanted: AuthorizationFilter, before_reference: str, limit: int) -> Sequence[Authorization]:
        """Return one page, the newest first."""
        directory = self._directory()
        party = directory.parties.get(wanted.party)
        if party is None:
            return []
        start = -_FOREVER if wanted.start is None else to_micros(wanted.start)
        end = _FOREVER if wanted.end is None else to_micros(wanted.end)
        below = (before_reference,) if before_reference else ()
        parameters = party.number, start, end, *below, limit
        statements = _NEXT if below else _FIRST
        found = {
            row[:2]: row for statement in statements for row in statement.all(self._session.connection, parameters)
        }
        newest = sorted(found.values(), key=lambda row: row[1], reverse=True)[:limit]
        return [self._from_row(row) for row in newest]

    def _from_row(self, row: Row) -> Authorization:
        numbers = self._directory().by_number
        return Authorization(
            cpo=numbers[row[0]].id,
            reference=row[1],
            emsp=None if row[2] is None else numbers[row[2]].id,
            token_uid=row[3],
            token_type=row[4],
            contract_id=row[5],
            allowed=Allowed(row[6]),
            source=Source(row[7]),
            reason=row[8],
            agreement=row[9],
            clause=row[10],
            place=Place(location_id=row[11], evse_uids=_from_text(row[12]), connector_ids=_from_text(row[13]))
            if row[11]
            else None,
            token_document=b"",
            info_document=bytes(row[14]),
            emsp_reference=row[15],
            recorded_time=from_micros(row[16]),
        )


def _numbers(directory: Directory, parties: Collection[PartyId]) -> "list[int]":
    return [directory.parties[party].number for party in parties if party in directory.parties]


def _to_text(ids: tuple[str, ...]) -> str:
    # As json.dumps would, which is too slow for every authorization.
    return f"[{','.join(map(encode_basestring_ascii, ids))}]" if ids else ""


def _from_text(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text)) if text else ()


_: type[Authorizations] = StoredAuthorizations
