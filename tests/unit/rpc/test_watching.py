"""What watchers are sent, and what the hub keeps in memory for them: bounded in bytes, not only in entries."""

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.journal import Entry, EntryKind, Fact, Stream
from hub.rpc.journal import _RESPONSE_BYTES, _parts
from hub.rpc.tail import JournalTail
from tests.support import START


def entry(index: int, size: int) -> Entry:
    fact = Fact(kind=EntryKind.EVSE_STATES, owner=None, subject="", body=bytes(size))
    return Entry(stream=Stream.REGISTRY, index=index, recorded_time=START, fact=fact)


@given(st.lists(st.sampled_from([0, 1_000, 400_000, 2_000_000]), max_size=20), st.integers(0, 5))
def test_responses_hold_every_entry_once_and_a_bounded_number_of_bytes(sizes: list[int], unseen: int) -> None:
    entries = [entry(index, size) for index, size in enumerate(sizes)]
    last = len(sizes) + unseen
    parts = list(_parts(entries, last))
    assert [each for part, _ in parts for each in part] == entries
    assert all(len(part) <= 1 or sum(len(e.fact.body) for e in part) <= _RESPONSE_BYTES for part, _ in parts)
    assert [upto for _, upto in parts] == [part[-1].index for part, _ in parts[:-1]] + [last]


def test_the_tail_keeps_as_many_entries_as_fit_and_always_the_newest() -> None:
    tail = JournalTail(kept=10, kept_bytes=1_000)
    tail.publish([entry(index, 300) for index in range(5)])
    assert tail.after(Stream.REGISTRY, 0, 9) is None
    assert [each.index for each in tail.after(Stream.REGISTRY, 1, 9) or ()] == [2, 3, 4]
    tail.publish([entry(5, 5_000)])
    assert [each.index for each in tail.after(Stream.REGISTRY, 4, 9) or ()] == [5]
    tail.publish([entry(index, 1) for index in range(6, 30)])
    assert [each.index for each in tail.after(Stream.REGISTRY, 19, 99) or ()] == list(range(20, 30))
