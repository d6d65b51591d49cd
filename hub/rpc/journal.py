"""JournalService: a resumable, filtered read of the journal."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator

from roamhub.v1 import journal_pb2

from hub.app.directory import Directory
from hub.app.journal import may_see
from hub.app.ports.spine import Reads
from hub.domain.errors import Expired
from hub.domain.journal import Entry, EntryKind, Stream
from hub.rpc.calls import Call
from hub.rpc.tail import JournalTail
from hub.rpc.wire import Reader, party_to_pb, time_to_pb

#: Entries looked at at once; fewer where they come from storage, as each watcher that catches up holds its own.
PAGE = 500
_STORED_PAGE = 100
#: A response holds entries of at most so many bytes, or a single one: gRPC's clients take 4 MiB.
_RESPONSE_BYTES = 1024 * 1024
#: How often a watcher hears of progress when nothing it may see happens, in seconds.
_PROGRESS_SECONDS = 15.0
#: How soon it hears that others' entries have moved its index on, in seconds.
_UNSEEN_SECONDS = 1.0
#: After each response a watcher rests, so that a burst of commits becomes one response and not one each.
_REST_SECONDS = 0.01

_STREAMS = {int(stream): stream for stream in Stream}
_FIELD_ENTRIES = b"\x0a"  # field 1, length-delimited
_CACHED_BYTES = 16 * 1024 * 1024


class JournalServicer:
    """Implements `roamhub.v1.JournalService`."""

    def __init__(self, *, reads: Reads, tail: JournalTail, directory: Callable[[], Directory]) -> None:
        self._reads = reads
        self._tail = tail
        self._directory = directory
        self._encoded: OrderedDict[tuple[Stream, int], bytes] = OrderedDict()
        self._encoded_bytes = 0

    async def Watch(self, request: journal_pb2.WatchRequest, call: Call) -> AsyncIterator[bytes]:
        """Stream entries from an index on; responses are serialised here, each entry once for all watchers."""
        stream, kinds = _read_request(request)
        index = request.after_index
        await require_index(self._reads, self._tail, stream, index)
        reported = index
        while not self._tail.stopping:
            directory = self._directory()
            entries, page = self._tail.after(stream, index, PAGE), PAGE
            if entries is None:
                (entries, directory), page = await self._read(stream, index), _STORED_PAGE
            if entries:
                index = entries[-1].index
                shown = [
                    e for e in entries if (not kinds or e.fact.kind in kinds) and may_see(directory, call.caller, e)
                ]
                if shown or len(entries) == page:
                    for part, upto in _parts(shown, index):
                        yield self._response(part, upto)
                    reported = index
                await asyncio.sleep(_REST_SECONDS if len(entries) < page else 0)
            elif not await self._tail.wait(stream, index, _PROGRESS_SECONDS if reported == index else _UNSEEN_SECONDS):
                yield self._response([], index)
                reported = index

    async def _read(self, stream: Stream, index: int) -> tuple[list[Entry], Directory]:
        """Return stored entries with the directory of their time: another process may have changed both just now."""
        return await self._reads.run(lambda uow: (list(uow.journal.read(stream, index, _STORED_PAGE)), uow.directory))

    def _response(self, entries: list[Entry], index: int) -> bytes:
        """Serialise a WatchResponse from entries that are serialised already (protobuf: concatenation merges)."""
        parts = [journal_pb2.WatchResponse(next_after_index=index).SerializeToString()]
        for entry in entries:
            encoded = self._encode(entry)
            parts += (_FIELD_ENTRIES, _varint(len(encoded)), encoded)
        return b"".join(parts)

    def _encode(self, entry: Entry) -> bytes:
        key = entry.stream, entry.index
        encoded = self._encoded.get(key)
        if encoded is None:
            encoded = self._encoded[key] = entry_to_pb(entry).SerializeToString()
            self._encoded_bytes += len(encoded)
            while self._encoded_bytes > _CACHED_BYTES:
                self._encoded_bytes -= len(self._encoded.popitem(last=False)[1])
        return encoded


async def require_index(reads: Reads, tail: JournalTail, stream: Stream, index: int) -> None:
    """Raise Expired unless the journal has come as far as an index that a watcher starts after."""
    if index < tail.head(stream):
        return
    # It may be an index of another process's, of which this one has not heard yet.
    tail.advance(await reads.run(lambda uow: {each: uow.journal.head(each) for each in Stream}))
    if index >= tail.head(stream):
        raise Expired(
            "INDEX_TOO_NEW",
            "after_index: lies beyond the journal's end",
            field="after_index",
            head=str(tail.head(stream) - 1),
        )


def _read_request(request: journal_pb2.WatchRequest) -> tuple[Stream, frozenset[EntryKind]]:
    reader = Reader()
    stream = reader.one_of("stream", request.stream, _STREAMS, Stream.REGISTRY)
    if request.after_index < -1:
        reader.refuse("after_index", "must be -1 or an index")
    kinds = set()
    for position, kind in enumerate(request.kinds):
        try:
            kinds.add(EntryKind(kind))
        except ValueError:
            reader.refuse(f"kinds[{position}]", "is no kind of entry")
    reader.done()
    return stream, frozenset(kinds)


def _parts(entries: list[Entry], index: int) -> Iterator[tuple[list[Entry], int]]:
    """Yield the entries in parts that fit into one response each, with where to resume; the last time, `index`."""
    part: list[Entry] = []
    size = 0
    for entry in entries:
        if part and size + len(entry.fact.body) > _RESPONSE_BYTES:
            yield part, part[-1].index
            part, size = [], 0
        part.append(entry)
        size += len(entry.fact.body)
    yield part, index


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def entry_to_pb(entry: Entry) -> journal_pb2.JournalEntry:
    """Return the message of an entry."""
    fact = entry.fact
    return journal_pb2.JournalEntry(
        stream=journal_pb2.JournalStream.ValueType(entry.stream),
        index=entry.index,
        recorded_time=time_to_pb(entry.recorded_time),
        kind=fact.kind,
        owner=party_to_pb(fact.owner),
        counterparty=party_to_pb(fact.counterparty),
        subject=fact.subject,
        body=fact.body,
        leaf_hash=entry.leaf_hash,
    )
