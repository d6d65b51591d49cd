"""LocationService."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from google.protobuf.field_mask_pb2 import FieldMask
from roamhub.v1 import common_pb2, location_object_pb2, location_pb2

from hub.app.evse_states import update_evse_states
from hub.app.locations import (
    Found,
    Search,
    edit_location,
    get_location,
    list_locations,
    put_locations,
    search_locations,
)
from hub.app.ports.locations import ConnectorFilter, Edit, LocationEditor
from hub.app.ports.spine import Committer, Reads
from hub.domain.clock import Clock, not_after
from hub.domain.errors import HubError
from hub.domain.geo import DEGREE, Point
from hub.domain.ids import ObjectId, PartyId
from hub.domain.locations import Location, PowerType
from hub.rpc.calls import Call
from hub.rpc.listing import ID_MAX, bad_token, place_token, read_filter, read_key, read_place
from hub.rpc.location_edit import PatchConnector, PatchEvse, PatchLocation
from hub.rpc.location_wire import location_from_pb, record_to_pb, states_report
from hub.rpc.paging import Page, fitting, read_page
from hub.rpc.policy import CPO
from hub.rpc.publishing import Publisher, refusal_of, require_size, result_of
from hub.rpc.wire import Reader

BATCH_MAX = 500
STATES_MAX = 1_000
RADIUS_MAX_M = 200_000
_SEARCH_PAGE_DEFAULT = 20
_SEARCH_PAGE_MAX = 100
_NAMES_MAX = 100
_POWER_MAX_KW = 1_000_000
#: Reports with more states than this take turns, so that others' writes need not wait for dozens of them.
_LARGE_REPORT = 100
_LARGE_REPORTS_AT_ONCE = 8

_POWER_TYPES = {int(kind): kind for kind in PowerType}


class LocationServicer:
    """Implements `roamhub.v1.LocationService`."""

    def __init__(
        self, *, committer: Committer, reads: Reads, editor: LocationEditor, clock: Clock, clock_skew: timedelta
    ) -> None:
        self._committer = committer
        self._reads = reads
        self._clock = clock
        self._clock_skew = clock_skew
        # One object for all calls: the committer joins what waits for the same use case.
        self._put = partial(put_locations, editor=editor)
        self._publisher = Publisher(
            committer=committer, use_case=self._put, read=self._read, field="locations", most=BATCH_MAX, roles=CPO
        )
        self._turns = asyncio.Semaphore(_LARGE_REPORTS_AT_ONCE)

    def _latest(self) -> datetime:
        return self._clock() + self._clock_skew

    def _read(self, message: location_object_pb2.Location, path: str) -> Location:
        return location_from_pb(message, self._latest(), path)

    async def PutLocation(
        self,
        request: location_pb2.PutLocationRequest,
        call: Call,  # noqa: ARG002
    ) -> location_pb2.PutLocationResponse:
        """Create or replace one location."""
        changed = await self._committer.run_batched(self._put, self._read(request.location, "location"))
        return location_pb2.PutLocationResponse(result=result_of(changed))

    async def BatchPutLocations(
        self, request: location_pb2.BatchPutLocationsRequest, call: Call
    ) -> location_pb2.BatchPutLocationsResponse:
        """Create or replace up to 500 locations."""
        outcomes = await self._publisher.batch(request.locations, call.caller)
        return location_pb2.BatchPutLocationsResponse(outcomes=outcomes)

    def StreamLocations(
        self, requests: AsyncIterator[location_pb2.StreamLocationsRequest], call: Call
    ) -> AsyncIterator[common_pb2.PublishProgress]:
        """Create or replace a stream of locations."""
        return self._publisher.stream((request.locations async for request in requests), call.caller)

    async def PatchLocation(
        self,
        request: location_pb2.PatchLocationRequest,
        call: Call,  # noqa: ARG002
    ) -> location_object_pb2.Location:
        """Change fields of a location."""
        reader = Reader("location")
        party = reader.party("", request.location.country_code, request.location.party_id)
        key = ObjectId(party, reader.id("id", request.location.id, ID_MAX))
        latest = self._time(reader, "last_updated", request.location)
        edit = PatchLocation(patch=request.location, mask=request.update_mask, latest=latest)
        return await self._edit(key, edit)

    async def PatchEvse(
        self,
        request: location_pb2.PatchEvseRequest,
        call: Call,  # noqa: ARG002
    ) -> location_object_pb2.Location:
        """Change fields of an EVSE, or add one."""
        reader = Reader()
        key = read_key(reader, "location", request.location)
        reader.id("evse.uid", request.evse.uid, ID_MAX)
        latest = self._time(reader, "evse.last_updated", request.evse)
        edit = PatchEvse(
            patch=request.evse, mask=request.update_mask, latest=latest, allow_missing=request.allow_missing
        )
        return await self._edit(key, edit)

    async def PatchConnector(
        self,
        request: location_pb2.PatchConnectorRequest,
        call: Call,  # noqa: ARG002
    ) -> location_object_pb2.Location:
        """Change fields of a connector, or add one."""
        reader = Reader()
        key = read_key(reader, "location", request.location)
        uid = reader.id("evse_uid", request.evse_uid, ID_MAX)
        reader.id("connector.id", request.connector.id, ID_MAX)
        latest = self._time(reader, "connector.last_updated", request.connector)
        edit = PatchConnector(
            evse_uid=uid,
            patch=request.connector,
            mask=request.update_mask,
            latest=latest,
            allow_missing=request.allow_missing,
        )
        return await self._edit(key, edit)

    async def RemoveEvse(
        self,
        request: location_pb2.RemoveEvseRequest,
        call: Call,  # noqa: ARG002
    ) -> location_object_pb2.Location:
        """Mark an EVSE as gone for good."""
        reader = Reader()
        key = read_key(reader, "location", request.location)
        uid = reader.id("evse_uid", request.evse_uid, ID_MAX)
        latest = self._time(reader, "last_updated", request)
        removed = location_object_pb2.Evse(
            uid=uid, status=location_object_pb2.EVSE_STATUS_REMOVED, last_updated=request.last_updated
        )
        return await self._edit(key, PatchEvse(patch=removed, mask=FieldMask(paths=["status"]), latest=latest))

    def _time(
        self,
        reader: Reader,
        field: str,
        message: location_object_pb2.Location
        | location_object_pb2.Evse
        | location_object_pb2.Connector
        | location_pb2.RemoveEvseRequest,
    ) -> datetime:
        """Check the `last_updated` of a change, finish reading, and return the latest time there may be."""
        latest = self._latest()
        if reader.time(field, message.last_updated) > latest:
            reader.refuse(field, not_after(latest))
        reader.done()
        return latest

    async def _edit(self, key: ObjectId, edit: Edit) -> location_object_pb2.Location:
        return record_to_pb(await self._committer.run(lambda uow: edit_location(uow, key, edit)))

    async def GetLocation(self, request: location_pb2.GetLocationRequest, call: Call) -> location_object_pb2.Location:
        """Return one location that the caller may see."""
        reader = Reader()
        key = read_key(reader, "location", request.location)
        reader.done()
        return record_to_pb(await self._reads.run(lambda uow: get_location(uow, call.caller, key)))

    async def ListLocations(
        self, request: location_pb2.ListLocationsRequest, call: Call
    ) -> location_pb2.ListLocationsResponse:
        """List the locations that the caller may see."""
        page = read_page(request)
        party, since = read_filter(request)
        records = await self._reads.run(
            lambda uow: list_locations(
                uow, call.caller, party=party, updated_since=since, after=read_place(page), limit=page.size + 1
            )
        )
        shown = fitting(records, page.size, lambda record: len(record.document))
        return location_pb2.ListLocationsResponse(
            locations=[record_to_pb(record) for record in shown],
            next_page_token=place_token(page, shown[-1].id) if len(records) > len(shown) else "",
        )

    async def SearchLocations(
        self, request: location_pb2.SearchLocationsRequest, call: Call
    ) -> location_pb2.SearchLocationsResponse:
        """Find locations around a point."""
        page = read_page(request, default=_SEARCH_PAGE_DEFAULT, most=_SEARCH_PAGE_MAX)
        search = _search(request)
        after = _found(page)
        found = await self._reads.run(
            lambda uow: search_locations(uow, call.caller, search, after=after, limit=page.size + 1)
        )
        shown = fitting(found, page.size, lambda each: len(each[1].document))
        token = ""
        if len(found) > len(shown):
            place = shown[-1][0]
            token = page.next_token(place.distance_mm, place.owner.country_code, place.owner.party_id, place.folded)
        results = [
            location_pb2.FoundLocation(location=record_to_pb(record), distance_m=round(place.distance_mm / 1_000))
            for place, record in shown
        ]
        return location_pb2.SearchLocationsResponse(results=results, next_page_token=token)

    async def UpdateEvseStates(
        self,
        request: location_pb2.UpdateEvseStatesRequest,
        call: Call,  # noqa: ARG002
    ) -> location_pb2.UpdateEvseStatesResponse:
        """Take in what EVSEs do."""
        return await self._update(request.report)

    async def StreamEvseStates(
        self,
        requests: AsyncIterator[location_pb2.StreamEvseStatesRequest],
        call: Call,  # noqa: ARG002
    ) -> AsyncIterator[location_pb2.UpdateEvseStatesResponse]:
        """Take in a stream of reports, each answered in order."""
        async for request in requests:
            yield await self._update(request.report)

    async def _update(self, message: location_pb2.EvseStatesReport) -> location_pb2.UpdateEvseStatesResponse:
        require_size("report.states", message.states, STATES_MAX)
        owner = PartyId(message.country_code, message.party_id)  # the edge has checked it
        report, positions, refused = states_report(owner, message, self._latest())
        answers: Sequence[bool | HubError] = ()
        if report.states:
            async with self._turns if len(report.states) > _LARGE_REPORT else nullcontext():
                answers = await self._committer.run_batched(update_evse_states, report)
        for position, answer in zip(positions, answers, strict=True):
            if isinstance(answer, HubError):
                refused[position] = answer
        return location_pb2.UpdateEvseStatesResponse(
            applied_count=sum(answer is True for answer in answers),
            unchanged_count=sum(answer is False for answer in answers),
            refused_count=len(refused),
            refusals=[refusal_of(position, refused[position]) for position in sorted(refused)],
        )


def _search(request: location_pb2.SearchLocationsRequest) -> Search:
    """Read what to look for; raises Invalid."""
    reader = Reader()
    latitude, longitude = request.center.latitude, request.center.longitude
    # Written so that what is no number at all is refused too.
    if not request.HasField("center") or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        reader.refuse("center", "must be a point from -90 to 90 degrees north and -180 to 180 degrees east")
        latitude = longitude = 0.0
    if not 1 <= request.radius_m <= RADIUS_MAX_M:
        reader.refuse("radius_m", f"must be from 1 to {RADIUS_MAX_M}")
    power = reader.decimal("min_power_kw", request.min_power_kw, required=False)
    if not 0 <= power <= _POWER_MAX_KW:
        reader.refuse("min_power_kw", f"must be from 0 to {_POWER_MAX_KW}")
        power = Decimal(0)
    for field in ("standards", "power_types", "parties"):
        if len(getattr(request, field)) > _NAMES_MAX:
            reader.refuse(field, f"must have at most {_NAMES_MAX} entries")
    standards = frozenset(reader.id(f"standards[{i}]", name, 64) for i, name in enumerate(request.standards))
    power_types = frozenset(
        reader.one_of(f"power_types[{i}]", number, _POWER_TYPES, PowerType.DC)
        for i, number in enumerate(request.power_types)
    )
    parties = [
        reader.party(f"parties[{i}]", party.country_code, party.party_id) for i, party in enumerate(request.parties)
    ]
    reader.done()
    wanted = ConnectorFilter(
        power_min=math.ceil(power * 1_000), standards=standards, power_types=power_types, available=request.available
    )
    center = Point(round(latitude * DEGREE), round(longitude * DEGREE))
    return Search(center=center, radius_m=request.radius_m, wanted=wanted, parties=parties)


def _found(page: Page) -> Found | None:
    """Return the result after which a page starts."""
    if page.after is None:
        return None
    try:
        distance, country_code, party_id, folded = page.after
        return Found(int(distance), PartyId(country_code, party_id), str(folded))
    except (TypeError, ValueError):
        raise bad_token() from None
