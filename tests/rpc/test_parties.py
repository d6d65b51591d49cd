"""PartyService over the wire."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from roamhub.v1 import admin_pb2, admin_pb2_grpc, party_pb2, party_pb2_grpc

from hub.domain.parties import Role
from tests.conftest import PartnerFactory
from tests.support import Partner, Refusal, refusal


def stub_of(partner: Partner) -> party_pb2_grpc.PartyServiceAsyncStub:
    return party_pb2_grpc.PartyServiceStub(partner.channel)


def update(*mask: str, **fields: object) -> party_pb2.UpdatePartyRequest:
    party = party_pb2.Party(country_code="nl", party_id="abc", **fields)  # type: ignore[arg-type]
    return party_pb2.UpdatePartyRequest(party=party, update_mask=FieldMask(paths=mask) if mask else None)


async def refused(call: object) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call  # type: ignore[misc]
    return refusal(error.value)


async def test_everybody_sees_every_party_but_only_its_own_endpoint(partner: PartnerFactory) -> None:
    cpo = await partner("NL-ABC", roles=(Role.CPO,))
    emsp = await partner("DE-XYZ", roles=(Role.EMSP,))
    await stub_of(cpo).UpdateParty(update(endpoint="cpo.example:443", business_details={"name": "Acme"}))
    theirs = await stub_of(emsp).GetParty(party_pb2.GetPartyRequest(name="parties/nl-abc"))
    assert theirs.business_details.name == "Acme"
    assert list(theirs.roles) == [party_pb2.PARTY_ROLE_CPO]
    assert (theirs.endpoint, theirs.platform, theirs.etag) == ("", "", "")
    own = await stub_of(cpo).GetParty(party_pb2.GetPartyRequest(name="parties/nl-abc"))
    assert (own.endpoint, own.platform) == ("cpo.example:443", "platforms/nl-abc")


async def test_a_party_that_is_not_there_is_not_found(partner: PartnerFactory) -> None:
    answer = await refused(stub_of(await partner("NL-ABC")).GetParty(party_pb2.GetPartyRequest(name="parties/nl-zzz")))
    assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "PARTY_NOT_FOUND")


async def test_parties_are_listed_by_role_and_presence_in_pages(partner: PartnerFactory) -> None:
    cpo = await partner("NL-AAA", "BE-BBB", "DE-CCC", roles=(Role.CPO,), platform="many")
    await partner("FR-DDD", roles=(Role.EMSP,))
    stub = stub_of(cpo)
    first = await stub.ListParties(party_pb2.ListPartiesRequest(role=party_pb2.PARTY_ROLE_CPO, page_size=2))
    assert [party.name for party in first.parties] == ["parties/be-bbb", "parties/de-ccc"]
    token = first.next_page_token
    rest = await stub.ListParties(party_pb2.ListPartiesRequest(role=party_pb2.PARTY_ROLE_CPO, page_token=token))
    assert [party.name for party in rest.parties] == ["parties/nl-aaa"]
    assert rest.next_page_token == ""
    other = await refused(stub.ListParties(party_pb2.ListPartiesRequest(page_token=token)))
    assert (other.code, other.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])
    own = await stub.ListParties(party_pb2.ListPartiesRequest(own=True))
    assert len(own.parties) == 3
    connected = await stub.ListParties(party_pb2.ListPartiesRequest(presence=party_pb2.PRESENCE_CONNECTED))
    assert not connected.parties


async def test_an_update_changes_what_its_mask_names_and_nothing_else(partner: PartnerFactory) -> None:
    stub = stub_of(await partner("NL-ABC"))
    await stub.UpdateParty(update(endpoint="cpo.example:443", business_details={"name": "Acme"}, extensions='{"a":1}'))
    cleared = await stub.UpdateParty(update("endpoint"))
    assert cleared.endpoint == ""
    assert cleared.business_details.name == "Acme"
    assert cleared.extensions == '{"a":1}'


async def test_an_update_of_what_has_changed_meanwhile_is_aborted(partner: PartnerFactory) -> None:
    stub = stub_of(await partner("NL-ABC"))
    before = await stub.GetParty(party_pb2.GetPartyRequest(name="parties/nl-abc"))
    await stub.UpdateParty(update(endpoint="one.example:443", etag=before.etag))
    answer = await refused(stub.UpdateParty(update(endpoint="two.example:443", etag=before.etag)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (update(endpoint="no-port"), "party.endpoint"),
        (update(endpoint="https://x.example:443"), "party.endpoint"),
        (update(endpoint="x.example:0"), "party.endpoint"),
        (update(endpoint="x.example:70000"), "party.endpoint"),
        (update(business_details={"website": "x"}), "party.business_details.name"),
        (update(extensions="[1]"), "party.extensions"),
        (update(extensions="{" * 100_000), "party.extensions"),
        (update("roles"), "update_mask"),
    ],
)
async def test_a_bad_update_is_refused_by_its_field(
    partner: PartnerFactory, request_: party_pb2.UpdatePartyRequest, field: str
) -> None:
    stub = stub_of(await partner("NL-ABC"))
    before = await stub.GetParty(party_pb2.GetPartyRequest(name="parties/nl-abc"))
    answer = await refused(stub.UpdateParty(request_))
    assert (answer.code, answer.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
    assert await stub.GetParty(party_pb2.GetPartyRequest(name="parties/nl-abc")) == before


async def test_a_suspended_party_sees_that_it_is_and_may_do_nothing_in_its_own_name(
    partner: PartnerFactory, operator_channel: grpc.aio.Channel
) -> None:
    cpo = await partner("NL-ABC")
    admin: admin_pb2_grpc.AdminServiceAsyncStub = admin_pb2_grpc.AdminServiceStub(operator_channel)
    await admin.SuspendParty(admin_pb2.SuspendPartyRequest(name="parties/nl-abc"))
    seen = await stub_of(cpo).GetParty(party_pb2.GetPartyRequest(name="parties/nl-abc"))
    assert seen.presence == party_pb2.PRESENCE_SUSPENDED
    answer = await refused(stub_of(cpo).UpdateParty(update(endpoint="x.example:443")))
    assert answer.code is grpc.StatusCode.PERMISSION_DENIED
    await admin.ResumeParty(admin_pb2.ResumePartyRequest(name="parties/nl-abc"))
    assert (await stub_of(cpo).UpdateParty(update(endpoint="x.example:443"))).endpoint == "x.example:443"
    again = await refused(admin.ResumeParty(admin_pb2.ResumePartyRequest(name="parties/nl-abc")))
    assert again.reason == "PARTY_NOT_SUSPENDED"
