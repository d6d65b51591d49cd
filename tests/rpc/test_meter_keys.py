"""Registering the keys of meters over real mutual TLS: who may, who sees it, and what is refused."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1 import (
    common_pb2,
    journal_pb2_grpc,
    location_pb2,
    location_pb2_grpc,
    meter_object_pb2,
    meter_pb2,
    meter_pb2_grpc,
)

from hub.domain.parties import Role
from hub.main import Hub
from tests import catalog
from tests.conftest import PartnerFactory
from tests.support import Partner, Refusal, agree, refusal
from tests.unit.meter.making import Meter

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
CPO = common_pb2.PartyKey(country_code="NL", party_id="CPO")
METER = Meter()


def stamp(days: float = 0) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(SINCE + timedelta(days=days))
    return made


def key(meter: Meter = METER, **fields: Any) -> meter_object_pb2.MeterKey:
    whole = {"location_id": "LOC1", "evse_uid": "E1", "public_key": meter.spki.hex(), "valid_from": stamp(), **fields}
    return meter_object_pb2.MeterKey(**whole)


@dataclass
class Keys:
    """A CPO with a location, and an eMSP with an agreement."""

    hub: Hub
    cpo: Partner
    emsp: Partner

    async def register(self, *keys: meter_object_pb2.MeterKey) -> list[meter_pb2.MeterKeyOutcome]:
        request = meter_pb2.RegisterMeterKeysRequest(party=CPO, keys=keys)
        return list((await service(self.cpo).RegisterMeterKeys(request)).outcomes)

    async def revoke(self, key_id: str, **fields: Any) -> meter_object_pb2.MeterKey:
        return await service(self.cpo).RevokeMeterKey(meter_pb2.RevokeMeterKeyRequest(party=CPO, id=key_id, **fields))


def service(partner: Partner) -> "meter_pb2_grpc.MeterKeyServiceAsyncStub":
    return meter_pb2_grpc.MeterKeyServiceStub(partner.channel)


async def listed(partner: Partner, **fields: Any) -> list[meter_object_pb2.MeterKey]:
    found: list[meter_object_pb2.MeterKey] = []
    token = ""
    while True:
        request = meter_pb2.ListMeterKeysRequest(page_token=token, **fields)
        page = await service(partner).ListMeterKeys(request)
        found += page.keys
        token = page.next_page_token
        if not token:
            return found


async def refused(call: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


@pytest.fixture
async def keys(hub: Hub, partner: PartnerFactory) -> Keys:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    await location_pb2_grpc.LocationServiceStub(cpo.channel).PutLocation(
        location_pb2.PutLocationRequest(location=catalog.location())
    )
    return Keys(hub, cpo, emsp)


async def test_a_registered_key_is_seen_by_both_sides_and_told_in_the_journal(keys: Keys) -> None:
    (outcome,) = await keys.register(key())
    made = outcome.key
    assert outcome.result == common_pb2.ItemOutcome.RESULT_APPLIED
    assert (made.country_code, made.party_id, made.curve) == ("NL", "CPO", "secp256r1")
    assert base64.b64decode(made.public_key) == METER.spki
    assert made.HasField("register_time")
    assert not made.HasField("valid_until")
    assert await listed(keys.cpo) == await listed(keys.emsp) == [made]
    for side in (keys.cpo, keys.emsp):
        (body,) = await catalog.told(journal_pb2_grpc.JournalServiceStub(side.channel), "meter_key", 1)
        assert meter_object_pb2.MeterKey.FromString(body) == made


async def test_a_stranger_sees_no_key(keys: Keys, partner: PartnerFactory) -> None:
    await keys.register(key())
    stranger = await partner("FR-OTH", roles=(Role.EMSP,))
    assert await listed(stranger) == []
    assert await listed(stranger, party=CPO) == []


async def test_the_same_key_again_in_another_form_changes_nothing(keys: Keys) -> None:
    (first,) = await keys.register(key())
    (again,) = await keys.register(key(public_key=METER.point.hex(), curve="secp256r1", evse_uid="e1"))
    assert again.result == common_pb2.ItemOutcome.RESULT_UNCHANGED
    assert again.key == first.key
    assert len(await listed(keys.cpo)) == 1


async def test_a_replaced_meter_s_key_is_cut_short_and_stays_in_the_history(keys: Keys) -> None:
    (old,) = await keys.register(key())
    ended = await keys.revoke(old.key.id, end_time=stamp(30), reason="meter replaced")
    (new,) = await keys.register(key(Meter(), valid_from=stamp(30)))
    assert (ended.valid_until, ended.revoke_reason) == (stamp(30), "meter replaced")
    assert ended.HasField("revoke_time")
    assert await listed(keys.emsp, page_size=1) == [ended, new.key]
    assert await listed(keys.emsp, party=CPO, location_id="loc1", evse_uid="E1", valid_at=stamp(29)) == [ended]
    assert await listed(keys.emsp, valid_at=stamp(30)) == [new.key]
    bodies = await catalog.told(journal_pb2_grpc.JournalServiceStub(keys.emsp.channel), "meter_key", 3)
    assert [meter_object_pb2.MeterKey.FromString(body) for body in bodies] == [old.key, ended, new.key]


async def test_a_key_revoked_without_an_instant_ends_now_and_only_once(keys: Keys) -> None:
    (made,) = await keys.register(key())
    ended = await keys.revoke(made.key.id)
    assert ended.valid_until == ended.revoke_time
    assert await keys.revoke(made.key.id) == ended
    answer = await refused(keys.revoke(made.key.id, end_time=stamp(10_000)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "METER_KEY_ENDED")


async def test_keys_are_listed_over_all_partners_page_by_page(keys: Keys, partner: PartnerFactory) -> None:
    other = await partner("AT-CPO", roles=(Role.CPO,))
    await agree(keys.hub, other.party, keys.emsp.party)
    await location_pb2_grpc.LocationServiceStub(other.channel).PutLocation(
        location_pb2.PutLocationRequest(location=catalog.location(party="AT-CPO"))
    )
    theirs = common_pb2.PartyKey(country_code="AT", party_id="CPO")
    for meter in (METER, Meter()):
        await service(other).RegisterMeterKeys(meter_pb2.RegisterMeterKeysRequest(party=theirs, keys=[key(meter)]))
        await keys.register(key(meter))
    one_by_one = await listed(keys.emsp, page_size=1)
    assert one_by_one == await listed(keys.emsp)
    assert [made.country_code for made in one_by_one] == ["AT", "AT", "NL", "NL"]
    assert await listed(keys.emsp, party=theirs) == await listed(other) == one_by_one[:2]


async def test_a_page_token_of_another_kind_of_list_is_refused(keys: Keys) -> None:
    await keys.register(key(), key(Meter()))
    page = await service(keys.emsp).ListMeterKeys(meter_pb2.ListMeterKeysRequest(page_size=1))
    digest = base64.urlsafe_b64decode(page.next_page_token + "==")[:8]
    for place in (b'["N","L","x"]', b"[1]"):
        forged = base64.urlsafe_b64encode(digest + place).decode().rstrip("=")
        request = meter_pb2.ListMeterKeysRequest(page_size=1, page_token=forged)
        assert (await refused(service(keys.emsp).ListMeterKeys(request))).fields == ["page_token"]


async def test_a_key_that_is_not_there_cannot_be_revoked(keys: Keys) -> None:
    answer = await refused(keys.revoke("00000000-0000-7000-8000-000000000000"))
    assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "METER_KEY_NOT_FOUND")


async def test_each_key_is_refused_for_itself_with_its_field(keys: Keys) -> None:
    bad = {
        "keys[0].public_key": key(public_key="xyz"),
        "keys[1].public_key": key(public_key=METER.point.hex()),
        "keys[2].valid_from": key(valid_from=None),
        "keys[3].valid_until": key(valid_until=stamp(-1)),
        "keys[4].evse_uid": key(evse_uid=""),
        "keys[5].public_key": key(public_key=""),
        "keys[6].curve": key(curve="secp521r1"),
    }
    outcomes = await keys.register(*bad.values(), key(evse_uid="E9"), key())
    assert [[v.field for v in o.error.violations] for o in outcomes] == [*([field] for field in bad), [], []]
    assert [o.error.reason for o in outcomes] == ["INVALID_FIELD"] * 7 + ["EVSE_NOT_FOUND", ""]
    assert METER.point.hex() not in str(outcomes)
    assert len(await listed(keys.cpo)) == 1


async def test_only_the_cpo_itself_registers_and_revokes(keys: Keys, partner: PartnerFactory) -> None:
    (made,) = await keys.register(key())
    other = await partner("FR-CPO", roles=(Role.CPO,))
    for caller in (keys.emsp, other):
        answers = [
            await refused(
                service(caller).RegisterMeterKeys(meter_pb2.RegisterMeterKeysRequest(party=CPO, keys=[key()]))
            ),
            await refused(service(caller).RevokeMeterKey(meter_pb2.RevokeMeterKeyRequest(party=CPO, id=made.key.id))),
        ]
        assert {answer.reason for answer in answers} == {"NOT_PERMITTED"}
    own = meter_pb2.RevokeMeterKeyRequest(party=common_pb2.PartyKey(country_code="FR", party_id="CPO"), id=made.key.id)
    assert (await refused(service(other).RevokeMeterKey(own))).reason == "METER_KEY_NOT_FOUND"


async def test_a_batch_has_its_bounds(keys: Keys) -> None:
    for batch in ([], [key()] * 501):
        request = meter_pb2.RegisterMeterKeysRequest(party=CPO, keys=batch)
        assert (await refused(service(keys.cpo).RegisterMeterKeys(request))).fields == ["keys"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"location_id": "LOC1"}, "party"),
        ({"party": CPO, "evse_uid": "E1"}, "location_id"),
        ({"party": common_pb2.PartyKey(country_code="N")}, "party"),
        ({"page_token": "x"}, "page_token"),
        ({"page_token": "made by hand"}, "page_token"),
    ],
)
async def test_a_list_names_what_it_narrows_to(keys: Keys, fields: dict[str, Any], field: str) -> None:
    request = meter_pb2.ListMeterKeysRequest(**fields)
    assert (await refused(service(keys.emsp).ListMeterKeys(request))).fields == [field]
