"""The journal inside a transaction: indexes come from head rows that the transaction holds locked.

The heads are read once a group, advanced in memory and written back once, so that an append costs one row. The tree's
frontier is kept in its stream's head row, its larger complete subtrees beside the journal; its leaf hashes are in the
journal itself.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from hub.domain.ids import PartyId
from hub.domain.journal import Entry, EntryKind, Fact, Receipt, Stream
from hub.domain.merkle import Frontier, leaf_hash
from hub.domain.parties import Party
from hub.store.statements import Row, Statement, insert_into
from hub.store.tables.spine import EntryRow, HeadRow, TreeRow
from hub.store.types import from_micros, to_micros

#: The head row that counts versions of the directory.
DIRECTORY = 0

_ENTRY = EntryRow.__table__  # type: ignore[attr-defined]
_HEAD = HeadRow.__table__  # type: ignore[attr-defined]

_HEADS = select(_HEAD.c.stream, _HEAD.c.size, _HEAD.c.frontier, _HEAD.c.recorded_time).order_by(_HEAD.c.stream)
_READ_HEADS = Statement(_HEADS)
_LOCK_HEADS = Statement(_HEADS.with_for_update())
_ADVANCE = Statement(
    update(_HEAD)
    .where(_HEAD.c.stream == bindparam("head"))
    .values(size=bindparam("new_size"), frontier=bindparam("new_frontier"), recorded_time=bindparam("new_time"))
)
_READ = Statement(
    select(*_ENTRY.c)
    .where(_ENTRY.c.stream == bindparam("stream_"), _ENTRY.c.idx > bindparam("after"))
    .order_by(_ENTRY.c.idx)
    .limit(bindparam("most"))
)


_RECORDED = Statement(
    select(_ENTRY.c.recorded_time).where(_ENTRY.c.stream == bindparam("stream_"), _ENTRY.c.idx == bindparam("idx_"))
)


class Head(NamedTuple):
    """The state of one head row."""

    size: int
    frontier: bytes
    recorded_time: datetime


def lock_heads(connection: Connection) -> dict[int, Head]:
    """Lock and return the head rows; on PostgreSQL this is what makes commit order equal index order."""
    return _heads(_LOCK_HEADS.all(connection))


def read_heads(connection: Connection) -> dict[int, Head]:
    """Return the head rows as last committed."""
    return _heads(_READ_HEADS.all(connection))


def _heads(rows: list[Row]) -> dict[int, Head]:
    return {
        stream: Head(size, bytes(frontier), from_micros(recorded_time))
        for stream, size, frontier, recorded_time in rows
    }


def read_entries(
    connection: Connection, parties: Mapping[int, Party], stream: Stream, after_index: int, limit: int
) -> list[Entry]:
    """Return entries with an index greater than `after_index`, in order."""

    def party(number: int | None) -> PartyId | None:
        return None if number is None else parties[number].id

    return [
        Entry(
            stream=stream,
            index=idx,
            recorded_time=from_micros(recorded_time),
            leaf_hash=bytes(leaf),
            fact=Fact(
                kind=EntryKind(kind),
                owner=party(owner),
                counterparty=party(counterparty),
                private=bool(private),
                subject=subject,
                body=bytes(body),
                openings=bytes(openings),
            ),
        )
        for _, idx, recorded_time, kind, owner, counterparty, private, subject, body, openings, leaf in _READ.all(
            connection, (stream, after_index, limit)
        )
    ]


class JournalWriter:
    """Appends in memory; `flush` writes rows and heads. `mark` and `restore` undo a failed use case."""

    def __init__(self, connection: Connection, heads: dict[int, Head], now: datetime) -> None:
        self._connection = connection
        self._now, self._now_micros = now, to_micros(now)
        self._heads = heads
        self._sizes = {stream: head.size for stream, head in heads.items()}
        self._rows: list[Row] = []
        self.entries: list[Entry] = []
        self.parties: Mapping[PartyId, Party] = {}
        self.numbers: Mapping[int, Party] = {}

    def append(self, stream: Stream, fact: Fact) -> Receipt:
        """Append one fact at the stream's next index."""
        parties, index = self.parties, self._sizes[stream]
        leaf = leaf_hash(fact.body) if stream is Stream.CLEARING else b""
        self._sizes[stream] = index + 1
        self._rows.append(
            (
                int(stream),
                index,
                self._now_micros,
                str(fact.kind),
                None if fact.owner is None else parties[fact.owner].number,
                None if fact.counterparty is None else parties[fact.counterparty].number,
                int(fact.private),
                fact.subject,
                fact.body,
                fact.openings,
                leaf,
            )
        )
        self.entries.append(Entry(stream=stream, index=index, recorded_time=self._now, fact=fact, leaf_hash=leaf))
        return Receipt(index, leaf)

    def head(self, stream: Stream) -> int:
        """Return the number of entries, those of this transaction included."""
        return self._sizes[stream]

    @property
    def heads(self) -> dict[int, Head]:
        """The heads as this transaction leaves them, once it is flushed."""
        return self._heads

    def directory_version(self) -> int:
        """Return the version of the directory as this transaction sees it."""
        return self._sizes[DIRECTORY]

    def next_directory_version(self) -> None:
        """Count one change of the directory."""
        self._sizes[DIRECTORY] += 1

    def read(self, stream: Stream, after_index: int, limit: int) -> Sequence[Entry]:
        """Return committed entries after an index."""
        return read_entries(self._connection, self.numbers, stream, after_index, limit)

    def mark(self) -> tuple[dict[int, int], int]:
        """Return what `restore` needs to undo everything appended from here on."""
        return dict(self._sizes), len(self._rows)

    def restore(self, mark: tuple[dict[int, int], int]) -> None:
        """Forget what was appended since the mark."""
        self._sizes, length = dict(mark[0]), mark[1]
        del self._rows[length:]
        del self.entries[length:]

    def flush(self) -> None:
        """Write the appended rows, the tree's newly complete subtrees and the heads that moved."""
        frontier = self._grown_tree()
        insert_into(EntryRow).run_each(self._connection, self._rows)
        self._rows = []
        heads = dict(self._heads)
        for stream, size in self._sizes.items():
            head = heads[stream]
            if size != head.size:
                grown = frontier if stream == Stream.CLEARING else head.frontier
                heads[stream] = Head(size, grown, self._now)
                _ADVANCE.run(self._connection, (size, grown, self._now_micros, stream))
        self._heads = heads

    def _grown_tree(self) -> bytes:
        """Write the subtrees that the appended leaves complete, and return the frontier after them."""
        frontier = self._heads[Stream.CLEARING].frontier
        leaves = [entry.leaf_hash for entry in self.entries if entry.stream is Stream.CLEARING]
        if not leaves:
            return frontier
        grown, complete = Frontier.from_bytes(frontier).extend(leaves)
        insert_into(TreeRow).run_each(self._connection, [tuple(node) for node in complete])
        return grown.to_bytes()


class JournalTimes:
    """Finds entries of the clearing journal by time: its times only rise."""

    def __init__(self, connection: Connection, size: Callable[[], int]) -> None:
        """Take the connection, and what returns the number of entries."""
        self._connection = connection
        self._size = size

    def index_at(self, instant: int) -> int:
        """Return the first index that was recorded at an instant, in microseconds, or later."""
        low, high = 0, self._size()
        while low < high:
            middle = (low + high) // 2
            rows = _RECORDED.all(self._connection, (int(Stream.CLEARING), middle))
            if rows and rows[0][0] < instant:
                low = middle + 1
            else:
                high = middle
        return low
