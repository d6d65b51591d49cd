"""Tariffs as stored, on both databases."""

from datetime import UTC, datetime, timedelta

from hub.domain.ids import ObjectId, PartyId
from hub.domain.parties import Party, PartyState, Role
from hub.domain.tariffs import HeldTariff, TariffVersion
from tests.support import START, Spine

ABC = PartyId("NL", "ABC")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def prepare(spine: Spine) -> None:
    made = Party(id=ABC, number=0, roles=frozenset({Role.CPO}), platform="abc", state=PartyState.ACTIVE)
    await spine.committer.run(lambda uow: uow.parties.save(made))


def version(name: str, hours: int, document: bytes) -> TariffVersion:
    at = NOON + hours * HOUR
    held = HeldTariff(last_updated=at, digest=document[:16], valid_from=at, removed=not document)
    return TariffVersion(id=ObjectId(ABC, name), held=held, document=document)


async def test_a_session_finds_the_version_that_was_in_force_when_it_started(spine: Spine) -> None:
    await prepare(spine)
    versions = [version("T1", 0, b"first"), version("t1", 2, b"second"), version("T1", 4, b""), version("T2", 1, b"x")]
    await spine.committer.run(lambda uow: uow.tariffs.add(versions))
    t1, t2 = ObjectId(ABC, "T1"), ObjectId(ABC, "T2")
    expected = {
        (t1, NOON - HOUR): None,
        (t1, NOON): b"first",
        (t1, NOON + 2 * HOUR - timedelta(microseconds=1)): b"first",
        (t1, NOON + 2 * HOUR): b"second",
        (t1, NOON + 5 * HOUR): None,
        (t2, NOON + 9 * HOUR): b"x",
        (ObjectId(PartyId("DE", "NIX"), "T1"), NOON): None,
    }
    found = await spine.reads.run(lambda uow: uow.tariffs.as_of(list(expected)))
    assert {key: record.document for key, record in found.items()} == {k: v for k, v in expected.items() if v}
    assert found[t1, NOON + 2 * HOUR].valid_from == NOON + 2 * HOUR
    assert found[t1, NOON].recorded == START


async def test_what_was_in_force_is_told_by_what_was_known_at_a_time(spine: Spine) -> None:
    await prepare(spine)
    await spine.committer.run(lambda uow: uow.tariffs.add([version("T1", 0, b"first"), version("T2", 0, b"other")]))
    spine.clock.advance(hours=1)
    await spine.committer.run(lambda uow: uow.tariffs.add([version("T1", 1, b"second")]))
    spine.clock.advance(hours=1)
    await spine.committer.run(lambda uow: uow.tariffs.add([version("t1", 2, b"")]))
    ids, later = [ObjectId(ABC, name) for name in ("T1", "T2", "T3")], NOON + 3 * HOUR

    async def known(hours: float) -> dict[str, bytes]:
        at = START + hours * HOUR
        found = await spine.reads.run(lambda uow: uow.tariffs.as_known(ids, later, at))
        return {key.folded: record.document for key, record in found.items()}

    assert await known(-0.001) == {}
    assert await known(0) == {"t1": b"first", "t2": b"other"}
    assert await known(0.999) == {"t1": b"first", "t2": b"other"}
    assert await known(1) == {"t1": b"second", "t2": b"other"}
    assert await known(2) == {"t2": b"other"}
    assert await spine.reads.run(lambda uow: uow.tariffs.as_known([], later, later)) == {}


async def test_the_newest_version_is_shown_and_a_removed_tariff_is_not(spine: Spine) -> None:
    await prepare(spine)
    await spine.committer.run(lambda uow: uow.tariffs.add([version(name, 0, b"old") for name in "abc"]))
    await spine.committer.run(lambda uow: uow.tariffs.add([version("b", 1, b"new"), version("c", 1, b"")]))
    ids = [ObjectId(ABC, name) for name in "abcd"]
    records = await spine.reads.run(lambda uow: uow.tariffs.records(ids))
    assert {key.id: record.document for key, record in records.items()} == {"a": b"old", "b": b"new"}
    held = await spine.reads.run(lambda uow: uow.tariffs.held(ids))
    assert [held[key].removed for key in ids[:3]] == [False, False, True]
    page = await spine.reads.run(lambda uow: uow.tariffs.page(ABC, after="", updated_since=None, limit=9))
    assert [record.document for record in page] == [b"old", b"new"]
    page = await spine.reads.run(lambda uow: uow.tariffs.page(ABC, after="a", updated_since=NOON + HOUR, limit=9))
    assert [record.id.id for record in page] == ["b"]
