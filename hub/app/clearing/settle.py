"""Calculating, reviewing and issuing a period's statements.

Calculating reads and computes on its own snapshot (`draft`) and records the outcome in one short transaction
(`record`): what a cut-off period holds can no longer change, so nothing has to wait for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from hub.app.clearing.facts import state_fact
from hub.app.clearing.periods import require, terms_of
from hub.app.clearing.proofs import keyring as current_keyring
from hub.app.ports.clearing import ClearedCdr, ClearingSettings, StatementFilter
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement
from hub.domain.canonical import digest
from hub.domain.clearing.periods import Period, PeriodState
from hub.domain.clearing.records import StatementRecord, StatementState
from hub.domain.clearing.taxes import TaxTable
from hub.domain.errors import Conflict, Precondition
from hub.domain.journal import EntryKind, Stream
from hub.domain.ledger import move, settlement_account
from hub.domain.money import Money
from hub.domain.statements import (
    Manifest,
    PeriodTerms,
    Side,
    Statement,
    StatementTerms,
    TreeHead,
    make_manifest,
    make_statement,
    statement_bytes,
)

#: More currencies than one agreement will ever see.
_STATEMENTS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a period comes to: its manifest, and a statement for each currency."""

    period: Period
    manifest: Manifest
    statements: tuple[StatementRecord, ...]


def ready(uow: UnitOfWork) -> Sequence[str]:
    """Return the names of the periods that are cut off and whose grace is over."""
    waiting = uow.clearing.in_states((PeriodState.CUT_OFF, PeriodState.GRACE))
    return [period.name for period in waiting if uow.now >= _end_of_grace(uow, period)]


def _end_of_grace(uow: UnitOfWork, period: Period) -> datetime:
    assert period.cut_off_time is not None
    return period.cut_off_time + terms_of(uow, period).terms.grace


def draft(uow: UnitOfWork, settings: ClearingSettings, name: str, etag: str = "") -> Draft:
    """Compute the statements of a period that is cut off; writes nothing.

    Raises:
        Precondition: PERIOD_STATE; UNCLASSIFIED_TAX; TAX_TABLE_MISSING.
        NotFound, Stale: See `require`.
    """
    period = require(uow, name, etag)
    if period.state not in (PeriodState.CUT_OFF, PeriodState.GRACE):
        raise Precondition(
            "PERIOD_STATE",
            f"{name} is {period.state}; statements are calculated of a period that is cut off",
            period=name,
            state=str(period.state),
            wanted=str(PeriodState.CALCULATED),
        )
    cdrs = uow.clearing.cdrs(period)
    manifest = make_manifest((cdr.index, cdr.leaf_hash) for cdr in cdrs)
    by_currency = groupby(sorted(cdrs, key=lambda cdr: cdr.item.currency), key=lambda cdr: cdr.item.currency)
    if not cdrs:
        return Draft(period=period, manifest=manifest, statements=())
    agreement = terms_of(uow, period)
    table = _table(settings, agreement)
    before, after = _head(uow, period.first_index), _head(uow, period.end_index or 0)
    statements = []
    for currency, group in by_currency:
        terms = _terms(settings, period, agreement, table, currency, before=before, after=after)
        statements.append(_record(period, _statement(terms, list(group))))
    return Draft(period=period, manifest=manifest, statements=tuple(statements))


def record(uow: UnitOfWork, made: Draft, by: str) -> Period:
    """Record what was computed, unless the period has changed meanwhile.

    Raises:
        Precondition: PERIOD_STATE.
        Stale: It has changed.
    """
    period = require(uow, made.period.name, f"{made.period.revision}")
    if period.state is PeriodState.CUT_OFF:
        period = period.begin_grace()
    period = period.freeze(manifest=made.manifest.sha256, cdr_count=made.manifest.count).calculated(by=by)
    uow.clearing.save_period(period)
    for statement in made.statements:
        uow.clearing.save_statement(statement)
    return period


def review(uow: UnitOfWork, name: str, etag: str, by: str) -> Period:
    """Approve a period's statements.

    Raises:
        Denied: FOUR_EYES.
        Precondition: PERIOD_STATE.
        NotFound, Stale: See `require`.
    """
    period = require(uow, name, etag).review(by=by)
    uow.clearing.save_period(period)
    return period


def issue(uow: UnitOfWork, settings: ClearingSettings, name: str, etag: str, by: str) -> Period:
    """Sign a period's statements, put their issue into the journal, and post what they leave to pay.

    Raises:
        Denied: FOUR_EYES.
        Precondition: PERIOD_STATE.
        Unreachable: NO_SIGNING_KEY.
        NotFound, Stale: See `require`.
    """
    period = require(uow, name, etag).issue(by=by, now=uow.now)
    keyring, _ = current_keyring(uow)
    for statement in _drafts(uow, period):
        _issue_one(uow, settings, statement, keyring)
    uow.clearing.save_period(period)
    return period


