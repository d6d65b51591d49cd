"""What charges occupied long ago is forgotten."""

from hub.app.cdrs.pruning import anything_old, forget_old
from hub.app.ports.spine import Committer, Reads

#: How often the job looks, in seconds: what is old grows by the day.
SPANS_SECONDS = 3_600


class SpanPruning:
    """A job that keeps the table of spans small, piece by piece between what others write. Safe to run twice."""

    def __init__(self, *, committer: Committer, reads: Reads) -> None:
        self._committer = committer
        self._reads = reads

    async def __call__(self) -> bool:
        """Do what is due; returns whether anything was."""
        changed = False
        while await self._reads.run(anything_old):
            await self._committer.run(forget_old)
            changed = True
        return changed
