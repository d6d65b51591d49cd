"""The completeness radar on both databases: what is missing is found, once, by those it concerns; the rest is not."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from shutil import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roamhub.v1 import session_object_pb2

from hub.domain.authorizations import Allowed, Source
from hub.domain.errors import NotFound
from hub.domain.ids import PartyId
from hub.domain.radar import Gap, GapKind, GapLevel, GapReason
from hub.jobs.gaps import GapCounter
from tests.gaps import CPO, EMSP, OPERATOR, OTHER_CPO, OTHER_EMSP, World, caller, subjects
from tests.support import START, Spine, open_spine

SESSION, CDR, AUTHORIZATION = (
    GapKind.SESSION_WITHOUT_CDR,
    GapKind.CDR_WITHOUT_SESSION,
    GapKind.AUTHORIZATION_WITHOUT_SESSION,
)


@pytest.fixture
async def world(spine: Spine) -> World:
    world = World(spine)
    await world.settle_in()
    return world


async def test_an_ended_session_without_cdr_is_a_gap_after_a_day(world: World) -> None:
    await world.session("S1")
    world.spine.clock.advance(hours=23)
    assert await world.gaps() == []
    world.spine.clock.advance(hours=1, seconds=1)
    (gap,) = await world.gaps()
    assert (gap.kind, gap.reason, gap.level) == (SESSION, GapReason.NO_CDR, GapLevel.WARNING)
    assert (gap.cpo, gap.emsp, gap.session_id, gap.cdr_id) == (CPO, EMSP, "S1", "")
    assert (gap.since, gap.age) == (START, timedelta(hours=24, seconds=1))
    assert gap.deadline == START + timedelta(days=60)
    assert gap.responsible == CPO


async def test_an_accepted_cdr_closes_the_gap_whatever_the_case_of_the_session_id(world: World) -> None:
    await world.session("Session-A")
    await world.cdr("C1", "SESSION-a")
    world.spine.clock.advance(days=2)
    assert await world.gaps() == []


async def test_a_returned_cdr_does_not_close_the_gap_and_is_named(world: World) -> None:
    await world.session("S1")
    await world.cdr("C1", "S1", returned=True)
    world.spine.clock.advance(days=2)
    (gap,) = await world.gaps()
    assert (gap.kind, gap.reason, gap.cdr_id) == (SESSION, GapReason.CDR_RETURNED, "C1")


async def test_a_credited_cdr_leaves_a_gap_until_another_one_comes(world: World) -> None:
    await world.session("S1")
    await world.cdr("C1", "S1")
    await world.cdr("C1-CREDIT", "S1", credit_of="C1")
    world.spine.clock.advance(days=2)
    (gap,) = await world.gaps()
    assert (gap.reason, gap.cdr_id) == (GapReason.CDR_CREDITED, "C1")
    await world.cdr("C2", "S1")
    assert await world.gaps(kinds=frozenset({SESSION})) == []


async def test_a_session_declared_invalid_or_not_begun_is_no_gap(world: World) -> None:
    await world.session("S1", status=session_object_pb2.SESSION_STATUS_INVALID)
    await world.session("S2", status=session_object_pb2.SESSION_STATUS_PENDING)
    await world.session("S3", status=session_object_pb2.SESSION_STATUS_RESERVATION)
    world.spine.clock.advance(days=2)
    assert await world.gaps() == []


async def test_an_active_session_that_falls_silent_is_a_gap_until_something_is_heard(world: World) -> None:
    active = session_object_pb2.SESSION_STATUS_ACTIVE
    for name in ("Silent", "Billed", "Goes-on"):
        await world.session(name, status=active)
    await world.cdr("C1", "billed")
    world.spine.clock.advance(hours=23)
    assert await world.gaps() == []
    world.spine.clock.advance(hours=2)
    await world.session("Goes-on", status=active)
    for who in (OPERATOR, caller(EMSP), caller(CPO, EMSP)):
        (gap,) = await world.gaps(who)
        assert (gap.kind, gap.reason, gap.session_id) == (GapKind.SESSION_WITHOUT_END, GapReason.NOT_ENDED, "Silent")
        assert (gap.since, gap.level, gap.deadline) == (START, GapLevel.WARNING, None)
        assert (await world.count(who))[GapKind.SESSION_WITHOUT_END].count == 1
    await world.session("Silent")
    assert await world.gaps() == []


async def test_a_gap_presses_when_a_quarter_of_the_time_is_left(world: World) -> None:
    await world.session("S1")
    world.spine.clock.advance(days=44)
    assert [gap.level for gap in await world.gaps()] == [GapLevel.WARNING]
    world.spine.clock.advance(days=1)
    assert [gap.level for gap in await world.gaps()] == [GapLevel.ERROR]
    world.spine.clock.advance(days=30)
    assert [gap.level for gap in await world.gaps()] == [GapLevel.ERROR], "what is lost is still shown"


async def test_a_look_back_reaches_beyond_what_the_agreement_allows(spine: Spine) -> None:
    world = World(spine)
    await world.settle_in(cdr_age_max=timedelta(days=300))
    await world.session("S1")
    world.spine.clock.advance(days=320)
    assert subjects(await world.gaps()) == ["S1"]
    world.spine.clock.advance(days=20)
    assert await world.gaps() == []
    assert subjects(await world.gaps(start=START)) == ["S1"]


async def test_a_cdr_whose_session_was_never_reported_is_a_gap_where_the_cpo_reports_sessions(world: World) -> None:
    await world.session("S1")
    await world.cdr("C1", "S1")
    world.spine.clock.advance(hours=1)
    await world.cdr("C2", "S2")
    await world.cdr("C3")
    await world.cdr("C4", "S4", cpo=OTHER_CPO)
    world.spine.clock.advance(days=2)
    gaps = await world.gaps()
    assert [(gap.kind, gap.cdr_id, gap.session_id, gap.reason) for gap in gaps] == [
        (CDR, "C2", "S2", GapReason.SESSION_UNKNOWN),
        (CDR, "C3", "", GapReason.SESSION_NOT_NAMED),
    ]


async def test_a_cdr_from_before_the_first_reported_session_is_no_gap(world: World) -> None:
    await world.cdr("C1", "S1")
    world.spine.clock.advance(days=2)
    await world.session("S2")
    await world.cdr("C2", "S2")
    world.spine.clock.advance(days=2)
    assert await world.gaps() == []


async def test_returned_and_credited_cdrs_need_no_session(world: World) -> None:
    await world.session("S1")
    await world.cdr("C1", "S1")
    await world.cdr("C2", "S2", returned=True)
    await world.cdr("C3", "S3")
    await world.cdr("C3-CREDIT", "S3", credit_of="C3")
    world.spine.clock.advance(days=2)
    assert await world.gaps() == []


async def test_an_authorization_that_nothing_quotes_is_a_gap(world: World) -> None:
    quoted, by_cdr, unused = [await world.authorize() for _ in range(3)]
    await world.authorize(allowed=Allowed.BLOCKED)
    await world.session("S1", reference=quoted)
    await world.cdr("C1", "S1")
    await world.cdr("C2", reference=by_cdr)
    world.spine.clock.advance(days=2)
    gaps = await world.gaps(kinds=frozenset({AUTHORIZATION}))
    assert subjects(gaps) == [unused]
    assert (gaps[0].reason, gaps[0].level, gaps[0].deadline) == (GapReason.NOT_USED, GapLevel.WARNING, None)


async def test_a_cpo_that_reports_but_never_quotes_has_no_open_authorizations(world: World) -> None:
    await world.authorize()
    silent = await world.authorize(cpo=OTHER_CPO)
    await world.session("S1")
    await world.cdr("C1", "S1")
    world.spine.clock.advance(days=2)
    assert subjects(await world.gaps()) == [silent], "of a CPO that reports nothing at all every one is a gap"


async def test_an_emsps_own_reference_is_found_whatever_its_order(world: World) -> None:
    for reference in ("zzz", "0", "MY-REF"):
        await world.authorize(reference, source=Source.COMMAND)
    await world.cdr("C1", reference="MY-REF")
    world.spine.clock.advance(days=2)
    assert sorted(subjects(await world.gaps())) == ["0", "zzz"]
    assert sorted(subjects(await world.gaps(caller(EMSP)))) == ["0", "zzz"]


async def test_a_gap_is_seen_by_its_two_parties_and_operators_alone(world: World) -> None:
    await world.session("S1")
    await world.session("S2", emsp=OTHER_EMSP)
    await world.session("S3", cpo=OTHER_CPO)
    await world.authorize("A1", source=Source.COMMAND)
    world.spine.clock.advance(days=2)
    sessions = frozenset({SESSION})

    async def seen(*parties: PartyId) -> list[str]:
        return sorted(subjects(await world.gaps(caller(*parties), kinds=sessions)))

    assert await seen(CPO) == ["S1", "S2"]
    assert await seen(EMSP) == ["S1", "S3"]
    assert await seen(OTHER_CPO) == ["S3"]
    assert await seen(OTHER_EMSP) == ["S2"]
    assert await seen(CPO, EMSP) == ["S1", "S2", "S3"], "a platform of both sides sees a gap once"
    assert (await world.count(caller(CPO, EMSP)))[SESSION].count == 3
    assert sorted(subjects(await world.gaps(kinds=sessions))) == ["S1", "S2", "S3"]
    assert (await world.count())[SESSION].count == 3
    assert await seen() == []


async def test_gaps_are_filtered_by_agreement_and_party(world: World) -> None:
    await world.session("S1")
    await world.session("S2", emsp=OTHER_EMSP)
    await world.session("S3", cpo=OTHER_CPO)
    world.spine.clock.advance(days=2)
    name = f"agreements/{CPO}-{EMSP}".lower()
    assert subjects(await world.gaps(agreement=name)) == ["S1"]
    assert subjects(await world.gaps(caller(EMSP), agreement=name)) == ["S1"]
    assert subjects(await world.gaps(party=OTHER_CPO)) == ["S3"]
    assert sorted(subjects(await world.gaps(party=EMSP))) == ["S1", "S3"]
    assert subjects(await world.gaps(party=EMSP, counterparty=OTHER_CPO)) == ["S3"]
    assert subjects(await world.gaps(caller(CPO), party=OTHER_EMSP)) == ["S2"]
    assert await world.gaps(caller(CPO), party=EMSP, counterparty=OTHER_CPO) == []
    assert await world.gaps(agreement=name, party=OTHER_CPO) == []
    assert await world.gaps(party=PartyId("ZZ", "ZZZ")) == []
    for who, wanted in ((caller(OTHER_CPO), name), (OPERATOR, "agreements/none")):
        with pytest.raises(NotFound, match="no such agreement"):
            await world.gaps(who, agreement=wanted)


async def test_gaps_are_filtered_by_age_and_time(world: World) -> None:
    await world.session("S1")
    world.spine.clock.advance(days=1)
    await world.session("S2")
    world.spine.clock.advance(hours=2)
    assert subjects(await world.gaps()) == ["S1"]
    assert subjects(await world.gaps(older_than=timedelta(hours=1))) == ["S1", "S2"]
    assert subjects(await world.gaps(older_than=timedelta(hours=1), start=START + timedelta(hours=1))) == ["S2"]
    assert subjects(await world.gaps(older_than=timedelta(0), end=START + timedelta(hours=1))) == ["S1"]
    assert await world.gaps(start=START + timedelta(days=9), end=START) == []


async def test_counts_say_what_the_list_holds(world: World) -> None:
    for number in range(3):
        await world.session(f"S{number}")
        await world.cdr(f"C{number}", f"X{number}")
        await world.authorize(cpo=OTHER_CPO)
        await world.session(f"A{number}", status=session_object_pb2.SESSION_STATUS_ACTIVE)
        world.spine.clock.advance(hours=1)
    world.spine.clock.advance(days=2)
    counts = await world.count()
    gaps = await world.gaps()
    for kind in GapKind:
        of_kind = [gap for gap in gaps if gap.kind is kind]
        assert (counts[kind].count, counts[kind].oldest) == (len(of_kind), min(gap.since for gap in of_kind))
    none = await world.count(kinds=frozenset({CDR}), end=START)
    assert list(none) == [CDR]
    assert (none[CDR].count, none[CDR].oldest) == (0, None)


#: What may become of a session's CDR, and whether the session is a gap then.
FATES = {"none": True, "accepted": False, "returned": True, "credited": True, "replaced": False, "mended": False}


async def play(world: World, name: str, fate: str, cpo: PartyId) -> None:
    await world.session(name, cpo=cpo)
    if fate in {"returned", "mended"}:
        await world.cdr(f"{name}-1", name, cpo=cpo, returned=True)
    if fate in {"accepted", "credited", "replaced"}:
        await world.cdr(f"{name}-1", name, cpo=cpo)
    if fate in {"credited", "replaced"}:
        await world.cdr(f"{name}-C", name, cpo=cpo, credit_of=f"{name}-1")
    if fate in {"replaced", "mended"}:
        await world.cdr(f"{name}-2", name, cpo=cpo)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("radar")


@settings(max_examples=25)
@given(
    fates=st.lists(st.tuples(st.sampled_from(sorted(FATES)), st.sampled_from([CPO, OTHER_CPO])), max_size=12),
    size=st.integers(1, 5),
    number=st.uuids(),
)
async def test_every_session_without_a_standing_cdr_is_in_exactly_one_page_and_no_other_is(
    fates: list[tuple[str, PartyId]], size: int, number: object, folder: Path, migrated_sqlite: Path
) -> None:
    path = folder / f"{number}.db"
    copy(migrated_sqlite, path)
    with open_spine(f"sqlite:///{path}") as spine:
        world = World(spine)
        await world.settle_in()
        expected = []
        for position, (fate, cpo) in enumerate(fates):
            await play(world, f"S{position}", fate, cpo)
            spine.clock.advance(minutes=position % 3)  # some end at the same instant
            expected += [f"S{position}"] if FATES[fate] else []
        spine.clock.advance(days=2)
        for who in (OPERATOR, caller(EMSP), caller(CPO, OTHER_CPO, EMSP)):
            found = await world.gaps(who, size)
            assert sorted(subjects(found)) == sorted(expected)
            assert by_cpo_and_age(found) if who is OPERATOR else True
            assert (await world.count(who))[SESSION].count == len(expected)


def by_cpo_and_age(gaps: Sequence[Gap]) -> bool:
    """Say whether they come CPO by CPO, the oldest first."""
    cpos = [gap.cpo for gap in gaps]
    blocks = [cpo for place, cpo in enumerate(cpos) if place == 0 or cpos[place - 1] != cpo]
    ordered = all(a.since <= b.since for a, b in itertools.pairwise(gaps) if a.cpo == b.cpo)
    return len(blocks) == len(set(blocks)) and ordered


async def test_the_job_counts_the_gaps_of_all_parties_by_kind_and_age(world: World) -> None:
    told: dict[tuple[str, str], int] = {}
    count = GapCounter(reads=world.spine.reads, tell=lambda kind, age, number: told.update({(kind, age): number}))
    assert not await count()
    assert set(told.values()) == {0}
    await world.session("S1")
    await world.session("S2", cpo=OTHER_CPO)
    world.spine.clock.advance(days=5)
    await world.session("S3")
    world.spine.clock.advance(days=2, hours=1)
    assert await count()
    assert {key: number for key, number in told.items() if number} == {
        ("session_without_cdr", "1d"): 3,
        ("session_without_cdr", "7d"): 2,
    }
    assert len(told) == len(GapKind) * 2
