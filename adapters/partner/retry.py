"""When to try again, and how long to wait first.

Only what the hub calls UNAVAILABLE is tried again by itself (AIP-194), and only where a second attempt cannot do harm:
upserts, reads, and CDRs by their request id. Waits are random below a bound that doubles ("full jitter"), so that the
partners a restarted hub has lost do not all come back at once.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How waits grow.

    Attributes:
        first_seconds: Bound of the first wait.
        longest_seconds: No wait is longer.
        factor: Each bound is so many times the one before.
    """

    first_seconds: float = 0.2
    longest_seconds: float = 15.0
    factor: float = 2.0

    def waits(self) -> Iterator[float]:
        """Yield waits in seconds, without end."""
        bound = self.first_seconds
        while True:
            yield random.uniform(bound / 4, bound)  # noqa: S311 - spreads load, guards no secret
            bound = min(bound * self.factor, self.longest_seconds)
