"""How a period moves on, and that no CDR falls between two of them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.agreements import Cycle
from hub.domain.clearing.periods import NEXT, Period, PeriodState, Terms, open_first, open_next, void
from hub.domain.errors import Denied, Precondition
from tests.unit.clearing.making import CPO, EMSP

S = PeriodState


NOW = datetime(2026, 11, 1, tzinfo=UTC)
TERMS = Terms(
    agreement="agreements/a",
    agreement_version=1,
    creditor=CPO,
    debtor=EMSP,
    cycle=Cycle.MONTHLY,
    time_zone="Europe/Amsterdam",
    tz_version="2026.1",
)


def opened(at: str = "2026-10-10T00:00Z", index: int = 0) -> Period:
    return open_first(TERMS, index=index, now=datetime.fromisoformat(at))


def cut(period: Period, index: int) -> Period:
    return period.cut_off(index=index, now=NOW)


def frozen(period: Period, count: int = 3) -> Period:
    return period.begin_grace().freeze(manifest="ab" * 32, cdr_count=count)


def following(before: Period, at: str) -> Period:
    return open_next(before, TERMS, now=datetime.fromisoformat(at))


def test_a_period_goes_its_way_to_the_end() -> None:
    period = cut(opened(), 41)
    assert (period.first_index, period.end_index, period.state) == (0, 42, S.CUT_OFF)
    period = frozen(period).calculated(by="ann").review(by="bob").issue(by="ann", now=NOW)
    for state in (S.ACKNOWLEDGED, S.PAYING, S.SETTLED):
        period = period.advance(state)
    assert (period.manifest, period.prepared_by, period.reviewed_by, period.issued_by) == (
        "ab" * 32,
        "ann",
        "bob",
        "ann",
    )
    assert period.revision == 10


def test_nobody_takes_two_steps_in_a_row() -> None:
    calculated = frozen(cut(opened(), 1)).calculated(by="ann")
    for reviewer in ("ann", ""):
        with pytest.raises(Denied) as caught:
            calculated.review(by=reviewer)
        assert caught.value.reason == "FOUR_EYES"
    with pytest.raises(Denied):
        calculated.review(by="bob").issue(by="bob", now=NOW)


def test_a_period_without_a_cdr_has_nothing_to_state() -> None:
    empty = frozen(cut(opened(), 1), count=0).calculated(by="hub")
    assert empty.state is S.SETTLED


def enter(period: Period, to: PeriodState) -> Period:
    match to:
        case S.CUT_OFF:
            return cut(period, 5)
        case S.GRACE:
            return period.begin_grace()
        case S.FROZEN:
            return period.freeze(manifest="m", cdr_count=3)
        case S.CALCULATED:
            return period.calculated(by="ann")
        case S.REVIEWED:
            return period.review(by="bob")
        case S.ISSUED:
            return period.issue(by="ann", now=NOW)
        case _:
            return period.advance(to)


@pytest.mark.parametrize("state", S)
def test_a_state_is_left_only_as_the_table_says(state: PeriodState) -> None:
    period = replace(opened(), state=state, end_index=9, cdr_count=3)
    for to in set(S) - {S.OPEN, S.VOID}:
        if to in NEXT[state]:
            assert enter(period, to).state is to
        else:
            with pytest.raises(Precondition) as caught:
                enter(period, to)
            assert caught.value.reason == "PERIOD_STATE"


def test_states_that_record_something_cannot_be_entered_without_it() -> None:
    with pytest.raises(ValueError, match="own way"):
        opened().advance(S.CUT_OFF)


def test_the_next_period_begins_where_the_last_one_ends() -> None:
    before = cut(opened(), 41)
    after = following(before, "2026-10-31T23:00Z")
    assert (after.name, after.first_index) == ("agreements/a/periods/2026-11", 42)
    assert (before.holds(41), after.holds(41), before.holds(42), after.holds(42)) == (True, False, False, True)
    with pytest.raises(ValueError, match="where the one before it ends"):
        following(opened(), "2026-11-10T00:00Z")


def test_parts_of_one_calendar_window_have_names_of_their_own() -> None:
    first = opened()
    second = following(cut(first, 5), "2026-10-20T00:00Z")
    third = following(cut(second, 9), "2026-10-21T00:00Z")
    november = following(cut(third, 12), "2026-11-01T00:00Z")
    assert [each.name.rsplit("/", 1)[1] for each in (first, second, third, november)] == [
        "2026-10",
        "2026-10-p2",
        "2026-10-p3",
        "2026-11",
    ]


def test_months_that_passed_while_the_hub_was_down_leave_no_hole() -> None:
    before = cut(opened(), 41)
    after = following(before, "2027-02-03T00:00Z")
    assert (after.name, after.first_index) == ("agreements/a/periods/2027-02", 42)


def test_a_voided_period_hands_its_range_on() -> None:
    before = cut(opened(index=7), 41)
    voided, heir = void(before, following(before, "2026-11-01T00:00Z"))
    assert (voided.state, heir.first_index) == (S.VOID, 7)
    assert heir.holds(20)


def test_an_issued_period_or_one_before_a_frozen_one_cannot_be_voided() -> None:
    before = cut(opened(), 41)
    after = following(before, "2026-11-01T00:00Z")
    with pytest.raises(Precondition):
        void(before, frozen(cut(after, 50)))
    issued = frozen(before).calculated(by="a").review(by="b").issue(by="a", now=NOW)
    with pytest.raises(Precondition):
        void(issued, after)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(0, 500))
def test_whatever_the_cut_offs_an_index_is_in_exactly_one_period(gaps: list[int], index: int) -> None:
    month = datetime(2026, 1, 15, tzinfo=UTC)
    periods = [opened(month.isoformat())]
    last = -1
    for number, gap in enumerate(gaps):
        last += gap
        periods[-1] = cut(periods[-1], last)
        later = month.replace(year=2026 + (number + 1) // 12, month=(number + 1) % 12 + 1)
        periods.append(following(periods[-1], later.isoformat()))
    assert sum(period.holds(index) for period in periods) == 1


def test_a_cut_off_lies_inside_its_period() -> None:
    with pytest.raises(ValueError, match="inside"):
        cut(opened(index=5), 4)
