"""Periods, statements, acknowledgements and postings."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, or_, select, text, tuple_
from sqlalchemy.exc import IntegrityError

from hub.app.directory import Directory
from hub.app.ports.clearing import ClearedCdr, PeriodFilter, StatementFilter
from hub.domain.agreements import Cycle
from hub.domain.cdrs.checks import KnownPeriod
from hub.domain.clearing.periods import Period, PeriodState
from hub.domain.clearing.positions import Obligation
from hub.domain.clearing.records import AcknowledgementRecord, StatementRecord, StatementState
from hub.domain.ids import PartyId
from hub.domain.ledger import Posting
from hub.domain.money import Money
from hub.store.cleared_cdrs import accepted_cdrs, has_accepted
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement, insert_into, upsert_into
from hub.store.tables.clearing import AcknowledgementRow, PeriodRow, PostingRow, StatementRow
from hub.store.types import from_micros, to_micros

_PERIOD = PeriodRow.__table__  # type: ignore[attr-defined]
_STATEMENT = StatementRow.__table__  # type: ignore[attr-defined]
_ANSWER = AcknowledgementRow.__table__  # type: ignore[attr-defined]
_POSTING = PostingRow.__table__  # type: ignore[attr-defined]

_GET_PERIOD = Statement(select(*_PERIOD.c).where(_PERIOD.c.name == bindparam("name_")))
_LAST_PERIOD = Statement(
    select(*_PERIOD.c)
    .where(_PERIOD.c.agreement == bindparam("agreement_"))
    .order_by(_PERIOD.c.first_index.desc())
    .limit(1)
)
_OPEN = Statement(select(_PERIOD.c.agreement).where(text("state = 'OPEN'")))
_OPEN_AFTER_CUT_OFF = SelectIn(
    select(_PERIOD.c.agreement, _PERIOD.c.start_time, _PERIOD.c.first_date, _PERIOD.c.cycle, _PERIOD.c.time_zone).where(
        text("state = 'OPEN'"), text("first_index > 0")
    ),
    _PERIOD.c.agreement,
)
_DUE = Statement(
    select(_PERIOD.c.name)
    .where(text("state = 'OPEN'"), _PERIOD.c.end_time <= bindparam("now_"))
    .order_by(_PERIOD.c.end_time, _PERIOD.c.name)
)
_GET_STATEMENT = Statement(select(*_STATEMENT.c).where(_STATEMENT.c.name == bindparam("name_")))
_ISSUED_DOCUMENT = Statement(
    select(_STATEMENT.c.document).where(_STATEMENT.c.name == bindparam("name_"), text("state <> 'DRAFT'"))
)
_ANSWERS = Statement(select(*_ANSWER.c).where(_ANSWER.c.statement == bindparam("statement_")).order_by(_ANSWER.c.idx))
_POSTINGS = Statement(select(*_POSTING.c).order_by(_POSTING.c.idx, _POSTING.c.id))


class StoredClearing:
    """Implements `hub.app.ports.clearing.Clearing`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def period(self, name: str) -> Period | None:
        """Return a period."""
        rows = _GET_PERIOD.all(self._session.connection, (name,))
        return _period(rows[0], self._directory()) if rows else None

    def last_period(self, agreement: str) -> Period | None:
        """Return an agreement's newest period."""
        rows = _LAST_PERIOD.all(self._session.connection, (agreement,))
        return _period(rows[0], self._directory()) if rows else None

    def open_agreements(self) -> frozenset[str]:
        """Return the agreements that have an open period."""
        return frozenset(row[0] for row in _OPEN.all(self._session.connection))

    def open_after_cut_off(self, agreements: Collection[str]) -> Mapping[str, KnownPeriod]:
        """Return the open periods that something was cut off before."""
        return {
            agreement: KnownPeriod(from_micros(start_time), date.fromordinal(first_date), Cycle(cycle), time_zone)
            for agreement, start_time, first_date, cycle, time_zone in _OPEN_AFTER_CUT_OFF.all(
                self._session.connection, agreements
            )
        }

    def due(self, now: datetime) -> Sequence[str]:
        """Return the open periods whose calendar end has come."""
        return [row[0] for row in _DUE.all(self._session.connection, (to_micros(now),))]

    def in_states(self, states: Collection[PeriodState]) -> Sequence[Period]:
        """Return all periods in these states."""
        query = select(*_PERIOD.c).where(_PERIOD.c.state.in_([str(state) for state in states]))
        return self._periods(query.order_by(_PERIOD.c.end_time, _PERIOD.c.name))

    def periods(self, wanted: PeriodFilter, after: tuple[str, int] | None, limit: int) -> Sequence[Period]:
        """Return periods ordered by (agreement, first index)."""
        query = select(*_PERIOD.c)
        if wanted.parties is not None:
            query = query.where(_side_of(_PERIOD, self._numbers(wanted.parties)))
        if wanted.agreement is not None:
            query = query.where(_PERIOD.c.agreement == wanted.agreement)
        if wanted.state is not None:
            query = query.where(_PERIOD.c.state == str(wanted.state))
        if after is not None:
            query = query.where(tuple_(_PERIOD.c.agreement, _PERIOD.c.first_index) > tuple_(*after))
        return self._periods(query.order_by(_PERIOD.c.agreement, _PERIOD.c.first_index).limit(limit))

    def _periods(self, query: Select[Any]) -> list[Period]:
        directory = self._directory()
        return [_period(tuple(row), directory) for row in _stored(self._session, query)]

    def save_period(self, period: Period) -> None:
        """Insert or replace a period."""
        parties = self._directory().parties
        row = (
            period.name,
            period.agreement,
            period.agreement_version,
            parties[period.creditor].number,
            parties[period.debtor].number,
            str(period.cycle),
            period.time_zone,
            period.tz_version,
            to_micros(period.start_time),
            to_micros(period.end_time),
            period.first_date.toordinal(),
            period.first_index,
            period.end_index,
            str(period.state),
            _optional(period.cut_off_time),
            period.manifest,
            period.cdr_count,
            period.prepared_by,
            period.reviewed_by,
            period.issued_by,
            _optional(period.issue_time),
            period.revision,
        )
        upsert_into(PeriodRow).run(self._session.connection, row)

    def has_cdr(self, agreement: str, creditor: PartyId, first_index: int) -> bool:
        """Say whether an accepted CDR stands at or after an index."""
        # What this use case has recorded itself is still waiting to be written.
        self._session.flush()
        number = self._directory().parties[creditor].number
        return has_accepted(self._session.connection, number, first_index, agreement)

    def cdrs(self, period: Period) -> Sequence[ClearedCdr]:
        """Return the accepted CDRs that a period holds."""
        assert period.end_index is not None, "a period that is cut off"
        number = self._directory().parties[period.creditor].number
        return accepted_cdrs(self._session.connection, number, period)

    def statement(self, name: str) -> StatementRecord | None:
        """Return a statement."""
        rows = _GET_STATEMENT.all(self._session.connection, (name,))
        return _statement(rows[0], self._directory()) if rows else None

    def statements(self, wanted: StatementFilter, after: str, limit: int) -> Sequence[StatementRecord]:
        """Return statements ordered by name."""
        query = select(*_STATEMENT.c).where(_STATEMENT.c.name > after, *self._conditions(wanted))
        directory = self._directory()
        rows = _stored(self._session, query.order_by(_STATEMENT.c.name).limit(limit))
        return [_statement(tuple(row), directory) for row in rows]

    def obligations(self, wanted: StatementFilter) -> Sequence[Obligation]:
        """Return what statements leave to pay."""
        columns = (_STATEMENT.c.name, _STATEMENT.c.debtor, _STATEMENT.c.creditor, _STATEMENT.c.payable)
        query = select(*columns, _STATEMENT.c.currency).where(*self._conditions(wanted)).order_by(_STATEMENT.c.name)
        parties = self._directory().by_number
        return [
            Obligation(
                statement=name,
                debtor=parties[debtor].id,
                creditor=parties[creditor].id,
                payable=Money(minor=payable, currency=currency),
            )
            for name, debtor, creditor, payable, currency in _stored(self._session, query)
        ]

    def _conditions(self, wanted: StatementFilter) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if wanted.parties is not None:
            conditions.append(_side_of(_STATEMENT, self._numbers(wanted.parties)))
        if wanted.agreement is not None:
            conditions.append(_STATEMENT.c.name.startswith(f"{wanted.agreement}/", autoescape=True))
        if wanted.period is not None:
            conditions.append(_STATEMENT.c.period == wanted.period)
        if wanted.states is not None:
            conditions.append(_STATEMENT.c.state.in_([str(state) for state in wanted.states]))
        if wanted.issued_from is not None:
            conditions.append(_STATEMENT.c.issue_time >= wanted.issued_from)
        if wanted.issued_before is not None:
            conditions.append(_STATEMENT.c.issue_time < wanted.issued_before)
        return conditions

    def _numbers(self, parties: Collection[PartyId]) -> list[int]:
        known = self._directory().parties
        return [known[party].number for party in parties if party in known]

    def save_statement(self, statement: StatementRecord) -> None:
        """Insert or replace a statement; raises IntegrityError where it would change an issued document."""
        issued = _ISSUED_DOCUMENT.all(self._session.connection, (statement.name,))
        if issued and bytes(issued[0][0]) != statement.document:
            raise IntegrityError("statement", statement.name, ValueError("issued bytes never change"))
        parties = self._directory().parties
        row = (
            statement.name,
            statement.period,
            parties[statement.creditor].number,
            parties[statement.debtor].number,
            statement.currency,
            str(statement.state),
            statement.digest,
            statement.document,
            statement.cdr_count,
            statement.net,
            statement.tax,
            statement.payable,
            statement.envelope,
            statement.issue_index,
            _optional(statement.issue_time),
        )
        upsert_into(StatementRow).run(self._session.connection, row)

    def acknowledgements(self, statement: str) -> Sequence[AcknowledgementRecord]:
        """Return the answers to a statement."""
        parties = self._directory().by_number
        return [
            AcknowledgementRecord(
                statement=name,
                party=parties[party].id,
                document=bytes(document),
                envelope=bytes(envelope),
                recorded_time=from_micros(recorded_time),
            )
            for name, party, _, recorded_time, document, envelope in _ANSWERS.all(
                self._session.connection, (statement,)
            )
        ]

    def add_acknowledgement(self, acknowledgement: AcknowledgementRecord, index: int) -> None:
        """Record an answer."""
        row = (
            acknowledgement.statement,
            self._directory().parties[acknowledgement.party].number,
            index,
            to_micros(acknowledgement.recorded_time),
            acknowledgement.document,
            acknowledgement.envelope,
        )
        insert_into(AcknowledgementRow).run(self._session.connection, row)

    def add_posting(self, posting: Posting, index: int) -> None:
        """Record a posting."""
        amount = posting.amount
        row = (posting.id, index, posting.debit, posting.credit, amount.currency, amount.minor)
        insert_into(PostingRow).run(self._session.connection, row)

    def postings(self) -> Sequence[Posting]:
        """Return every posting."""
        return [
            Posting(id=posting_id, debit=debit, credit=credit, amount=Money(minor=minor, currency=currency))
            for posting_id, _, debit, credit, currency, minor in _POSTINGS.all(self._session.connection)
        ]


