"""Reading CDRs on record: one, in the order in which they came, by what last happened, and those that wait."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select, text, tuple_

from hub.app.directory import Directory
from hub.app.ports.cdrs import CdrFilter, ReturnsFilter
from hub.domain.cdrs.record import CdrAnswer, CdrRecord, CdrState, Finding, Severity, Step
from hub.domain.cdrs.standing import WAITING, Cause
from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import Receipt
from hub.store.cdr_meter import read_evidence
from hub.store.cdr_standings import read_steps
from hub.store.keys import by_party
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.cdrs import CdrRow, CdrStandingRow
from hub.store.tables.clearing import PeriodRow, StatementRow
from hub.store.types import from_micros, to_micros

#: The states of a CDR's own row: accepted at once, or its standing says where it stands.
AT_ONCE, HELD = 1, 2

_ROW = CdrRow.__table__  # type: ignore[attr-defined]
_STANDING = CdrStandingRow.__table__  # type: ignore[attr-defined]
_PERIOD = PeriodRow.__table__  # type: ignore[attr-defined]
_STATEMENT = StatementRow.__table__  # type: ignore[attr-defined]

#: What `read_answer` takes.
ANSWER = (_ROW.c.state, _ROW.c.idx, _ROW.c.leaf_hash, _ROW.c.recorded_time, _ROW.c.findings, _ROW.c.rated)
_RECORD = (
    _ROW.c.cpo,
    _ROW.c.id_as_sent,
    _ROW.c.emsp,
    _ROW.c.agreement,
    _ROW.c.currency,
    _ROW.c.document,
    _STANDING.c.state,
    _STANDING.c.deadline,
    _STANDING.c.replacement,
    _STANDING.c.steps,
    *ANSWER,
)
_SAME = and_(_STANDING.c.cpo == _ROW.c.cpo, _STANDING.c.cdr_id == _ROW.c.cdr_id)
#: Where a record's row has its index in the clearing journal.
_IDX = [column.name for column in _RECORD].index("idx")
#: Every CDR, with its standing where it has one.
_EVERY: Select[Any] = select(*_RECORD).select_from(_ROW.outerjoin(_STANDING, and_(text("cdr.state = 2"), _SAME)))
#: Those that have a standing, found by it.
_HELD: Select[Any] = select(*_RECORD).select_from(_STANDING.join(_ROW, _SAME))

_GET = Statement(_EVERY.where(_ROW.c.cpo == bindparam("cpo_"), _ROW.c.cdr_id == bindparam("id_")))
_REPLACED = SelectIn(
    select(_STANDING.c.replaced_by, _STANDING.c.id_as_sent).where(_STANDING.c.cpo == bindparam("cpo_")),
    _STANDING.c.replaced_by,
)


def _page(party: Any, other: Any) -> Statement:  # noqa: ANN401 - columns
    return Statement(
        _EVERY.where(
            party == bindparam("party_"),
            other.between(bindparam("other_from"), bindparam("other_to")),
            _ROW.c.idx > bindparam("after"),
            _ROW.c.idx < bindparam("until"),
            func.coalesce(_STANDING.c.state, _ROW.c.state).between(bindparam("state_from"), bindparam("state_to")),
            _ROW.c.end_time >= bindparam("from_"),
            _ROW.c.end_time < bindparam("before"),
        )
        .order_by(_ROW.c.idx)
        .limit(bindparam("most"))
    )


def _changed(select_from: Select[Any], party: Any, index: Any, *conditions: Any) -> Statement:  # noqa: ANN401 - columns
    found = select_from.where(party == bindparam("party_"), index > bindparam("after"), *conditions)
    return Statement(found.order_by(index).limit(bindparam("most")))


def _waiting(party: Any) -> Statement:  # noqa: ANN401 - a column
    return Statement(
        _HELD.where(
            party == bindparam("party_"),
            text("cdr_standing.state IN (2, 3)"),
            tuple_(_STANDING.c.deadline, _STANDING.c.idx) > tuple_(bindparam("deadline_"), bindparam("idx_")),
            _STANDING.c.deadline < bindparam("before"),
            _STANDING.c.state.between(bindparam("state_from"), bindparam("state_to")),
        )
        .order_by(_STANDING.c.deadline, _STANDING.c.idx)
        .limit(bindparam("most"))
    )


_PAGE_OF_CPO, _PAGE_OF_EMSP = _page(_ROW.c.cpo, _ROW.c.emsp), _page(_ROW.c.emsp, _ROW.c.cpo)
_AT_ONCE = text("cdr.state = 1")
_CHANGES = (
    _changed(_EVERY, _ROW.c.cpo, _ROW.c.idx, _AT_ONCE),
    _changed(_EVERY, _ROW.c.emsp, _ROW.c.idx, _AT_ONCE),
    _changed(_HELD, _STANDING.c.cpo, _STANDING.c.idx),
    _changed(_HELD, _STANDING.c.emsp, _STANDING.c.idx),
)
_WAITING_FOR_CPO, _WAITING_FOR_EMSP = _waiting(_STANDING.c.cpo), _waiting(_STANDING.c.emsp)
_FOREVER = 1 << 62


class CdrReader:
    """The reading half of `hub.app.ports.cdrs.Cdrs`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def get(self, cdr: ObjectId) -> CdrRecord | None:
        """Return the record of one CDR."""
        # What this use case has recorded itself is still waiting to be written.
        self._session.flush()
        party = self._directory().parties.get(cdr.party)
        rows = _GET.all(self._session.connection, (party.number, cdr.folded)) if party else []
        records = self._stated(self._records(rows))
        return records[0] if records else None

    def list(self, wanted: CdrFilter, after_index: int, limit: int) -> Sequence[CdrRecord]:
        """Return records in the order in which they came into the clearing journal."""
        state = int(wanted.state) if wanted.state else None
        start = to_micros(wanted.end_time_from) if wanted.end_time_from else -_FOREVER
        end = to_micros(wanted.end_time_before) if wanted.end_time_before else _FOREVER
        others = self._numbers([wanted.counterparty] if wanted.counterparty else [])
        if wanted.counterparty and not others:
            return []
        other_from, other_to = (others[0], others[0]) if others else (0, _FOREVER)
        found: dict[Row, Row] = {}
        until = _FOREVER
        for number, page in self._sides(wanted.parties, _PAGE_OF_CPO, _PAGE_OF_EMSP):
            between = (number, other_from, other_to, after_index, until)
            chosen = (*between, state or 0, state or max(CdrState), start, end, limit)
            found |= {row[:2]: row for row in page.all(self._session.connection, chosen)}
            if len(found) >= limit:
                # Of further parties only what comes before all these: of a thousand parties that is little or nothing.
                first = sorted(found.values(), key=itemgetter(_IDX))[:limit]
                found, until = {row[:2]: row for row in first}, first[-1][_IDX]
        records = sorted(self._records(list(found.values())), key=lambda record: record.answer.receipt.index)
        return self._stated(records)

    def changes(self, parties: Iterable[PartyId], after_index: int, limit: int) -> Sequence[CdrRecord]:
        """Return records in the order of what last happened to them."""
        rows: list[Row] = []
        for number in self._numbers(parties):
            for page in _CHANGES:
                rows += page.all(self._session.connection, (number, after_index, limit))
        return sorted(self._records(rows), key=lambda record: record.last_index)[:limit]

    def returns(self, wanted: ReturnsFilter, after: tuple[int, int] | None, limit: int) -> Sequence[CdrRecord]:
        """Return records that wait for somebody, by deadline."""
        before = to_micros(wanted.deadline_before) if wanted.deadline_before else _FOREVER
        rows: list[Row] = []
        acting = wanted.acting and wanted.parties is not None
        for number, page in self._sides(wanted.parties, _WAITING_FOR_CPO, _WAITING_FOR_EMSP):
            acts_on = CdrState.RETURNED if page is _WAITING_FOR_CPO else CdrState.QUARANTINED
            states = {acts_on} if acting else WAITING
            if wanted.state is not None:
                states &= {wanted.state}
            if states:
                chosen = (number, *(after or (-_FOREVER, -1)), before, min(states), max(states), limit)
                rows += page.all(self._session.connection, chosen)
        return sorted(self._records(rows), key=_due)[:limit]

    def _sides(
        self, parties: Iterable[PartyId] | None, of_cpo: Statement, of_emsp: Statement
    ) -> Iterator[tuple[int, Statement]]:
        """Yield the numbers of parties with the statement of each side; every CDR has a CPO, so one side shows all."""
        for number in self._numbers(self._directory().parties if parties is None else parties):
            yield number, of_cpo
            if parties is not None:
                yield number, of_emsp

    def _numbers(self, parties: Iterable[PartyId]) -> Sequence[int]:
        known = self._directory().parties
        return [known[party].number for party in parties if party in known]

    def _records(self, rows: Sequence[Row]) -> Sequence[CdrRecord]:
        """Return the records of rows, each once: a platform may operate both sides of a CDR, which then comes twice."""
        directory = self._directory()
        records = list({row[0:2]: _record(row, directory) for row in rows}.values())
        if not records:
            return records
        replaced = {
            ObjectId(party, by): former
            for party, number, folded in by_party((record.id for record in records), directory)
            for by, former in _REPLACED.all(self._session.connection, folded, (number,))
        }
        if replaced:
            records = [replace(r, replaces=replaced[r.id]) if r.id in replaced else r for r in records]
        proven = read_evidence(self._session, directory, (record.id for record in records))
        if proven:
            records = [replace(r, meter=proven[r.id]) if r.id in proven else r for r in records]
        return records

    def _stated(self, records: Sequence[CdrRecord]) -> Sequence[CdrRecord]:
        """Add what statements say: an accepted CDR stands in that of its period and currency once it is issued."""
        indexes = [record.accepted_index for record in records if record.accepted_index is not None]
        if not indexes:
            return records
        agreements = {record.agreement for record in records}
        ended = select(_PERIOD.c.name, _PERIOD.c.agreement, _PERIOD.c.first_index, _PERIOD.c.end_index, _PERIOD.c.state)
        ended = ended.where(
            _PERIOD.c.agreement.in_(agreements),
            _PERIOD.c.first_index <= max(indexes),
            _PERIOD.c.end_index > min(indexes),
            _PERIOD.c.state != "VOID",
        )
        connection = self._session.connection
        periods = [tuple(row) for row in connection.execute(ended)]
        issued = select(_STATEMENT.c.name).where(
            _STATEMENT.c.period.in_([period[0] for period in periods]), _STATEMENT.c.state != "DRAFT"
        )
        names = {row[0] for row in connection.execute(issued)} if periods else set()
        return [_with_statement(record, periods, names) for record in records] if names else records


