"""Locations, published by a CPO and seen by its partners over real mutual TLS."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.latlng_pb2 import LatLng
from roamhub.v1 import common_pb2, journal_pb2_grpc, location_pb2, location_pb2_grpc
from roamhub.v1 import location_object_pb2 as pb

from hub.domain.parties import Role
from hub.main import Hub
from tests.catalog import NOW, at, connector, evse, key, location, report, stamp, state, told
from tests.conftest import PartnerFactory
from tests.support import Refusal, agree, refusal

Stub = location_pb2_grpc.LocationServiceStub
APPLIED = common_pb2.ItemOutcome.RESULT_APPLIED
UNCHANGED = common_pb2.ItemOutcome.RESULT_UNCHANGED
REFUSED = common_pb2.ItemOutcome.RESULT_REFUSED


@dataclass
class Roaming:
    """A CPO, an eMSP it roams with, and one it does not."""

    cpo: "location_pb2_grpc.LocationServiceAsyncStub"
    emsp: "location_pb2_grpc.LocationServiceAsyncStub"
    stranger: "location_pb2_grpc.LocationServiceAsyncStub"
    journal: "journal_pb2_grpc.JournalServiceAsyncStub"

    async def put(self, *locations: pb.Location) -> list[common_pb2.ItemOutcome]:
        response = await self.cpo.BatchPutLocations(location_pb2.BatchPutLocationsRequest(locations=locations))
        return list(response.outcomes)

    async def get(self, name: str = "LOC1") -> pb.Location:
        return await self.emsp.GetLocation(location_pb2.GetLocationRequest(location=key(name)))


@pytest.fixture
async def roaming(hub: Hub, partner: PartnerFactory) -> Roaming:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    stranger = await partner("FR-OTH", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    stubs = [Stub(each.channel) for each in (cpo, emsp, stranger)]
    return Roaming(*stubs, journal=journal_pb2_grpc.JournalServiceStub(emsp.channel))  # type: ignore[misc, arg-type]


async def refused(call: object) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    return refusal(caught.value)


def put(message: pb.Location) -> location_pb2.PutLocationRequest:
    return location_pb2.PutLocationRequest(location=message)


async def test_a_partner_reads_a_location_as_it_was_sent(roaming: Roaming) -> None:
    sent = location(name="Loc-1", extensions='{"nl-x": 1.50}')
    assert (await roaming.cpo.PutLocation(put(sent))).result == APPLIED
    assert await roaming.get("LOC-1") == sent
    assert [pb.Location.FromString(body) for body in await told(roaming.journal, "location", 1)] == [sent]


async def test_a_stranger_cannot_tell_that_a_location_exists(roaming: Roaming) -> None:
    await roaming.put(location())
    answers = [
        await refused(roaming.stranger.GetLocation(location_pb2.GetLocationRequest(location=key(name))))
        for name in ("LOC1", "NIX")
    ]
    assert answers[0] == answers[1]
    assert (answers[0].code, answers[0].reason) == (grpc.StatusCode.NOT_FOUND, "LOCATION_NOT_FOUND")
    listed = await roaming.stranger.ListLocations(location_pb2.ListLocationsRequest())
    asked = location_pb2.ListLocationsRequest(party=common_pb2.PartyKey(country_code="NL", party_id="CPO"))
    assert not listed.locations
    assert not (await roaming.stranger.ListLocations(asked)).locations


async def test_nobody_writes_another_party_s_location(roaming: Roaming) -> None:
    for stub in (roaming.emsp, roaming.stranger):
        answer = await refused(stub.PutLocation(put(location())))
        assert answer.code is grpc.StatusCode.PERMISSION_DENIED
    answer = await refused(roaming.cpo.PutLocation(put(location(party="NL-OTH"))))
    assert answer.code is grpc.StatusCode.PERMISSION_DENIED
    answer = await refused(
        roaming.cpo.UpdateEvseStates(location_pb2.UpdateEvseStatesRequest(report=report(party="NL-OTH")))
    )
    assert answer.code is grpc.StatusCode.PERMISSION_DENIED


async def test_the_newer_version_wins_and_the_same_one_changes_nothing(roaming: Roaming) -> None:
    await roaming.put(location(minutes=1, name="LOC1"))
    assert (await roaming.cpo.PutLocation(put(location(minutes=1)))).result == UNCHANGED
    answer = await refused(roaming.cpo.PutLocation(put(location(city="Old"))))
    assert (answer.code, answer.reason) == (grpc.StatusCode.ABORTED, "OUT_OF_DATE")
    assert (await roaming.cpo.PutLocation(put(location(minutes=1, city="Same time")))).result == APPLIED
    assert (await roaming.cpo.PutLocation(put(location(minutes=2, city="New")))).result == APPLIED
    assert (await roaming.get()).city == "New"
    assert len(await told(roaming.journal, "location", 3)) == 3


async def test_each_item_of_a_batch_is_answered_for_itself(roaming: Roaming) -> None:
    await roaming.put(location("OLD", minutes=5))
    broken = location("BAD", evses=[evse("E1"), evse("e1", connectors=[connector(), connector(standard="")])])
    broken.coordinates.latitude = "91"
    outcomes = await roaming.put(
        location("A"), location("B", party="NL-OTH"), broken, location("OLD"), location("A"), location("A", minutes=1)
    )
    assert [outcome.result for outcome in outcomes] == [APPLIED, REFUSED, REFUSED, REFUSED, UNCHANGED, APPLIED]
    assert [outcome.index for outcome in outcomes] == list(range(6))
    assert [outcome.error.reason for outcome in outcomes[1:4]] == ["NOT_PERMITTED", "INVALID_FIELD", "OUT_OF_DATE"]
    assert [violation.field for violation in outcomes[2].error.violations] == [
        "locations[2].coordinates.latitude",
        "locations[2].evses[1].connectors[1].standard",
        "locations[2].evses[1].uid",
        "locations[2].evses[1].connectors[1].id",
    ]
    assert (await roaming.get("A")).last_updated == stamp(1)


@pytest.mark.parametrize("count", [0, 501])
async def test_a_batch_has_1_to_500_locations(roaming: Roaming, count: int) -> None:
    request = location_pb2.BatchPutLocationsRequest(locations=[pb.Location()] * count)
    answer = await refused(roaming.cpo.BatchPutLocations(request))
    assert (answer.code, answer.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["locations"])


async def test_a_stream_of_locations_is_stored_and_counted_as_it_goes(roaming: Roaming) -> None:
    async def requests() -> AsyncIterator[location_pb2.StreamLocationsRequest]:
        for first in range(0, 300, 30):
            batch = [
                location(f"L{n:03}", time_zone="Mars" if n % 100 == 7 else "UTC") for n in range(first, first + 30)
            ]
            yield location_pb2.StreamLocationsRequest(locations=batch)

    answers = [answer async for answer in roaming.cpo.StreamLocations(requests())]
    last = answers[-1]
    assert (last.received_count, last.applied_count, last.refused_count) == (300, 297, 3)
    refusals = [refusal for answer in answers for refusal in answer.refusals]
    assert [refusal.index for refusal in refusals] == [7, 107, 207]
    assert refusals[1].error.violations[0].field == "locations[17].time_zone"
    listed = await roaming.emsp.ListLocations(location_pb2.ListLocationsRequest(page_size=1000))
    assert len(listed.locations) == 297


async def test_a_stream_that_breaks_keeps_what_was_counted(roaming: Roaming) -> None:
    async def requests() -> AsyncIterator[location_pb2.StreamLocationsRequest]:
        yield location_pb2.StreamLocationsRequest(locations=[location("A")])
        yield location_pb2.StreamLocationsRequest()

    answers = aiter(roaming.cpo.StreamLocations(requests()))
    assert (await anext(answers)).applied_count == 1
    assert (await refused(anext(answers))).fields == ["locations"]
    assert (await roaming.get("A")).id == "A"


async def test_an_evse_that_a_new_version_leaves_out_is_kept_as_removed(roaming: Roaming) -> None:
    await roaming.put(location(evses=[evse("E1"), evse("E2", physical_reference="7")]))
    await roaming.put(location(minutes=2, evses=[evse("E1")]))
    found = await roaming.get()
    assert [(each.uid, each.status) for each in found.evses] == [
        ("E1", pb.EVSE_STATUS_AVAILABLE),
        ("E2", pb.EVSE_STATUS_REMOVED),
    ]
    assert (found.evses[1].physical_reference, found.evses[1].last_updated) == ("7", stamp(2))
    assert (await roaming.cpo.PutLocation(put(location(minutes=2, evses=[evse("E1")])))).result == UNCHANGED
    await roaming.put(location(minutes=3, evses=[evse("E1", minutes=3)]))
    assert (await roaming.get()).evses[1].last_updated == stamp(2)
    versions = [pb.Location.FromString(body) for body in await told(roaming.journal, "location", 3)]
    assert [len(each.evses) for each in versions] == [2, 2, 2]


async def test_a_state_is_not_overwritten_by_a_location_that_knew_less(roaming: Roaming) -> None:
    await roaming.put(location())
    await roaming.cpo.UpdateEvseStates(location_pb2.UpdateEvseStatesRequest(report=report(state(minutes=10))))
    await roaming.put(location(minutes=5, city="Moved", evses=[evse(minutes=5)]))
    found = await roaming.get()
    assert (found.city, found.evses[0].status) == ("Moved", pb.EVSE_STATUS_CHARGING)
    assert (found.evses[0].last_updated, found.last_updated) == (stamp(10), stamp(10))
    await roaming.put(location(minutes=11, evses=[evse(minutes=11)]))
    assert (await roaming.get()).evses[0].status == pb.EVSE_STATUS_AVAILABLE


async def test_states_are_answered_one_by_one_and_told_once(roaming: Roaming) -> None:
    await roaming.put(location(evses=[evse("E1"), evse("E2"), evse("E3")]))
    message = report(
        state("e1"),
        state("E2", minutes=0, status=pb.EVSE_STATUS_AVAILABLE),
        state("E3", minutes=-1),
        state("NIX"),
        state("E2", status=pb.EVSE_STATUS_UNSPECIFIED),
        state("E2", minutes=60 * 24),
        state("", location_id=""),
        state("E3", minutes=2, status=pb.EVSE_STATUS_OUTOFORDER),
    )
    answer = await roaming.cpo.UpdateEvseStates(location_pb2.UpdateEvseStatesRequest(report=message))
    assert (answer.applied_count, answer.unchanged_count, answer.refused_count) == (2, 1, 5)
    assert [(each.index, each.error.reason) for each in answer.refusals] == [
        (2, "OUT_OF_DATE"),
        (3, "EVSE_NOT_FOUND"),
        (4, "INVALID_FIELD"),
        (5, "INVALID_FIELD"),
        (6, "INVALID_FIELD"),
    ]
    fields = [[violation.field for violation in each.error.violations] for each in answer.refusals[2:]]
    assert fields == [
        ["report.states[4].status"],
        ["report.states[5].last_updated"],
        ["report.states[6].location_id", "report.states[6].evse_uid"],
    ]
    (body,) = await told(roaming.journal, "evse_states", 1)
    assert location_pb2.EvseStatesReport.FromString(body) == report(message.states[0], message.states[7])
    found = await roaming.get()
    assert [each.status for each in found.evses] == [
        pb.EVSE_STATUS_CHARGING,
        pb.EVSE_STATUS_AVAILABLE,
        pb.EVSE_STATUS_OUTOFORDER,
    ]
    assert found.last_updated == stamp(2)


async def test_a_stream_of_states_is_answered_in_order(roaming: Roaming) -> None:
    await roaming.put(location(evses=[evse(f"E{n}") for n in range(5)]))

    async def requests() -> AsyncIterator[location_pb2.StreamEvseStatesRequest]:
        for minute in range(1, 6):
            states = [state(f"E{n}", minutes=minute) for n in range(minute)]
            yield location_pb2.StreamEvseStatesRequest(report=report(*states))

    answers = [answer async for answer in roaming.cpo.StreamEvseStates(requests())]
    assert [answer.applied_count for answer in answers] == [1, 2, 3, 4, 5]


async def test_two_patches_of_different_fields_both_take_effect(roaming: Roaming) -> None:
    await roaming.put(location(name="LOC1"))
    patch = location(minutes=1, city="Utrecht", evses=[])
    mask = FieldMask(paths=["city", "opening_times.twentyfourseven"])
    patch.opening_times.twentyfourseven = True
    changed = await roaming.cpo.PatchLocation(location_pb2.PatchLocationRequest(location=patch, update_mask=mask))
    named = pb.Location(country_code="nl", party_id="cpo", id="loc1", name="Dam", last_updated=stamp(2))
    await roaming.cpo.PatchLocation(location_pb2.PatchLocationRequest(location=named))
    found = await roaming.get()
    assert (found.city, found.name, found.opening_times.twentyfourseven) == ("Utrecht", "Dam", True)
    assert (found.id, found.last_updated, len(found.evses)) == ("LOC1", stamp(2), 1)
    assert changed.name == ""
    again = await roaming.cpo.PatchLocation(location_pb2.PatchLocationRequest(location=named))
    assert again == found
    assert len(await told(roaming.journal, "location", 3)) == 3


async def test_patches_at_the_same_time_all_take_effect(roaming: Roaming) -> None:
    await roaming.put(location(evses=[evse(f"E{n}") for n in range(20)]))
    patches = [pb.Evse(uid=f"E{n}", floor_level=str(n), last_updated=stamp(1)) for n in range(20)]
    await asyncio.gather(
        *(roaming.cpo.PatchEvse(location_pb2.PatchEvseRequest(location=key(), evse=patch)) for patch in patches)
    )
    assert [each.floor_level for each in (await roaming.get()).evses] == [str(n) for n in range(20)]


async def test_a_page_of_large_locations_is_short_and_goes_on(roaming: Roaming) -> None:
    padding = '{"x": "' + "y" * 60_000 + '"}'
    await roaming.put(*(location(f"L{n:02}", extensions=padding) for n in range(50)))
    pages, token = [], ""
    while True:
        page = await roaming.emsp.ListLocations(location_pb2.ListLocationsRequest(page_size=100, page_token=token))
        pages.append([each.id for each in page.locations])
        token = page.next_page_token
        if not token:
            break
    assert [len(names) for names in pages] == [34, 16]
    assert [name for names in pages for name in names] == [f"L{n:02}" for n in range(50)]


@pytest.mark.parametrize("token", ["x", "AAAAAAAAAAAAAAAA", "a" * 2_000])
async def test_a_page_token_of_another_making_is_refused(roaming: Roaming, token: str) -> None:
    answer = await refused(roaming.emsp.ListLocations(location_pb2.ListLocationsRequest(page_token=token)))
    assert answer.fields == ["page_token"]


async def test_a_page_token_that_was_tampered_with_is_refused(roaming: Roaming) -> None:
    await roaming.put(location("A"), location("B"))
    page = await roaming.emsp.ListLocations(location_pb2.ListLocationsRequest(page_size=1))
    raw = base64.urlsafe_b64decode(page.next_page_token + "==")
    for forged in (b'["NL"]', b'["NL","CPO",7,8]', b'["N","CPO","x"]', b"[]"):
        token = base64.urlsafe_b64encode(raw[:8] + forged).decode()
        request = location_pb2.ListLocationsRequest(page_size=1, page_token=token)
        assert (await refused(roaming.emsp.ListLocations(request))).fields == ["page_token"]
    search = location_pb2.SearchLocationsRequest(
        center=LatLng(latitude=52.3731, longitude=4.8926), radius_m=10, page_size=1
    )
    raw = base64.urlsafe_b64decode((await roaming.emsp.SearchLocations(search)).next_page_token + "==")
    search.page_token = base64.urlsafe_b64encode(raw[:8] + b'["NL","CPO",7]').decode()
    assert (await refused(roaming.emsp.SearchLocations(search))).fields == ["page_token"]
    request = location_pb2.ListLocationsRequest(page_token=page.next_page_token, updated_since=stamp(1))
    assert (await refused(roaming.emsp.ListLocations(request))).fields == ["page_token"]


async def test_a_patch_of_an_evse_raises_the_time_of_its_location(roaming: Roaming) -> None:
    await roaming.put(location(evses=[evse("E1"), evse("E2")]))
    patch = pb.Evse(uid="e2", floor_level="-1", last_updated=stamp(3))
    found = await roaming.cpo.PatchEvse(location_pb2.PatchEvseRequest(location=key(), evse=patch))
    assert (found.evses[1].uid, found.evses[1].floor_level, found.evses[1].last_updated) == ("E2", "-1", stamp(3))
    assert (found.last_updated, found.evses[0].last_updated) == (stamp(3), stamp(0))
    older = pb.Evse(uid="E2", floor_level="9", last_updated=stamp(2))
    answer = await refused(roaming.cpo.PatchEvse(location_pb2.PatchEvseRequest(location=key(), evse=older)))
    assert answer.reason == "OUT_OF_DATE"
    # The state was said at minute 0; a patch of something else does not make a later state out of date.
    message = report(state("E2", minutes=1))
    answered = await roaming.cpo.UpdateEvseStates(location_pb2.UpdateEvseStatesRequest(report=message))
    assert answered.applied_count == 1


async def test_an_evse_and_a_connector_are_added_when_that_is_asked_for(roaming: Roaming) -> None:
    await roaming.put(location())
    new = location_pb2.PatchEvseRequest(location=key(), evse=evse("E9", minutes=1))
    assert (await refused(roaming.cpo.PatchEvse(new))).reason == "EVSE_NOT_FOUND"
    new.allow_missing = True
    assert [each.uid for each in (await roaming.cpo.PatchEvse(new)).evses] == ["E1", "E9"]
    added = location_pb2.PatchConnectorRequest(location=key(), evse_uid="e9", connector=connector("2", minutes=2))
    assert (await refused(roaming.cpo.PatchConnector(added))).reason == "CONNECTOR_NOT_FOUND"
    added.allow_missing = True
    found = await roaming.cpo.PatchConnector(added)
    assert [each.id for each in found.evses[1].connectors] == ["1", "2"]
    assert (found.evses[1].last_updated, found.last_updated) == (stamp(2), stamp(2))
    broken = location_pb2.PatchConnectorRequest(
        location=key(),
        evse_uid="E9",
        connector=pb.Connector(id="2", max_voltage=-1, last_updated=stamp(3)),
        update_mask=FieldMask(paths=["max_voltage", "standard"]),
    )
    answer = await refused(roaming.cpo.PatchConnector(broken))
    assert answer.fields == ["connector.max_voltage", "connector.standard"]


async def test_a_removed_evse_stays_and_is_not_found_by_a_search(roaming: Roaming) -> None:
    await roaming.put(location())
    request = location_pb2.RemoveEvseRequest(location=key(), evse_uid="e1", last_updated=stamp(1))
    found = await roaming.cpo.RemoveEvse(request)
    assert (found.evses[0].status, found.evses[0].last_updated) == (pb.EVSE_STATUS_REMOVED, stamp(1))
    search = location_pb2.SearchLocationsRequest(center=LatLng(latitude=52.3731, longitude=4.8926), radius_m=10)
    assert not (await roaming.emsp.SearchLocations(search)).results
    request.evse_uid = "NIX"
    assert (await refused(roaming.cpo.RemoveEvse(request))).reason == "EVSE_NOT_FOUND"
    request.location.id = "NIX"
    assert (await refused(roaming.cpo.RemoveEvse(request))).reason == "LOCATION_NOT_FOUND"


@pytest.mark.parametrize("path", ["evses.status", "nix", "operator.nix", "id", "city.x"])
async def test_a_mask_that_names_no_field_is_refused(roaming: Roaming, path: str) -> None:
    await roaming.put(location())
    request = location_pb2.PatchLocationRequest(location=location(minutes=1), update_mask=FieldMask(paths=[path]))
    answer = await refused(roaming.cpo.PatchLocation(request))
    assert (answer.code, answer.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["update_mask"])
    assert (await roaming.get()).last_updated == stamp(0)


async def test_a_search_returns_the_nearest_first_page_by_page(roaming: Roaming) -> None:
    places = [location(f"L{n:02}", coordinates=at(52.0 + n * 0.01, 5.0)) for n in range(25)]
    await roaming.put(*reversed(places))
    request = location_pb2.SearchLocationsRequest(
        center=LatLng(latitude=52.0, longitude=5.0), radius_m=22_500, page_size=8
    )
    found: list[tuple[str, int]] = []
    while True:
        page = await roaming.emsp.SearchLocations(request)
        found += [(result.location.id, result.distance_m) for result in page.results]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert [name for name, _ in found] == [f"L{n:02}" for n in range(21)]
    assert [round(metres / 1112) for _, metres in found] == list(range(21))
    assert not (await roaming.stranger.SearchLocations(request)).results if not request.page_token else True


async def test_a_search_is_narrowed_by_what_a_connector_offers(roaming: Roaming) -> None:
    fast = connector(
        standard="IEC_62196_T2_COMBO",
        power_type=pb.POWER_TYPE_DC,
        max_voltage=920,
        max_amperage=500,
        max_electric_power=300_000,
    )
    await roaming.put(
        location("SLOW"),
        location("FAST", evses=[evse(connectors=[fast])]),
        location("BUSY", evses=[evse(connectors=[fast])]),
    )
    await roaming.cpo.UpdateEvseStates(location_pb2.UpdateEvseStatesRequest(report=report(state(location_id="busy"))))
    cases: list[tuple[dict[str, object], set[str]]] = [
        ({}, {"SLOW", "FAST", "BUSY"}),
        ({"min_power_kw": {"value": "11.04"}}, {"SLOW", "FAST", "BUSY"}),
        ({"min_power_kw": {"value": "11.05"}}, {"FAST", "BUSY"}),
        ({"min_power_kw": {"value": "300"}, "available": True}, {"FAST"}),
        ({"standards": ["IEC_62196_T2", "CHADEMO"]}, {"SLOW"}),
        ({"power_types": [pb.POWER_TYPE_DC]}, {"FAST", "BUSY"}),
        ({"parties": [{"country_code": "NL", "party_id": "CPO"}]}, {"SLOW", "FAST", "BUSY"}),
        ({"parties": [{"country_code": "NL", "party_id": "OTH"}]}, set()),
    ]
    for filters, names in cases:
        request = location_pb2.SearchLocationsRequest(
            center=LatLng(latitude=52.37, longitude=4.89),
            radius_m=5_000,
            **filters,  # type: ignore[arg-type]
        )
        found = await roaming.emsp.SearchLocations(request)
        assert {result.location.id for result in found.results} == names, filters


async def test_a_search_for_nonsense_is_refused_field_by_field(roaming: Roaming) -> None:
    request = location_pb2.SearchLocationsRequest(
        center=LatLng(latitude=float("nan"), longitude=0),
        radius_m=200_001,
        min_power_kw={"value": "-1"},
        standards=[""],
        power_types=[99],  # type: ignore[list-item]
        parties=[common_pb2.PartyKey(country_code="N")],
    )
    answer = await refused(roaming.emsp.SearchLocations(request))
    assert answer.fields == ["center", "radius_m", "min_power_kw", "standards[0]", "power_types[0]", "parties[0]"]


async def test_pages_of_a_list_cover_every_owner_the_caller_may_see(
    roaming: Roaming, hub: Hub, partner: PartnerFactory
) -> None:
    other = await partner("NL-AAA", roles=(Role.CPO,))
    await agree(hub, other.party, (await partner("DE-MS2", roles=(Role.EMSP,), platform="de-msp")).party)
    await Stub(other.channel).PutLocation(put(location("Z", party="NL-AAA")))
    await roaming.put(location("b"), location("A"), location("c", minutes=9))
    names, token = [], ""
    while True:
        request = location_pb2.ListLocationsRequest(page_size=2, page_token=token)
        page = await roaming.emsp.ListLocations(request)
        names += [each.id for each in page.locations]
        token = page.next_page_token
        if not token:
            break
    assert names == ["Z", "A", "b", "c"]
    since = location_pb2.ListLocationsRequest(updated_since=stamp(9))
    assert [each.id for each in (await roaming.emsp.ListLocations(since)).locations] == ["c"]


BROKEN: list[tuple[str, pb.Location]] = [
    ("location.id", location(name="")),
    ("location.id", location(name="x" * 37)),
    ("location.id", location(name="a\0b")),
    ("location.coordinates.latitude", location(coordinates=common_pb2.GeoLocation(longitude="1"))),
    ("location.coordinates.longitude", location(coordinates=common_pb2.GeoLocation(latitude="1", longitude="1,5"))),
    ("location.time_zone", location(time_zone="")),
    ("location.time_zone", location(time_zone="../etc/passwd")),
    ("location.time_zone", location(time_zone="Europe")),
    ("location.last_updated", location(last_updated=None)),
    ("location.last_updated", location(last_updated=stamp(60 * 24))),
    ("location.evses[0].last_updated", location(evses=[evse(last_updated=stamp(60 * 24))])),
    ("location.extensions", location(extensions="[1]")),
    ("location.extensions", location(extensions='{"a": 1')),
    ("location.extensions", location(extensions='{"a": "' + "x" * 65_536 + '"}')),
    ("location.evses[0].uid", location(evses=[evse("")])),
    ("location.evses[0].status", location(evses=[evse(status=0)])),
    ("location.evses[0].status", location(evses=[evse(status=99)])),
    ("location.evses[0].status_schedule[0].status", location(evses=[evse(status_schedule=[{"status": 99}])])),
    ("location.energy_mix.energy_sources[0].source", location(energy_mix={"energy_sources": [{"source": 99}]})),
    ("location.evses[0].connectors", location(evses=[evse(connectors=[])])),
    ("location.evses[0].last_updated", location(evses=[evse(last_updated=None)])),
    ("location.evses[0].evse_id", location(evses=[evse(evse_id="x" * 49)])),
    ("location.evses[0].connectors[0].format", location(evses=[evse(connectors=[connector(format=0)])])),
    ("location.evses[0].connectors[0].power_type", location(evses=[evse(connectors=[connector(power_type=42)])])),
    ("location.evses[0].connectors[0].standard", location(evses=[evse(connectors=[connector(standard="a\0")])])),
    (
        "location.evses[0].connectors[0].max_electric_power",
        location(evses=[evse(connectors=[connector(max_electric_power=-1)])]),
    ),
    (
        "location.evses[0].connectors[0].max_amperage",
        location(evses=[evse(connectors=[connector(max_amperage=1_000_001)])]),
    ),
    ("location.evses[0].connectors[0].max_voltage", location(evses=[evse(connectors=[connector(max_voltage=-1)])])),
]


@pytest.mark.parametrize(("field", "message"), BROKEN, ids=[f"{i}-{field}" for i, (field, _) in enumerate(BROKEN)])
async def test_what_breaks_a_rule_is_refused_by_the_path_of_its_field(
    roaming: Roaming, field: str, message: pb.Location
) -> None:
    answer = await refused(roaming.cpo.PutLocation(put(message)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert answer.fields == [field]
    assert not (await roaming.cpo.ListLocations(location_pb2.ListLocationsRequest())).locations


async def test_a_clock_that_is_ten_minutes_fast_is_refused_and_one_of_four_is_not(roaming: Roaming) -> None:
    # From now: these tests' own time is the one at which their module was loaded.
    now = (datetime.now(UTC) - NOW).total_seconds() / 60
    for message in (location(last_updated=stamp(now + 10)), location(evses=[evse(last_updated=stamp(now + 10))])):
        answer = await refused(roaming.cpo.PutLocation(put(message)))
        assert (answer.reason, answer.fields[0].rpartition(".")[2]) == ("INVALID_FIELD", "last_updated")
    await roaming.cpo.PutLocation(put(location(last_updated=stamp(now + 4))))
