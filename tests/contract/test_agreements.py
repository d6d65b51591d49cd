"""Agreements as stored and as the use cases change them, on both databases."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from hub.app import agreements as use_cases
from hub.app.agreements import Change, Encode
from hub.app.clearing import periods
from hub.app.ports.clearing import PeriodFilter
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement, AgreementState, CheckAction, Service, Terms
from hub.domain.clearing.periods import Period, PeriodState
from hub.domain.errors import Conflict, HubError, Invalid, NotFound, Precondition, Stale
from hub.domain.ids import PartyId
from hub.domain.journal import Entry, EntryKind, Stream
from hub.domain.parties import Party, PartyState, Role
from hub.store.parties import load_directory
from tests.support import START, Spine
from tests.unit.agreements.making import CPO, EMSP, clearing_settings, terms

T = TypeVar("T")
OTHER = PartyId("FR", "OTH")
HOUR = timedelta(hours=1)
S = AgreementState


def encode(agreement: Agreement) -> bytes:
    return f"{agreement.version} {agreement.state}".encode()


def accept(uow: UnitOfWork, change: Change, encode: Encode) -> Agreement:
    return use_cases.accept(uow, change, encode, clearing_settings())


class Desk:
    """What the two sides do, each as one committed use case."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine

    async def propose(self, party: PartyId = CPO, emsp: PartyId = EMSP, **changes: object) -> Agreement:
        given = terms(**changes)
        return await self.spine.committer.run(lambda u: use_cases.propose(u, (CPO, emsp), party, given, encode))

    async def amend(self, change: Change, given: Terms) -> Agreement:
        return await self.spine.committer.run(lambda u: use_cases.amend(u, change, given, encode))

    async def do(self, use_case: Callable[..., Agreement], change: Change) -> Agreement:
        return await self.spine.committer.run(lambda u: use_case(u, change, encode))

    async def accept(self, change: Change) -> Agreement:
        return await self.do(accept, change)

    async def active(self, **changes: object) -> Agreement:
        made = await self.propose(**changes)  # type: ignore[arg-type]
        return await self.accept(by(EMSP, made, 1))

    async def tick(self) -> int:
        return await self.spine.committer.run(lambda u: use_cases.follow_clock(u, encode, clearing_settings()))

    async def periods(self) -> list[Period]:
        every = PeriodFilter()
        return list(await self.spine.reads.run(lambda u: u.clearing.periods(every, None, 100)))

    async def look_for_missing_periods(self) -> None:
        await self.spine.committer.run(lambda u: periods.follow_clock(u, clearing_settings()))

    async def states(self, agreement: Agreement) -> list[AgreementState]:
        versions = await self.spine.reads.run(lambda u: u.agreements.versions(agreement.id))
        return [version.state for version in versions]

    async def facts(self) -> list[Entry]:
        entries = await self.spine.reads.run(lambda u: u.journal.read(Stream.REGISTRY, -1, 1000))
        return [entry for entry in entries if entry.fact.kind is EntryKind.AGREEMENT]


def by(party: PartyId, agreement: Agreement, version: int = 0, etag: str = "") -> Change:
    return Change(party=party, agreement_id=agreement.id, version=version, etag=etag, note="so be it")


@pytest.fixture
async def desk(spine: Spine) -> Desk:
    def settle(uow: UnitOfWork) -> None:
        for each, role in ((CPO, Role.CPO), (EMSP, Role.EMSP), (OTHER, Role.EMSP)):
            party = Party(
                id=each, number=0, roles=frozenset({role}), platform=str(each).lower(), state=PartyState.ACTIVE
            )
            uow.parties.save(party)

    await spine.committer.run(settle)
    return Desk(spine)


async def test_every_term_is_stored_as_it_was_agreed(desk: Desk) -> None:
    made = await desk.propose(
        services=frozenset(Service),
        checks={"price": CheckAction.RETURN},
        end=START + HOUR,
        allow_stored_authorization=True,
    )
    [stored] = await desk.spine.reads.run(lambda u: u.agreements.versions(made.id))
    assert stored == made
    assert stored.etag == made.etag


