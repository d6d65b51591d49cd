"""Publishing in bulk goes on where a break left it."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
from roamhub.v1.common_pb2 import ItemError, ItemOutcome, PublishProgress
from roamhub.v1.location_object_pb2 import Location
from roamhub.v1.location_pb2 import (
    EvseState,
    StreamLocationsRequest,
    UpdateEvseStatesRequest,
    UpdateEvseStatesResponse,
)
from roamhub.v1.location_pb2_grpc import LocationServiceServicer, add_LocationServiceServicer_to_server
from roamhub.v1.meter_object_pb2 import MeterKey
from roamhub.v1.meter_pb2 import MeterKeyOutcome, RegisterMeterKeysRequest, RegisterMeterKeysResponse
from roamhub.v1.meter_pb2_grpc import MeterKeyServiceServicer, add_MeterKeyServiceServicer_to_server

from adapters.partner import party
from adapters.partner.publish import Publisher
from adapters.partner.retry import Backoff
from tests.unit.partner.fake_hub import FakeHub, fake

AT_ONCE = Backoff(first_seconds=0.001, longest_seconds=0.002)


class Catalog(LocationServiceServicer):
    """Stores ids; breaks the stream after so many messages, once it has stored but not answered the last."""

    def __init__(self, breaks_after: int = 0) -> None:
        self.breaks_after = breaks_after
        self.stored: list[str] = []

    async def StreamLocations(
        self, requests: AsyncIterator[StreamLocationsRequest], context: Any
    ) -> AsyncIterator[PublishProgress]:
        progress, messages = PublishProgress(), 0
        async for request in requests:
            messages += 1
            del progress.refusals[:]
            for location in request.locations:
                if location.id.endswith("99"):
                    error = ItemError(code=3, reason="INVALID_FIELD", message="no")
                    outcome = ItemOutcome(index=progress.received_count, error=error)
                    progress.refusals.append(outcome)
                    progress.refused_count += 1
                elif location.id in self.stored:
                    progress.unchanged_count += 1
                else:
                    self.stored.append(location.id)
                    progress.applied_count += 1
                progress.received_count += 1
            if self.breaks_after == messages:
                self.breaks_after = 0
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            yield progress

    async def UpdateEvseStates(self, request: UpdateEvseStatesRequest, context: Any) -> UpdateEvseStatesResponse:
        refused = [
            ItemOutcome(index=index, error=ItemError(code=5, reason="EVSE_NOT_FOUND"))
            for index, state in enumerate(request.report.states)
            if state.evse_uid == "1500"
        ]
        applied = len(request.report.states) - len(refused)
        return UpdateEvseStatesResponse(applied_count=applied, refused_count=len(refused), refusals=refused)


def locations(count: int) -> list[Location]:
    return [Location(country_code="NL", party_id="ABC", id=str(number)) for number in range(count)]


async def test_progress_adds_up_and_refusals_name_their_position(fake_hub: FakeHub) -> None:
    catalog, counts = fake(Catalog)(), list[int]()
    async with fake_hub.serving((add_LocationServiceServicer_to_server, catalog)), fake_hub.connected() as connection:
        published = await Publisher(connection, AT_ONCE).locations(iter(locations(1_050)), counts.append)
    assert sum(counts) == 1_050
    assert (published.applied, published.unchanged) == (1_040, 0)
    assert [position for position, _ in published.refusals] == list(range(99, 1_000, 100))
    assert {error.reason for _, error in published.refusals} == {"INVALID_FIELD"}


async def test_a_broken_stream_is_resumed_with_what_was_not_counted(fake_hub: FakeHub) -> None:
    catalog, counts = fake(Catalog)(breaks_after=3), list[int]()
    async with fake_hub.serving((add_LocationServiceServicer_to_server, catalog)), fake_hub.connected() as connection:
        published = await Publisher(connection, AT_ONCE).locations(locations(1_050), counts.append)
    assert sum(counts) == 1_050
    assert len(catalog.stored) == len(set(catalog.stored)) == 1_040
    assert published.applied + published.unchanged == 1_040
    assert published.unchanged > 0, "the hub had stored what it could not answer any more"
    assert [position for position, _ in published.refusals] == list(range(99, 1_000, 100))


async def test_evse_states_go_in_batches_with_positions_over_all(fake_hub: FakeHub) -> None:
    states = [EvseState(location_id="1", evse_uid=str(number)) for number in range(2_200)]
    service = (add_LocationServiceServicer_to_server, fake(Catalog)())
    async with fake_hub.serving(service), fake_hub.connected() as connection:
        published = await Publisher(connection, AT_ONCE).evse_states(party("NL-ABC"), states)
    assert published.applied == 2_199
    assert [(position, error.reason) for position, error in published.refusals] == [(1500, "EVSE_NOT_FOUND")]


class Keys(MeterKeyServiceServicer):
    """Registers what has a key, once."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    async def RegisterMeterKeys(self, request: RegisterMeterKeysRequest, context: Any) -> RegisterMeterKeysResponse:
        return RegisterMeterKeysResponse(outcomes=[self._one(key) for key in request.keys])

    def _one(self, key: MeterKey) -> MeterKeyOutcome:
        if not key.public_key:
            error = ItemError(code=3, reason="INVALID_FIELD", message="no")
            return MeterKeyOutcome(result=ItemOutcome.RESULT_REFUSED, error=error)
        known = key.evse_uid in self.known
        self.known.add(key.evse_uid)
        return MeterKeyOutcome(result=ItemOutcome.RESULT_UNCHANGED if known else ItemOutcome.RESULT_APPLIED, key=key)


async def test_keys_of_meters_go_in_batches_with_positions_over_all(fake_hub: FakeHub) -> None:
    keys = [MeterKey(evse_uid=str(at % 1_000), public_key="" if at == 700 else "x") for at in range(1_100)]
    counts = list[int]()
    service = (add_MeterKeyServiceServicer_to_server, fake(Keys)())
    async with fake_hub.serving(service), fake_hub.connected() as connection:
        published = await Publisher(connection, AT_ONCE).meter_keys(party("NL-ABC"), keys, counts.append)
    assert counts == [500, 500, 100]
    assert (published.applied, published.unchanged) == (999, 100)
    assert [(position, error.reason) for position, error in published.refusals] == [(700, "INVALID_FIELD")]
