"""Rate limits, by a clock that is told what time it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.errors import Exhausted
from hub.domain.rates import RateLimit


def admitted(limit: RateLimit, now: float, caller: str = "acme") -> bool:
    try:
        limit.admit(caller, now)
    except Exhausted:
        return False
    return True


def test_a_caller_that_has_rested_may_send_a_burst_and_no_more() -> None:
    limit = RateLimit(per_second=10, burst=5)
    assert [admitted(limit, 100.0) for _ in range(7)] == [True] * 5 + [False] * 2


def test_after_a_burst_one_more_call_is_admitted_each_interval() -> None:
    limit = RateLimit(per_second=10, burst=2)
    assert [admitted(limit, 0.0) for _ in range(3)] == [True, True, False]
    assert [admitted(limit, t) for t in (0.05, 0.1, 0.15, 0.2)] == [False, True, False, True]


def test_a_refusal_says_when_to_try_again_and_that_is_true() -> None:
    limit = RateLimit(per_second=4, burst=1)
    limit.admit("acme", 10.0)
    with pytest.raises(Exhausted) as caught:
        limit.admit("acme", 10.1)
    wait = float(caught.value.metadata["retry_after_seconds"])
    assert wait == pytest.approx(0.15)
    assert not admitted(limit, 10.1 + wait - 0.01)
    assert admitted(limit, 10.1 + wait + 0.001)


def test_messages_of_streams_wait_until_the_rate_has_room() -> None:
    limit = RateLimit(per_second=10, burst=3)
    assert [limit.hold("acme", 0.0) for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])
    assert limit.hold("acme", 0.5) == 0


def test_calls_and_messages_of_streams_are_counted_together() -> None:
    limit = RateLimit(per_second=10, burst=2)
    assert admitted(limit, 0.0)
    assert limit.hold("acme", 0.0) == 0
    assert limit.hold("acme", 0.0) == pytest.approx(0.1)
    assert not admitted(limit, 0.15)
    assert limit.hold("other", 0.15) == 0
    assert admitted(limit, 0.25)


def test_callers_do_not_share_their_rate() -> None:
    limit = RateLimit(per_second=1, burst=1)
    assert admitted(limit, 0.0, "one")
    assert admitted(limit, 0.0, "two")
    assert not admitted(limit, 0.0, "one")


def test_strangers_cannot_fill_the_memory() -> None:
    limit = RateLimit(per_second=0.001, burst=1)
    for i in range(25_000):
        limit.admit(str(i), 0.0)
    assert len(limit._due) <= 10_000


def test_callers_that_have_rested_are_forgotten_first() -> None:
    limit = RateLimit(per_second=1, burst=1)
    for i in range(9_999):
        limit.admit(f"rested {i}", 0.0)
    limit.admit("busy", 9.5)
    limit.admit("one more", 10.0)
    assert not admitted(limit, 10.0, "busy")


@given(
    steps=st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=200),
    per_second=st.integers(1, 50),
    burst=st.integers(1, 20),
)
def test_no_pattern_of_calls_beats_the_rate(steps: list[float], per_second: int, burst: int) -> None:
    limit = RateLimit(per_second=per_second, burst=burst)
    now, count, start = 1000.0, 0, 1000.0
    for step in steps:
        now += step
        count += admitted(limit, now)
    assert count <= burst + (now - start) * per_second + 1e-6
