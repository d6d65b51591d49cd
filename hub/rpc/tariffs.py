"""TariffService."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from roamhub.v1 import common_pb2, rating_object_pb2, tariff_object_pb2, tariff_pb2

from hub.app.ports.spine import Committer, Reads
from hub.app.quotes import quote_running, quote_session
from hub.app.tariffs import PublishedTariff, get_tariff, list_tariffs, put_tariffs, remove_tariff
from hub.domain.clock import Clock
from hub.domain.ids import ObjectId
from hub.rpc.calls import Call
from hub.rpc.listing import place_token, read_filter, read_key, read_place
from hub.rpc.paging import fitting, read_page
from hub.rpc.policy import CPO
from hub.rpc.publishing import Publisher, result_of
from hub.rpc.quote_wire import read_continuation, read_quote, reported_from_pb
from hub.rpc.rating_wire import rated_to_pb
from hub.rpc.tariff_wire import published_from_pb, tariff_from_document
from hub.rpc.wire import Reader, party_to_pb, time_to_pb

BATCH_MAX = 500


class TariffServicer:
    """Implements `roamhub.v1.TariffService`."""

    def __init__(self, *, committer: Committer, reads: Reads, clock: Clock, clock_skew: timedelta) -> None:
        self._committer = committer
        self._reads = reads
        self._clock = clock
        self._clock_skew = clock_skew
        self._publisher = Publisher(
            committer=committer, use_case=put_tariffs, read=self._read, field="tariffs", most=BATCH_MAX, roles=CPO
        )

    def _read(self, message: tariff_object_pb2.Tariff, path: str) -> PublishedTariff:
        return published_from_pb(message, self._clock() + self._clock_skew, path)

    async def PutTariff(
        self,
        request: tariff_pb2.PutTariffRequest,
        call: Call,  # noqa: ARG002
    ) -> tariff_pb2.PutTariffResponse:
        """Create a tariff or a new version of one."""
        changed = await self._committer.run_batched(put_tariffs, self._read(request.tariff, "tariff"))
        return tariff_pb2.PutTariffResponse(result=result_of(changed))

    async def BatchPutTariffs(
        self, request: tariff_pb2.BatchPutTariffsRequest, call: Call
    ) -> tariff_pb2.BatchPutTariffsResponse:
        """Create or replace up to 500 tariffs."""
        outcomes = await self._publisher.batch(request.tariffs, call.caller)
        return tariff_pb2.BatchPutTariffsResponse(outcomes=outcomes)

    def StreamTariffs(
        self, requests: AsyncIterator[tariff_pb2.StreamTariffsRequest], call: Call
    ) -> AsyncIterator[common_pb2.PublishProgress]:
        """Create or replace a stream of tariffs."""
        return self._publisher.stream((request.tariffs async for request in requests), call.caller)

    async def RemoveTariff(
        self,
        request: tariff_pb2.RemoveTariffRequest,
        call: Call,  # noqa: ARG002
    ) -> tariff_pb2.RemoveTariffResponse:
        """End a tariff."""
        reader = Reader()
        key = read_key(reader, "tariff", request.tariff)
        reader.done()
        removed = await self._committer.run(lambda uow: remove_tariff(uow, key, lambda ended: _removal(key, ended)))
        return tariff_pb2.RemoveTariffResponse(removed_time=time_to_pb(removed))

    async def GetTariff(self, request: tariff_pb2.GetTariffRequest, call: Call) -> tariff_object_pb2.Tariff:
        """Return one tariff that the caller may see."""
        reader = Reader()
        key = read_key(reader, "tariff", request.tariff)
        as_of = reader.time("as_of_time", request.as_of_time) if request.HasField("as_of_time") else None
        reader.done()
        record = await self._reads.run(lambda uow: get_tariff(uow, call.caller, key, as_of))
        return tariff_object_pb2.Tariff.FromString(record.document)

    async def ListTariffs(self, request: tariff_pb2.ListTariffsRequest, call: Call) -> tariff_pb2.ListTariffsResponse:
        """List the tariffs that the caller may see."""
        page = read_page(request)
        party, since = read_filter(request)
        after = read_place(page)
        records = await self._reads.run(
            lambda uow: list_tariffs(
                uow, call.caller, party=party, updated_since=since, after=after, limit=page.size + 1
            )
        )
        shown = fitting(records, page.size, lambda record: len(record.document))
        return tariff_pb2.ListTariffsResponse(
            tariffs=[tariff_object_pb2.Tariff.FromString(record.document) for record in shown],
            next_page_token=place_token(page, shown[-1].id) if len(records) > len(shown) else "",
        )

    async def QuoteSession(self, request: tariff_pb2.QuoteSessionRequest, call: Call) -> rating_object_pb2.RatedSession:
        """Say what a plan of charging would cost, or a session."""
        if request.HasField("session"):
            going_on = read_continuation(request)
            running = await self._reads.run(
                lambda uow: quote_running(uow, call.caller, going_on, reported_from_pb, tariff_from_document)
            )
            return rated_to_pb(running)
        wanted = read_quote(request)
        rated = await self._reads.run(lambda uow: quote_session(uow, call.caller, wanted, tariff_from_document))
        return rated_to_pb(rated)


def _removal(key: ObjectId, ended: datetime) -> bytes:
    party = party_to_pb(key.party)
    assert party is not None
    named = common_pb2.ObjectKey(country_code=party.country_code, party_id=party.party_id, id=key.id)
    return tariff_pb2.TariffRemoval(tariff=named, removed_time=time_to_pb(ended)).SerializeToString()
