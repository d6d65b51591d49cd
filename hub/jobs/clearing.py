"""The clearing jobs: periods opened and cut off, statements calculated, the time to answer over.

Each asks the database what is due before it takes a transaction. A period that fails is logged and tried again at the
next run, while the others go on; every step is a transaction of its own and safe to run twice.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

from hub.app.clearing import periods, settle, statements
from hub.app.ports.clearing import ClearingSettings
from hub.app.ports.spine import Committer, Reads
from hub.app.ports.uow import UnitOfWork
from hub.domain.errors import HubError

_log = logging.getLogger(__name__)

#: In whose name the job calculates: no operator has this name, so whoever reviews is another.
JOB = "hub"


class ClearingJobs:
    """What the scheduler runs; each method is one job and returns whether anything was due."""

    def __init__(self, *, committer: Committer, reads: Reads, settings: ClearingSettings) -> None:
        self._committer = committer
        self._reads = reads
        self._settings = settings

    async def follow_calendar(self) -> bool:
        """Cut off periods whose calendar end has come, and open those that are missing."""
        changed = False
        while await self._reads.run(periods.due):
            await self._committer.run(lambda uow: periods.follow_clock(uow, self._settings))
            changed = True
        return changed

    async def calculate(self) -> bool:
        """Calculate the statements of periods whose grace is over."""
        return await self._each(settle.ready, self._calculate)

    async def deem_accepted(self) -> bool:
        """Take statements for accepted that nobody answered in time."""
        return await self._each(statements.unanswered, self._deem_accepted)

    async def _each(self, find: Callable[[UnitOfWork], Sequence[str]], do: Callable[[str], Awaitable[object]]) -> bool:
        names = await self._reads.run(find)
        for name in names:
            try:
                await do(name)
            except HubError as error:
                _log.warning("clearing_refused", extra={"period": name, "reason": error.reason, **error.metadata})
        return bool(names)

    async def _calculate(self, name: str) -> None:
        made = await self._reads.run(lambda uow: settle.draft(uow, self._settings, name))
        await self._committer.run(lambda uow: settle.record(uow, made, JOB))

    async def _deem_accepted(self, name: str) -> None:
        await self._committer.run(lambda uow: statements.deem_accepted(uow, name))
