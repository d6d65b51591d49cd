"""Following the hub's journal, and CDRs, from where one left off, across restarts of either side."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message
from roamhub.v1.agreement_pb2 import Agreement
from roamhub.v1.cdr_pb2 import CdrRecord, WatchCdrsRequest, WatchCdrsResponse
from roamhub.v1.cdr_pb2_grpc import CdrServiceStub
from roamhub.v1.command_pb2 import Command
from roamhub.v1.journal_pb2 import JournalEntry, JournalStream, WatchRequest, WatchResponse
from roamhub.v1.journal_pb2_grpc import JournalServiceStub
from roamhub.v1.link_pb2 import PresenceChange
from roamhub.v1.location_object_pb2 import Location
from roamhub.v1.location_pb2 import EvseStatesReport
from roamhub.v1.meter_object_pb2 import MeterKey
from roamhub.v1.party_pb2 import Party
from roamhub.v1.session_object_pb2 import Session
from roamhub.v1.tariff_object_pb2 import Tariff
from roamhub.v1.tariff_pb2 import TariffRemoval
from roamhub.v1.token_object_pb2 import Token

from adapters.partner.connection import Connection
from adapters.partner.credentials import write_private
from adapters.partner.errors import Exhausted, Interrupted, Unreachable
from adapters.partner.retry import Backoff

#: What the registry's entries hold, by kind (JournalEntry.kind).
_MESSAGES: Mapping[str, Callable[[], Message]] = {
    "party": Party,
    "presence": PresenceChange,
    "agreement": Agreement,
    "location": Location,
    "evse_states": EvseStatesReport,
    "meter_key": MeterKey,
    "tariff": Tariff,
    "tariff_removed": TariffRemoval,
    "token": Token,
    "session": Session,
    "command": Command,
}


def decode(entry: JournalEntry) -> Message | None:
    """Return what a registry entry holds; None for the clearing stream's entries and for kinds of a later release."""
    make = _MESSAGES.get(entry.kind)
    if make is None:
        return None
    message = make()
    message.ParseFromString(entry.body)
    return message


class _Resumable(Protocol):
    """A response that says where to go on."""

    next_after_index: int


Item = TypeVar("Item")
Response = TypeVar("Response", bound=_Resumable)


class Position:
    """The index up to which a follower has dealt with everything, kept in a file.

    Delivery is at least once: the index is saved after entries were dealt with, so that those of a crash come again.
    """

    def __init__(self, path: Path | None, start: int) -> None:
        self._path = path
        self.index = start
        if path is not None and path.exists():
            self.index = int(path.read_text())
        self._saved = self.index

    def save(self) -> None:
        """Write the index if it has moved."""
        if self._path is not None and self.index != self._saved:
            write_private(self._path, f"{self.index}\n".encode())
            self._saved = self.index


class Journal:
    """The hub's two streams of facts, as far as this platform may see them."""

    def __init__(self, connection: Connection, backoff: Backoff | None = None) -> None:
        self._connection = connection
        self._backoff = backoff or Backoff()

    async def follow(
        self,
        stream: JournalStream.ValueType,
        state_file: Path | None = None,
        *,
        kinds: Sequence[str] = (),
        after_index: int = -1,
    ) -> AsyncGenerator[JournalEntry, None]:
        """Yield entries in order, first those already recorded, then each as it is recorded, without end.

        An entry counts as dealt with when the next one is asked for. Connections that break are made again.

        Args:
            stream: JOURNAL_STREAM_REGISTRY or JOURNAL_STREAM_CLEARING.
            state_file: Remembers the position between runs; None: nothing does.
            kinds: Only entries of these kinds, such as `session`; empty means all.
            after_index: Where to start when the file says nothing; -1 is the very beginning.

        Raises:
            Expired: `INDEX_TOO_OLD`: list the objects anew, remove the file, and follow from the head in `metadata`.
            RoamhubError: The hub refused.
        """
        position = Position(state_file, after_index)

        def watch() -> AsyncIterator[WatchResponse]:
            request = WatchRequest(stream=stream, after_index=position.index, kinds=kinds)
            return self._responses(self._connection.stub(JournalServiceStub).Watch(request))

        async for entry in self._follow(watch, position, lambda response: response.entries, lambda entry: entry.index):
            yield entry

    async def cdrs(self, state_file: Path | None = None, *, after_index: int = -1) -> AsyncGenerator[CdrRecord, None]:
        """Yield the CDRs that concern this platform in the order of the clearing journal, without end.

        Where each stands comes with it, with its receipt. A CDR comes again as often as something happens to it: it is
        reviewed, replaced, withdrawn, or its deadline passes. Otherwise as `follow`.

        Raises:
            RoamhubError: The hub refused.
        """
        position = Position(state_file, after_index)

        def watch() -> AsyncIterator[WatchCdrsResponse]:
            request = WatchCdrsRequest(after_index=position.index)
            return self._responses(self._connection.stub(CdrServiceStub).WatchCdrs(request))

        async for record in self._follow(watch, position, lambda response: response.cdrs, _last_index):
            yield record

    async def _follow(
        self,
        watch: Callable[[], AsyncIterator[Response]],
        position: Position,
        items_of: Callable[[Response], Iterable[Item]],
        index_of: Callable[[Item], int],
    ) -> AsyncGenerator[Item, None]:
        """Yield what streams bring, one stream after the other, and keep the position."""
        waits = self._backoff.waits()
        try:
            while True:
                try:
                    async for response in watch():
                        waits = self._backoff.waits()
                        for item in items_of(response):
                            yield item
                            position.index = index_of(item)
                        position.index = response.next_after_index
                        position.save()
                except (Unreachable, Interrupted, Exhausted):
                    await asyncio.sleep(next(waits))
        finally:
            position.save()

    async def _responses(self, call: Any) -> AsyncIterator[Any]:  # noqa: ANN401 - generics exist for the type checker only
        try:
            with self._connection.translated():
                async for response in call:
                    yield response
        finally:
            call.cancel()


def _last_index(record: CdrRecord) -> int:
    """Return the index of what last happened to a CDR, at which the hub sends it."""
    return record.history[-1].journal_index if record.history else record.receipt.journal_index
