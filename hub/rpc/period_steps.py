"""The steps that operators take with settlement periods: of AdminService, and under old names of ClearingService."""

from collections.abc import Callable
from functools import partial

from roamhub.v1 import clearing_pb2 as pb

from hub.app.clearing import periods, settle
from hub.app.ports.clearing import ClearingSettings
from hub.app.ports.spine import Committer, Reads
from hub.app.ports.uow import UnitOfWork
from hub.domain.clearing.periods import Period
from hub.domain.errors import invalid
from hub.rpc.calls import Call
from hub.rpc.clearing_messages import period_to_pb
from hub.rpc.wire import Reader


class PeriodSteps:
    """Takes periods from cut-off to issue.

    Args:
        committer: Where a step is written.
        reads: Where statements are calculated.
        settings: How the hub clears.
    """

    def __init__(self, *, committer: Committer, reads: Reads, settings: ClearingSettings) -> None:
        self._committer = committer
        self._reads = reads
        self._settings = settings

    async def CutOffPeriod(self, request: pb.CutOffPeriodRequest, call: Call) -> pb.Period:  # noqa: ARG002
        """Cut an open period off."""
        return await self._step(lambda uow: periods.cut_off(uow, self._settings, request.name, request.etag))

    async def CalculatePeriod(self, request: pb.CalculatePeriodRequest, call: Call) -> pb.Period:
        """Calculate the statements of a period."""
        made = await self._reads.run(lambda uow: settle.draft(uow, self._settings, request.name, request.etag))
        return await self._step(lambda uow: settle.record(uow, made, call.caller.platform))

    async def ReviewPeriod(self, request: pb.ReviewPeriodRequest, call: Call) -> pb.Period:
        """Approve the statements of a period."""
        if not request.etag:
            raise invalid("etag", "is required")
        return await self._step(lambda uow: settle.review(uow, request.name, request.etag, call.caller.platform))

    async def IssuePeriod(self, request: pb.IssuePeriodRequest, call: Call) -> pb.Period:
        """Sign and issue the statements of a period."""
        reader = Reader()
        request_id = reader.request_id(request.request_id)
        reader.done()
        issue = partial(settle.issue_once, by=call.caller.platform, request_id=request_id)
        return await self._step(lambda uow: issue(uow, self._settings, request.name, request.etag))

    async def _step(self, use_case: Callable[[UnitOfWork], Period]) -> pb.Period:
        return period_to_pb(await self._committer.run(use_case))
