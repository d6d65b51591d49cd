"""Arithmetic of the engine: exact, except where a division has no end; that is cut at 20 decimals in one place."""

from decimal import ROUND_HALF_UP, Context, Decimal

#: Wide enough that no sum or product of usable numbers is ever rounded.
CONTEXT = Context(prec=100, rounding=ROUND_HALF_UP)

#: A price, volume or limit beyond this is a mistake or an attack.
LARGEST_NUMBER = Decimal(10) ** 12
LOWEST_NUMBER = -LARGEST_NUMBER

_CUT = Decimal(1).scaleb(-20)


def usable(value: Decimal | None) -> bool:
    """Say whether a number is absent, or finite and of a size that money and energy can have."""
    return value is None or (value.is_finite() and LOWEST_NUMBER < value < LARGEST_NUMBER)


def divide(numerator: Decimal, divisor: Decimal | int) -> Decimal:
    """Divide, cutting an endless result at 20 decimals (half away from zero). Call within `CONTEXT`."""
    return (numerator / divisor).quantize(_CUT)


def spoken(seconds: Decimal) -> str:
    """Write seconds as hours, minutes and seconds: `2 h 45 min`."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{written(value)} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (left, "s")) if value]
    return " ".join(parts) or "0 s"


def written(value: Decimal) -> str:
    """Write a number with all its digits and no trailing zeros, never with an exponent."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
