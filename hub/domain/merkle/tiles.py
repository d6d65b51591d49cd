"""Making proofs from stored hashes, without reading all leaves.

What is stored is what C2SP tlog-tiles publishes: tile level 0 is the leaf hashes, tile level L the roots of complete
subtrees of 256**L leaves. `Frontier.extend` says which become complete. A tile is 256 neighbours of one tile level (the
last one may be shorter); any node in between is folded from its tile. A proof in a tree of 16 million leaves reads at
most six tiles.

Stored hashes never change, so a proof for any earlier size can be made at any time.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise

from hub.domain.merkle.tree import EMPTY_ROOT, TILE_HEIGHT, fold, fold_complete

#: Returns the stored hashes `[start, stop)` of a tile level, as `read(tile_level, start, stop)`.
HashSource = Callable[[int, int, int], Sequence[bytes]]

_TILE_WIDTH = 1 << TILE_HEIGHT
#: Tiles kept while one proof is made: its left and its right edge, on every level of a full 64-bit tree.
_TILES_KEPT = 16


class TreeReader:
    """Reads roots and makes proofs of the first `size` leaves of a stored tree.

    Args:
        size: How many leaves the tree has that is proven about; no more than are stored.
        read: The stored hashes.
    """

    def __init__(self, *, size: int, read: HashSource) -> None:
        self.size = size
        self._read = read
        self._tiles: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()

    def root(self) -> bytes:
        """Return the root over all `size` leaves."""
        return self._span(0, self.size) if self.size else EMPTY_ROOT

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Return the audit path of a leaf, from the leaf upward (RFC 6962, section 2.1.1).

        Raises:
            ValueError: The tree has no such leaf.
        """
        if not 0 <= index < self.size:
            raise ValueError("the tree has no such leaf")
        path: list[bytes] = []
        start, stop = 0, self.size
        while stop - start > 1:
            middle = start + split(stop - start)
            if index < middle:
                path.append(self._span(middle, stop))
                stop = middle
            else:
                path.append(self._span(start, middle))
                start = middle
        path.reverse()
        return path

    def consistency_proof(self, earlier: int) -> list[bytes]:
        """Return the proof that the tree of the first `earlier` leaves is a prefix (RFC 6962, section 2.1.2).

        The proof is empty for `earlier` of `size`.

        Raises:
            ValueError: The earlier tree is larger than this one, or empty: then there is nothing to prove.
        """
        if not 0 < earlier <= self.size:
            raise ValueError("the earlier tree is empty, or no prefix of this one")
        proof: list[bytes] = []
        start, stop = 0, self.size
        while stop != earlier:
            middle = start + split(stop - start)
            if earlier <= middle:
                proof.append(self._span(middle, stop))
                stop = middle
            else:
                proof.append(self._span(start, middle))
                start = middle
        if start:
            proof.append(self._span(start, stop))
        proof.reverse()
        return proof

    def batch_proof(self, indexes: Sequence[int]) -> list[bytes]:
        """Return the hashes that, with the leaves at `indexes`, make up the root: see `verify_batch`.

        Args:
            indexes: Leaf indexes, strictly ascending, at least one.

        Raises:
            ValueError: They are not, or the tree has no such leaf.
        """
        check_indexes(indexes, self.size)
        proof: list[bytes] = []
        # Depth first, left to right; the stack holds (start, stop, first and last + 1 of the targets within).
        stack = [(0, self.size, 0, len(indexes))]
        while stack:
            start, stop, low, high = stack.pop()
            if low == high:
                proof.append(self._span(start, stop))
            elif stop - start > 1:
                middle = start + split(stop - start)
                cut = bisect_left(indexes, middle, low, high)
                stack.append((middle, stop, cut, high))
                stack.append((start, middle, low, cut))
        return proof

    def _span(self, start: int, stop: int) -> bytes:
        """Return the root over the leaves `[start, stop)`, a span that the tree's recursive halving arrives at."""
        roots = []
        while start < stop:
            level = (stop - start).bit_length() - 1
            roots.append(self._node(level, start >> level))
            start += 1 << level
        return fold(roots)

    def _node(self, level: int, index: int) -> bytes:
        """Return the root of the `index`-th complete subtree of 2**level leaves."""
        tile_level, rest = divmod(level, TILE_HEIGHT)
        first = index << rest
        tile = self._tile(tile_level, first // _TILE_WIDTH)
        offset = first % _TILE_WIDTH
        return fold_complete(tile[offset : offset + (1 << rest)])

    def _tile(self, tile_level: int, number: int) -> list[bytes]:
        key = (tile_level, number)
        if key in self._tiles:
            self._tiles.move_to_end(key)
            return self._tiles[key]
        start = number * _TILE_WIDTH
        stop = min(start + _TILE_WIDTH, self.size >> (TILE_HEIGHT * tile_level))
        tile = list(self._read(tile_level, start, stop))
        if len(tile) != stop - start:
            raise LookupError(f"tile {number} of level {tile_level} holds {len(tile)} of {stop - start} hashes")
        self._tiles[key] = tile
        if len(self._tiles) > _TILES_KEPT:
            self._tiles.popitem(last=False)
        return tile


def split(size: int) -> int:
    """Return the largest power of two below `size`, which is at least 2: how RFC 6962 halves a tree."""
    return 1 << ((size - 1).bit_length() - 1)


def check_indexes(indexes: Sequence[int], size: int) -> None:
    """Check the leaf indexes of a batch proof.

    Raises:
        ValueError: There are none, they are not strictly ascending, or one is not in the tree.
    """
    if not indexes:
        raise ValueError("a batch proof is about at least one leaf")
    if indexes[0] < 0 or indexes[-1] >= size:
        raise ValueError("the tree has no such leaf")
    if any(earlier >= later for earlier, later in pairwise(indexes)):
        raise ValueError("leaf indexes ascend")
