"""The Merkle tree against the definition of RFC 6962 written out naively, and against published vectors."""

import base64
import json
import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.merkle import EMPTY_ROOT, Frontier, leaf_hash, node_hash, root_of
from hub.domain.merkle.tiles import TreeReader
from hub.domain.merkle.verify import BadProof, verify_batch, verify_consistency, verify_inclusion
from tests.unit.proof.making import StoredTree

DATA = Path(os.environ.get("ROAMHUB_DATA", Path(__file__).parents[3] / "../shared/data")) / "proofs/rfc6962/testdata"
LEAVES = [leaf_hash(str(number).encode()) for number in range(1100)]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(naive_root(leaves[:half]), naive_root(leaves[half:]))


def vectors(kind: str) -> list[Any]:
    if not DATA.is_dir():
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"no published vectors at {DATA}: set ROAMHUB_DATA"))]
    return [
        pytest.param(json.loads(path.read_text()), id=str(path.relative_to(DATA)))
        for path in sorted((DATA / kind).rglob("*.json"))
    ]


def outcome(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except BadProof:
        return False
    return True


def b64(text: str | None) -> bytes:
    return base64.b64decode(text or "")


@pytest.mark.data
@pytest.mark.parametrize("vector", vectors("inclusion"))
def test_inclusion_agrees_with_the_published_vectors(vector: dict[str, Any]) -> None:
    good = outcome(
        lambda: verify_inclusion(
            leaf=b64(vector["leafHash"]),
            index=vector["leafIdx"],
            size=vector["treeSize"],
            proof=[b64(each) for each in vector["proof"] or []],
            root=b64(vector["root"]),
        )
    )
    assert good is not vector["wantErr"], vector["desc"]


@pytest.mark.data
@pytest.mark.parametrize("vector", vectors("consistency"))
def test_consistency_agrees_with_the_published_vectors(vector: dict[str, Any]) -> None:
    good = outcome(
        lambda: verify_consistency(
            earlier=vector["size1"],
            later=vector["size2"],
            earlier_root=b64(vector["root1"]),
            later_root=b64(vector["root2"]),
            proof=[b64(each) for each in vector["proof"] or []],
        )
    )
    assert good is not vector["wantErr"], vector["desc"]


def test_an_empty_tree_has_the_root_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == naive_root([])
    assert TreeReader(size=0, read=StoredTree([])).root() == EMPTY_ROOT


@pytest.mark.parametrize("size", [*range(20), 255, 256, 257, 511, 512, 1000])
def test_the_frontier_and_the_stored_hashes_have_the_root_of_the_definition(size: int) -> None:
    tree = StoredTree(LEAVES[:size])
    assert tree.frontier.root() == naive_root(LEAVES[:size])
    assert root_of(LEAVES[:size]) == tree.frontier.root()
    assert TreeReader(size=size, read=tree).root() == tree.frontier.root()


def test_only_one_hash_is_stored_for_256_leaves() -> None:
    _, nodes = Frontier().extend(LEAVES[:1024])
    assert [(node.tile_level, node.number) for node in nodes] == [(1, 0), (1, 1), (1, 2), (1, 3)]


def test_the_second_tile_level_is_stored_every_65536_leaves() -> None:
    leaves = LEAVES[:256] * 257
    frontier, nodes = Frontier().extend(leaves)
    assert [(node.tile_level, node.number) for node in nodes if node.tile_level > 1] == [(2, 0)]
    tree = StoredTree([])
    tree.levels.update({(0, index): each for index, each in enumerate(leaves)})
    tree.levels.update({(node.tile_level, node.number): node.hash for node in nodes})
    reader = TreeReader(size=len(leaves), read=tree)
    proof = reader.inclusion_proof(40_000)
    verify_inclusion(leaf=leaves[40_000], index=40_000, size=len(leaves), proof=proof, root=frontier.root())
    assert tree.reads <= 4


def test_a_frontier_survives_storage() -> None:
    for size in (0, 1, 2, 255, 256, 1001):
        frontier, _ = Frontier().extend(LEAVES[:size])
        assert Frontier.from_bytes(frontier.to_bytes()) == frontier


@pytest.mark.parametrize("data", [b"", bytes(7), bytes(8) + b"x", (1).to_bytes(8, "big"), bytes(8) + bytes(32)])
def test_a_damaged_frontier_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="frontier"):
        Frontier.from_bytes(data)