async def test_both_sides_accept_and_see_each_other_from_then_on(desk: Desk) -> None:
    made = await desk.propose()
    assert desk.spine.directory.current.partners_of("nl-cpo") == {CPO}
    accepted = await desk.accept(by(EMSP, made, 1))
    assert desk.spine.directory.current.active_agreement(CPO, EMSP, START) == accepted
    assert desk.spine.directory.current.partners_of("nl-cpo") == {CPO, EMSP}
    assert desk.spine.directory.current.partners_of("fr-oth") == {OTHER}


async def test_every_change_is_a_fact_for_the_two_sides_alone(desk: Desk) -> None:
    made = await desk.active()
    await desk.do(use_cases.suspend, by(CPO, made))
    await desk.do(use_cases.suspend, by(CPO, made))  # changes nothing, so it is no fact
    facts = [entry.fact for entry in await desk.facts()]
    assert [fact.body for fact in facts] == [b"1 PROPOSED", b"1 ACTIVE", b"1 SUSPENDED"]
    assert {(fact.owner, fact.counterparty, fact.private, fact.subject) for fact in facts} == {
        (CPO, EMSP, True, made.name)
    }


async def test_an_amendment_leaves_the_old_version_in_force_until_both_accept(desk: Desk) -> None:
    made = await desk.active()
    await desk.amend(by(EMSP, made), terms(currency="SEK"))
    current = desk.spine.directory.current.active_agreement(CPO, EMSP, START)
    assert current is not None
    assert (current.version, current.terms.currency) == (1, "EUR")
    await desk.accept(by(CPO, made, 2))
    current = desk.spine.directory.current.active_agreement(CPO, EMSP, START)
    assert current is not None
    assert (current.version, current.terms.currency, current.since) == (2, "SEK", START)
    assert await desk.states(made) == [S.SUPERSEDED, S.ACTIVE]


async def test_a_declined_amendment_changes_nothing(desk: Desk) -> None:
    made = await desk.active()
    await desk.amend(by(EMSP, made), terms(currency="SEK"))
    await desk.do(use_cases.decline, by(CPO, made, 2))
    assert await desk.states(made) == [S.ACTIVE, S.DECLINED]
    amended = await desk.amend(by(EMSP, made), terms(currency="NOK"))
    assert amended.version == 3


async def test_a_counter_proposal_replaces_the_proposal(desk: Desk) -> None:
    made = await desk.propose()
    counter = await desk.amend(by(EMSP, made), terms(currency="SEK"))
    assert await desk.states(made) == [S.SUPERSEDED, S.PROPOSED]
    with pytest.raises(Precondition, match="SUPERSEDED"):
        await desk.accept(by(EMSP, made, 1))
    with pytest.raises(Precondition, match="other side"):
        await desk.accept(by(EMSP, made, 2))
    accepted = await desk.accept(by(CPO, made, counter.version))
    assert accepted.terms.currency == "SEK"


async def test_terms_are_never_accepted_unread_when_an_amendment_races_the_acceptance(desk: Desk) -> None:
    made = await desk.propose()
    amend = asyncio.ensure_future(desk.amend(by(CPO, made), terms(currency="SEK")))
    accept = asyncio.ensure_future(desk.accept(by(EMSP, made, 1)))
    outcomes = await asyncio.gather(amend, accept, return_exceptions=True)
    current = desk.spine.directory.current.active_agreement(CPO, EMSP, START)
    if isinstance(outcomes[1], HubError):
        assert current is None
    else:
        assert current is not None
        assert current.terms.currency == "EUR"


