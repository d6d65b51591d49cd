"""CDRs on record."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Select, and_, bindparam, select

from hub.app.directory import Directory
from hub.app.ports.cdrs import CdrFilter, StoredCdr
from hub.domain.cdrs.record import Cdr, CdrAnswer, CdrRecord, CdrState, Finding, Severity
from hub.domain.ids import ObjectId, fold
from hub.domain.journal import Receipt
from hub.store.keys import by_party
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.cdrs import CdrRow
from hub.store.types import from_micros, to_micros

_ROW = CdrRow.__table__  # type: ignore[attr-defined]

_ANSWER = (_ROW.c.state, _ROW.c.idx, _ROW.c.leaf_hash, _ROW.c.recorded_time, _ROW.c.findings)
_STORED = (
    _ROW.c.cdr_id,
    _ROW.c.digest,
    _ROW.c.emsp,
    _ROW.c.currency,
    _ROW.c.amount,
    _ROW.c.energy,
    _ROW.c.country,
    _ROW.c.tariff_kind,
    _ROW.c.tax_date,
    _ROW.c.agreement,
    _ROW.c.credit,
    *_ANSWER,
)
_RECORD = (_ROW.c.idx, _ROW.c.cpo, _ROW.c.id_as_sent, _ROW.c.emsp, _ROW.c.agreement, _ROW.c.document, *_ANSWER)

_FIND = SelectIn(select(*_STORED).where(_ROW.c.cpo == bindparam("cpo_")), _ROW.c.cdr_id)
_CREDITED = SelectIn(select(_ROW.c.credit_of).where(_ROW.c.cpo == bindparam("cpo_")), _ROW.c.credit_of)
_GET = Statement(select(*_RECORD).where(_ROW.c.cpo == bindparam("cpo_"), _ROW.c.cdr_id == bindparam("id_")))


def _page(party: Any) -> Statement:  # noqa: ANN401 - a column
    conditions = and_(
        party == bindparam("party_"),
        _ROW.c.idx > bindparam("after"),
        _ROW.c.state.between(bindparam("state_from"), bindparam("state_to")),
        _ROW.c.end_time >= bindparam("from_"),
        _ROW.c.end_time < bindparam("before"),
    )
    page: Select[Any] = select(*_RECORD).where(conditions).order_by(_ROW.c.idx).limit(bindparam("most"))
    return Statement(page)


_PAGE_OF_CPO = _page(_ROW.c.cpo)
_PAGE_OF_EMSP = _page(_ROW.c.emsp)
_FOREVER = 1 << 62


class StoredCdrs:
    """Implements `hub.app.ports.cdrs.Cdrs`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def find(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, StoredCdr]:
        """Return those that are on record."""
        directory = self._directory()
        return {
            ObjectId(cpo, row[0]): _stored(row, directory)
            for cpo, number, folded in by_party(ids, directory)
            for row in _FIND.all(self._session.connection, folded, (number,))
        }

    def credited(self, ids: Iterable[ObjectId]) -> frozenset[ObjectId]:
        """Return those that an accepted credit names."""
        directory = self._directory()
        return frozenset(
            ObjectId(cpo, row[0])
            for cpo, number, folded in by_party(ids, directory)
            for row in _CREDITED.all(self._session.connection, folded, (number,))
        )

    def add(self, cdr: Cdr, stored: StoredCdr) -> None:
        """Record a CDR."""
        parties = self._directory().parties
        answer = stored.answer
        findings = [[f.code, int(f.severity), f.field, f.message] for f in answer.findings]
        self._session.insert(
            CdrRow,
            (
                parties[cdr.id.party].number,
                cdr.id.folded,
                cdr.id.id,
                answer.receipt.index,
                parties[cdr.emsp].number,
                int(answer.state),
                cdr.digest,
                answer.receipt.leaf_hash,
                to_micros(answer.recorded_time),
                stored.agreement,
                stored.currency,
                stored.amount,
                stored.energy,
                stored.country,
                stored.tariff_kind,
                stored.tax_date.toordinal(),
                to_micros(cdr.end_time),
                fold(cdr.session_id),
                int(cdr.credit),
                fold(cdr.credit_of) if cdr.credit and stored.accepted else None,
                json.dumps(findings) if findings else "[]",
                cdr.document,
            ),
        )

    def get(self, cdr: ObjectId) -> CdrRecord | None:
        """Return the record of one CDR."""
        directory = self._directory()
        party = directory.parties.get(cdr.party)
        rows = _GET.all(self._session.connection, (party.number, cdr.folded)) if party else []
        return _record(rows[0], directory) if rows else None

    def list(self, wanted: CdrFilter, after_index: int, limit: int) -> Sequence[CdrRecord]:
        """Return records in the order of the clearing journal."""
        directory = self._directory()
        states = (wanted.state, wanted.state) if wanted.state else (CdrState.ACCEPTED, CdrState.RETURNED)
        start = to_micros(wanted.end_time_from) if wanted.end_time_from else -_FOREVER
        end = to_micros(wanted.end_time_before) if wanted.end_time_before else _FOREVER
        pages = [
            statement.all(
                self._session.connection,
                (directory.parties[party].number, after_index, int(states[0]), int(states[1]), start, end, limit),
            )
            for party in wanted.parties
            for statement in (_PAGE_OF_CPO, _PAGE_OF_EMSP)
        ]
        # A platform may operate both sides of a CDR, which then stands in two of the pages.
        unique = {row[0]: row for page in pages for row in page}
        return [_record(unique[index], directory) for index in sorted(unique)[:limit]]


def _answer(state: int, idx: int, leaf_hash: bytes, recorded_time: int, findings: str) -> CdrAnswer:
    return CdrAnswer(
        state=CdrState(state),
        receipt=Receipt(idx, bytes(leaf_hash)),
        recorded_time=from_micros(recorded_time),
        findings=tuple(
            Finding(code=code, severity=Severity(severity), field=field, message=message)
            for code, severity, field, message in (json.loads(findings) if findings != "[]" else ())
        ),
    )


def _stored(row: Row, directory: Directory) -> StoredCdr:
    _, digest, emsp, currency, amount, energy, country, tariff_kind, tax_date, agreement, credit, *answer = row
    return StoredCdr(
        digest=bytes(digest),
        answer=_answer(*answer),
        emsp=directory.by_number[emsp].id,
        currency=currency,
        amount=amount,
        energy=energy,
        country=country,
        tariff_kind=tariff_kind,
        tax_date=date.fromordinal(tax_date),
        agreement=agreement,
        credit=bool(credit),
    )


def _record(row: Row, directory: Directory) -> CdrRecord:
    _, cpo, id_as_sent, emsp, agreement, document, *answer = row
    return CdrRecord(
        id=ObjectId(directory.by_number[cpo].id, id_as_sent),
        emsp=directory.by_number[emsp].id,
        agreement=agreement,
        document=bytes(document),
        answer=_answer(*answer),
    )
