"""A statement as bytes, and back; the format is described in `docs/proof.md`."""

import re
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from hub.domain.agreements import Rounding
from hub.domain.canonical import Fields, Json, MalformedDocument, dump, expect_format, load
from hub.domain.clearing.amounts import e4_text, minor_text, parse_e4, parse_minor
from hub.domain.clearing.items import parse_date, parse_party
from hub.domain.clearing.lines import Line, LineKey, TaxBucket
from hub.domain.clearing.taxes import read_row, row_document
from hub.domain.statements.model import (
    BroughtForward,
    Held,
    Manifest,
    PeriodTerms,
    Side,
    Statement,
    StatementTerms,
    Totals,
    TreeHead,
)

FORMAT = "roamhub.statement.v1"
#: How a half is rounded; the one mode there is, named so that a reader need not guess.
ROUNDING_MODE = "HALF_AWAY_FROM_ZERO"

_HASH = re.compile(r"[0-9a-f]{64}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_STATE = re.compile(r"[A-Z]{2}")
T = TypeVar("T")

_DAY = timedelta(days=1)
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


def statement_bytes(statement: Statement) -> bytes:
    """Return the document that is signed; its SHA-256 is the statement's id."""
    terms, totals, currency = statement.terms, statement.totals, statement.terms.currency
    return dump(
        {
            "format": FORMAT,
            "hub": terms.hub,
            "name": terms.name,
            "period": _period(terms.period),
            "before": _tree(terms.before),
            "after": _tree(terms.after),
            "agreement": {"name": terms.agreement, "version": terms.agreement_version},
            "creditor": _side(terms.creditor),
            "debtor": _side(terms.debtor),
            "currency": currency,
            "rounding": {"profile": str(terms.rounding), "mode": ROUNDING_MODE},
            "tax_table": terms.tax_table,
            "tax_rows": [row_document(row) for row in terms.tax_rows],
            "manifest": {"count": statement.manifest.count, "sha256": statement.manifest.sha256},
            "lines": [_line(number, line, currency) for number, line in enumerate(statement.lines, start=1)],
            "taxes": [
                {
                    "category": bucket.category,
                    "rate": bucket.rate,
                    "taxable": minor_text(bucket.taxable, currency),
                    "tax": minor_text(bucket.tax, currency),
                    "note": bucket.note,
                }
                for bucket in statement.taxes
            ],
            "held": [
                {"index": each.index, "amount": minor_text(each.amount, currency), "reason": each.reason}
                for each in terms.held
            ],
            "brought_forward": [
                {"statement": each.statement, "amount": minor_text(each.amount, currency), "reason": each.reason}
                for each in terms.brought_forward
            ],
            "totals": {
                "net": minor_text(totals.net, currency),
                "tax": minor_text(totals.tax, currency),
                "gross": minor_text(totals.gross, currency),
                "held": minor_text(totals.held, currency),
                "brought_forward": minor_text(totals.brought_forward, currency),
                "payable": minor_text(totals.payable, currency),
            },
        }
    )


def parse_statement(document: bytes) -> Statement:
    """Read a statement; its figures are not checked against each other here, see `compute.check_totals`.

    Raises:
        MalformedDocument: The bytes are not what `statement_bytes` writes.
    """
    fields = Fields(load(document))
    expect_format(fields, FORMAT)
    try:
        statement = _parse(fields)
    except MalformedDocument:
        raise
    except ValueError as error:
        raise MalformedDocument(str(error)) from None
    fields.end()
    if statement_bytes(statement) != document:
        raise MalformedDocument("a value is not in the form it is written in")
    return statement


def _parse(fields: Fields) -> Statement:
    hub, name = fields.text("hub"), fields.text("name")
    period = _read_period(fields.object("period"))
    before, after = _read_tree(fields.object("before")), _read_tree(fields.object("after"))
    agreement = fields.object("agreement")
    agreement_name, version = agreement.text("name"), agreement.integer("version")
    agreement.end()
    creditor, debtor = _read_side(fields.object("creditor")), _read_side(fields.object("debtor"))
    if creditor.party == debtor.party:
        raise MalformedDocument("nobody owes themselves")
    currency = fields.text("currency")
    if not _CURRENCY.fullmatch(currency):
        raise MalformedDocument("currency is not three capital letters")
    rounding = fields.object("rounding")
    profile = Rounding(rounding.text("profile"))
    if rounding.text("mode") != ROUNDING_MODE:
        raise MalformedDocument("rounding.mode is unknown")
    rounding.end()
    if (before.size, after.size) != (period.first_index, period.end_index) or before.size > after.size:
        raise MalformedDocument("the trees are not those at the period's ends")
    _check_names(name, period, agreement_name, currency)
    tax_table = _hash(fields.text("tax_table"))
    rows = tuple(_ended(row, read_row(row)) for row in fields.objects("tax_rows"))
    manifest = fields.object("manifest")
    count, digest = manifest.integer("count"), _hash(manifest.text("sha256"))
    manifest.end()
    lines = tuple(_read_line(number, line, currency) for number, line in enumerate(fields.objects("lines"), start=1))
    if [line.key for line in lines] != sorted({line.key for line in lines}):
        raise MalformedDocument("the lines are not in order")
    taxes = tuple(_read_bucket(bucket, currency) for bucket in fields.objects("taxes"))
    held = tuple(_read_held(each, currency) for each in fields.objects("held"))
    brought_forward = tuple(_read_brought_forward(each, currency) for each in fields.objects("brought_forward"))
    terms = StatementTerms(
        hub=hub,
        name=name,
        period=period,
        before=before,
        after=after,
        agreement=agreement_name,
        agreement_version=version,
        creditor=creditor,
        debtor=debtor,
        currency=currency,
        rounding=profile,
        tax_table=tax_table,
        tax_rows=rows,
        held=held,
        brought_forward=brought_forward,
    )
    return Statement(
        terms=terms,
        manifest=Manifest(count=count, sha256=digest),
        lines=lines,
        taxes=taxes,
        totals=_read_totals(fields.object("totals"), currency),
    )


def _check_names(name: str, period: PeriodTerms, agreement: str, currency: str) -> None:
    """Check that the names say whose statement it is, and that the period's times can be a period's."""
    if not period.name.startswith(f"{agreement}/periods/") or name != f"{period.name}/statements/{currency.lower()}":
        raise MalformedDocument("the names are not those of one agreement, its period and its statement")
    # The first local date is a day off that of UTC at the most, whatever the zone.
    if period.start_time >= period.end_time or abs(period.first_date - period.start_time.date()) > _DAY:
        raise MalformedDocument("the period's times contradict each other")


def time_text(instant: datetime) -> str:
    """Return an instant as `2026-10-25T01:00:00.000000Z`."""
    return instant.astimezone(UTC).strftime(_TIME)


def parse_time(text: str) -> datetime:
    """Read what `time_text` wrote.

    Raises:
        ValueError: It is in any other form.
    """
    instant = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    if time_text(instant) != text:
        raise ValueError("a time is written as 2026-10-25T01:00:00.000000Z")
    return instant


def _hash(text: str) -> str:
    if not _HASH.fullmatch(text):
        raise MalformedDocument("a digest is 64 lower-case hexadecimal digits")
    return text


def _ended(fields: Fields, value: T) -> T:
    fields.end()
    return value


def _period(period: PeriodTerms) -> Json:
    return {
        "name": period.name,
        "cycle": period.cycle,
        "time_zone": period.time_zone,
        "tz_version": period.tz_version,
        "start_time": time_text(period.start_time),
        "end_time": time_text(period.end_time),
        "first_date": period.first_date.isoformat(),
        "first_index": period.first_index,
        "end_index": period.end_index,
    }


def _read_period(fields: Fields) -> PeriodTerms:
    period = PeriodTerms(
        name=fields.text("name"),
        cycle=fields.text("cycle"),
        time_zone=fields.text("time_zone"),
        tz_version=fields.text("tz_version"),
        start_time=parse_time(fields.text("start_time")),
        end_time=parse_time(fields.text("end_time")),
        first_date=parse_date(fields.text("first_date")),
        first_index=fields.integer("first_index"),
        end_index=fields.integer("end_index"),
    )
    return _ended(fields, period)


def _tree(head: TreeHead) -> Json:
    return {"size": head.size, "root": head.root.hex()}


def _read_tree(fields: Fields) -> TreeHead:
    return _ended(fields, TreeHead(size=fields.integer("size"), root=bytes.fromhex(_hash(fields.text("root")))))


def _side(side: Side) -> Json:
    return {"party": str(side.party), "state": side.state, "dealer": side.dealer}


def _read_side(fields: Fields) -> Side:
    side = Side(party=parse_party(fields.text("party")), state=fields.text("state"), dealer=fields.boolean("dealer"))
    if not _STATE.fullmatch(side.state):
        raise MalformedDocument("a state is two capital letters")
    return _ended(fields, side)


def _line(number: int, line: Line, currency: str) -> Json:
    return {
        "number": number,
        "country": line.key.country,
        "tariff_kind": line.key.tariff_kind,
        "tax_category": line.key.tax_category,
        "tax_rate": line.key.tax_rate,
        "month": line.key.month,
        "cdr_count": line.cdr_count,
        "credit_count": line.credit_count,
        "late_count": line.late_count,
        "energy_kwh": e4_text(line.energy),
        "exact": e4_text(line.exact),
        "net": minor_text(line.net, currency),
    }


def _read_line(number: int, fields: Fields, currency: str) -> Line:
    if fields.integer("number") != number:
        raise MalformedDocument("the lines are not numbered from 1")
    key = LineKey(
        country=fields.text("country"),
        tariff_kind=fields.text("tariff_kind"),
        tax_category=fields.text("tax_category"),
        tax_rate=fields.text("tax_rate"),
        month=fields.text("month"),
    )
    line = Line(
        key=key,
        cdr_count=fields.integer("cdr_count"),
        credit_count=fields.integer("credit_count"),
        late_count=fields.integer("late_count"),
        energy=parse_e4(fields.text("energy_kwh")),
        exact=parse_e4(fields.text("exact")),
        net=parse_minor(fields.text("net"), currency),
    )
    return _ended(fields, line)


def _read_bucket(fields: Fields, currency: str) -> TaxBucket:
    bucket = TaxBucket(
        category=fields.text("category"),
        rate=fields.text("rate"),
        taxable=parse_minor(fields.text("taxable"), currency),
        tax=parse_minor(fields.text("tax"), currency),
        note=fields.text("note"),
    )
    return _ended(fields, bucket)


def _read_held(fields: Fields, currency: str) -> Held:
    held = Held(
        index=fields.integer("index"),
        amount=parse_minor(fields.text("amount"), currency),
        reason=fields.text("reason"),
    )
    return _ended(fields, held)


def _read_brought_forward(fields: Fields, currency: str) -> BroughtForward:
    brought = BroughtForward(
        statement=fields.text("statement"),
        amount=parse_minor(fields.text("amount"), currency),
        reason=fields.text("reason"),
    )
    return _ended(fields, brought)


def _read_totals(fields: Fields, currency: str) -> Totals:
    def amount(name: str) -> int:
        return parse_minor(fields.text(name), currency)

    # Arguments are read in the order of the document.
    totals = Totals(
        net=amount("net"),
        tax=amount("tax"),
        gross=amount("gross"),
        held=amount("held"),
        brought_forward=amount("brought_forward"),
        payable=amount("payable"),
    )
    return _ended(fields, totals)
