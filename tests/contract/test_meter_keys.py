"""Keys of meters on both databases."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from hub.app.meter_keys import Registered, register_keys, revoke_key
from hub.app.ports.meter import MeterKeyFilter
from hub.domain.errors import HubError, NotFound
from hub.domain.geo import Point
from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import Stream
from hub.domain.locations import Evse, EvseKey, EvseState, Location, StateAt
from hub.domain.meter.keys import KeyClaim, KeyMaterial, MeterKey
from hub.domain.parties import Party, PartyState, Role
from tests.support import START, Spine

CPO = PartyId("NL", "CPO")
DAY = timedelta(days=1)


def encode(key: MeterKey) -> bytes:
    return f"{key.id} {key.claim.valid_until}".encode()


REGISTER = partial(register_keys, encode=encode)


def claim(key: str, evse: str = "E1", start: int = 0, end: int | None = None) -> KeyClaim:
    return KeyClaim(
        party=CPO,
        location_id="Loc",
        evse_uid=evse,
        material=KeyMaterial(curve="secp256r1", spki=key.encode()),
        valid_from=START + start * DAY,
        valid_until=None if end is None else START + end * DAY,
    )


async def opened(spine: Spine, *evses: str) -> None:
    """Put a CPO with one location and these EVSEs on record."""
    party = Party(id=CPO, number=0, roles=frozenset({Role.CPO}), platform="cpo", state=PartyState.ACTIVE)
    await spine.committer.run(lambda uow: uow.parties.save(party))
    location = Location(
        id=ObjectId(CPO, "Loc"),
        last_updated=START,
        point=Point(0, 0),
        time_zone="Europe/Amsterdam",
        evses=tuple(Evse(uid=uid, evse_id="", now=StateAt(EvseState.AVAILABLE, START), connectors=()) for uid in evses),
        document=b"",
        digest=b"",
    )
    await spine.committer.run(lambda uow: uow.locations.put([location]))


async def register(spine: Spine, *claims: KeyClaim) -> Sequence[Registered | HubError]:
    return await spine.committer.run_many(REGISTER, claims)


async def facts(spine: Spine) -> list[tuple[str, str, bytes]]:
    entries = await spine.reads.run(lambda uow: uow.journal.read(Stream.REGISTRY, -1, 100))
    return [(e.fact.kind, e.fact.subject, e.fact.body) for e in entries]


async def test_what_is_registered_is_read_back_by_evse_whatever_the_case(spine: Spine) -> None:
    await opened(spine, "E1", "E2")
    answers = await register(spine, claim("a"), claim("b", "e2", 1, 2), claim("c"))
    keys = [answer.key for answer in answers if isinstance(answer, Registered)]
    assert [answer.changed for answer in answers if isinstance(answer, Registered)] == [True] * 3
    found = await spine.reads.run(
        lambda uow: uow.meter_keys.of_evses(
            [
                EvseKey(CPO, "loc", "e1"),
                EvseKey(CPO, "loc", "e2"),
                EvseKey(CPO, "x", "e"),
                EvseKey(PartyId("FR", "OTH"), "loc", "e1"),
            ]
        )
    )
    assert found == {EvseKey(CPO, "loc", "e1"): [keys[0], keys[2]], EvseKey(CPO, "loc", "e2"): [keys[1]]}
    assert await facts(spine) == [("meter_key", f"NL-CPO/{key.id}", encode(key)) for key in keys]


async def test_a_repetition_changes_nothing_within_a_batch_or_later(spine: Spine) -> None:
    await opened(spine, "E1")
    first, second = await register(spine, claim("a"), claim("a"))
    spine.clock.advance(days=1)
    (third,) = await register(spine, claim("a"))
    assert isinstance(first, Registered)
    assert second == third == Registered(first.key, False)
    assert len(await facts(spine)) == 1


async def test_each_of_a_batch_is_refused_for_itself_and_leaves_no_trace(spine: Spine) -> None:
    await opened(spine, "E1")
    answers = await register(spine, claim("a"), claim("b", "E9"), claim("a", start=1))
    reasons = [answer.reason if isinstance(answer, HubError) else "" for answer in answers]
    assert reasons == ["", "EVSE_NOT_FOUND", "METER_KEY_CONFLICT"]
    assert len(await facts(spine)) == 1


async def test_a_key_that_is_cut_short_stays_on_record_and_is_told(spine: Spine) -> None:
    await opened(spine, "E1")
    (answer,) = await register(spine, claim("a"))
    assert isinstance(answer, Registered)
    spine.clock.advance(days=5)
    cut = partial(revoke_key, party=CPO, key_id=answer.key.id, reason="replaced", encode=encode)
    ended = await spine.committer.run(lambda uow: cut(uow, end=START + 2 * DAY))
    again = await spine.committer.run(lambda uow: cut(uow, end=None))
    exactly = await spine.committer.run(lambda uow: cut(uow, end=START + 2 * DAY))
    assert ended == again == exactly == await spine.reads.run(lambda uow: uow.meter_keys.get(CPO, answer.key.id))
    assert ended == replace(
        answer.key,
        claim=replace(answer.key.claim, valid_until=START + 2 * DAY),
        revoked=START + 5 * DAY,
        reason="replaced",
    )
    assert [body for _, _, body in await facts(spine)] == [encode(answer.key), encode(ended)]


async def test_a_key_that_nobody_registered_cannot_be_cut_short(spine: Spine) -> None:
    await opened(spine, "E1")
    for party in (CPO, PartyId("FR", "OTH")):
        with pytest.raises(NotFound) as caught:
            await spine.committer.run(
                lambda uow, party=party: revoke_key(uow, party, "x", end=None, reason="", encode=encode)  # type: ignore[misc]
            )
        assert caught.value.reason == "METER_KEY_NOT_FOUND"


async def test_pages_are_narrowed_and_in_order(spine: Spine) -> None:
    await opened(spine, "E1", "E2")
    answers = await register(spine, claim("a", end=2), claim("b", start=1), claim("c", "E2"))
    a, b, c = (answer.key for answer in answers if isinstance(answer, Registered))

    async def page(after: str = "", limit: int = 9, **wanted: object) -> list[MeterKey]:
        narrowed = MeterKeyFilter(**wanted)  # type: ignore[arg-type]
        return list(await spine.reads.run(lambda uow: uow.meter_keys.page(CPO, narrowed, after=after, limit=limit)))

    assert await page() == [a, b, c]
    assert await page(limit=2) == [a, b]
    assert await page(after=b.id) == [c]
    assert await page(location="loc", evse="e1") == [a, b]
    assert await page(location="elsewhere") == []
    assert await page(valid_at=START) == [a, c]
    assert await page(valid_at=START + 2 * DAY) == [b, c]
    stranger = PartyId("FR", "OTH")
    assert not await spine.reads.run(lambda uow: uow.meter_keys.page(stranger, MeterKeyFilter(), after="", limit=9))