async def test_of_two_amendments_at_once_the_later_one_waits_and_the_other_is_superseded(desk: Desk) -> None:
    made = await desk.active()
    await asyncio.gather(
        desk.amend(by(EMSP, made), terms(currency="SEK")), desk.amend(by(CPO, made), terms(currency="NOK"))
    )
    assert await desk.states(made) == [S.ACTIVE, S.SUPERSEDED, S.PROPOSED]


async def test_two_proposals_at_once_make_one_agreement(desk: Desk) -> None:
    outcomes = await asyncio.gather(desk.propose(), desk.propose(EMSP), desk.propose(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(Agreement) == 1
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, Conflict)} == {"AGREEMENT_EXISTS"}


async def test_a_pair_may_agree_anew_after_the_end_and_old_sessions_stay_covered(desk: Desk) -> None:
    first = await desk.active()
    desk.spine.clock.advance(hours=1)
    await desk.do(use_cases.terminate, by(CPO, first))
    second = await desk.active(start=START + HOUR)
    assert second.id != first.id
    desk.spine.clock.advance(hours=1)
    directory = desk.spine.directory.current
    covering = directory.agreement_covering(CPO, EMSP, START + HOUR / 2)
    assert covering is not None
    assert (covering.id, covering.state) == (first.id, S.TERMINATED)
    covering = directory.agreement_covering(CPO, EMSP, START + HOUR)
    assert covering is not None
    assert covering.id == second.id


async def test_termination_takes_what_is_on_its_way_with_it(desk: Desk) -> None:
    made = await desk.active()
    await desk.amend(by(EMSP, made), terms(currency="SEK"))
    ended = await desk.do(use_cases.terminate, by(CPO, made))
    assert (ended.version, ended.state) == (1, S.TERMINATED)
    assert await desk.states(made) == [S.TERMINATED, S.DECLINED]
    assert (await desk.do(use_cases.terminate, by(EMSP, made))).state is S.TERMINATED
    with pytest.raises(Precondition) as caught:
        await desk.amend(by(EMSP, made), terms())
    assert caught.value.reason == "AGREEMENT_OVER"


async def test_a_mere_proposal_cannot_be_terminated_or_suspended(desk: Desk) -> None:
    made = await desk.propose()
    for use_case in (use_cases.terminate, use_cases.suspend, use_cases.resume):
        with pytest.raises(Precondition) as caught:
            await desk.do(use_case, by(EMSP, made))
        assert caught.value.metadata["state"] == S.PROPOSED
    assert await desk.states(made) == [S.PROPOSED]


async def test_a_change_based_on_an_old_reading_is_refused(desk: Desk) -> None:
    made = await desk.active()
    await desk.do(use_cases.suspend, by(CPO, made, etag=made.etag))
    with pytest.raises(Stale) as caught:
        await desk.do(use_cases.terminate, by(EMSP, made, etag=made.etag))
    assert caught.value.reason == "ETAG_MISMATCH"


async def test_a_stranger_finds_no_agreement(desk: Desk) -> None:
    made = await desk.active()
    missing = Change(party=OTHER, agreement_id="no-such", version=1)
    told = set()
    for change in (by(OTHER, made, 1), missing):
        for use_case in (accept, use_cases.decline, use_cases.suspend, use_cases.terminate):
            with pytest.raises(NotFound) as caught:
                await desk.do(use_case, change)
            told.add((caught.value.reason, caught.value.message, tuple(caught.value.metadata)))
    assert len(told) == 1
    with pytest.raises(NotFound):
        await desk.spine.reads.run(lambda u: use_cases.get(u, [OTHER], made.id))


async def test_who_lacks_the_role_or_is_unknown_cannot_be_proposed_to(desk: Desk) -> None:
    with pytest.raises(NotFound) as caught:
        await desk.propose(emsp=PartyId("ZZ", "ZZZ"))
    assert caught.value.reason == "PARTY_NOT_FOUND"
    given = terms()
    with pytest.raises(Precondition) as lacking:
        await desk.spine.committer.run(lambda u: use_cases.propose(u, (OTHER, EMSP), OTHER, given, encode))
    assert lacking.value.reason == "ROLE_MISSING"
    with pytest.raises(Invalid):
        await desk.spine.committer.run(lambda u: use_cases.propose(u, (CPO, CPO), CPO, given, encode))


