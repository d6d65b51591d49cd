"""Running sums of amounts that share a cost group, a tax and a unit."""

from decimal import Decimal

from hub.domain.rating.compile import Bucket, TaxMode
from hub.domain.rating.exact import divide

Sides = tuple[Decimal | None, Decimal | None]


class Account:
    """One bucket's sum, before and after taxes.

    Prices per hour times seconds need a division by 3600, gross prices one by 1 + vat: both may have no end. So the
    undivided sum is kept exactly, and what is added to a side is the difference of two cut quotients. The sides
    are then always the cut of the exact sum, however many lines there are, and exactly the sum of their lines.
    """

    __slots__ = ("after", "before", "bucket", "raw", "used")

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.raw = Decimal(0)
        self.used = False
        before_known = bucket.mode is not TaxMode.CONTAINED_UNKNOWN
        after_known = bucket.mode is not TaxMode.ADDED_UNKNOWN
        self.before: Decimal | None = Decimal(0) if before_known else None
        self.after: Decimal | None = Decimal(0) if after_known else None

    def add(self, amount: Decimal) -> Sides:
        """Add volume x price, in the bucket's unit; return what that adds before and after taxes."""
        self.raw += amount
        self.used = True
        before, after = self.before, self.after
        self._settle()
        return (
            None if before is None or self.before is None else self.before - before,
            None if after is None or self.after is None else self.after - after,
        )

    def _settle(self) -> None:
        bucket, raw = self.bucket, self.raw
        published = raw if bucket.divisor == 1 else divide(raw, bucket.divisor)
        match bucket.mode:
            case TaxMode.ADDED:
                assert bucket.factor is not None
                gross = raw * bucket.factor
                self.before = published
                self.after = gross if bucket.divisor == 1 else divide(gross, bucket.divisor)
            case TaxMode.CONTAINED:
                assert bucket.factor is not None
                self.before = divide(raw, bucket.divisor * bucket.factor)
                self.after = published
            case TaxMode.NONE:
                self.before = self.after = published
            case TaxMode.ADDED_UNKNOWN:
                self.before = published
            case TaxMode.CONTAINED_UNKNOWN:
                self.after = published
