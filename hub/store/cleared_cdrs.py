"""Accepted CDRs as settlement sees them: those accepted at once, and those accepted out of quarantine."""

from collections.abc import Sequence
from datetime import date
from operator import itemgetter

from sqlalchemy import Connection, bindparam, select, text

from hub.app.ports.clearing import ClearedCdr
from hub.domain.cdrs.record import CdrState
from hub.domain.clearing.items import ClearingItem
from hub.domain.clearing.periods import Period
from hub.domain.ids import ObjectId
from hub.store.statements import Row, Statement
from hub.store.tables.cdrs import CdrRow, CdrStandingRow

_CDR = CdrRow.__table__  # type: ignore[attr-defined]
_STANDING = CdrStandingRow.__table__  # type: ignore[attr-defined]

_ACCEPTED = (
    _CDR.c.cpo == bindparam("cpo_"),
    _CDR.c.idx >= bindparam("first"),
    _CDR.c.agreement == bindparam("agreement_"),
    text(f"state = {int(CdrState.ACCEPTED)}"),
)
# CDRs that were accepted out of quarantine count where their acceptance stands.
_ACCEPTED_LATER = (
    _STANDING.c.cpo == bindparam("cpo_"),
    _STANDING.c.idx >= bindparam("first"),
    _CDR.c.cpo == _STANDING.c.cpo,
    _CDR.c.cdr_id == _STANDING.c.cdr_id,
    _CDR.c.agreement == bindparam("agreement_"),
    text(f"cdr_standing.state = {int(CdrState.ACCEPTED)}"),
)
_HAS_CDR = (
    Statement(select(_CDR.c.idx).where(*_ACCEPTED).limit(1)),
    Statement(select(_STANDING.c.idx).where(*_ACCEPTED_LATER).limit(1)),
)
_ITEM = (
    _CDR.c.id_as_sent,
    _CDR.c.currency,
    _CDR.c.country,
    _CDR.c.tariff_kind,
    _CDR.c.tax_date,
    _CDR.c.amount,
    _CDR.c.energy,
    _CDR.c.credit_of,
)
_CDRS = (
    Statement(select(_CDR.c.idx, _CDR.c.leaf_hash, *_ITEM).where(*_ACCEPTED, _CDR.c.idx < bindparam("end"))),
    Statement(
        select(_STANDING.c.idx, _STANDING.c.leaf_hash, *_ITEM).where(
            *_ACCEPTED_LATER, _STANDING.c.idx < bindparam("end")
        )
    ),
)


def has_accepted(connection: Connection, creditor: int, first_index: int, agreement: str) -> bool:
    """Say whether an accepted CDR of the agreement stands at or after a journal index."""
    chosen = creditor, first_index, agreement
    return any(statement.all(connection, chosen) for statement in _HAS_CDR)


def accepted_cdrs(connection: Connection, creditor: int, period: Period) -> Sequence[ClearedCdr]:
    """Return the accepted CDRs that a period holds, by journal index; the period is cut off."""
    chosen = creditor, period.first_index, period.agreement, period.end_index
    rows = [row for statement in _CDRS for row in statement.all(connection, chosen)]
    return [_cleared(row, period) for row in sorted(rows, key=itemgetter(0))]


def _cleared(row: Row, period: Period) -> ClearedCdr:
    index, leaf_hash, cdr_id, currency, country, kind, tax_date, amount, energy, credit_of = row
    item = ClearingItem(
        agreement=period.agreement,
        cdr=str(ObjectId(period.creditor, cdr_id)),
        creditor=period.creditor,
        debtor=period.debtor,
        currency=currency,
        country=country,
        tariff_kind=kind,
        tax_date=date.fromordinal(tax_date),
        amount=amount,
        energy=energy,
        credit_of="" if credit_of is None else str(ObjectId(period.creditor, credit_of)),
    )
    return ClearedCdr(index=index, leaf_hash=bytes(leaf_hash), item=item)
