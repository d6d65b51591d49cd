"""How many gaps there are, for whoever watches the hub."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from hub.app.ports.spine import Reads
from hub.app.radar import GapFilter, count_gaps
from hub.domain.parties import Caller
from hub.domain.radar import GapKind

#: How often they are counted, in seconds: gaps are days old, and to count them reads all that may be one.
GAPS_SECONDS = 900
#: When they are first counted after the start, in seconds: not while everybody reconnects.
GAPS_AFTER_SECONDS = 30
#: The ages that are counted apart, by what the figures call them: what is missing, and what nobody has chased.
AGES: Mapping[str, timedelta] = {"1d": timedelta(days=1), "7d": timedelta(days=7)}

#: Sees the gaps of all.
_HUB = Caller(platform="hub", operator=True)


class GapCounter:
    """A job that counts the gaps of all parties together.

    Args:
        reads: Where they are counted, kind by kind, so that other reads come in between.
        tell: Told the kind in lower case, the age and how many gaps are older.
    """

    def __init__(self, *, reads: Reads, tell: Callable[[str, str, int], None]) -> None:
        self._reads = reads
        self._tell = tell

    async def __call__(self) -> bool:
        """Count; returns whether there is any."""
        found = False
        for kind in GapKind:
            for name, age in AGES.items():
                wanted = GapFilter(kinds=frozenset({kind}), older_than=age)
                (counted,) = await self._reads.run(lambda uow, wanted=wanted: count_gaps(uow, _HUB, wanted))  # type: ignore[misc]
                self._tell(kind.name.lower(), name, counted.count)
                found = found or counted.count > 0
        return found
