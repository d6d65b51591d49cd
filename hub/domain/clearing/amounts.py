"""Exact amounts as whole numbers of ten-thousandths: what OCPI's four decimals are, and what adds without loss."""

import re
from decimal import Decimal

from hub.domain.money import EXACT, OCPI_DECIMALS, Money, minor_unit_exponent, to_minor

_TEN_THOUSAND = Decimal(10**OCPI_DECIMALS)
_TEXT = re.compile(r"-?(0|[1-9][0-9]{0,29})\.[0-9]{4}")


def to_e4(value: Decimal) -> int:
    """Return an exact amount or volume in ten-thousandths.

    Raises:
        ValueError: It has more than four decimals, or is not finite.
    """
    scaled = EXACT.multiply(value, _TEN_THOUSAND)
    if not scaled.is_finite() or (whole := int(scaled)) != scaled:
        raise ValueError("an exact amount has at most four decimals")
    return whole


def e4_text(amount: int) -> str:
    """Return ten-thousandths as a decimal number with exactly four decimals, such as `-0.0500`."""
    digits = f"{amount:05}" if amount >= 0 else f"{amount:06}"
    return f"{digits[:-OCPI_DECIMALS]}.{digits[-OCPI_DECIMALS:]}"


def parse_e4(text: str) -> int:
    """Read what `e4_text` wrote.

    Raises:
        ValueError: It is in any other form.
    """
    if not _TEXT.fullmatch(text) or text == "-0.0000":
        raise ValueError("not a number with exactly four decimals")
    return int(text.replace(".", ""))


def round_e4(amount: int, currency: str) -> int:
    """Round ten-thousandths of a currency's major unit, once, to its minor units."""
    return to_minor(Decimal(amount).scaleb(-OCPI_DECIMALS, context=EXACT), currency).minor


def minor_text(minor: int, currency: str) -> str:
    """Return minor units as a decimal number with exactly the currency's decimals, such as `-12.30` or `7`."""
    return f"{Money(minor=minor, currency=currency).decimal():f}"


def parse_minor(text: str, currency: str) -> int:
    """Read what `minor_text` wrote.

    Raises:
        ValueError: It is in any other form.
    """
    if len(text) > 40 or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        raise ValueError("not a decimal number")
    minor = int(text.replace(".", ""))
    if minor_text(minor, currency) != text:
        raise ValueError(f"not a number with exactly {minor_unit_exponent(currency)} decimals")
    return minor