def _side_of(table: Any, numbers: list[int]) -> ColumnElement[bool]:  # noqa: ANN401 - a table
    return or_(table.c.creditor.in_(numbers), table.c.debtor.in_(numbers))


def _stored(session: Session, query: Select[Any]) -> list[Row]:
    """Run a query that is built for its filter; rows come with instants as they are stored."""
    converted = {"start_time", "end_time", "cut_off_time", "issue_time"}
    result = session.connection.execute(query)
    times = [at for at, name in enumerate(result.keys()) if name in converted]
    rows = [list(row) for row in result]
    for row in rows:
        for at in times:
            row[at] = None if row[at] is None else to_micros(row[at])
    return [tuple(row) for row in rows]


def _optional(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _period(row: Row, directory: Directory) -> Period:
    (name, agreement, version, creditor, debtor, cycle, zone, tz_version, *times), rest = row[:11], row[11:]
    start, end, first_date = times
    first_index, end_index, state, cut_off, manifest, count, prepared, reviewed, issued, issue, revision = rest
    return Period(
        name=name,
        agreement=agreement,
        agreement_version=version,
        creditor=directory.by_number[creditor].id,
        debtor=directory.by_number[debtor].id,
        cycle=Cycle(cycle),
        time_zone=zone,
        tz_version=tz_version,
        start_time=from_micros(start),
        end_time=from_micros(end),
        first_date=date.fromordinal(first_date),
        first_index=first_index,
        end_index=end_index,
        state=PeriodState(state),
        cut_off_time=_instant(cut_off),
        manifest=manifest,
        cdr_count=count,
        prepared_by=prepared,
        reviewed_by=reviewed,
        issued_by=issued,
        issue_time=_instant(issue),
        revision=revision,
    )


def _statement(row: Row, directory: Directory) -> StatementRecord:
    name, period, creditor, debtor, currency, state, digest, document, *amounts = row
    count, net, tax, payable, envelope, issue_index, issue_time = amounts
    return StatementRecord(
        name=name,
        period=period,
        creditor=directory.by_number[creditor].id,
        debtor=directory.by_number[debtor].id,
        currency=currency,
        state=StatementState(state),
        digest=digest,
        document=bytes(document),
        cdr_count=count,
        net=net,
        tax=tax,
        payable=payable,
        envelope=bytes(envelope),
        issue_index=issue_index,
        issue_time=_instant(issue_time),
    )
