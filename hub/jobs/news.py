"""What other processes have committed: who takes part, who is shut out, how far the journal goes.

A process that writes learns it with every group of its own. One that only reads, or does nothing, learns it here.
"""

from collections.abc import Callable

from hub.app.directory import Directory
from hub.app.ports.spine import Reads
from hub.app.ports.uow import UnitOfWork
from hub.domain.journal import Stream

#: How often a process looks, in seconds: so long a revocation elsewhere, or an entry, may stay unknown here.
NEWS_SECONDS = 0.5


class News:
    """A job that brings what this process holds in memory in step with the database.

    Args:
        reads: Where it looks.
        learn: Takes in the directory, unless it is known.
        advance: Takes in how many entries each stream of the journal has.
        settle: Called afterwards, to act on what was learned.
    """

    def __init__(
        self,
        *,
        reads: Reads,
        learn: Callable[[Directory], None],
        advance: Callable[[dict[Stream, int]], None],
        settle: Callable[[], int],
    ) -> None:
        self._reads = reads
        self._learn = learn
        self._advance = advance
        self._settle = settle

    async def __call__(self) -> bool:
        """Look once; returns whether anything had to be settled."""
        directory, heads = await self._reads.run(_stored)
        # In this order: whoever reads the new entries must know the parties that they name.
        self._learn(directory)
        self._advance(heads)
        return self._settle() > 0


def _stored(uow: UnitOfWork) -> tuple[Directory, dict[Stream, int]]:
    return uow.directory, {stream: uow.journal.head(stream) for stream in Stream}
