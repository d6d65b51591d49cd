"""Hashing and appending.

RFC 6962, section 2.1: a leaf hashes as SHA-256(0x00 || leaf), a node as SHA-256(0x01 || left || right), the empty tree
as SHA-256 of nothing. The frontier is the list of roots of the complete subtrees that the leaves so far decompose
into, largest first: one for each set bit of the size. It is all that appending and the present root need.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
#: The root of a tree without leaves.
EMPTY_ROOT = sha256().digest()
#: Log2 of how many hashes a full tile holds (C2SP tlog-tiles).
TILE_HEIGHT = 8

_MAX_SIZE = 1 << 63
_SIZE_BYTES = 8


class TileNode(NamedTuple):
    """A complete subtree whose root is to be stored: the `number`-th of its tile level, 256**tile_level leaves each."""

    tile_level: int
    number: int
    hash: bytes


def leaf_hash(leaf: bytes) -> bytes:
    """Return the 32-byte hash of a leaf."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Iterable[bytes]) -> bytes:
    """Return the root over subtree roots given from left to right, each larger than or as large as all after it."""
    rest = list(hashes)
    root = rest.pop()
    while rest:
        root = node_hash(rest.pop(), root)
    return root


def fold_complete(hashes: list[bytes]) -> bytes:
    """Return the root over equal subtrees; their number is a power of two."""
    while len(hashes) > 1:
        pairs = iter(hashes)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return hashes[0]


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root of the tree over these leaf hashes."""
    return Frontier().extend(leaf_hashes)[0].root()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """A tree of `size` leaves, reduced to what the next append needs: the roots of its complete subtrees, in order."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size < _MAX_SIZE:
            raise ValueError("a tree has at least 0 and fewer than 2**63 leaves")
        if len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a frontier of {self.size} leaves has {self.size.bit_count()} hashes")

    def extend(self, leaf_hashes: Iterable[bytes]) -> tuple["Frontier", list[TileNode]]:
        """Append leaves.

        Args:
            leaf_hashes: The 32-byte hashes of the new leaves, in order.

        Returns:
            The new frontier, and the complete subtrees that proofs will read: one for each 256 leaves, one for each
            256**2, and so on. The leaf hashes themselves (tile level 0) are the caller's to store, beside its entries.
        """
        stack = list(self.hashes)
        size = self.size
        stored: list[TileNode] = []
        for leaf in leaf_hashes:
            root = leaf
            index = size
            level = 0
            # Each trailing one of the size is a complete left sibling waiting on the stack.
            while index & 1:
                root = sha256(b"\x01" + stack.pop() + root).digest()
                index >>= 1
                level += 1
                if not level % TILE_HEIGHT:
                    stored.append(TileNode(level // TILE_HEIGHT, index, root))
            stack.append(root)
            size += 1
        return Frontier(size=size, hashes=tuple(stack)), stored

    def root(self) -> bytes:
        """Return the root of the tree, 32 bytes."""
        return fold(self.hashes) if self.hashes else EMPTY_ROOT

    def to_bytes(self) -> bytes:
        """Return the size (8 bytes, big-endian) and the hashes (32 bytes each): the journal's head stores them."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Frontier":
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: The number of hashes does not fit the size.
        """
        size, hashes = int.from_bytes(data[:_SIZE_BYTES], "big"), data[_SIZE_BYTES:]
        if len(data) < _SIZE_BYTES or len(hashes) % HASH_BYTES:
            raise ValueError("a frontier is 8 bytes of size and 32 bytes for each hash")
        parts = (hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES))
        return cls(size=size, hashes=tuple(parts))
