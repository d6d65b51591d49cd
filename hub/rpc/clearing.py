"""ClearingService: periods, statements, bundles, positions, gaps."""

from collections.abc import AsyncIterator

from roamhub.v1 import clearing_pb2 as pb

from hub.app.clearing import periods, proofs, statements
from hub.app.clearing.facts import require_statement_name
from hub.app.ports.clearing import PeriodFilter, StatementFilter
from hub.app.ports.uow import UnitOfWork
from hub.app.radar import count_gaps, list_gaps
from hub.domain.clearing.periods import PeriodState
from hub.domain.clearing.records import AcknowledgementRecord, StatementRecord, StatementState
from hub.rpc.calls import Call
from hub.rpc.clearing_messages import (
    PERIOD_STATES,
    STATEMENT_STATES,
    answer_from_pb,
    parent_agreement,
    parent_period,
    period_to_pb,
    statement_to_pb,
    whole_statement_to_pb,
)
from hub.rpc.gap_messages import gap_to_pb, gap_token, read_gap_filter, read_place, summary_to_pb
from hub.rpc.paging import read_page
from hub.rpc.period_steps import PeriodSteps
from hub.rpc.position_pages import PositionPage
from hub.rpc.wire import Reader

_CHUNK_BYTES = 256 * 1024


class ClearingServicer(PeriodSteps):
    """Implements `roamhub.v1.ClearingService`, with the deprecated RPCs that are AdminService's now."""

    async def ListPeriods(self, request: pb.ListPeriodsRequest, call: Call) -> pb.ListPeriodsResponse:
        """List periods."""
        page, reader = read_page(request), Reader()
        state = reader.one_of("state", request.state, PERIOD_STATES, PeriodState.OPEN) if request.state else None
        reader.done()
        wanted = PeriodFilter(
            parties=None if call.caller.operator else frozenset(call.caller.parties),
            agreement=parent_agreement(request.parent),
            state=state,
        )
        after = page.key(str, int)
        found = await self._reads.run(lambda uow: uow.clearing.periods(wanted, after, page.size + 1))
        shown = found[: page.size]
        more = len(found) > len(shown)
        return pb.ListPeriodsResponse(
            periods=[period_to_pb(period) for period in shown],
            next_page_token=page.next_token(shown[-1].agreement, shown[-1].first_index) if more else "",
        )

    async def GetPeriod(self, request: pb.GetPeriodRequest, call: Call) -> pb.Period:
        """Return a period."""
        return period_to_pb(await self._reads.run(lambda uow: periods.get(uow, call.caller, request.name)))

    async def ListStatements(self, request: pb.ListStatementsRequest, call: Call) -> pb.ListStatementsResponse:
        """List statements."""
        page, reader = read_page(request), Reader()
        fallback = StatementState.ISSUED
        state = reader.one_of("state", request.state, STATEMENT_STATES, fallback) if request.state else None
        reader.done()
        agreement, period = parent_period(request.parent)
        seen = frozenset(StatementState) if call.caller.operator else statements.ISSUED
        wanted = StatementFilter(
            parties=None if call.caller.operator else frozenset(call.caller.parties),
            agreement=agreement,
            period=period,
            states=seen if state is None else seen & {state},
        )
        (after,) = page.key(str) or ("",)
        found = await self._reads.run(lambda uow: uow.clearing.statements(wanted, after, page.size + 1))
        shown = found[: page.size]
        return pb.ListStatementsResponse(
            statements=[statement_to_pb(statement) for statement in shown],
            next_page_token=page.next_token(shown[-1].name) if len(found) > len(shown) else "",
        )

    async def GetStatement(self, request: pb.GetStatementRequest, call: Call) -> pb.Statement:
        """Return a statement."""

        def read(uow: UnitOfWork) -> tuple[StatementRecord, list[AcknowledgementRecord]]:
            statement = statements.get(uow, call.caller, request.name)
            return statement, list(uow.clearing.acknowledgements(statement.name))

        return whole_statement_to_pb(*await self._reads.run(read))

    async def AcknowledgeStatement(self, request: pb.AcknowledgeStatementRequest, call: Call) -> pb.Statement:  # noqa: ARG002
        """Answer a statement."""
        answer = answer_from_pb(request)

        def write(uow: UnitOfWork) -> tuple[StatementRecord, list[AcknowledgementRecord]]:
            statement = statements.acknowledge(uow, self._settings, answer)
            return statement, list(uow.clearing.acknowledgements(statement.name))

        return whole_statement_to_pb(*await self._committer.run(write))

    async def ExportBundle(self, request: pb.ExportBundleRequest, call: Call) -> AsyncIterator[pb.ExportBundleResponse]:
        """Stream the bundle of a statement."""
        name = require_statement_name(request.name)
        bundle = await self._reads.run(
            lambda uow: proofs.export(uow, self._settings, statements.get(uow, call.caller, name))
        )
        for start in range(0, len(bundle), _CHUNK_BYTES):
            yield pb.ExportBundleResponse(data=bundle[start : start + _CHUNK_BYTES])

    async def ListPositions(self, request: pb.ListPositionsRequest, call: Call) -> pb.ListPositionsResponse:
        """Return who owes whom, page by page."""
        wanted = PositionPage(request)
        return await self._reads.run(lambda uow: wanted.read(uow, call.caller))

    async def ListGaps(self, request: pb.ListGapsRequest, call: Call) -> pb.ListGapsResponse:
        """List what should be on record and is not."""
        page = read_page(request)
        wanted, after = read_gap_filter(request.parent, request.filter), read_place(page)
        found = await self._reads.run(lambda uow: list_gaps(uow, call.caller, wanted, after, page.size + 1))
        shown = found[: page.size]
        return pb.ListGapsResponse(
            gaps=[gap_to_pb(each) for each in shown],
            next_page_token=gap_token(page, shown[-1]) if len(found) > len(shown) else "",
        )

    async def SummarizeGaps(self, request: pb.SummarizeGapsRequest, call: Call) -> pb.SummarizeGapsResponse:
        """Count what should be on record and is not."""
        wanted = read_gap_filter(request.parent, request.filter)
        return summary_to_pb(await self._reads.run(lambda uow: count_gaps(uow, call.caller, wanted)))
