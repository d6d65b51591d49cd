"""Which VAT applies: a dated decision table in data, never in code.

A rule is found by supplier's state, customer's state, whether the customer is a dealer in electricity, and the tax
date; the first rule that fits decides. Where none fits, the case is unclassified and its statement cannot be issued.
Categories are EN 16931's (UNCL 5305).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from hub.domain.canonical import Fields, MalformedDocument, digest, dump, expect_format, load, normalise
from hub.domain.clearing.items import parse_date

FORMAT = "roamhub.tax-table.v1"

#: Standard rate.
STANDARD = "S"
#: EN 16931 categories under which no tax is charged: reverse charge, zero rate, exempt, out of scope, export,
#: intra-community supply.
UNTAXED = frozenset({"AE", "Z", "E", "O", "G", "K"})

_RATE = re.compile(r"(0|[1-9][0-9]?)\.[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRow:
    """What applies to one pair of parties over a span of tax dates.

    Attributes:
        first_date: The first tax date it holds for.
        end_date: The first tax date it no longer holds for; None while open.
        category: EN 16931 category code.
        rate: Percentage with two decimals, such as `21.00`.
        note: What an invoice says about it; may be empty for the standard rate.
    """

    first_date: date
    end_date: date | None
    category: str
    rate: str
    note: str

    def __post_init__(self) -> None:
        if not _RATE.fullmatch(self.rate):
            raise ValueError("a tax rate is a percentage with two decimals")
        if self.category != STANDARD and self.category not in UNTAXED:
            raise ValueError("an unknown tax category")
        if (self.category == STANDARD) == (self.rate == "0.00"):
            raise ValueError("only the standard rate has a rate")
        if self.end_date is not None and self.end_date <= self.first_date:
            raise ValueError("a tax row ends after it begins")

    def holds_on(self, day: date) -> bool:
        """Return whether the row holds for a tax date."""
        return self.first_date <= day and (self.end_date is None or day < self.end_date)

    @property
    def percentage(self) -> Decimal:
        """The rate as a number."""
        return Decimal(self.rate)


def classify(rows: Iterable[TaxRow], day: date) -> TaxRow | None:
    """Return the first row that holds for a tax date, or None: unclassified."""
    return next((row for row in rows if row.holds_on(day)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRule:
    """One rule of the table: a row, and the parties it applies to.

    Attributes:
        suppliers: Supplier's states; empty for any.
        customers: Customer's states; empty for any.
        domestic: Whether the two states have to be the same, or to differ; None for either.
        dealer: Whether the customer has to be a dealer in electricity, or none; None for either.
        row: What then applies.
    """

    suppliers: frozenset[str]
    customers: frozenset[str]
    domestic: bool | None
    dealer: bool | None
    row: TaxRow

    def fits(self, *, supplier: str, customer: str, dealer: bool) -> bool:
        """Return whether the rule applies to a pair of parties."""
        return (
            (not self.suppliers or supplier in self.suppliers)
            and (not self.customers or customer in self.customers)
            and self.domestic in {None, supplier == customer}
            and self.dealer in {None, dealer}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxTable:
    """The rules in their order, and the digest of the document they were read from."""

    rules: tuple[TaxRule, ...]
    digest: str

    def rows_for(self, *, supplier: str, customer: str, dealer: bool) -> tuple[TaxRow, ...]:
        """Return the rows that apply to a pair of parties, in order; the statement quotes them.

        Args:
            supplier: State of the creditor, ISO 3166-1 alpha-2.
            customer: State of the debtor.
            dealer: Whether the debtor buys electricity to sell it on.
        """
        return tuple(rule.row for rule in self.rules if rule.fits(supplier=supplier, customer=customer, dealer=dealer))


def parse_table(text: bytes) -> TaxTable:
    """Read a table as people write it; `docs/clearing.md` describes it. Its digest is that of its one form.

    Raises:
        MalformedDocument: It is no table of this format.
    """
    document = normalise(text)
    fields = Fields(load(document))
    expect_format(fields, FORMAT)
    groups = {group.text("name"): frozenset(group.texts("states")) for group in fields.objects("groups")}
    try:
        rules = tuple(_rule(each, groups) for each in fields.objects("rules"))
    except MalformedDocument:
        raise
    except ValueError as error:
        raise MalformedDocument(str(error)) from None
    fields.end()
    return TaxTable(rules=rules, digest=digest(document))


def _rule(fields: Fields, groups: Mapping[str, frozenset[str]]) -> TaxRule:
    suppliers, customers = _states(fields.texts("suppliers"), groups), _states(fields.texts("customers"), groups)
    rule = TaxRule(
        suppliers=suppliers,
        customers=customers,
        domestic=_either(fields.text("domestic")),
        dealer=_either(fields.text("dealer")),
        row=read_row(fields),
    )
    fields.end()
    return rule


def _states(names: Iterable[str], groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*(groups.get(name, frozenset({name})) for name in names))


def _either(text: str) -> bool | None:
    if text not in {"YES", "NO", "ANY"}:
        raise MalformedDocument("a condition is YES, NO or ANY")
    return {"YES": True, "NO": False}.get(text)


def read_row(fields: Fields) -> TaxRow:
    """Read a row's fields, as `row_document` writes them.

    Raises:
        ValueError: They make no row.
    """
    first, end = fields.text("first_date"), fields.text("end_date")
    return TaxRow(
        first_date=parse_date(first),
        end_date=parse_date(end) if end else None,
        category=fields.text("category"),
        rate=fields.text("rate"),
        note=fields.text("note"),
    )


def row_document(row: TaxRow) -> dict[str, str]:
    """Return a row's fields; an open end is an empty text."""
    return {
        "first_date": row.first_date.isoformat(),
        "end_date": row.end_date.isoformat() if row.end_date else "",
        "category": row.category,
        "rate": row.rate,
        "note": row.note,
    }


def dump_table(*, groups: Mapping[str, Iterable[str]], rules: Iterable[TaxRule]) -> bytes:
    """Return the document of a table, states in alphabetical order."""
    texts = {True: "YES", False: "NO", None: "ANY"}
    return dump(
        {
            "format": FORMAT,
            "groups": [{"name": name, "states": sorted(states)} for name, states in groups.items()],
            "rules": [
                {
                    "suppliers": sorted(rule.suppliers),
                    "customers": sorted(rule.customers),
                    "domestic": texts[rule.domestic],
                    "dealer": texts[rule.dealer],
                    **row_document(rule.row),
                }
                for rule in rules
            ],
        }
    )
