"""Positions and the payments that settle them, page by page.

They are computed from all statements anew for every page. So that the pages of one list add up, they all count the
statements that were issued before the first page was asked for: the token says when that was.
"""

from datetime import datetime, timedelta

from roamhub.v1 import clearing_pb2 as pb

from hub.app.clearing import statements
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Netting
from hub.domain.parties import Caller
from hub.rpc.clearing_messages import NETTINGS, position_to_pb, transfer_to_pb
from hub.rpc.paging import PAGE_SIZE_MAX, not_ours, read_page
from hub.rpc.wire import Reader, instant_of, micros_of

_MOMENT = timedelta(microseconds=1)


class PositionPage:
    """What one request asks for; raises Invalid."""

    def __init__(self, request: pb.ListPositionsRequest) -> None:
        reader = Reader()
        self._netting = Netting.MULTILATERAL
        if request.netting:
            self._netting = reader.one_of("netting", request.netting, NETTINGS, self._netting)
        self._since = reader.optional_time("issue_time_from", request)
        until = reader.optional_time("issue_time_before", request)
        reader.done()
        # Who names no size gets what there was before there were pages, as far as one answer holds it.
        self._page = read_page(request, default=PAGE_SIZE_MAX)
        place = self._page.key(int, int)
        self._first = place is None
        self._until: datetime | None = until if place is None else _instant(place[0])
        self._offset: int = 0 if place is None else place[1]
        if self._offset < 0:
            raise not_ours()

    def read(self, uow: UnitOfWork, caller: Caller) -> pb.ListPositionsResponse:
        """Return the page: positions come first, then payments."""
        until = self._until
        if self._first:
            # Among them what was issued in this very microsecond.
            now = uow.now + _MOMENT
            until = now if until is None else min(until, now)
        found = statements.list_positions(uow, caller, self._netting, self._since, until)
        start, end, before = self._offset, self._offset + self._page.size, len(found.positions)
        response = pb.ListPositionsResponse(
            positions=map(position_to_pb, found.positions[start:end]),
            transfers=map(transfer_to_pb, found.transfers[max(start - before, 0) : max(end - before, 0)]),
            statement_count=found.statements,
        )
        if end < before + len(found.transfers):
            assert until is not None
            response.next_page_token = self._page.next_token(micros_of(until), end)
        return response


def _instant(micros: int) -> datetime:
    try:
        return instant_of(micros)
    except OverflowError:
        raise not_ours() from None
