"""Publishing in bulk: locations, tariffs, tokens, EVSE states and keys of meters, with progress, resumed after a break.

The hub answers a stream with how much of it is durable so far. Only what is not yet counted is kept here, and is sent
again when the connection breaks; sending something twice changes nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message
from roamhub.v1.common_pb2 import ItemOutcome, PartyKey, PublishProgress
from roamhub.v1.location_object_pb2 import Location
from roamhub.v1.location_pb2 import (
    EvseState,
    EvseStatesReport,
    StreamLocationsRequest,
    UpdateEvseStatesRequest,
)
from roamhub.v1.location_pb2_grpc import LocationServiceStub
from roamhub.v1.meter_object_pb2 import MeterKey
from roamhub.v1.meter_pb2 import RegisterMeterKeysRequest
from roamhub.v1.meter_pb2_grpc import MeterKeyServiceStub
from roamhub.v1.tariff_object_pb2 import Tariff
from roamhub.v1.tariff_pb2 import StreamTariffsRequest
from roamhub.v1.tariff_pb2_grpc import TariffServiceStub
from roamhub.v1.token_object_pb2 import Token
from roamhub.v1.token_pb2 import StreamTokensRequest
from roamhub.v1.token_pb2_grpc import TokenServiceStub

from adapters.partner.connection import Connection
from adapters.partner.errors import (
    OBJECT_BYTES_MAX,
    Interrupted,
    RoamhubError,
    TooLarge,
    Unreachable,
    from_item,
    too_large,
)
from adapters.partner.progress import Progress, unseen
from adapters.partner.retry import Backoff

Item = TypeVar("Item", bound=Message)

_CHUNK_COUNT_MAX = 100
_CHUNK_BYTES_MAX = 1024 * 1024
#: Items on their way: enough to keep the hub busy while the next are made, few enough to send again.
_WINDOW_COUNT = 800
_STATES_MAX = 1_000
_KEYS_MAX = 500


@dataclass(slots=True, kw_only=True)
class Published:
    """What became of what was published.

    Attributes:
        applied: How many items changed the hub's state.
        unchanged: How many the hub already held.
        refusals: The refused items: their position, from 0, and why.
    """

    applied: int = 0
    unchanged: int = 0
    refusals: list[tuple[int, RoamhubError]] = field(default_factory=list)

    def add(self, applied: int, unchanged: int, refusals: Iterable[ItemOutcome], offset: int) -> None:
        """Count further items; the refusals' positions are counted from `offset`."""
        self.applied += applied
        self.unchanged += unchanged
        self.refusals += ((offset + refused.index, from_item(refused.error)) for refused in refusals)


class Publisher:
    """Publishes what a party owns. Items may be made while they are sent: pass a generator."""

    def __init__(self, connection: Connection, backoff: Backoff | None = None) -> None:
        self._connection = connection
        self._backoff = backoff or Backoff()

    async def locations(self, locations: Iterable[Location], progress: Progress = unseen) -> Published:
        """Create or replace locations (CPO). Raises RoamhubError when the hub refuses the caller."""
        open_stream = lambda: self._connection.stub(LocationServiceStub).StreamLocations()  # noqa: E731
        upload = Upload(self._connection, open_stream, lambda items: StreamLocationsRequest(locations=items), locations)
        return await upload.run(progress, self._backoff)

    async def tariffs(self, tariffs: Iterable[Tariff], progress: Progress = unseen) -> Published:
        """Create tariffs or new versions of them (CPO). Raises RoamhubError when the hub refuses the caller."""
        open_stream = lambda: self._connection.stub(TariffServiceStub).StreamTariffs()  # noqa: E731
        upload = Upload(self._connection, open_stream, lambda items: StreamTariffsRequest(tariffs=items), tariffs)
        return await upload.run(progress, self._backoff)

    async def tokens(self, tokens: Iterable[Token], progress: Progress = unseen) -> Published:
        """Create or replace tokens (eMSP). Raises RoamhubError when the hub refuses the caller."""
        open_stream = lambda: self._connection.stub(TokenServiceStub).StreamTokens()  # noqa: E731
        upload = Upload(self._connection, open_stream, lambda items: StreamTokensRequest(tokens=items), tokens)
        return await upload.run(progress, self._backoff)

    async def evse_states(self, party: PartyKey, states: Iterable[EvseState], progress: Progress = unseen) -> Published:
        """Report what EVSEs of one party do now (CPO). Raises RoamhubError when the hub refuses the caller."""
        published, offset = Published(), 0
        waiting = iter(states)
        while batch := list(islice(waiting, _STATES_MAX)):
            report = EvseStatesReport(country_code=party.country_code, party_id=party.party_id, states=batch)
            method = self._connection.stub(LocationServiceStub).UpdateEvseStates
            answer = await self._connection.call(method, UpdateEvseStatesRequest(report=report))
            published.add(answer.applied_count, answer.unchanged_count, answer.refusals, offset)
            offset += len(batch)
            progress(len(batch))
        return published

    async def meter_keys(self, party: PartyKey, keys: Iterable[MeterKey], progress: Progress = unseen) -> Published:
        """Register the public keys of one party's meters (CPO). Raises RoamhubError when the hub refuses the caller."""
        published, offset = Published(), 0
        waiting = iter(keys)
        while batch := list(islice(waiting, _KEYS_MAX)):
            method = self._connection.stub(MeterKeyServiceStub).RegisterMeterKeys
            answer = await self._connection.call(method, RegisterMeterKeysRequest(party=party, keys=batch))
            results = [outcome.result for outcome in answer.outcomes]
            refused = (
                ItemOutcome(index=index, error=outcome.error)
                for index, outcome in enumerate(answer.outcomes)
                if outcome.HasField("error")
            )
            applied, unchanged = ItemOutcome.RESULT_APPLIED, ItemOutcome.RESULT_UNCHANGED
            published.add(results.count(applied), results.count(unchanged), refused, offset)
            offset += len(batch)
            progress(len(batch))
        return published


