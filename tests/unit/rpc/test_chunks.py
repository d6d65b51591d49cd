"""Client streams in chunks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.errors import Invalid, invalid
from hub.rpc.chunks import chunks
from tests.support import eventually


async def numbers(count: int, fail: bool = False, pause: bool = False) -> AsyncIterator[int]:
    for number in range(count):
        if pause:
            await asyncio.sleep(0)
        yield number
    if fail:
        raise invalid("items", "is bad")


@given(st.integers(0, 40), st.integers(1, 10), st.booleans())
def test_every_item_comes_once_in_order_and_in_chunks_of_a_bounded_size(count: int, most: int, pause: bool) -> None:
    async def collect() -> list[list[int]]:
        return [chunk async for chunk in chunks(numbers(count, pause=pause), most)]

    found = asyncio.run(collect())
    assert [number for chunk in found for number in chunk] == list(range(count))
    assert all(1 <= len(chunk) <= most for chunk in found)


async def test_what_came_before_a_failure_is_yielded_and_then_the_failure_raised() -> None:
    found: list[int] = []

    async def collect() -> None:
        async for chunk in chunks(numbers(25, fail=True), 10):
            found.extend(chunk)

    with pytest.raises(Invalid):
        await collect()
    assert found == list(range(25))


async def test_a_reader_that_stops_early_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with aclosing(chunks(numbers(10_000), 5)) as arriving:
        assert await anext(arriving)
        await asyncio.sleep(0.01)
    await eventually(lambda: asyncio.all_tasks() == before)