def _with_statement(record: CdrRecord, periods: Iterable[Row], issued: set[str]) -> CdrRecord:
    index = record.accepted_index
    if index is None:
        return record
    for period, agreement, first_index, end_index, state in periods:
        name = f"{period}/statements/{record.currency.lower()}"
        if agreement == record.agreement and first_index <= index < end_index and name in issued:
            stands = CdrState.SETTLED if state == "SETTLED" else CdrState.STATED
            return replace(record, statement=name, answer=record.answer._replace(state=stands))
    return record


def _due(record: CdrRecord) -> tuple[int, int]:
    assert record.answer.deadline is not None
    return to_micros(record.answer.deadline), record.last_index


def read_answer(columns: Sequence[Any]) -> CdrAnswer:
    """Return the answer that a CDR's own row holds, of its columns `ANSWER`."""
    state, idx, leaf_hash, recorded_time, findings, rated = columns
    return CdrAnswer(
        state=CdrState(state),
        receipt=Receipt(idx, bytes(leaf_hash)),
        recorded_time=from_micros(recorded_time),
        findings=tuple(
            Finding(code=code, severity=Severity(severity), field=field, message=message)
            for code, severity, field, message in (json.loads(findings) if findings != "[]" else ())
        ),
        rated=None if rated is None else Decimal(rated).scaleb(-4),
    )


def _record(row: Row, directory: Directory) -> CdrRecord:
    cpo, id_as_sent, emsp, agreement, currency, document, state, deadline, replacement, written, *answer = row
    key, payer, given = (
        ObjectId(directory.by_number[cpo].id, id_as_sent),
        directory.by_number[emsp].id,
        read_answer(answer),
    )
    awaited = None
    if state is None:
        steps: tuple[Step, ...] = (Step(given.state, given.receipt.index, given.recorded_time, Cause.CHECKS),)
    else:
        steps = read_steps(written)
        stands = CdrState(state)
        waiting = stands in WAITING
        given = given._replace(state=stands, deadline=from_micros(deadline) if waiting else None)
        if waiting:
            awaited = key.party if stands is CdrState.RETURNED else payer
    return CdrRecord(
        id=key,
        emsp=payer,
        agreement=agreement,
        currency=currency,
        document=bytes(document),
        answer=given,
        steps=steps,
        awaited=awaited,
        replaced_by=replacement or "",
    )
