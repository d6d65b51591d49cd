"""Verifying proofs, with nothing but the proof and the roots.

Every function returns silently when the proof holds and raises `BadProof` otherwise: a forgotten result must not read
as success.
"""

from bisect import bisect_left
from collections.abc import Sequence

from hub.domain.merkle.tiles import check_indexes, split
from hub.domain.merkle.tree import HASH_BYTES, node_hash


class BadProof(ValueError):
    """The proof does not show what it is said to show."""


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Verify that a leaf stands at `index` in the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2).

    Args:
        leaf: The leaf's hash.
        index: The leaf's index.
        size: The number of leaves.
        proof: The audit path, from the leaf upward.
        root: The tree's root.

    Raises:
        BadProof: The proof does not show it.
    """
    if not 0 <= index < size:
        raise BadProof("the tree has no such leaf")
    _check_hashes([leaf, root, *proof])
    position, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if not last:
            raise BadProof("the proof is too long")
        if position & 1 or position == last:
            hashed = node_hash(sibling, hashed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            hashed = node_hash(hashed, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise BadProof("the proof is too short")
    if hashed != root:
        raise BadProof("the proof leads to another root")


def verify_consistency(
    *, earlier: int, later: int, earlier_root: bytes, later_root: bytes, proof: Sequence[bytes]
) -> None:
    """Verify that the later tree only appended to the earlier one (RFC 9162, section 2.1.4.2).

    Args:
        earlier: The number of leaves of the earlier tree; at least 1, for the empty tree is a prefix of every tree.
        later: The number of leaves of the later tree.
        earlier_root: The root of the earlier tree.
        later_root: The root of the later tree.
        proof: The consistency proof; empty when the two are of one size.

    Raises:
        BadProof: The proof does not show it.
    """
    if not 0 < earlier <= later:
        raise BadProof("the earlier tree is empty, or the larger one")
    _check_hashes(proof)
    if earlier == later:
        if proof:
            raise BadProof("the proof is too long")
        if earlier_root != later_root:
            raise BadProof("one size has two roots")
        return
    # Where the earlier tree is complete, its root is itself a node of the later one and left out of the proof.
    hashes = [earlier_root, *proof] if earlier.bit_count() == 1 else list(proof)
    if not hashes:
        raise BadProof("the proof is too short")
    old, new = _consistency_roots(earlier, later, hashes)
    if old != earlier_root or new != later_root:
        raise BadProof("the proof leads to other roots")


def _consistency_roots(earlier: int, later: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of both trees that these hashes lead to."""
    position, last = earlier - 1, later - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if not last:
            raise BadProof("the proof is too long")
        if position & 1 or position == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise BadProof("the proof is too short")
    return old, new


def verify_batch(
    *, leaves: Sequence[bytes], indexes: Sequence[int], size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Verify that many leaves stand in one tree, by one proof that names no hash twice.

    The tree is halved as RFC 6962 does. Walking it depth first and left to right, a part with none of the leaves takes
    the next hash of the proof for its root, a part that is one leaf takes that leaf's hash, and every other part is the
    node over its two halves.

    Args:
        leaves: The leaf hashes, in the order of `indexes`.
        indexes: The leaf indexes, strictly ascending.
        size: The number of leaves of the tree.
        proof: The roots of the parts without any of the leaves, from left to right.
        root: The tree's root.

    Raises:
        BadProof: The proof does not show it.
    """
    try:
        check_indexes(indexes, size)
    except ValueError as error:
        raise BadProof(str(error)) from None
    if len(leaves) != len(indexes):
        raise BadProof("a batch proof needs one hash for each index")
    _check_hashes([root, *leaves, *proof])
    rest = iter(proof)

    def part(start: int, stop: int, low: int, high: int) -> bytes:
        if low == high:
            hashed = next(rest, None)
            if hashed is None:
                raise BadProof("the proof is too short")
            return hashed
        if stop - start == 1:
            return leaves[low]
        middle = start + split(stop - start)
        cut = bisect_left(indexes, middle, low, high)
        # The left half takes its hashes first.
        left = part(start, middle, low, cut)
        return node_hash(left, part(middle, stop, cut, high))

    hashed = part(0, size, 0, len(indexes))
    if next(rest, None) is not None:
        raise BadProof("the proof is too long")
    if hashed != root:
        raise BadProof("the proof leads to another root")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise BadProof("a hash has 32 bytes")
