"""Returned and quarantined CDRs whose deadline passes."""

from hub.app.cdrs.standings import due, follow_deadlines
from hub.app.ports.spine import Committer, Reads


class ReturnsClock:
    """A job that acts on deadlines of CDRs, also on those that passed while the hub was down. Safe to run twice."""

    def __init__(self, *, committer: Committer, reads: Reads) -> None:
        self._committer = committer
        self._reads = reads

    async def __call__(self) -> bool:
        """Do what is due; returns whether anything was."""
        changed = False
        while await self._reads.run(due):
            await self._committer.run(follow_deadlines)
            changed = True
        return changed
