"""What a loose end means: why it is a gap, how pressing it is, until when it can be closed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.cdrs.record import CdrState
from hub.domain.ids import PartyId
from hub.domain.radar import (
    HINTS,
    HORIZON,
    STANDING,
    GapLevel,
    GapReason,
    LooseAuthorization,
    LooseCdr,
    LooseSession,
    SessionCdr,
    SilentSession,
    assess,
    closed,
    horizon,
)

CPO, EMSP = PartyId("NL", "CPO"), PartyId("DE", "MSP")
END = datetime(2026, 10, 1, 12, tzinfo=UTC)
SIXTY = timedelta(days=60)


def session(*cdrs: SessionCdr) -> LooseSession:
    return LooseSession(cpo=CPO, emsp=EMSP, id="S1", start_time=END - timedelta(hours=1), end_time=END, cdrs=cdrs)


@pytest.mark.parametrize(
    ("state", "credited", "stands"),
    [
        (CdrState.ACCEPTED, False, True),
        (CdrState.QUARANTINED, False, True),
        (CdrState.STATED, False, True),
        (CdrState.SETTLED, False, True),
        (CdrState.ACCEPTED, True, False),
        (CdrState.RETURNED, False, False),
        (CdrState.RESUBMITTED, False, False),
        (CdrState.WITHDRAWN, False, False),
    ],
)
def test_a_session_is_closed_by_a_cdr_that_stands(state: CdrState, credited: bool, stands: bool) -> None:
    cdr = SessionCdr(id="C1", state=state, credited=credited)
    assert cdr.stands is stands
    assert closed([SessionCdr(id="C0", state=CdrState.RETURNED), cdr]) is stands


def test_every_state_is_told_apart() -> None:
    assert len(STANDING) + 3 == len(CdrState)
    assert not closed([])


@pytest.mark.parametrize(
    ("cdrs", "reason", "cdr"),
    [
        ([], GapReason.NO_CDR, ""),
        ([SessionCdr(id="C1", state=CdrState.RETURNED)], GapReason.CDR_RETURNED, "C1"),
        ([SessionCdr(id="C1", state=CdrState.WITHDRAWN)], GapReason.CDR_WITHDRAWN, "C1"),
        ([SessionCdr(id="C1", state=CdrState.ACCEPTED, credited=True)], GapReason.CDR_CREDITED, "C1"),
        (
            [SessionCdr(id="C1", state=CdrState.RESUBMITTED), SessionCdr(id="C2", state=CdrState.RETURNED)],
            GapReason.CDR_RETURNED,
            "C2",
        ),
        (
            [SessionCdr(id="C1", state=CdrState.ACCEPTED, credited=True), SessionCdr(id="C2", state=CdrState.RETURNED)],
            GapReason.CDR_RETURNED,
            "C2",
        ),
    ],
)
def test_the_reason_names_the_cdr_that_is_to_be_mended(cdrs: list[SessionCdr], reason: GapReason, cdr: str) -> None:
    gap = assess(session(*cdrs), END + timedelta(days=1), SIXTY)
    assert (gap.reason, gap.cdr_id, gap.hint) == (reason, cdr, HINTS[reason])


@pytest.mark.parametrize(
    ("age", "level"),
    [
        (timedelta(days=1), GapLevel.WARNING),
        (timedelta(days=45) - timedelta(microseconds=1), GapLevel.WARNING),
        (timedelta(days=45), GapLevel.ERROR),
        (timedelta(days=90), GapLevel.ERROR),
    ],
)
def test_a_session_presses_when_a_quarter_of_its_time_is_left(age: timedelta, level: GapLevel) -> None:
    gap = assess(session(), END + age, SIXTY)
    assert (gap.level, gap.age, gap.deadline) == (level, age, END + SIXTY)


def test_without_an_agreement_nothing_presses() -> None:
    gap = assess(session(), END + timedelta(days=900), None)
    assert (gap.level, gap.deadline) == (GapLevel.WARNING, None)


def test_only_a_sessions_cdr_has_a_deadline() -> None:
    now = END + timedelta(days=100)
    answer = assess(LooseAuthorization(cpo=CPO, emsp=EMSP, reference="R", recorded_time=END), now, SIXTY)
    named = assess(LooseCdr(cpo=CPO, emsp=EMSP, id="C", session_id="S", recorded_time=END), now, SIXTY)
    unnamed = assess(LooseCdr(cpo=CPO, emsp=EMSP, id="C", session_id="", recorded_time=END), now, SIXTY)
    silent = SilentSession(cpo=CPO, emsp=EMSP, id="S", start_time=END - SIXTY, last_updated=END)
    silence = assess(silent, now, SIXTY)
    for gap in (answer, named, unnamed, silence):
        assert (gap.deadline, gap.level, gap.age, gap.responsible) == (None, GapLevel.WARNING, now - END, CPO)
    assert [gap.reason for gap in (answer, named, unnamed, silence)] == [
        GapReason.NOT_USED,
        GapReason.SESSION_UNKNOWN,
        GapReason.SESSION_NOT_NAMED,
        GapReason.NOT_ENDED,
    ]


def test_every_reason_has_a_hint() -> None:
    assert set(HINTS) == set(GapReason)


@given(st.lists(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3_650))))
def test_a_look_back_covers_every_deadline_and_a_month(age_max: list[timedelta]) -> None:
    found = horizon(age_max)
    assert found >= HORIZON
    assert all(found >= each + timedelta(days=31) for each in age_max)
