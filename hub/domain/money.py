"""Exact amounts: decimals for prices and energy, integer minor units for the ledger. Never a float.

The one place where an amount is rounded is `round_half_away`.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

#: Wide enough for any sum a hub will meet; the default of 28 digits would lose digits without a word.
EXACT = Context(prec=60, rounding=ROUND_HALF_UP)

#: OCPI writes amounts, prices and volumes with up to four decimals (section types, `number`).
OCPI_DECIMALS = 4

#: ISO 4217 currencies whose minor unit is not a hundredth.
_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}


_QUANTA = tuple(Decimal(1).scaleb(-decimals) for decimals in range(21))


def round_half_away(value: Decimal, decimals: int) -> Decimal:
    """Round to at most 20 `decimals`, a half away from zero, so that a negated amount rounds to the negated result."""
    # decimal's ROUND_HALF_UP rounds the absolute value and keeps the sign: what EN 16931 and OCPI readers expect.
    return value.quantize(_QUANTA[decimals], None, EXACT)


def parse_decimal(text: str) -> Decimal:
    """Read a plain decimal number such as `-12.5`.

    Raises:
        ValueError: The text is not a finite number of at most 40 characters.
    """
    if len(text) > 40:
        raise ValueError("must have at most 40 characters")
    # The text goes on to other back ends as it is; blanks, underscores and other digits are Python's own idea of one.
    if not text.isascii() or "_" in text or len(text.strip()) != len(text):
        raise ValueError("must be a decimal number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError("must be a decimal number") from None
    if not value.is_finite():
        raise ValueError("must be a finite number")
    return value


def minor_unit_exponent(currency: str) -> int:
    """Return how many decimals the minor unit of an ISO 4217 currency has: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


class CurrencyMismatchError(ValueError):
    """Two amounts of different currencies were added or compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount of the ledger: a whole number of minor units of one ISO 4217 currency."""

    minor: int
    currency: str

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatchError(f"{self.currency} and {other.currency} do not mix")

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(minor=self.minor + other.minor, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(minor=self.minor - other.minor, currency=self.currency)

    def __neg__(self) -> "Money":
        return Money(minor=-self.minor, currency=self.currency)

    def decimal(self) -> Decimal:
        """Return the amount in major units, with exactly the currency's decimals."""
        return Decimal(self.minor).scaleb(-minor_unit_exponent(self.currency), context=EXACT)

    def __str__(self) -> str:
        return f"{self.decimal():f} {self.currency}"


def to_minor(amount: Decimal, currency: str) -> Money:
    """Round an exact amount in major units, once, to minor units of its currency."""
    exponent = minor_unit_exponent(currency)
    rounded = round_half_away(amount, exponent)
    return Money(minor=int(rounded.scaleb(exponent, context=EXACT)), currency=currency)
