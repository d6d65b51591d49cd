"""When an endpoint that fails is left alone, and when it is tried again."""

from hub.routing.dialled import Breaker


def broken(failures: int = 5) -> Breaker:
    breaker = Breaker()
    for _ in range(failures):
        assert breaker.admits(0)
        breaker.failed(0, 1)
    return breaker


def test_a_few_failures_are_borne() -> None:
    assert broken(4).admits(0)


def test_then_the_endpoint_rests_and_one_request_tries_it() -> None:
    breaker = broken()
    assert not breaker.admits(0.49)
    assert breaker.admits(0.5)
    assert not breaker.admits(0.5), "one trial at a time"


def test_a_trial_that_succeeds_opens_the_way_for_all() -> None:
    breaker = broken()
    assert breaker.admits(1)
    breaker.succeeded()
    assert all(breaker.admits(1) for _ in range(10))


def test_a_trial_that_fails_doubles_the_rest_up_to_half_a_minute() -> None:
    breaker = broken()
    now, rests = 0.5, []
    for _ in range(9):
        assert breaker.admits(now)
        breaker.failed(now, 1)
        rest = 0.5
        while not Breaker.admits(breaker, now + rest):
            rest += 0.5
        breaker.dropped()
        rests.append(rest)
        now += rest
    assert rests == [1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_chance_shortens_a_rest_by_at_most_half() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(0, 0)
    assert not breaker.admits(0.24)
    assert breaker.admits(0.25)


def test_a_trial_whose_asker_went_away_leaves_the_trial_to_the_next() -> None:
    breaker = broken()
    assert breaker.admits(1)
    breaker.dropped()
    assert breaker.admits(1)
