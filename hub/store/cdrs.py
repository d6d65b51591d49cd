"""CDRs on record."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from sqlalchemy import bindparam, select

from hub.app.directory import Directory
from hub.app.ports.cdrs import StoredCdr
from hub.domain.cdrs.record import Cdr, CdrState, Finding
from hub.domain.ids import ObjectId, fold
from hub.store.cdr_documents import read_after_taxes
from hub.store.cdr_meter import add_evidence
from hub.store.cdr_reader import ANSWER, AT_ONCE, HELD, CdrReader, read_answer
from hub.store.cdr_standings import StoredCdrStandings
from hub.store.keys import by_party
from hub.store.statements import Row, SelectIn
from hub.store.tables.cdrs import CdrRow
from hub.store.tables.routing import AuthorizationUseRow
from hub.store.types import to_micros

_ROW = CdrRow.__table__  # type: ignore[attr-defined]

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
    *ANSWER,
)
_FIND = SelectIn(select(*_STORED).where(_ROW.c.cpo == bindparam("cpo_")), _ROW.c.cdr_id)
_DOCUMENTS = SelectIn(select(_ROW.c.cdr_id, _ROW.c.document).where(_ROW.c.cpo == bindparam("cpo_")), _ROW.c.cdr_id)
_CREDITED = SelectIn(select(_ROW.c.credit_of).where(_ROW.c.cpo == bindparam("cpo_")), _ROW.c.credit_of)


class StoredCdrs(CdrReader):
    """Implements `hub.app.ports.cdrs.Cdrs`."""

    def find(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, StoredCdr]:
        """Return those that are on record; the answer's state is that of now."""
        directory = self._directory()
        found = {
            ObjectId(cpo, row[0]): _stored(row, directory)
            for cpo, number, folded in by_party(ids, directory)
            for row in _FIND.all(self._session.connection, folded, (number,))
        }
        held = [key for key, stored in found.items() if not stored.accepted]
        if held:
            for key, standing in StoredCdrStandings(self._session, self._directory).find(held).items():
                stored = found[key]
                answer = stored.answer._replace(state=standing.state, deadline=standing.open_deadline)
                found[key] = stored._replace(answer=answer)
        return found

    def credited(self, ids: Iterable[ObjectId]) -> frozenset[ObjectId]:
        """Return those that an accepted credit names."""
        directory = self._directory()
        return frozenset(
            ObjectId(cpo, row[0])
            for cpo, number, folded in by_party(ids, directory)
            for row in _CREDITED.all(self._session.connection, folded, (number,))
        )

    def after_taxes(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, Decimal]:
        """Return the total costs after taxes of those that state one."""
        read = {
            ObjectId(cpo, row[0]): read_after_taxes(bytes(row[1]))
            for cpo, number, folded in by_party(ids, self._directory())
            for row in _DOCUMENTS.all(self._session.connection, folded, (number,))
        }
        return {cdr: stated for cdr, stated in read.items() if stated is not None}

    def add(self, cdr: Cdr, stored: StoredCdr) -> None:
        """Record a CDR."""
        parties = self._directory().parties
        answer = stored.answer
        if cdr.meter is not None:
            add_evidence(self._session, parties[cdr.id.party].number, cdr.id.folded, cdr.meter)
        self._session.insert(
            CdrRow,
            (
                parties[cdr.id.party].number,
                cdr.id.folded,
                cdr.id.id,
                answer.receipt.index,
                parties[cdr.emsp].number,
                AT_ONCE if answer.state is CdrState.ACCEPTED else HELD,
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
                _findings(answer.findings) if answer.findings else "[]",
                cdr.document,
                None if answer.rated is None else int(answer.rated.scaleb(4)),
            ),
        )
        if cdr.authorization_reference:
            self._session.upsert(AuthorizationUseRow, (parties[cdr.id.party].number, cdr.authorization_reference))


def _findings(findings: Iterable[Finding]) -> str:
    return json.dumps([[f.code, int(f.severity), f.field, f.message] for f in findings])


def _stored(row: Row, directory: Directory) -> StoredCdr:
    _, digest, emsp, currency, amount, energy, country, tariff_kind, tax_date, agreement, credit, *answer = row
    return StoredCdr(
        digest=bytes(digest),
        answer=read_answer(answer),
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