async def test_impossible_terms_leave_no_trace(desk: Desk) -> None:
    with pytest.raises(Invalid):
        await desk.propose(time_zone="Nowhere/Land")
    assert await desk.facts() == []
    assert await desk.spine.reads.run(lambda u: u.agreements.living(CPO, EMSP)) == []


async def test_time_ends_an_agreement_once(desk: Desk) -> None:
    made = await desk.active(end=START + HOUR)
    assert await desk.tick() == 0
    desk.spine.clock.advance(minutes=61)
    assert use_cases.next_due(desk.spine.directory.current) == START + HOUR
    assert await desk.tick() == 1
    assert await desk.tick() == 0
    [version] = await desk.spine.reads.run(lambda u: u.agreements.versions(made.id))
    assert (version.state, version.ended) == (S.TERMINATED, START + HOUR)
    assert desk.spine.directory.current.partners_of("nl-cpo") == {CPO}
    assert len(await desk.facts()) == 3
    assert use_cases.next_due(desk.spine.directory.current) is None


async def test_time_replaces_a_version_by_the_accepted_amendment(desk: Desk) -> None:
    made = await desk.active()
    await desk.amend(by(EMSP, made), terms(currency="SEK", start=START + HOUR))
    await desk.accept(by(CPO, made, 2))
    assert await desk.states(made) == [S.ACTIVE, S.ACCEPTED]
    with pytest.raises(Precondition, match="waits for its start"):
        await desk.amend(by(EMSP, made), terms())
    desk.spine.clock.advance(hours=2)
    before = desk.spine.directory.current.active_agreement(CPO, EMSP, desk.spine.clock())
    assert before is not None
    assert before.version == 2
    assert await desk.tick() == 1
    assert await desk.states(made) == [S.SUPERSEDED, S.ACTIVE]
    assert await desk.tick() == 0


async def test_time_ends_one_version_and_starts_the_next_at_the_same_instant(desk: Desk) -> None:
    made = await desk.active(end=START + HOUR)
    await desk.amend(by(EMSP, made), terms(start=START + HOUR))
    await desk.accept(by(CPO, made, 2))
    desk.spine.clock.advance(hours=1)
    assert await desk.tick() == 1
    assert await desk.states(made) == [S.TERMINATED, S.ACTIVE]
    facts = await desk.facts()
    assert [entry.fact.body for entry in facts[-2:]] == [b"1 TERMINATED", b"2 ACTIVE"]
    assert await desk.tick() == 0


async def test_an_accepted_agreement_has_its_first_period_at_once(desk: Desk) -> None:
    made = await desk.propose()
    assert await desk.periods() == []
    await desk.accept(by(EMSP, made, 1))
    (period,) = await desk.periods()
    assert (period.agreement, period.agreement_version, period.state) == (made.name, 1, PeriodState.OPEN)
    assert (period.creditor, period.debtor, period.first_index, period.tz_version) == (CPO, EMSP, 0, "2026.1")


async def test_an_agreement_that_time_brings_into_force_has_its_first_period_at_once(desk: Desk) -> None:
    await desk.active(start=START + HOUR)
    assert await desk.periods() == []
    desk.spine.clock.advance(hours=1)
    await desk.tick()
    (period,) = await desk.periods()
    assert period.state is PeriodState.OPEN