class Upload(Generic[Item]):
    """One upload, over as many streams as it takes."""

    def __init__(
        self,
        connection: Connection,
        open_stream: Callable[[], Any],
        request: Callable[[list[Item]], Message],
        items: Iterable[Item],
    ) -> None:
        self._connection = connection
        self._open_stream = open_stream
        self._request = request
        self._fresh = _chunks(items)
        self._unsent: deque[list[Item]] = deque()
        self._uncounted: deque[list[Item]] = deque()
        self._counted = 0
        self._published = Published()

    async def run(self, progress: Progress, backoff: Backoff) -> Published:
        """Upload everything; raises RoamhubError when the hub refuses the caller."""
        waits = backoff.waits()
        while True:
            counted = self._counted
            try:
                async for count in self._stream():
                    progress(count)
            except TooLarge as refusal:
                alone = len(self._uncounted) == 1
                self._put_back()
                if alone:
                    progress(self._lessen(refusal))
            except (Unreachable, Interrupted):
                self._put_back()
                if self._counted > counted:
                    waits = backoff.waits()
                await asyncio.sleep(next(waits))
            else:
                if not self._unsent:
                    return self._published
                progress(self._lessen(too_large(self._unsent[0][0].ByteSize())))

    def _put_back(self) -> None:
        self._unsent.extendleft(reversed(self._uncounted))
        self._uncounted.clear()

    def _lessen(self, refusal: RoamhubError) -> int:
        """Make less of the next chunk, which is too large; returns how many items that refuses: its only one, or none.

        Between two streams, as refusals are told by an item's place in its stream.
        """
        chunk = self._unsent.popleft()
        if len(chunk) > 1:
            half = len(chunk) // 2
            self._unsent.extendleft([chunk[half:], chunk[:half]])
            return 0
        self._published.refusals.append((self._counted, refusal))
        self._counted += 1
        return 1

    async def _stream(self) -> AsyncIterator[int]:
        """Send on one stream what is left; yield how many more items the hub has counted."""
        call = self._open_stream()
        offset, last, in_flight = self._counted, PublishProgress(), 0
        # Until the hub has answered once, one chunk is on its way: a refusal then comes with its reason. gRPC reports
        # a write that meets the stream's end without it.
        window = 1
        try:
            with self._connection.translated():
                while True:
                    chunk = self._next() if in_flight < window else None
                    if chunk is not None:
                        self._uncounted.append(chunk)
                        in_flight += len(chunk)
                        await _write(call, self._request(chunk))
                        continue
                    if in_flight == 0:
                        break
                    progress = await call.read()
                    if not isinstance(progress, PublishProgress):
                        raise Interrupted("the hub ended the stream early")
                    count = progress.received_count - last.received_count
                    self._count(progress, last, offset)
                    in_flight -= count
                    last, window = progress, _WINDOW_COUNT
                    yield count
                await call.done_writing()
                await call.read()
        finally:
            call.cancel()

    def _next(self) -> list[Item] | None:
        """Return the next chunk, or None when there is none, or one that would end the stream for all the others."""
        chunk = self._unsent.popleft() if self._unsent else next(self._fresh, None)
        if chunk is not None and chunk[0].ByteSize() > OBJECT_BYTES_MAX:
            self._unsent.appendleft(chunk)
            return None
        return chunk

    def _count(self, progress: PublishProgress, last: PublishProgress, offset: int) -> None:
        """Take note of what is durable, and keep only the rest for another attempt."""
        self._published.add(
            progress.applied_count - last.applied_count,
            progress.unchanged_count - last.unchanged_count,
            progress.refusals,
            offset,
        )
        count = progress.received_count - last.received_count
        self._counted += count
        while count:
            chunk = self._uncounted.popleft()
            if len(chunk) > count:
                self._uncounted.appendleft(chunk[count:])
                break
            count -= len(chunk)


async def _write(call: Any, request: Message) -> None:  # noqa: ANN401 - generics exist for the type checker only
    try:
        await call.write(request)
    except (grpc.RpcError, asyncio.InvalidStateError):
        raise Interrupted("the stream ended") from None


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    size = 0
    for item in items:
        size += item.ByteSize()
        if chunk and (size > _CHUNK_BYTES_MAX or len(chunk) == _CHUNK_COUNT_MAX):
            yield chunk
            chunk, size = [], item.ByteSize()
        chunk.append(item)
    if chunk:
        yield chunk
