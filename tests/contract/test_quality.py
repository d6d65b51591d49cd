"""Figures of what a party reports, on both databases, against what was done."""

from datetime import timedelta

import pytest

from hub.app.ports.answers import Answered
from hub.app.quality import PartyQuality, party_quality
from hub.domain.agreements import Agreement, AgreementState, CheckAction, Terms
from hub.domain.errors import Invalid, NotFound
from hub.domain.ids import PartyId
from hub.domain.parties import Caller
from hub.domain.quality import CheckCount, Figures
from tests.gaps import CHECKS, CPO, EMSP, OPERATOR, OTHER_CPO, OTHER_EMSP, World, caller
from tests.support import Spine

#: As in the other tests, and a warning for a CDR that quotes an authorization the hub never gave.
WARNING = CHECKS | {"AUTHORIZATION_UNKNOWN": CheckAction.WARN}


@pytest.fixture
async def world(spine: Spine) -> World:
    world = World(spine)
    await world.settle_in(checks=WARNING)
    return world


async def quality(
    world: World, party: PartyId = CPO, who: Caller = OPERATOR, other: PartyId | None = None, days: int = 30
) -> PartyQuality:
    return await world.spine.reads.run(lambda uow: party_quality(uow, who, party, other, days))


async def test_of_a_party_that_reported_nothing_all_figures_are_zero(world: World) -> None:
    found = await quality(world)
    assert found.figures == Figures()
    assert (found.party, found.counterparty, found.end - found.start) == (CPO, None, timedelta(days=30))


async def test_every_cdr_is_counted_by_what_became_of_it(world: World) -> None:
    for name in ("S1", "S2", "S3", "S4"):
        await world.session(name)
    await world.cdr("C1", "S1")
    await world.cdr("C2", "S2", reference="unknown")
    await world.cdr("C3", "S3", returned=True)
    await world.cdr("C5", "S5")
    await world.cdr("C1-CREDIT", "S1", credit_of="C1")
    await world.authorize()
    world.spine.clock.advance(days=2)
    found = (await quality(world)).figures
    assert found == Figures(
        charges=4,
        accepted_at_once=3,
        warned=1,
        returned=1,
        credits=1,
        checks=(CheckCount("AUTHORIZATION_UNKNOWN", 1, 0), CheckCount("CURRENCY_MISMATCH", 0, 1)),
        lateness={0: 3},
        sessions=4,
        sessions_open=3,
        cdrs_open=1,
        authorizations_open=1,
    )


async def test_lateness_is_from_the_end_of_the_session_to_receipt_in_whole_minutes(world: World) -> None:
    ended = world.now
    for name, minutes in (("C1", 0), ("C2", 59), ("C3", 3 * 1_440)):
        world.spine.clock.now = ended + timedelta(minutes=minutes, seconds=59)
        await world.cdr(name, ended=ended)
    assert (await quality(world)).figures.lateness == {0: 1, 59: 1, 3 * 1_440: 1}


async def test_a_charge_that_ended_in_the_future_by_its_clock_is_not_late(world: World) -> None:
    await world.cdr("C1", ended=world.now + timedelta(minutes=4))
    assert (await quality(world)).figures.lateness == {0: 1}


async def test_only_what_came_within_the_window_counts(world: World) -> None:
    await world.cdr("C1")
    world.spine.clock.advance(days=10)
    await world.cdr("C2")
    world.spine.clock.advance(days=5)
    assert (await quality(world, days=30)).figures.charges == 2
    assert (await quality(world, days=10)).figures.charges == 1
    assert (await quality(world, days=5)).figures.charges == 1, "from the first instant on"
    assert (await quality(world, days=4)).figures.charges == 0


async def test_of_a_counterparty_only_what_is_between_the_two_counts(world: World) -> None:
    await world.cdr("C1")
    await world.cdr("C2", emsp=OTHER_EMSP)
    await world.cdr("C3", cpo=OTHER_CPO)
    await world.session("S1", emsp=OTHER_EMSP)
    world.spine.clock.advance(days=2)
    assert (await quality(world)).figures.charges == 2
    found = await quality(world, other=OTHER_EMSP)
    assert (found.counterparty, found.figures.charges, found.figures.sessions_open) == (OTHER_EMSP, 1, 1)
    assert (await quality(world, other=EMSP)).figures.sessions == 0


async def test_a_party_sees_its_own_and_others_what_they_do_with_it(world: World) -> None:
    await world.cdr("C1")
    await world.cdr("C2", emsp=OTHER_EMSP)
    assert (await quality(world, who=caller(CPO))).figures.charges == 2
    assert (await quality(world, who=caller(CPO), other=EMSP)).figures.charges == 1
    seen = await quality(world, who=caller(EMSP))
    assert (seen.counterparty, seen.figures.charges) == (EMSP, 1)
    with pytest.raises(Invalid, match="several"):
        await quality(world, who=caller(EMSP, OTHER_EMSP))
    assert (await quality(world, who=caller(EMSP, OTHER_EMSP), other=OTHER_EMSP)).figures.charges == 1


async def test_who_does_not_roam_with_a_party_cannot_tell_it_from_none(world: World) -> None:
    stranger, nobody = PartyId("FR", "NOA"), PartyId("ZZ", "ZZZ")
    await world.join(stranger)
    ended = Agreement(
        id="over",
        version=1,
        cpo=CPO,
        emsp=stranger,
        state=AgreementState.TERMINATED,
        terms=Terms(currency="EUR"),
        proposer=CPO,
    )
    await world.do(lambda uow: uow.agreements.save(ended))
    for who, party, other in (
        (caller(stranger), CPO, None),
        (caller(stranger), CPO, stranger),
        (caller(EMSP), CPO, OTHER_EMSP),
        (caller(EMSP), nobody, None),
        (caller(CPO), CPO, nobody),
        (OPERATOR, nobody, None),
        (caller(), CPO, None),
    ):
        with pytest.raises(NotFound, match="no such party, or none that roams"):
            await quality(world, party, who, other)


async def test_relayed_requests_are_summed_by_day_and_shown_of_the_whole_party_only(world: World) -> None:
    today = world.now.date()
    for counts in (
        {(EMSP, today): Answered(3, 1), (CPO, today): Answered(1, 1)},
        {(EMSP, today): Answered(1, 1), (EMSP, today - timedelta(days=6)): Answered(10, 9)},
        {(EMSP, today - timedelta(days=7)): Answered(100, 0), (PartyId("ZZ", "ZZZ"), today): Answered(5, 5)},
    ):
        await world.do(lambda uow, counts=counts: uow.answers.add(counts))  # type: ignore[misc]
    found = (await quality(world, EMSP, days=7)).figures
    assert (found.asked, found.answered) == (14, 11)
    found = (await quality(world, EMSP, days=1)).figures
    assert (found.asked, found.answered) == (4, 2)
    found = (await quality(world, EMSP, other=CPO)).figures
    assert (found.asked, found.answered) == (0, 0)
