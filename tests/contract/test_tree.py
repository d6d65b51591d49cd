"""The tree as stored: whatever groups the facts came in, every proof made from the stored hashes verifies."""

import asyncio
from collections.abc import Iterator
from itertools import combinations, pairwise
from random import Random

import pytest

from hub.app.ports.uow import UnitOfWork
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.merkle import Frontier, root_of
from hub.domain.merkle.tiles import TreeReader
from hub.domain.merkle.verify import verify_consistency, verify_inclusion
from hub.store.tables.spine import HeadRow, TreeRow
from tests.stored import check_journal, read_rows, stored_hashes, stored_leaves
from tests.support import Spine, open_spine


def append(uow: UnitOfWork, count: int) -> int:
    """Append facts to the clearing stream, and return its size afterwards."""
    for _ in range(count):
        at = uow.journal.head(Stream.CLEARING)
        fact = Fact(kind=EntryKind.CUT_OFF, owner=None, subject=str(at), body=at.to_bytes(4))
        uow.journal.append(Stream.CLEARING, fact)
    return uow.journal.head(Stream.CLEARING)


def stored_root(spine: Spine) -> bytes:
    head = next(row for row in read_rows(spine.engine, HeadRow) if row.stream == Stream.CLEARING)
    return Frontier.from_bytes(bytes(head.frontier)).root()


def verify(spine: Spine, roots: dict[int, bytes]) -> None:
    """Verify each root, every leaf in the largest tree, and that each of these trees is a prefix of each later one."""
    largest = max(roots)
    leaves = stored_leaves(spine.engine)
    hashes = stored_hashes(spine.engine)
    trees = {size: TreeReader(size=size, read=hashes) for size in roots}
    for size, root in roots.items():
        assert trees[size].root() == root
    tree, root = trees[largest], roots[largest]
    for index in range(largest):
        verify_inclusion(leaf=leaves[index], index=index, size=largest, proof=tree.inclusion_proof(index), root=root)
    for earlier, later in combinations(sorted(roots), 2):
        verify_consistency(
            earlier=earlier,
            later=later,
            earlier_root=roots[earlier],
            later_root=roots[later],
            proof=trees[later].consistency_proof(earlier),
        )


@pytest.fixture
def pair(database: str) -> Iterator[tuple[Spine, Spine]]:
    """Return two committers over one fresh database, once of each kind."""
    with open_spine(database) as first, open_spine(database) as second:
        yield first, second


@pytest.mark.parametrize("seed", [1, 2])
async def test_proofs_verify_across_groups_of_any_size_and_two_committers(pair: tuple[Spine, Spine], seed: int) -> None:
    chance = Random(seed)
    roots: dict[int, bytes] = {}
    size = 0
    while size < 600:
        # Some use cases of one group, some of the other committer's group beside it.
        counts = [chance.choice([1, 1, 2, 3, 17, 60]) for _ in range(chance.randint(1, 4))]
        await asyncio.gather(
            *(chance.choice(pair).committer.run(lambda uow, count=count: append(uow, count)) for count in counts)  # type: ignore[misc]
        )
        size += sum(counts)
        roots[size] = stored_root(pair[0])
    leaves = stored_leaves(pair[0].engine)
    assert len(leaves) == size
    for other in (1, 2, 255, 256, 257, 511, 512, 513):
        roots[other] = root_of(leaves[:other])
    check_journal(pair[0].engine)
    verify(pair[0], roots)


async def test_every_tree_of_a_short_journal_is_a_prefix_of_every_later_one(spine: Spine) -> None:
    roots = {}
    for _ in range(40):
        size = await spine.committer.run(lambda uow: append(uow, 1))
        roots[size] = stored_root(spine)
    verify(spine, roots)


async def test_use_cases_that_fail_between_leave_no_trace_in_the_tree(spine: Spine) -> None:
    def fail(uow: UnitOfWork) -> None:
        append(uow, 100)
        raise ZeroDivisionError

    for count in (200, 55, 1, 1, 300):
        outcomes = await asyncio.gather(
            spine.committer.run(fail),
            spine.committer.run(lambda uow, count=count: append(uow, count)),  # type: ignore[misc]
            spine.committer.run(fail),
            return_exceptions=True,
        )
        assert [isinstance(outcome, ZeroDivisionError) for outcome in outcomes] == [True, False, True]
    check_journal(spine.engine)
    verify(spine, {557: stored_root(spine)})


async def test_a_tree_of_three_levels_is_proven_from_its_tiles(spine: Spine) -> None:
    size = 0
    for count in (65_500, 36, 1, 300):
        size = await spine.committer.run(lambda uow, count=count: append(uow, count))  # type: ignore[misc]
    levels = [row.tile_level for row in read_rows(spine.engine, TreeRow, "tile_level")]
    assert {level: levels.count(level) for level in set(levels)} == {1: size // 256, 2: 1}
    leaves, hashes = stored_leaves(spine.engine), stored_hashes(spine.engine)
    tree = TreeReader(size=size, read=hashes)
    root = stored_root(spine)
    assert tree.root() == root == root_of(leaves)
    for index in (0, 1, 255, 256, 65_535, 65_536, size - 1):
        verify_inclusion(leaf=leaves[index], index=index, size=size, proof=tree.inclusion_proof(index), root=root)
    for earlier, later in pairwise((1, 256, 65_500, 65_536, 65_537, size)):
        verify_consistency(
            earlier=earlier,
            later=later,
            earlier_root=root_of(leaves[:earlier]),
            later_root=root_of(leaves[:later]),
            proof=TreeReader(size=later, read=hashes).consistency_proof(earlier),
        )
