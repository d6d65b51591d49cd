"""Aggregation: from items to the lines and tax buckets of a statement.

ROUND_ONCE adds the exact four-decimal amounts of a line and rounds the sum once, to minor units. PER_CDR rounds every
CDR and adds those. Tax is computed per category and rate on the sum of its rounded lines and rounded once (EN 16931
BR-CO-17). A half is rounded away from zero, so a credit negates exactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from hub.domain.agreements import Rounding
from hub.domain.clearing.amounts import round_e4
from hub.domain.clearing.items import ClearingItem
from hub.domain.clearing.taxes import TaxRow, classify
from hub.domain.errors import Precondition
from hub.domain.money import EXACT, minor_unit_exponent, to_minor


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LineKey:
    """What a line gathers, beside its agreement and currency; lines stand in this order."""

    country: str
    tariff_kind: str
    tax_category: str
    tax_rate: str
    month: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a statement.

    Attributes:
        key: What it gathers.
        cdr_count: How many charges.
        credit_count: How many credits.
        late_count: How many of both have a tax date before the period began.
        energy: Ten-thousandths of a kWh, credits negated.
        exact: Sum before rounding, in ten-thousandths of the currency.
        net: The rounded amount before tax, in minor units.
    """

    key: LineKey
    cdr_count: int
    credit_count: int
    late_count: int
    energy: int
    exact: int
    net: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxBucket:
    """The tax of one category and rate.

    Attributes:
        category: EN 16931 category.
        rate: Percentage with two decimals.
        taxable: Sum of the lines' rounded amounts, in minor units.
        tax: The tax on it, in minor units.
        note: What an invoice says about it.
    """

    category: str
    rate: str
    taxable: int
    tax: int
    note: str


@dataclass(slots=True)
class _Sum:
    cdr_count: int = 0
    credit_count: int = 0
    late_count: int = 0
    energy: int = 0
    exact: int = 0
    rounded: int = 0


def line_key(item: ClearingItem, rows: Iterable[TaxRow]) -> LineKey:
    """Return the line that an item belongs to.

    Raises:
        Precondition: UNCLASSIFIED_TAX, no row holds for its tax date.
    """
    row = classify(rows, item.tax_date)
    if row is None:
        raise Precondition(
            "UNCLASSIFIED_TAX",
            f"no tax rule covers {item.creditor} to {item.debtor} on {item.tax_date}",
            creditor=str(item.creditor),
            debtor=str(item.debtor),
            tax_date=item.tax_date.isoformat(),
        )
    return LineKey(
        country=item.country,
        tariff_kind=item.tariff_kind,
        tax_category=row.category,
        tax_rate=row.rate,
        month=item.month,
    )


def make_lines(
    items: Iterable[ClearingItem], *, currency: str, rounding: Rounding, rows: tuple[TaxRow, ...], first_date: date
) -> tuple[Line, ...]:
    """Gather items into lines; the order of the items makes no difference.

    Args:
        items: All of one agreement and one currency.
        currency: That currency.
        rounding: When amounts are rounded.
        rows: The tax rows of the two parties.
        first_date: The first local date of the period; a tax date before it is late.

    Raises:
        Precondition: UNCLASSIFIED_TAX.
    """
    sums: dict[LineKey, _Sum] = {}
    for item in items:
        total = sums.setdefault(line_key(item, rows), _Sum())
        if item.credit_of:
            total.credit_count += 1
        else:
            total.cdr_count += 1
        total.late_count += item.tax_date < first_date
        total.energy += item.energy
        total.exact += item.amount
        if rounding is Rounding.PER_CDR:
            total.rounded += round_e4(item.amount, currency)
    return tuple(
        Line(
            key=key,
            cdr_count=total.cdr_count,
            credit_count=total.credit_count,
            late_count=total.late_count,
            energy=total.energy,
            exact=total.exact,
            net=total.rounded if rounding is Rounding.PER_CDR else round_e4(total.exact, currency),
        )
        for key, total in sorted(sums.items())
    )


def make_buckets(lines: Iterable[Line], *, currency: str, rows: tuple[TaxRow, ...]) -> tuple[TaxBucket, ...]:
    """Return the tax of each category and rate among the lines, in alphabetical order.

    Args:
        lines: The lines of one statement.
        currency: Its currency.
        rows: The tax rows of the two parties, for their notes.
    """
    taxable: dict[tuple[str, str], int] = {}
    for line in lines:
        bucket = (line.key.tax_category, line.key.tax_rate)
        taxable[bucket] = taxable.get(bucket, 0) + line.net
    notes = {(row.category, row.rate): row.note for row in reversed(rows)}
    return tuple(
        TaxBucket(
            category=category, rate=rate, taxable=amount, tax=tax_on(amount, rate, currency), note=notes[category, rate]
        )
        for (category, rate), amount in sorted(taxable.items())
    )


def tax_on(taxable: int, rate: str, currency: str) -> int:
    """Return the tax on an amount, both in minor units, rounded once.

    Args:
        taxable: The rounded amount before tax.
        rate: Percentage, such as `21.00`.
        currency: The currency of both.
    """
    major = Decimal(taxable).scaleb(-minor_unit_exponent(currency), context=EXACT)
    return to_minor(EXACT.multiply(major, Decimal(rate).scaleb(-2, context=EXACT)), currency).minor
