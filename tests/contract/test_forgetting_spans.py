"""What charges occupied is forgotten when no CDR that is taken can meet it, on both databases."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.app.cdrs.pruning import MARGIN, anything_old, forget_old
from hub.app.ports.spans import Occupied
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement, AgreementState, CheckAction, Terms
from hub.domain.cdrs.spans import Span
from hub.domain.ids import PartyId
from hub.domain.parties import Party, PartyState, Role
from hub.jobs.spans import SpanPruning
from hub.store.tables.spans import ChargeSpanRow
from tests.cdrs import NOW
from tests.stored import read_rows
from tests.support import Spine

CPO, EMSP, STRANGER = PartyId("NL", "CPO"), PartyId("DE", "MSP"), PartyId("FR", "MSP")
DAY, SLOT = timedelta(days=1), timedelta(days=4)
EPOCH = datetime(1970, 1, 1, tzinfo=NOW.tzinfo)
USUAL = Terms(currency="EUR").cdr_age_max


def span(ago: timedelta, emsp: PartyId = EMSP, length: timedelta = timedelta(hours=1)) -> Span:
    """Return what a charge occupied that ended so long ago."""
    end = (NOW - ago - EPOCH) // timedelta(microseconds=1)
    return Span(CPO, emsp, 1, 2, 3, end - length // timedelta(microseconds=1), end, 0)


async def prepare(spine: Spine, *agreed: tuple[PartyId, Any]) -> None:
    """Let the CPO roam with eMSPs, each by terms of its own."""
    spine.clock.now = NOW

    def save(uow: UnitOfWork) -> None:
        for each in (CPO, EMSP, STRANGER):
            role = Role.CPO if each == CPO else Role.EMSP
            party = Party(id=each, number=0, roles=frozenset({role}), platform=str(each), state=PartyState.ACTIVE)
            uow.parties.save(party)
        for emsp, terms in agreed:
            uow.agreements.save(
                Agreement(
                    id=str(emsp).lower(),
                    version=1,
                    cpo=CPO,
                    emsp=emsp,
                    state=AgreementState.ACTIVE,
                    terms=Terms(currency="EUR", **terms),
                    proposer=CPO,
                    since=Terms(currency="EUR").start,
                )
            )

    await spine.committer.run(save)


async def occupy(spine: Spine, spans: Iterable[Span]) -> None:
    await spine.committer.run(
        lambda uow: uow.spans.add(Occupied(each, place) for place, each in enumerate(spans, start=1))
    )


def left(spine: Spine, *owners: PartyId) -> list[set[int]]:
    """Return of which charges something of each owner is kept."""
    numbers = {party: number for number, party in enumerate((CPO, EMSP, STRANGER), start=1)}
    rows = read_rows(spine.engine, ChargeSpanRow)
    return [{row.idx for row in rows if row.owner == numbers[owner]} for owner in owners]


async def run(spine: Spine) -> bool:
    return await SpanPruning(committer=spine.committer, reads=spine.reads)()


async def test_only_what_no_cdr_can_meet_is_forgotten_and_once(spine: Spine) -> None:
    await prepare(spine, (EMSP, {}))
    edge = USUAL + MARGIN
    await occupy(spine, map(span, (edge + SLOT + DAY, edge - timedelta(hours=2), DAY, timedelta(0))))
    assert await run(spine)
    assert left(spine, CPO, EMSP) == [{2, 3, 4}, {2, 3, 4}]
    assert not await run(spine)
    spine.clock.now += 2 * SLOT
    assert await run(spine)
    assert left(spine, CPO, EMSP) == [{3, 4}, {3, 4}]


async def test_each_party_keeps_as_much_as_its_longest_agreement_can_meet(spine: Spine) -> None:
    await prepare(spine, (EMSP, {}), (STRANGER, {"cdr_age_max": timedelta(days=365)}))
    await occupy(spine, [span(timedelta(days=200)), span(timedelta(days=200), STRANGER), span(timedelta(days=500))])
    assert await run(spine)
    assert left(spine, CPO, EMSP, STRANGER) == [{1, 2}, set(), {2}]


@pytest.mark.parametrize("action", [CheckAction.ACCEPT, CheckAction.WARN, CheckAction.QUARANTINE])
async def test_nothing_is_forgotten_where_cdrs_of_any_age_are_taken(spine: Spine, action: CheckAction) -> None:
    await prepare(spine, (EMSP, {"checks": {"AGE_EXCEEDED": action}}))
    await occupy(spine, [span(timedelta(days=3_000)), span(timedelta(days=3_000), STRANGER)])
    assert await run(spine)
    assert left(spine, CPO, EMSP, STRANGER) == [{1, 2}, {1}, set()]


async def test_of_a_long_session_only_the_old_part_is_forgotten(spine: Spine) -> None:
    await prepare(spine, (EMSP, {}))
    await occupy(spine, [span(timedelta(days=100), length=timedelta(days=200))])
    before = len(read_rows(spine.engine, ChargeSpanRow))
    assert await run(spine)
    after = len(read_rows(spine.engine, ChargeSpanRow))
    assert before - after in (2 * 37, 2 * 38), "150 of the 300 days since its start are kept"
    assert left(spine, CPO, EMSP) == [{1}, {1}]


async def test_a_piece_is_no_larger_than_asked_for(spine: Spine) -> None:
    await prepare(spine, (EMSP, {}))
    await occupy(spine, [span(timedelta(days=400 + place)) for place in range(20)])
    rows = len(read_rows(spine.engine, ChargeSpanRow))
    for _ in range(rows // 7):
        assert await spine.committer.run(lambda uow: forget_old(uow, 7)) == 7
    assert await spine.committer.run(lambda uow: forget_old(uow, 7)) == rows % 7
    assert await spine.committer.run(lambda uow: forget_old(uow, 7)) == 0
    assert not await spine.reads.run(anything_old)
    assert read_rows(spine.engine, ChargeSpanRow) == []
