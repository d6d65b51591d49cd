"""What a database holds, read past the hub, and what must always be true of it."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, MetaData, select
from sqlmodel import SQLModel

from hub.domain.cdrs.record import CdrState
from hub.domain.journal import Stream
from hub.domain.merkle import Frontier, leaf_hash
from hub.domain.merkle.tiles import HashSource, TreeReader
from hub.store import tables
from hub.store.tables.cdrs import CdrRow, CdrStandingRow
from hub.store.tables.spine import EntryRow, HeadRow, TreeRow

assert tables.__all__

#: Every table, by name, each with its rows in an order that content alone decides.
Contents = dict[str, list[tuple[Any, ...]]]


def contents(engine: Engine) -> Contents:
    """Return every row of every table, the schema's revision left out."""
    metadata: MetaData = SQLModel.metadata
    with engine.connect() as connection, connection.begin():
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in metadata.tables.items()
        }


def read_rows(engine: Engine, table: type[SQLModel], *order: str) -> list[Any]:
    """Return all rows of a table, in order."""
    columns = table.__table__.c  # type: ignore[attr-defined]
    with engine.connect() as connection, connection.begin():
        return list(connection.execute(select(*columns).order_by(*(columns[name] for name in order))))


def stored_leaves(engine: Engine) -> list[bytes]:
    """Return the leaf hashes of the clearing journal, in order."""
    columns = EntryRow.__table__.c  # type: ignore[attr-defined]
    query = select(columns.leaf_hash).where(columns.stream == int(Stream.CLEARING)).order_by(columns.idx)
    with engine.connect() as connection, connection.begin():
        return [bytes(row.leaf_hash) for row in connection.execute(query)]


def stored_hashes(engine: Engine) -> HashSource:
    """Return the tree's hashes as proofs read them: leaf hashes from the journal, subtrees from their table."""
    leaves = stored_leaves(engine)
    subtrees = {(row.tile_level, row.number): bytes(row.hash) for row in read_rows(engine, TreeRow)}

    def read(tile_level: int, start: int, stop: int) -> Sequence[bytes]:
        if tile_level == 0:
            return leaves[start:stop]
        return [subtrees[tile_level, number] for number in range(start, stop)]

    return read


def check_journal(engine: Engine) -> dict[Stream, int]:
    """Check that the journal has no gap, its times never run backwards, and the tree is that of its leaves.

    Returns:
        The size of each stream.
    """
    heads = {row.stream: row for row in read_rows(engine, HeadRow, "stream")}
    entries = read_rows(engine, EntryRow, "stream", "idx")
    for stream in Stream:
        own = [row for row in entries if row.stream == stream]
        assert [row.idx for row in own] == list(range(heads[stream].size)), f"{stream.name} has a gap"
        times = [row.recorded_time for row in own]
        assert times == sorted(times), f"the times of {stream.name} run backwards"
        assert not times or times[-1] == heads[stream].recorded_time
    leaves = [row for row in entries if row.stream == Stream.CLEARING]
    assert all(bytes(row.leaf_hash) == leaf_hash(bytes(row.body)) for row in leaves)
    frontier, complete = Frontier().extend(bytes(row.leaf_hash) for row in leaves)
    assert bytes(heads[Stream.CLEARING].frontier) == frontier.to_bytes(), "the frontier is another tree's"
    subtrees = read_rows(engine, TreeRow, "tile_level", "number")
    assert [(row.tile_level, row.number, bytes(row.hash)) for row in subtrees] == sorted(map(tuple, complete))
    assert TreeReader(size=len(leaves), read=stored_hashes(engine)).root() == frontier.root()
    return {stream: heads[stream].size for stream in Stream}


def check_cdrs(engine: Engine) -> dict[str, tuple[int, bytes]]:
    """Check that every CDR has its entry in the clearing journal, and every entry about a CDR its row or its step.

    Returns:
        The receipt of each CDR: its index and leaf hash, by its id as sent.
    """
    rows = read_rows(engine, CdrRow, "idx")
    entries = {
        row.idx: row
        for row in read_rows(engine, EntryRow, "idx")
        if row.stream == Stream.CLEARING and row.kind.startswith("cdr_")
    }
    standings = {(row.cpo, row.cdr_id): row for row in read_rows(engine, CdrStandingRow, "idx")}
    assert standings.keys() == {(row.cpo, row.cdr_id) for row in rows if row.state != 1}
    later = [step for row in standings.values() for step in json.loads(row.steps)[1:]]
    indexes = sorted([row.idx for row in rows] + [step[1] for step in later])
    assert indexes == sorted(entries), "a CDR without its entry, or an entry without its CDR"
    for row in standings.values():
        last = json.loads(row.steps)[-1]
        assert (row.state, row.idx) == (last[0], last[1])
        assert bytes(entries[row.idx].leaf_hash) == bytes(row.leaf_hash)
        assert entries[row.idx].kind == f"cdr_{CdrState(row.state).name.lower()}"
    for row in rows:
        entry = entries[row.idx]
        assert entry.subject.endswith(row.id_as_sent)
        assert (entry.owner, entry.counterparty, bytes(entry.leaf_hash)) == (row.cpo, row.emsp, bytes(row.leaf_hash))
        assert (entry.kind == "cdr_accepted") == (row.state == 1)
        assert entry.recorded_time == row.recorded_time
    return {row.id_as_sent: (row.idx, bytes(row.leaf_hash)) for row in rows}
