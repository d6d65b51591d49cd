"""Answers find their requests, whatever the order and however often they come."""

from hypothesis import given
from hypothesis import strategies as st

from hub.routing.matching import Matcher, Miss


def test_an_answer_finds_what_was_asked_and_who_waits() -> None:
    matcher: Matcher[str] = Matcher()
    first, second = matcher.open("authorize", "a"), matcher.open("ping", "b")
    assert matcher.answer(second) == ("ping", "b")
    assert matcher.answer(first) == ("authorize", "a")
    assert len(matcher) == 0


def test_an_answer_nobody_asked_for_is_a_miss() -> None:
    matcher: Matcher[str] = Matcher()
    matcher.open("ping", "a")
    assert [matcher.answer(n) for n in (0, -1, 2, 1 << 62)] == [Miss.UNASKED] * 4


def test_an_answer_after_the_asker_has_left_is_late_and_a_second_one_repeated() -> None:
    matcher: Matcher[str] = Matcher()
    number = matcher.open("ping", "a")
    assert matcher.abandon(number) == "a"
    assert matcher.abandon(number) is None
    assert matcher.answer(number) is Miss.LATE
    assert matcher.answer(number) is Miss.REPEATED


def test_what_is_remembered_of_abandoned_requests_is_bounded() -> None:
    matcher: Matcher[int] = Matcher()
    for n in range(10_050):
        matcher.abandon(matcher.open("ping", n))
    assert matcher.answer(1) is Miss.REPEATED
    assert matcher.answer(10_050) is Miss.LATE


def test_closing_returns_everybody_who_waits_oldest_first() -> None:
    matcher: Matcher[str] = Matcher()
    matcher.open("ping", "a")
    answered = matcher.open("ping", "b")
    matcher.open("ping", "c")
    matcher.answer(answered)
    assert matcher.close() == ["a", "c"]
    assert matcher.close() == []


@given(
    st.integers(0, 30),
    st.lists(st.tuples(st.sampled_from(["answer", "abandon"]), st.integers(-2, 40)), max_size=120),
)
def test_every_request_ends_exactly_once_whatever_comes_in_whatever_order(
    asked: int, steps: list[tuple[str, int]]
) -> None:
    matcher: Matcher[int] = Matcher()
    numbers = [matcher.open("kind", n) for n in range(asked)]
    assert numbers == list(range(1, asked + 1))
    ended: dict[int, str] = {}
    answers: dict[int, int] = dict.fromkeys(range(-2, 41), 0)
    for step, number in steps:
        if step == "abandon":
            waiter = matcher.abandon(number)
            assert (waiter is None) == (number in ended or number not in numbers)
            if waiter is not None:
                ended[number] = "abandoned"
            continue
        found = matcher.answer(number)
        if number not in numbers:
            assert found is Miss.UNASKED
        elif number not in ended:
            assert found == ("kind", number - 1)
            ended[number] = "answered"
        elif ended[number] == "abandoned" and not answers[number]:
            assert found is Miss.LATE
        else:
            assert found is Miss.REPEATED
        answers[number] += number in numbers
    assert matcher.close() == [n - 1 for n in numbers if n not in ended]
