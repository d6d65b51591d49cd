"""When two charges overlap, when they are one session twice, and what is told about it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.agreements import CheckAction
from hub.domain.cdrs.checks import Check, KnownNeighbours, examine
from hub.domain.cdrs.checks.neighbours import shared
from hub.domain.cdrs.record import Severity
from hub.domain.cdrs.spans import LENGTH_MAX, Span, overlap, twins
from hub.domain.ids import PartyId
from hub.store.spans import slots
from tests.unit.clearing.making_cdrs import KNOWN, START, charge

SECOND = timedelta(seconds=1)


def span(start: timedelta, end: timedelta, **changes: Any) -> Span:
    return Span.of(charge(start_time=START + start, end_time=START + end, **changes))


OVERLAPS = {
    "one after the other": (60, 120, False),
    "a minute in common is drift of clocks": (59, 120, False),
    "more than a minute is an overlap": (58.99, 120, True),
    "one within the other": (10, 50, True),
    "the same times": (0, 60, True),
    "a stop of a minute within another": (10, 11, False),
    "a stop of a little more": (10, 11.01, True),
    "before, and on to the end": (-30, 60, True),
    "long before": (-30, -10, False),
    "no time at all": (30, 30, False),
}


@pytest.mark.parametrize(("start", "end", "expected"), OVERLAPS.values(), ids=OVERLAPS)
def test_charges_overlap_when_they_have_more_than_a_minute_in_common(start: float, end: float, expected: bool) -> None:
    first = span(timedelta(0), timedelta(minutes=60))
    other = span(timedelta(minutes=start), timedelta(minutes=end))
    assert overlap(first, other) is overlap(other, first) is expected


def test_of_a_span_of_years_its_end_counts() -> None:
    made = span(timedelta(days=-4000), timedelta(0))
    assert made.end - made.start == LENGTH_MAX


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 2026), (2026, 9999), (9999, 9999)])
def test_spans_of_all_times_that_can_be_sent_have_slots_that_a_database_holds(first: int, last: int) -> None:
    start = datetime(first, 1, 1, 12, tzinfo=UTC)
    made = Span.of(charge(start_time=start, end_time=datetime(last, 12, 31, tzinfo=UTC)))
    assert 0 <= made.end - made.start <= LENGTH_MAX
    assert made.start - made.near > -LENGTH_MAX
    for slot in slots(made, made.token):
        assert -(1 << 63) <= slot < 1 << 63


TWINS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "the same session id": ({"session_id": "S-1"}, {"session_id": "s-1"}, True),
    "other session ids": ({"session_id": "S-1"}, {"session_id": "S-2"}, False),
    "a session id, and nothing": ({"session_id": "S-1"}, {}, False),
    "the same session in another time zone": (
        {"session_id": "S-1"},
        {"session_id": "S-1", "start_time": START + timedelta(hours=12)},
        True,
    ),
    "a session id that is used again": (
        {"session_id": "S-1"},
        {"session_id": "S-1", "start_time": START + timedelta(hours=12, microseconds=1)},
        False,
    ),
    "the same session of another eMSP": (
        {"session_id": "S-1"},
        {"session_id": "S-1", "emsp": PartyId("FR", "MSP")},
        True,
    ),
    "the same facts": ({}, {}, True),
    "the same facts, in other letters": ({}, {"token_uid": "tok1", "evse_uid": "e1"}, True),
    "a start within a minute": ({}, {"start_time": START + 60 * SECOND}, True),
    "a start more than a minute away": ({}, {"start_time": START + 61 * SECOND}, False),
    "other energy": ({}, {"total_energy": Decimal("20.0001")}, False),
    "another token": ({}, {"token_uid": "TOK2"}, False),
    "another EVSE": ({}, {"evse_uid": "E2"}, False),
    "another location": ({}, {"location_id": "LOC2"}, False),
    "two tries without energy": (
        {"total_energy": Decimal(0)},
        {"total_energy": Decimal(0), "start_time": START + SECOND},
        False,
    ),
    "one try without energy, sent twice": ({"total_energy": Decimal(0)}, {"total_energy": Decimal("0.0000")}, True),
}


@pytest.mark.parametrize(("one", "other", "expected"), TWINS.values(), ids=TWINS)
def test_twins_are_one_session_under_two_ids(one: dict[str, Any], other: dict[str, Any], expected: bool) -> None:
    first, second = Span.of(charge(**one)), Span.of(charge("CDR-2", **other))
    assert twins(first, second) is twins(second, first) is expected


def test_ids_that_run_together_are_told_apart() -> None:
    first, second = (Span.of(charge(location_id=a, evse_uid=b)) for a, b in (("L1", "1E"), ("L11", "E")))
    assert first.evse != second.evse


TOLD = {
    KnownNeighbours("", None, None): {"TOKEN_OVERLAP": "was charged at the same time in another CDR"},
    KnownNeighbours("A", None, None): {"TOKEN_OVERLAP": "was charged at the same time in A"},
    KnownNeighbours(None, "", None): {"EVSE_OVERLAP": "served another session at the same time, in another CDR"},
    KnownNeighbours(None, "A", None): {"EVSE_OVERLAP": "served another session at the same time, in A"},
    KnownNeighbours(None, None, ""): {"NEAR_DUPLICATE": "the session was accepted as another CDR"},
    KnownNeighbours("A", "A", "A"): {
        "NEAR_DUPLICATE": "the session was accepted as A",
        "TOKEN_OVERLAP": "was charged at the same time in A",
        "EVSE_OVERLAP": "served another session at the same time, in A",
    },
}


@pytest.mark.parametrize(("neighbours", "told"), TOLD.items())
def test_others_are_named_to_those_who_may_know_them(neighbours: KnownNeighbours, told: dict[str, str]) -> None:
    found = shared(neighbours, session=False)
    assert {str(code): message for code, _, message in found} == told


def test_a_duplicate_is_told_by_its_session_where_it_names_one() -> None:
    found = KnownNeighbours(None, None, "A")
    fields = [[field for _, field, _ in shared(found, session=session)] for session in (False, True)]
    assert fields == [["id"], ["session_id"]]


def test_overlaps_warn_and_duplicates_are_returned_unless_the_agreement_says_otherwise() -> None:
    known = KNOWN._replace(neighbours=KnownNeighbours("A", "A", "A"))
    wanted = {Check.NEAR_DUPLICATE, Check.TOKEN_OVERLAP, Check.EVSE_OVERLAP}
    told = {f.code: f.severity for f in examine(charge(), known, {}) if f.code in wanted}
    assert told == {
        "NEAR_DUPLICATE": Severity.ERROR,
        "TOKEN_OVERLAP": Severity.WARNING,
        "EVSE_OVERLAP": Severity.WARNING,
    }
    switched = {str(check): CheckAction.ACCEPT for check in wanted} | {"EVSE_OVERLAP": CheckAction.RETURN}
    told = {f.code: f.severity for f in examine(charge(), known, switched) if f.code in wanted}
    assert told == {"EVSE_OVERLAP": Severity.ERROR}
