"""The two sides of the tax of amounts that share a cost group, a tax and a unit."""

from decimal import Decimal

from hub.domain.rating.compile import Bucket, TaxMode
from hub.domain.rating.exact import divide

#: An amount before and after taxes, None where that side is unknown.
Sides = tuple[Decimal | None, Decimal | None]

_ADDED, _CONTAINED, _NONE = TaxMode.ADDED, TaxMode.CONTAINED, TaxMode.NONE
_ADDED_UNKNOWN = TaxMode.ADDED_UNKNOWN


def sides_of(bucket: Bucket, raw: Decimal) -> Sides:
    """Return what a bucket's sum of volume x price comes to; call within the engine's decimal context.

    Prices per hour times seconds need a division by 3600, gross prices one by 1 + vat; both may have no end. So the
    undivided sum is what is kept, and each side is cut once, however many lines there are.
    """
    mode, divisor = bucket.mode, bucket.divisor
    published = raw if divisor == 1 else divide(raw, divisor)
    if mode is _ADDED:
        gross = raw * bucket.factor
        return published, gross if divisor == 1 else divide(gross, divisor)
    if mode is _NONE:
        return published, published
    if mode is _CONTAINED:
        return divide(raw, bucket.factor * divisor), published
    return (published, None) if mode is _ADDED_UNKNOWN else (None, published)


def plus(left: Sides, right: Sides) -> Sides:
    """Add side by side; a side that one of them does not know is unknown."""
    return (
        None if left[0] is None or right[0] is None else left[0] + right[0],
        None if left[1] is None or right[1] is None else left[1] + right[1],
    )


def less(left: Sides, right: Sides) -> Sides:
    """Subtract side by side; a side that one of them does not know is unknown."""
    return (
        None if left[0] is None or right[0] is None else left[0] - right[0],
        None if left[1] is None or right[1] is None else left[1] - right[1],
    )