def issue_once(
    uow: UnitOfWork, settings: ClearingSettings, name: str, etag: str, *, by: str, request_id: str
) -> Period:
    """Issue a period for a request that may come twice; see `issue`.

    Raises:
        Conflict: REQUEST_ID_REUSED, the request id was used for something else.
    """
    # A platform may have the name of an operator; none has a blank in it.
    asked, who = f"issue {name}".encode(), f"operator {by}"
    known = uow.idempotency.find(who, [request_id]).get(request_id)
    if known is not None:
        if known[0] != asked:
            raise Conflict("REQUEST_ID_REUSED", "request_id: was used for something else", field="request_id")
        return require(uow, name, "")
    issued = issue(uow, settings, name, etag, by)
    uow.idempotency.remember(who, request_id, asked, b"")
    return issued


def _issue_one(uow: UnitOfWork, settings: ClearingSettings, statement: StatementRecord, keyring: bytes) -> None:
    index = uow.journal.head(Stream.CLEARING)
    envelope = settings.notary.sign_statement(statement.document, keyring=keyring, index=index)
    receipt = state_fact(
        uow,
        EntryKind.STATEMENT_ISSUED,
        creditor=statement.creditor,
        debtor=statement.debtor,
        subject=statement.name,
        fields={"statement": statement.digest.encode(), "name": statement.name.encode()},
    )
    assert receipt.index == index, "the key was chosen for another index"
    uow.clearing.save_statement(
        replace(
            statement, state=StatementState.ISSUED, envelope=envelope, issue_index=receipt.index, issue_time=uow.now
        )
    )
    posting = move(
        f"statement/{statement.digest}",
        debit=settlement_account(statement.debtor),
        credit=settlement_account(statement.creditor),
        amount=Money(minor=statement.payable, currency=statement.currency),
    )
    if posting is not None:
        uow.clearing.add_posting(posting, receipt.index)


def _drafts(uow: UnitOfWork, period: Period) -> Sequence[StatementRecord]:
    return uow.clearing.statements(StatementFilter(period=period.name), "", _STATEMENTS_MAX)


def _table(settings: ClearingSettings, agreement: Agreement) -> TaxTable:
    table = settings.tax_tables(agreement.terms.tax_profile)
    if table is None:
        raise Precondition(
            "TAX_TABLE_MISSING",
            f"there is no tax table {agreement.terms.tax_profile}",
            tax_profile=agreement.terms.tax_profile,
        )
    return table


def _head(uow: UnitOfWork, size: int) -> TreeHead:
    return TreeHead(size=size, root=uow.transparency.tree(size).root())


def _terms(
    settings: ClearingSettings,
    period: Period,
    agreement: Agreement,
    table: TaxTable,
    currency: str,
    *,
    before: TreeHead,
    after: TreeHead,
) -> StatementTerms:
    # Both sides trade in electricity: that is what an agreement is about. Their states are those of their ids.
    creditor = Side(party=period.creditor, state=period.creditor.country_code, dealer=True)
    debtor = Side(party=period.debtor, state=period.debtor.country_code, dealer=True)
    return StatementTerms(
        hub=settings.notary.origin,
        name=f"{period.name}/statements/{currency.lower()}",
        period=PeriodTerms(
            name=period.name,
            cycle=str(period.cycle),
            time_zone=period.time_zone,
            tz_version=period.tz_version,
            start_time=period.start_time,
            end_time=period.end_time,
            first_date=period.first_date,
            first_index=period.first_index,
            end_index=after.size,
        ),
        before=before,
        after=after,
        agreement=period.agreement,
        agreement_version=period.agreement_version,
        creditor=creditor,
        debtor=debtor,
        currency=currency,
        rounding=agreement.terms.rounding,
        tax_table=table.digest,
        tax_rows=table.rows_for(supplier=creditor.state, customer=debtor.state, dealer=debtor.dealer),
    )


def _statement(terms: StatementTerms, cdrs: Sequence[ClearedCdr]) -> Statement:
    manifest = make_manifest((cdr.index, cdr.leaf_hash) for cdr in cdrs)
    return make_statement(terms, (cdr.item for cdr in cdrs), manifest)


def _record(period: Period, statement: Statement) -> StatementRecord:
    document = statement_bytes(statement)
    return StatementRecord(
        name=statement.terms.name,
        period=period.name,
        creditor=period.creditor,
        debtor=period.debtor,
        currency=statement.terms.currency,
        state=StatementState.DRAFT,
        digest=digest(document),
        document=document,
        cdr_count=statement.manifest.count,
        net=statement.totals.net,
        tax=statement.totals.tax,
        payable=statement.totals.payable,
    )