@given(size=st.integers(1, 1100), data=st.data())
def test_every_leaf_can_be_proven_and_no_other(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = naive_root(LEAVES[:size])
    proof = TreeReader(size=size, read=StoredTree(LEAVES)).inclusion_proof(index)
    verify_inclusion(leaf=LEAVES[index], index=index, size=size, proof=proof, root=root)
    with pytest.raises(BadProof):
        verify_inclusion(leaf=leaf_hash(b"other"), index=index, size=size, proof=proof, root=root)
    if size > 1:
        with pytest.raises(BadProof):
            verify_inclusion(leaf=LEAVES[index], index=(index + 1) % size, size=size, proof=proof, root=root)


@given(later=st.integers(1, 1100), data=st.data())
def test_every_earlier_tree_is_a_proven_prefix(later: int, data: st.DataObject) -> None:
    earlier = data.draw(st.integers(1, later))
    before, after = naive_root(LEAVES[:earlier]), naive_root(LEAVES[:later])
    proof = TreeReader(size=later, read=StoredTree(LEAVES)).consistency_proof(earlier)
    verify_consistency(earlier=earlier, later=later, earlier_root=before, later_root=after, proof=proof)
    rewritten = naive_root([leaf_hash(b"rewritten"), *LEAVES[1:earlier]])
    with pytest.raises(BadProof):
        verify_consistency(earlier=earlier, later=later, earlier_root=rewritten, later_root=after, proof=proof)


@given(size=st.integers(1, 700), data=st.data())
def test_many_leaves_are_proven_by_one_proof(size: int, data: st.DataObject) -> None:
    indexes = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=40)))
    leaves, root = [LEAVES[index] for index in indexes], naive_root(LEAVES[:size])
    proof = TreeReader(size=size, read=StoredTree(LEAVES)).batch_proof(indexes)
    verify_batch(leaves=leaves, indexes=indexes, size=size, proof=proof, root=root)
    for spoiled in ([*proof, LEAVES[0]], proof[:-1] if proof else [LEAVES[0]]):
        with pytest.raises(BadProof):
            verify_batch(leaves=leaves, indexes=indexes, size=size, proof=spoiled, root=root)
    with pytest.raises(BadProof):
        verify_batch(leaves=[leaf_hash(b"other"), *leaves[1:]], indexes=indexes, size=size, proof=proof, root=root)


@pytest.mark.parametrize("indexes", [[], [1, 1], [2, 1], [-1], [5]])
def test_a_batch_proof_wants_ascending_leaves_of_the_tree(indexes: list[int]) -> None:
    with pytest.raises(ValueError, match="leaf"):
        TreeReader(size=5, read=StoredTree(LEAVES[:5])).batch_proof(indexes)
    with pytest.raises(BadProof):
        verify_batch(leaves=LEAVES[: len(indexes)], indexes=indexes, size=5, proof=[], root=naive_root(LEAVES[:5]))


def test_a_batch_proof_wants_a_hash_for_each_index() -> None:
    with pytest.raises(BadProof, match="one hash for each"):
        verify_batch(leaves=LEAVES[:2], indexes=[0], size=1, proof=[], root=LEAVES[0])


def test_what_is_not_in_the_tree_cannot_be_proven() -> None:
    reader = TreeReader(size=5, read=StoredTree(LEAVES[:5]))
    for index in (-1, 5):
        with pytest.raises(ValueError, match="no such leaf"):
            reader.inclusion_proof(index)
    for earlier in (0, 6):
        with pytest.raises(ValueError, match="no prefix"):
            reader.consistency_proof(earlier)


def test_missing_stored_hashes_are_noticed() -> None:
    with pytest.raises(LookupError, match="tile 0 of level 0"):
        TreeReader(size=5, read=lambda _level, start, stop: LEAVES[start : stop - 1]).inclusion_proof(2)
