"""The stored Merkle tree of the clearing journal, and the keyrings."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from hub.app.ports.clearing import StoredLeaf
from hub.domain.journal import Stream
from hub.domain.merkle import Frontier
from hub.domain.merkle.tiles import TreeReader
from hub.store.journal import read_heads
from hub.store.session import Session
from hub.store.statements import SelectIn, Statement, insert_into
from hub.store.tables.clearing import KeyringRow
from hub.store.tables.spine import EntryRow, TreeRow

_ENTRY = EntryRow.__table__  # type: ignore[attr-defined]
_TREE = TreeRow.__table__  # type: ignore[attr-defined]
_KEYRING = KeyringRow.__table__  # type: ignore[attr-defined]

_CLEARING = _ENTRY.c.stream == int(Stream.CLEARING)
_LEAF_HASHES = Statement(
    select(_ENTRY.c.leaf_hash)
    .where(_CLEARING, _ENTRY.c.idx >= bindparam("start"), _ENTRY.c.idx < bindparam("stop"))
    .order_by(_ENTRY.c.idx)
)
_TREE_HASHES = Statement(
    select(_TREE.c.hash)
    .where(
        _TREE.c.tile_level == bindparam("level"),
        _TREE.c.number >= bindparam("start"),
        _TREE.c.number < bindparam("stop"),
    )
    .order_by(_TREE.c.number)
)
_LEAVES = SelectIn(select(_ENTRY.c.idx, _ENTRY.c.body, _ENTRY.c.openings).where(_CLEARING), _ENTRY.c.idx)
_NEWEST = Statement(select(_KEYRING.c.envelope, _KEYRING.c.version).order_by(_KEYRING.c.version.desc()).limit(1))


class StoredTransparency:
    """Implements `hub.app.ports.clearing.Transparency`; what this transaction appends it does not see."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def frontier(self) -> Frontier:
        """Return the frontier of the journal."""
        return Frontier.from_bytes(read_heads(self._session.connection)[Stream.CLEARING].frontier)

    def tree(self, size: int) -> TreeReader:
        """Return a reader of the tree of the first `size` entries."""
        return TreeReader(size=size, read=self._hashes)

    def _hashes(self, tile_level: int, start: int, stop: int) -> list[bytes]:
        connection = self._session.connection
        if tile_level:
            rows = _TREE_HASHES.all(connection, (tile_level, start, stop))
        else:
            rows = _LEAF_HASHES.all(connection, (start, stop))
        return [bytes(row[0]) for row in rows]

    def leaves(self, indexes: Sequence[int]) -> Sequence[StoredLeaf]:
        """Return clearing leaves by ascending index."""
        # The list of keys is padded with its last one, which some databases return twice.
        rows = {row[0]: row for row in _LEAVES.all(self._session.connection, indexes)}
        return [StoredLeaf(index, bytes(rows[index][1]), bytes(rows[index][2])) for index in indexes]

    def leaf_hash(self, index: int) -> bytes:
        """Return the hash of a leaf."""
        (found,) = self._hashes(0, index, index + 1)
        return found

    def keyring(self) -> tuple[bytes, int] | None:
        """Return the newest keyring and its version."""
        rows = _NEWEST.all(self._session.connection)
        return (bytes(rows[0][0]), rows[0][1]) if rows else None

    def add_keyring(self, version: int, envelope: bytes) -> None:
        """Record a keyring."""
        insert_into(KeyringRow).run(self._session.connection, (version, envelope))
