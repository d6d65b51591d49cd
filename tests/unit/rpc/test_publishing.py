"""Batches: every item is answered for itself, in order."""

from collections.abc import Sequence

import pytest
from roamhub.v1.common_pb2 import ItemOutcome

from hub.domain.errors import Conflict, HubError, Invalid, invalid
from hub.rpc.publishing import Progress, outcomes, publish, require_size


def read(position: int, item: str) -> str:
    if item == "bad":
        raise invalid(f"items[{position}]", "is not good")
    return item.upper()


async def store(items: Sequence[str]) -> Sequence[bool | HubError]:
    return [Conflict("TAKEN", "it is taken") if item == "TAKEN" else item == "NEW" for item in items]


async def test_items_that_cannot_be_read_are_refused_and_the_others_stored() -> None:
    answers = await publish(["new", "bad", "old", "taken"], read, store)
    results = [outcome.result for outcome in outcomes(answers, first=10)]
    assert results == [
        ItemOutcome.RESULT_APPLIED,
        ItemOutcome.RESULT_REFUSED,
        ItemOutcome.RESULT_UNCHANGED,
        ItemOutcome.RESULT_REFUSED,
    ]
    refused = outcomes(answers, first=10)[1]
    assert (refused.index, refused.error.reason, refused.error.violations[0].field) == (11, "INVALID_FIELD", "items[1]")


async def test_nothing_is_stored_when_nothing_can_be_read() -> None:
    async def never(_: Sequence[str]) -> Sequence[bool | HubError]:
        raise AssertionError

    assert [type(answer) for answer in await publish(["bad"], read, never)] == [Invalid]


async def test_progress_counts_the_whole_stream_and_tells_each_refusal_once() -> None:
    progress = Progress()
    progress.count(await publish(["new", "bad"], read, store))
    told = progress.count(await publish(["old", "taken"], read, store))
    assert (told.received_count, told.applied_count, told.unchanged_count, told.refused_count) == (4, 1, 1, 2)
    assert [(refusal.index, refusal.error.reason) for refusal in told.refusals] == [(3, "TAKEN")]


@pytest.mark.parametrize("items", [[], [1, 2, 3]])
def test_a_batch_has_a_least_and_a_most(items: list[int]) -> None:
    with pytest.raises(Invalid):
        require_size("items", items, 2)