async def test_whatever_becomes_of_an_agreement_in_force_its_open_period_stays_the_only_one(desk: Desk) -> None:
    made = await desk.active()
    opened = await desk.periods()
    await desk.accept(by(EMSP, made, 1))
    await desk.look_for_missing_periods()
    await desk.do(use_cases.suspend, by(CPO, made))
    await desk.amend(by(EMSP, made), terms(currency="SEK"))
    await desk.accept(by(CPO, made, 2))
    await desk.do(use_cases.resume, by(CPO, made))
    await desk.amend(by(EMSP, made), terms(start=START + HOUR))
    await desk.accept(by(CPO, made, 3))
    desk.spine.clock.advance(hours=2)
    assert await desk.tick() == 1
    await desk.look_for_missing_periods()
    assert await desk.states(made) == [S.SUPERSEDED, S.SUPERSEDED, S.ACTIVE]
    assert await desk.periods() == opened


async def test_an_acceptance_that_is_undone_leaves_no_period(desk: Desk) -> None:
    made = await desk.propose()

    def undone_acceptance(uow: UnitOfWork) -> None:
        accept(uow, by(EMSP, made, 1), encode)
        raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        await desk.spine.committer.run(undone_acceptance)
    assert await desk.periods() == []


async def test_pages_hold_each_agreement_once_whatever_its_versions(desk: Desk) -> None:
    first = await desk.active()
    await desk.amend(by(EMSP, first), terms(currency="SEK"))
    second = await desk.propose(emsp=OTHER)
    page = await desk.spine.reads.run(lambda u: u.agreements.page([CPO], state=None, after_id="", limit=10))
    assert [(a.id, a.version, a.state) for a in page] == [(first.id, 1, S.ACTIVE), (second.id, 1, S.PROPOSED)]
    page = await desk.spine.reads.run(lambda u: u.agreements.page([CPO], state=S.PROPOSED, after_id="", limit=10))
    assert [(a.id, a.version) for a in page] == [(first.id, 2), (second.id, 1)]
    page = await desk.spine.reads.run(lambda u: u.agreements.page([CPO], state=None, after_id=first.id, limit=10))
    assert [a.id for a in page] == [second.id]
    assert await desk.spine.reads.run(lambda u: u.agreements.page([EMSP], state=None, after_id="", limit=10)) != []
    nobody = PartyId("ZZ", "ZZZ")
    assert await desk.spine.reads.run(lambda u: u.agreements.page([nobody], state=None, after_id="", limit=10)) == []


async def test_a_directory_that_follows_the_changes_is_the_one_read_whole(desk: Desk) -> None:
    def assert_same() -> None:
        held = desk.spine.directory.current
        with desk.spine.engine.connect() as connection:
            assert held == load_directory(connection, held.version)

    other = await desk.propose(emsp=OTHER)
    made = await desk.active(end=START + HOUR)
    assert_same()
    await desk.amend(by(EMSP, made), terms(start=START + HOUR))
    await desk.do(use_cases.suspend, by(CPO, made))
    assert_same()
    await desk.accept(by(CPO, made, 2))
    await desk.do(use_cases.decline, by(OTHER, other, 1))
    assert_same()
    with pytest.raises(ValueError, match="undone"):
        await desk.spine.committer.run(lambda u: undone(u, made))
    assert_same()
    desk.spine.clock.advance(hours=1)
    await desk.tick()
    assert_same()
    await desk.do(use_cases.terminate, by(EMSP, made))
    assert_same()
    assert desk.spine.directory.current.partners_of("nl-cpo") == {CPO}


def undone(uow: UnitOfWork, agreement: Agreement) -> None:
    use_cases.terminate(uow, by(CPO, agreement), encode)
    assert uow.directory.over
    raise ValueError("undone")


async def test_a_process_that_lags_behind_catches_up_by_what_has_changed(desk: Desk) -> None:
    before = desk.spine.directory.current
    made = await desk.active()
    await desk.amend(by(EMSP, made), terms(currency="SEK"))
    held = desk.spine.directory.current
    with desk.spine.engine.connect() as connection:
        assert load_directory(connection, held.version, before) == held
        # One that is ahead of what its connection sees reads it all: the changes since then are not there to be undone.
        ahead = replace(held, version=held.version + 1, agreements={})
        assert load_directory(connection, held.version, ahead) == held
