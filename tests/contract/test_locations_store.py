"""Locations as stored, on both databases."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from hub.app.ports.locations import ConnectorFilter
from hub.app.ports.spine import UseCase
from hub.domain.geo import Box, Point, boxes_around
from hub.domain.ids import ObjectId, PartyId
from hub.domain.locations import Connector, Evse, EvseFacts, EvseKey, EvseState, Location, Offer, PowerType, StateAt
from hub.domain.parties import Party, PartyState, Role
from tests.support import Spine

R = TypeVar("R")
ABC, XYZ = PartyId("NL", "ABC"), PartyId("NL", "XYZ")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AMSTERDAM = Point(523_700_000, 48_900_000)
ANY = ConnectorFilter()


async def prepare(spine: Spine) -> None:
    for party in (ABC, XYZ):
        made = Party(id=party, number=0, roles=frozenset({Role.CPO}), platform=str(party), state=PartyState.ACTIVE)
        await spine.committer.run(lambda uow, made=made: uow.parties.save(made))  # type: ignore[misc]


def connector(name: str = "1", power: int | None = 11_000, standard: str = "IEC_62196_T2") -> Connector:
    return Connector(id=name, standard=standard, power_type=PowerType.AC_3_PHASE, power=power)


def evse(uid: str, *connectors: Connector, state: EvseState = EvseState.AVAILABLE) -> Evse:
    return Evse(uid=uid, evse_id=f"NL*ABC*E{uid}", now=StateAt(state, NOON), connectors=connectors or (connector(),))


def location(name: str, *evses: Evse, party: PartyId = ABC, point: Point = AMSTERDAM) -> Location:
    document = f"{party}/{name}".encode()
    return Location(
        id=ObjectId(party, name),
        last_updated=NOON,
        point=point,
        time_zone="Europe/Amsterdam",
        evses=evses,
        document=document,
        digest=hashlib.blake2b(document, digest_size=16).digest(),
    )


async def put(spine: Spine, *locations: Location) -> None:
    await spine.committer.run(lambda uow: uow.locations.put(locations))


async def read(spine: Spine, query: UseCase[R]) -> R:
    return await spine.reads.run(query)


async def test_a_stored_location_is_found_whatever_the_case_of_its_id(spine: Spine) -> None:
    await prepare(spine)
    await put(spine, location("Loc-1", evse("E1"), evse("e2", state=EvseState.CHARGING)))
    key = ObjectId(ABC, "LOC-1")
    record = (await read(spine, lambda uow: uow.locations.records([key])))[key]
    assert record.document == b"NL-ABC/Loc-1"
    assert record.states == {"e1": StateAt(EvseState.AVAILABLE, NOON), "e2": StateAt(EvseState.CHARGING, NOON)}
    held = (await read(spine, lambda uow: uow.locations.held([key])))[key]
    assert (held.last_updated, held.states) == (NOON, record.states)


async def test_another_owner_s_location_of_the_same_id_is_another_one(spine: Spine) -> None:
    await prepare(spine)
    await put(spine, location("1", evse("a")), location("1", evse("b"), party=XYZ))
    keys = [ObjectId(ABC, "1"), ObjectId(XYZ, "1"), ObjectId(PartyId("DE", "NIX"), "1")]
    records = await read(spine, lambda uow: uow.locations.records(keys))
    assert {key: set(record.states) for key, record in records.items()} == {keys[0]: {"a"}, keys[1]: {"b"}}


async def test_replacing_a_location_leaves_nothing_of_the_one_before(spine: Spine) -> None:
    await prepare(spine)
    await put(spine, location("1", evse("a", connector("1"), connector("2"))), location("2", evse("c")))
    moved = replace(location("1", evse("b")), point=Point(0, 0), document=b"new")
    await put(spine, moved)
    keys = [EvseKey(ABC, "1", "a"), EvseKey(ABC, "1", "b"), EvseKey(ABC, "2", "c")]
    facts = await read(spine, lambda uow: uow.locations.evses(keys))
    assert [facts[key] is not None for key in keys] == [False, True, True]
    found = await read(spine, lambda uow: list(uow.locations.within(boxes_around(AMSTERDAM, 100), ANY)))
    assert [folded for _, folded, _, _ in found] == ["2"]


async def test_evse_states_are_read_and_written_apart(spine: Spine) -> None:
    await prepare(spine)
    await put(spine, location("1", evse("a"), evse("b")), location("2", evse("a")))
    later = StateAt(EvseState.CHARGING, NOON + timedelta(microseconds=1))
    await spine.committer.run(lambda uow: uow.locations.set_states(ABC, {("1", "b"): later}))
    wanted = [("1", "a"), ("1", "b"), ("2", "a"), ("2", "nix"), ("3", "a")]
    found = await read(spine, lambda uow: uow.locations.states(ABC, wanted))
    before = StateAt(EvseState.AVAILABLE, NOON)
    assert found == {("1", "a"): before, ("1", "b"): later, ("2", "a"): before}
    assert await read(spine, lambda uow: uow.locations.states(XYZ, wanted)) == {}


async def test_the_facts_about_evses_of_several_owners_come_in_one_query(spine: Spine) -> None:
    await prepare(spine)
    two = evse("E1", connector("A", 22_000), connector("b", None))
    bare = replace(evse("E2", state=EvseState.REMOVED), connectors=())
    await put(spine, location("1", two, bare), location("9", evse("x", connector("1", None)), party=XYZ))
    keys = [EvseKey(ABC, "1", "e1"), EvseKey(ABC, "1", "e2"), EvseKey(XYZ, "9", "x"), EvseKey(XYZ, "9", "nix")]
    unknown = [EvseKey(ABC, "nix", "e1"), EvseKey(PartyId("DE", "NIX"), "1", "e1")]
    facts = await read(spine, lambda uow: uow.locations.evses(keys + unknown))
    assert facts == {
        keys[3]: None,
        keys[0]: EvseFacts("Europe/Amsterdam", {"a": Offer(22_000, (), NOON), "b": Offer(None, (), NOON)}),
        keys[1]: EvseFacts("Europe/Amsterdam", {}),
        keys[2]: EvseFacts("Europe/Amsterdam", {"1": Offer(None, (), NOON)}),
    }
    zones = await read(spine, lambda uow: uow.locations.time_zones([ObjectId(ABC, "1"), ObjectId(ABC, "2")]))
    assert zones == {ObjectId(ABC, "1"): "Europe/Amsterdam"}


async def test_a_page_since_counts_the_states_of_evses(spine: Spine) -> None:
    await prepare(spine)
    await put(spine, *(location(name, evse("a")) for name in "abc"))
    later = NOON + timedelta(hours=1)
    await spine.committer.run(
        lambda uow: uow.locations.set_states(ABC, {("b", "a"): StateAt(EvseState.BLOCKED, later)})
    )

    async def page(**arguments: object) -> list[str]:
        records = await read(
            spine,
            lambda uow: uow.locations.page(
                ABC,
                **{"after": "", "updated_since": None, "limit": 9, **arguments},  # type: ignore[arg-type]
            ),
        )
        return [record.id.id for record in records]

    assert await page() == ["a", "b", "c"]
    assert await page(after="a", limit=1) == ["b"]
    assert await page(updated_since=later) == ["b"]
    assert await page(updated_since=NOON) == ["a", "b", "c"]
    assert await page(updated_since=later + timedelta(seconds=1)) == []


def filters() -> Iterator[tuple[ConnectorFilter, set[str]]]:
    yield ANY, {"slow", "fast", "busy"}
    yield ConnectorFilter(power_min=50_000), {"fast", "busy"}
    yield ConnectorFilter(power_min=50_000, available=True), {"fast"}
    yield ConnectorFilter(standards=frozenset({"CHADEMO", "IEC_62196_T2_COMBO"})), {"fast", "busy"}
    yield ConnectorFilter(standards=frozenset({"CHADEMO"}), power_min=50_000), set()
    yield ConnectorFilter(power_types=frozenset({PowerType.DC})), set()
    yield ConnectorFilter(available=True), {"slow", "fast", "busy"}


async def test_a_search_asks_everything_of_one_connector_of_an_evse_that_is_there(spine: Spine) -> None:
    await prepare(spine)
    fast = connector("1", 150_000, "IEC_62196_T2_COMBO"), connector("2", 43_000, "CHADEMO")
    await put(
        spine,
        location("slow", evse("a", connector("1", None))),
        location("fast", evse("a", *fast)),
        location("busy", evse("a", *fast, state=EvseState.CHARGING), evse("b", fast[1])),
        location("gone", evse("a", *fast, state=EvseState.REMOVED)),
        location("empty"),
    )
    everywhere = [Box(south=-900_000_000, north=900_000_000, west=-1_800_000_000, east=1_800_000_000)]
    for wanted, names in filters():
        found = await read(spine, lambda uow, wanted=wanted: list(uow.locations.within(everywhere, wanted)))  # type: ignore[misc]
        assert {folded for _, folded, _, _ in found} == names, wanted


async def test_lists_of_keys_of_any_length_are_looked_up_whole(spine: Spine) -> None:
    await prepare(spine)
    await put(spine, *(location(f"l{n}", evse("e")) for n in range(30)))
    ids = [ObjectId(ABC, f"l{n}") for n in range(5_000)]
    assert len(await read(spine, lambda uow: uow.locations.records(ids))) == 30
    keys = [(f"l{n}", "e") for n in range(5_000)]
    assert len(await read(spine, lambda uow: uow.locations.states(ABC, keys))) == 30
    for count in (1, 2, 3, 29):
        found = await read(spine, lambda uow, count=count: uow.locations.records(ids[:count]))  # type: ignore[misc]
        assert len(found) == count
