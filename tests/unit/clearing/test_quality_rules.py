"""The score of a partner: each component by hand, what falls away, and that the published parts add up to it."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.quality import (
    DAY_MINUTES,
    WEEK_MINUTES,
    WEIGHTS,
    ComponentKind,
    Figures,
    components,
    scarce,
    score,
    to_text,
)

K = ComponentKind


def points(figures: Figures) -> Mapping[ComponentKind, Fraction]:
    return {part.kind: part.points for part in components(figures)}


def test_every_component_has_a_weight_and_those_of_a_cpo_add_up_to_100() -> None:
    assert set(WEIGHTS) == set(K)
    assert sum(WEIGHTS[kind] for kind in K if kind is not K.RESPONSIVE) == 100


def test_without_anything_on_record_there_is_no_score() -> None:
    assert components(Figures()) == []
    assert score(components(Figures())) is None


def test_first_pass_is_the_share_of_charges_accepted_on_receipt() -> None:
    assert points(Figures(charges=8, accepted_at_once=6, accepted_later=1, returned=1))[K.FIRST_PASS] == 75


def test_clean_is_the_share_of_those_without_a_warning() -> None:
    assert points(Figures(charges=8, accepted_at_once=6, warned=3))[K.CLEAN] == 50


@pytest.mark.parametrize(
    ("lateness", "expected"),
    [
        ({0: 1}, 100),
        ({DAY_MINUTES: 1}, 100),
        ({DAY_MINUTES + 1: 1}, 50),
        ({WEEK_MINUTES: 1}, 50),
        ({WEEK_MINUTES + 1: 1}, 0),
        ({5: 2, 2 * DAY_MINUTES: 1, 30 * DAY_MINUTES: 1}, Fraction(125, 2)),
    ],
)
def test_a_cdr_within_a_day_counts_whole_and_within_a_week_half(lateness: dict[int, int], expected: int) -> None:
    assert points(Figures(lateness=lateness))[K.PUNCTUAL] == expected


def test_complete_is_the_share_of_ended_sessions_with_a_cdr() -> None:
    assert points(Figures(sessions=200, sessions_open=1))[K.COMPLETE] == Fraction(199, 2)


@pytest.mark.parametrize(("credits_", "expected"), [(0, 100), (1, 90), (5, 50), (10, 0), (50, 0)])
def test_a_credit_takes_as_much_as_ten_charges(credits_: int, expected: int) -> None:
    assert points(Figures(charges=100, accepted_at_once=100, credits=credits_))[K.FINAL] == expected


def test_responsive_is_the_share_of_relayed_requests_answered_in_time() -> None:
    figures = Figures(asked=3, answered=2)
    assert points(figures) == {K.RESPONSIVE: Fraction(200, 3)}
    assert to_text(score(components(figures)) or Fraction(0), 1) == "66.7"


def test_the_score_is_the_mean_by_weight_of_what_there_is() -> None:
    # 40 x 75 + 10 x 50 + 20 x 100 + 10 x 100, over 80: no sessions, nothing relayed.
    figures = Figures(charges=8, accepted_at_once=6, warned=3, returned=2, lateness={1: 6})
    assert [part.kind for part in components(figures)] == [K.FIRST_PASS, K.CLEAN, K.PUNCTUAL, K.FINAL]
    assert score(components(figures)) == Fraction(6500, 80)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (Fraction(1, 3), 2, "0.33"),
        (Fraction(2, 3), 1, "0.7"),
        (Fraction(5, 100), 1, "0.1"),
        (Fraction(49, 1000), 1, "0.0"),
        (Fraction(100), 1, "100.0"),
        (Fraction(7), 0, "7"),
        (Fraction(10**30 + 1), 1, "1000000000000000000000000000001.0"),
    ],
)
def test_a_half_is_rounded_up_and_nothing_is_lost(value: Fraction, decimals: int, text: str) -> None:
    assert to_text(value, decimals) == text


@pytest.mark.parametrize(
    ("lateness", "percent", "expected"),
    [
        ({}, 50, None),
        ({7: 1}, 50, 7),
        ({1: 5, 9: 5}, 50, 1),
        ({1: 5, 9: 6}, 50, 9),
        ({1: 9, 60: 1}, 90, 1),
        ({1: 8, 60: 2}, 90, 60),
    ],
)
def test_a_percentile_is_the_nearest_rank(lateness: dict[int, int], percent: int, expected: int | None) -> None:
    assert Figures(lateness=lateness).lateness_at(percent) == expected


def test_few_charges_and_few_requests_say_little() -> None:
    assert scarce(Figures(charges=19, asked=19))
    assert not scarce(Figures(charges=20))
    assert not scarce(Figures(asked=20))


@st.composite
def figures(draw: st.DrawFn) -> Figures:
    def up_to(most: int) -> int:
        return draw(st.integers(0, most))

    at_once, later, fallen = up_to(500), up_to(50), up_to(50)
    lateness = draw(st.dictionaries(st.integers(0, 100_000), st.integers(1, 100), max_size=20))
    sessions, asked = up_to(500), up_to(500)
    return Figures(
        charges=at_once + later + fallen,
        accepted_at_once=at_once,
        warned=up_to(at_once),
        accepted_later=later,
        returned=fallen,
        credits=up_to(at_once + later),
        lateness=lateness,
        sessions=sessions,
        sessions_open=up_to(sessions),
        asked=asked,
        answered=up_to(asked),
    )


@given(figures())
def test_points_and_score_lie_between_0_and_100_and_follow_from_the_counts_shown(found: Figures) -> None:
    parts = components(found)
    assert all(0 <= part.points <= 100 and part.total > 0 for part in parts)
    total = score(parts)
    if not parts:
        assert total is None
        return
    assert total is not None
    assert min(part.points for part in parts) <= total <= max(part.points for part in parts)
    shown = [(Decimal(to_text(part.good, 1)), part.total, part.weight) for part in parts]
    redone = sum(Fraction(good) * 100 / of * weight for good, of, weight in shown) / sum(w for _, _, w in shown)
    assert redone == total, "the counts that are shown make the score, exactly"


@given(figures())
def test_one_more_good_charge_never_lowers_the_score(found: Figures) -> None:
    lateness = {**found.lateness, 0: found.lateness.get(0, 0) + 1}
    better = Figures(
        charges=found.charges + 1,
        accepted_at_once=found.accepted_at_once + 1,
        warned=found.warned,
        accepted_later=found.accepted_later,
        returned=found.returned,
        credits=found.credits,
        lateness=lateness,
        sessions=found.sessions,
        sessions_open=found.sessions_open,
        asked=found.asked,
        answered=found.answered,
    )
    before = points(found)
    assert all(value >= before.get(kind, value) for kind, value in points(better).items())
