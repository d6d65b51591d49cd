"""Twenty thousand real locations and eleven thousand real tariffs, with their defects, taken in and found again."""

import os
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from google.protobuf.message import Message
from roamhub.v1 import location_object_pb2, tariff_object_pb2

from adapters.ocpi.codec import Kind, Version, from_json
from adapters.ocpi.files import read_objects
from hub.app.locations import Search, list_locations, put_locations, search_locations
from hub.app.ports.locations import ConnectorFilter
from hub.app.tariffs import put_tariffs
from hub.domain.geo import DEGREE, Point, distance_mm
from hub.domain.ids import ObjectId, PartyId, fold
from hub.domain.locations import EvseKey, EvseState, Location
from hub.domain.parties import Caller, Party, PartyState, Role
from hub.domain.rating import compile_tariff
from hub.main import system_clock
from hub.rpc.location_edit import PbLocationEditor
from hub.rpc.location_wire import location_from_pb
from hub.rpc.tariff_wire import published_from_pb, tariff_from_document
from tests.support import Spine, open_spine

pytestmark = pytest.mark.data

DATA = Path(os.environ.get("ROAMHUB_DATA", Path(__file__).parents[2] / "../shared/data")) / "locations"
CPO = PartyId("NL", "CPO")
CALLER = Caller(platform="cpo")
LATEST = system_clock() + timedelta(days=3650)
DAM = Point(round(52.3731 * DEGREE), round(4.8926 * DEGREE))

M = TypeVar("M", bound=Message)


def messages(name: str, kind: Kind, made: type[M]) -> Iterator[M]:
    """Yield a file's objects as one CPO's."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no shared data at {path}: set ROAMHUB_DATA")
    for item in read_objects(path):
        assert item.obj is not None
        message, _ = from_json(kind, Version.V2_2_1, item.obj, owner=("NL", "CPO"))
        assert isinstance(message, made)
        yield message


@pytest.fixture
def real_spine(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Spine]:
    path = tmp_path / "roamhub.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    with open_spine(f"sqlite:///{path}") as spine:
        yield spine


async def prepare(spine: Spine) -> None:
    party = Party(id=CPO, number=0, roles=frozenset({Role.CPO}), platform="cpo", state=PartyState.ACTIVE)
    await spine.committer.run(lambda uow: uow.parties.save(party))


async def test_all_real_locations_are_taken_in_and_found_again(real_spine: Spine) -> None:
    await prepare(real_spine)
    locations: list[Location] = []
    for message in messages("ndw-nl-locations.jsonl.gz", Kind.LOCATION, location_object_pb2.Location):
        message.country_code, message.party_id = "NL", "CPO"
        locations.append(location_from_pb(message, LATEST))
    assert len(locations) == 20_000
    put = partial(put_locations, editor=PbLocationEditor())
    for start in range(0, len(locations), 500):
        answers = await real_spine.committer.run_many(put, locations[start : start + 500])
        assert all(answer is True for answer in answers)
    assert all(answer is False for answer in await real_spine.committer.run_many(put, locations[:500]))

    listed = await real_spine.reads.run(
        lambda uow: list_locations(uow, CALLER, party=CPO, updated_since=None, after=None, limit=30_000)
    )
    documents = {record.id: record.document for record in listed}
    assert documents == {location.id: location.document for location in locations}
    assert sum(len(record.states) for record in listed) == 47_894

    wanted = ConnectorFilter(power_min=50_000, available=True)
    search = Search(center=DAM, radius_m=20_000, wanted=wanted)
    found = await real_spine.reads.run(lambda uow: search_locations(uow, CALLER, search, after=None, limit=50))
    assert [place.folded for place, _ in found] == nearest(locations)[:50]

    keys = [EvseKey(CPO, each.id.folded, fold(each.evses[0].uid)) for each in locations[:300] if each.evses]
    facts = await real_spine.reads.run(lambda uow: uow.locations.evses(keys))
    by_id = {location.id: location for location in locations}
    for key in keys:
        said, known = by_id[ObjectId(CPO, key.location)].evses[0], facts[key]
        assert known is not None
        assert known.time_zone == "Europe/Amsterdam"
        assert known.connectors.keys() == {fold(connector.id) for connector in said.connectors}


def nearest(locations: list[Location]) -> list[str]:
    """Return what the search must find, by looking at every location."""
    near = [
        (distance_mm(DAM, location.point), location.id.folded)
        for location in locations
        for evse in location.evses
        if evse.now.state is EvseState.AVAILABLE
        and any((connector.power or 0) >= 50_000 for connector in evse.connectors)
    ]
    return [folded for distance, folded in sorted(set(near)) if distance <= 20_000_000]


async def test_all_real_tariffs_are_taken_in_and_can_be_rated_by(real_spine: Spine) -> None:
    await prepare(real_spine)
    tariffs = []
    for message in messages("ndw-nl-tariffs.jsonl.gz", Kind.TARIFF, tariff_object_pb2.Tariff):
        # The hub's owner is one CPO here: ids of different CPOs would collide.
        message.id = f"{message.party_id}-{message.id}"[:36]
        message.country_code, message.party_id = "NL", "CPO"
        tariffs.append(published_from_pb(message, LATEST))
    assert len(tariffs) == 11_527
    for tariff in tariffs:
        compile_tariff(tariff_from_document(tariff.document))
    newest = {tariff.id: tariff for tariff in sorted(tariffs, key=lambda each: each.last_updated)}
    refused = 0
    for start in range(0, len(tariffs), 500):
        answers = await real_spine.committer.run_many(put_tariffs, tariffs[start : start + 500])
        refused += sum(not isinstance(answer, bool) for answer in answers)
    records = await real_spine.reads.run(lambda uow: uow.tariffs.records(newest))
    assert set(records) == set(newest)
    assert refused <= len(tariffs) - len(newest)
    assert all(records[key].valid_from >= tariff.last_updated for key, tariff in newest.items())
