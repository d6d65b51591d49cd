"""Fields that tariffs and CDRs share in OCPI's JSON, of 2.1.1, 2.2.1 and 2.3.0, as partners send them.

Reading is tolerant: numbers may be strings, nulls are absent fields, unknown fields are ignored, enums compare
without case. What cannot be used is refused with the path of the field.
"""

from decimal import Decimal

from hub.domain.errors import invalid
from hub.domain.rating.breakdown import Price
from hub.domain.rating.json_reader import Node, as_number
from hub.domain.tariffs import OcpiVersion


def parse_version(text: str) -> OcpiVersion:
    """Return the OCPI version of that name.

    Raises:
        Invalid: It is none of those supported.
    """
    try:
        return OcpiVersion(text)
    except ValueError:
        raise invalid("ocpi", f"must be one of {', '.join(OcpiVersion)}") from None


def unwrap(raw: object) -> object:
    """Take OCPI's response off what it carries."""
    if isinstance(raw, dict) and "status_code" in raw and "data" in raw:
        return raw["data"]
    return raw


def currency_of(node: Node) -> str | None:
    """Return the currency in upper case; None where it is absent.

    Raises:
        Invalid: It is no code of three letters.
    """
    currency = node.text("currency")
    if currency is None:
        return None
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
        raise invalid(node.at("currency"), "must be an ISO 4217 code such as EUR")
    if not currency.isupper():
        node.remark("currency", "is not in upper case")
    return currency.upper()


def enum_of(node: Node, name: str) -> str | None:
    """Return the name of an enum's value in upper case; None where it is absent or empty."""
    text = node.text(name)
    return text.upper() if text else None


def note_unknown(node: Node) -> None:
    """Remark on every field that nobody asked for."""
    for name in node.unknown():
        node.remark(name, "is no field of OCPI here and was ignored")


def price_of(node: Node, name: str) -> Price | None:
    """Read a Price of any version: a number (2.1.1), `excl_vat`/`incl_vat`, or `before_taxes` with taxes or limit."""
    value = node.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        return Price(before_taxes=as_number(value, node.at(name)), after_taxes=None)
    price = Node(raw=value, path=node.at(name), remarks=node.remarks)
    before = price.number("before_taxes")
    after = price.number("after_taxes")
    taxes = price.get("taxes")
    if before is not None and after is None and taxes is not None:
        amounts = [tax.number("amount") for tax in price.nodes("taxes")]
        after = before + sum((amount for amount in amounts if amount is not None), Decimal(0))
    excluded, included = price.number("excl_vat"), price.number("incl_vat")
    return Price(
        before_taxes=before if before is not None else excluded, after_taxes=after if after is not None else included
    )
