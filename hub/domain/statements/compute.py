"""Making a statement from items, and making sure that one follows from its items."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from hub.domain.agreements import Rounding
from hub.domain.clearing.amounts import round_e4
from hub.domain.clearing.items import ClearingItem
from hub.domain.clearing.lines import Line, TaxBucket, make_buckets, make_lines
from hub.domain.errors import Precondition
from hub.domain.ids import fold
from hub.domain.statements.model import Manifest, Statement, StatementTerms, Totals


class WrongTotals(ValueError):
    """A figure of the statement is not what follows from the others, or from the items."""


def make_manifest(entries: Iterable[tuple[int, bytes]]) -> Manifest:
    """Return the manifest of journal entries, given as (index, leaf hash) in any order.

    Raises:
        ValueError: An index occurs twice.
    """
    ordered = sorted(entries)
    if len({index for index, _ in ordered}) != len(ordered):
        raise ValueError("an entry stands in a manifest once")
    hashed = sha256()
    for index, leaf in ordered:
        hashed.update(index.to_bytes(8, "big") + leaf)
    return Manifest(count=len(ordered), sha256=hashed.hexdigest())


def make_statement(terms: StatementTerms, items: Iterable[ClearingItem], manifest: Manifest) -> Statement:
    """Make a statement; the same terms and items make the same bytes, in whatever order the items come.

    Args:
        terms: What it rests on.
        items: The items of its agreement and currency in the period's range.
        manifest: The journal entries that the items stand in.

    Raises:
        Precondition: UNCLASSIFIED_TAX.
        ValueError: An item belongs to another agreement, currency or pair of parties.
    """
    lines = make_lines(
        (_own(item, terms) for item in items),
        currency=terms.currency,
        rounding=terms.rounding,
        rows=terms.tax_rows,
        first_date=terms.period.first_date,
    )
    if sum(line.cdr_count + line.credit_count for line in lines) != manifest.count:
        raise ValueError("the manifest counts other items")
    taxes = make_buckets(lines, currency=terms.currency, rows=terms.tax_rows)
    return Statement(terms=terms, manifest=manifest, lines=lines, taxes=taxes, totals=make_totals(terms, lines, taxes))


def make_totals(terms: StatementTerms, lines: Iterable[Line], taxes: Iterable[TaxBucket]) -> Totals:
    """Add up."""
    net = sum(line.net for line in lines)
    tax = sum(bucket.tax for bucket in taxes)
    held = sum(each.amount for each in terms.held)
    brought_forward = sum(each.amount for each in terms.brought_forward)
    return Totals(
        net=net,
        tax=tax,
        gross=net + tax,
        held=held,
        brought_forward=brought_forward,
        payable=net + tax - held + brought_forward,
    )


def check_totals(statement: Statement) -> None:
    """Recompute tax buckets and totals from the lines.

    Raises:
        WrongTotals: They differ; the message names the first figure that does.
    """
    terms = statement.terms
    for number, line in enumerate(statement.lines, start=1):
        if terms.rounding is Rounding.ROUND_ONCE and line.net != round_e4(line.exact, terms.currency):
            raise WrongTotals(f"line {number} is not its exact sum rounded once")
    try:
        taxes = make_buckets(statement.lines, currency=terms.currency, rows=terms.tax_rows)
    except KeyError:
        raise WrongTotals("a line's tax category is not among the tax rows") from None
    if taxes != statement.taxes:
        raise WrongTotals("the tax buckets do not follow from the lines")
    totals = make_totals(terms, statement.lines, taxes)
    for field in ("net", "tax", "gross", "held", "brought_forward", "payable"):
        if getattr(totals, field) != getattr(statement.totals, field):
            raise WrongTotals(f"totals.{field} does not follow from the lines")
    if sum(line.cdr_count + line.credit_count for line in statement.lines) != statement.manifest.count:
        raise WrongTotals("the lines count other CDRs than the manifest")


def check_items(statement: Statement, items: Iterable[ClearingItem]) -> None:
    """Recompute the whole statement from its items.

    Raises:
        WrongTotals: It differs; the message names what does.
    """
    try:
        again = make_statement(statement.terms, items, statement.manifest)
    except Precondition as error:
        raise WrongTotals(error.message) from None
    except ValueError as error:
        raise WrongTotals(str(error)) from None
    if [line.key for line in again.lines] != [line.key for line in statement.lines]:
        raise WrongTotals("the CDRs make other lines")
    for number, (made, stated) in enumerate(zip(again.lines, statement.lines, strict=True), start=1):
        if made != stated:
            raise WrongTotals(f"line {number} does not follow from its CDRs")
    if again != statement:
        raise WrongTotals("the totals do not follow from the CDRs")


def check_once(items: Sequence[ClearingItem]) -> None:
    """Check that a CDR is stated once, and credited once and in full.

    Args:
        items: Those of a statement, or of several. A credit whose charge is not among them is compared with nothing.

    Raises:
        WrongTotals: It is not; the message names the CDR.
    """
    stated: dict[str, ClearingItem] = {}
    for item in items:
        if fold(item.cdr) in stated:
            raise WrongTotals(f"{item.cdr} is stated twice")
        stated[fold(item.cdr)] = item
    credited: set[str] = set()
    for item in items:
        if not item.credit_of:
            continue
        original = stated.get(fold(item.credit_of))
        if fold(item.credit_of) in credited:
            raise WrongTotals(f"{item.credit_of} is credited twice")
        credited.add(fold(item.credit_of))
        if original is not None and not _undoes(item, original):
            raise WrongTotals(f"{item.cdr} is not {item.credit_of} negated")


def _undoes(credit: ClearingItem, original: ClearingItem) -> bool:
    """Say whether a credit is all of a charge negated; it may spell the charge's id its own way."""
    return not original.credit_of and credit == replace(original.credited(cdr=credit.cdr), credit_of=credit.credit_of)


def _own(item: ClearingItem, terms: StatementTerms) -> ClearingItem:
    if (item.agreement, item.currency) != (terms.agreement, terms.currency):
        raise ValueError("an item of another agreement or currency")
    if (item.creditor, item.debtor) != (terms.creditor.party, terms.debtor.party):
        raise ValueError("an item between other parties")
    return item
