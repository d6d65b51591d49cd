"""Becoming a partner over the wire: invitation, registration, renewal, revocation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from roamhub.v1 import admin_pb2, admin_pb2_grpc, party_pb2, party_pb2_grpc, registration_pb2, registration_pb2_grpc

from hub.domain.parties import Role
from hub.main import Hub
from tests.conftest import PartnerFactory
from tests.support import Refusal, make_csr, open_channel, refusal


@pytest.fixture
def admin(operator_channel: grpc.aio.Channel) -> admin_pb2_grpc.AdminServiceAsyncStub:
    return admin_pb2_grpc.AdminServiceStub(operator_channel)


@pytest.fixture
async def door(hub: Hub) -> AsyncIterator[registration_pb2_grpc.RegistrationServiceAsyncStub]:
    """Return the registration service as somebody without a certificate reaches it."""
    async with open_channel(hub.register_port, hub.ca.ca_pem) as channel:
        yield registration_pb2_grpc.RegistrationServiceStub(channel)


def invitation(platform: str = "acme", *parties: str, ttl: int | None = None) -> admin_pb2.CreateInvitationRequest:
    request = admin_pb2.CreateInvitationRequest()
    request.invitation.platform_id = platform
    for party in parties or ("ABC",):
        request.invitation.parties.add(country_code="NL", party_id=party, roles=[party_pb2.PARTY_ROLE_CPO])
    if ttl is not None:
        request.ttl.CopyFrom(Duration(seconds=ttl))
    return request


async def caught(call: object) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call  # type: ignore[misc]
    return refusal(error.value)


async def test_an_invited_partner_registers_and_calls(
    hub: Hub,
    admin: admin_pb2_grpc.AdminServiceAsyncStub,
    door: registration_pb2_grpc.RegistrationServiceAsyncStub,
) -> None:
    invited = await admin.CreateInvitation(invitation("acme", "ABC", "DEF"))
    assert invited.ca_pem.encode() == hub.ca.ca_pem
    assert invited.register_endpoint == f"localhost:{hub.register_port}"
    key, csr = make_csr()
    registered = await door.Register(registration_pb2.RegisterRequest(code=invited.code, csr_pem=csr.decode()))
    assert registered.platform == "platforms/acme"
    assert list(registered.parties) == ["parties/nl-abc", "parties/nl-def"]
    assert registered.endpoint == f"localhost:{hub.port}"
    chain = registered.certificate.chain_pem.encode()
    async with open_channel(hub.port, registered.ca_pem.encode(), key, chain) as channel:
        party = await party_pb2_grpc.PartyServiceStub(channel).GetParty(
            party_pb2.GetPartyRequest(name="parties/nl-abc")
        )
    assert party.platform == "platforms/acme"
    assert party.presence == party_pb2.PRESENCE_OFFLINE


async def test_invited_parties_are_planned_until_their_platform_registers(
    admin: admin_pb2_grpc.AdminServiceAsyncStub, operator_channel: grpc.aio.Channel
) -> None:
    await admin.CreateInvitation(invitation())
    parties = party_pb2_grpc.PartyServiceStub(operator_channel)
    planned = await parties.ListParties(party_pb2.ListPartiesRequest(presence=party_pb2.PRESENCE_PLANNED))
    assert [party.name for party in planned.parties] == ["parties/nl-abc"]


async def test_a_code_is_typed_in_any_case_with_or_without_hyphens(
    admin: admin_pb2_grpc.AdminServiceAsyncStub, door: registration_pb2_grpc.RegistrationServiceAsyncStub
) -> None:
    code = (await admin.CreateInvitation(invitation())).code.lower().replace("-", " ")
    assert (await door.Register(registration_pb2.RegisterRequest(code=code, csr_pem=make_csr()[1].decode()))).platform


async def test_a_used_code_is_refused_with_another_key_and_repeats_its_answer_to_the_same_request(
    admin: admin_pb2_grpc.AdminServiceAsyncStub, door: registration_pb2_grpc.RegistrationServiceAsyncStub
) -> None:
    code = (await admin.CreateInvitation(invitation())).code
    request = registration_pb2.RegisterRequest(code=code, csr_pem=make_csr()[1].decode())
    first = await door.Register(request)
    assert await door.Register(request) == first
    other = registration_pb2.RegisterRequest(code=code, csr_pem=make_csr()[1].decode())
    refused = await caught(door.Register(other))
    assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "INVITATION_REFUSED")


async def test_unknown_expired_withdrawn_and_used_codes_are_refused_alike(
    admin: admin_pb2_grpc.AdminServiceAsyncStub, door: registration_pb2_grpc.RegistrationServiceAsyncStub
) -> None:
    csr = make_csr()[1].decode()
    withdrawn = await admin.CreateInvitation(invitation("one", "AAA"))
    assert (await admin.RevokeInvitation(admin_pb2.RevokeInvitationRequest(name=withdrawn.name))).state == (
        admin_pb2.Invitation.STATE_REVOKED
    )
    used = await admin.CreateInvitation(invitation("two", "BBB"))
    await door.Register(registration_pb2.RegisterRequest(code=used.code, csr_pem=make_csr()[1].decode()))
    answers = [
        await caught(door.Register(registration_pb2.RegisterRequest(code=code, csr_pem=csr)))
        for code in ("ABCD-EFGH", withdrawn.code, used.code)
    ]
    assert answers[0] == answers[1] == answers[2]


async def test_a_bad_signing_request_does_not_burn_the_code(
    admin: admin_pb2_grpc.AdminServiceAsyncStub, door: registration_pb2_grpc.RegistrationServiceAsyncStub
) -> None:
    code = (await admin.CreateInvitation(invitation())).code
    refused = await caught(door.Register(registration_pb2.RegisterRequest(code=code, csr_pem="nonsense")))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["csr_pem"])
    assert await door.Register(registration_pb2.RegisterRequest(code=code, csr_pem=make_csr()[1].decode()))


async def test_nothing_but_registration_is_answered_without_a_certificate(
    hub: Hub, door: registration_pb2_grpc.RegistrationServiceAsyncStub
) -> None:
    refused = await caught(door.RenewCertificate(registration_pb2.RenewCertificateRequest(csr_pem="x")))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_MISSING")
    async with open_channel(hub.register_port, hub.ca.ca_pem) as channel:
        stub = party_pb2_grpc.PartyServiceStub(channel)
        assert (await caught(stub.GetParty(party_pb2.GetPartyRequest()))).code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_partner_renews_its_certificate_and_both_are_good(hub: Hub, partner: PartnerFactory) -> None:
    cpo = await partner("NL-ABC", roles=(Role.CPO,))
    key, csr = make_csr()
    stub = registration_pb2_grpc.RegistrationServiceStub(cpo.channel)
    renewed = await stub.RenewCertificate(registration_pb2.RenewCertificateRequest(csr_pem=csr.decode()))
    async with open_channel(hub.port, hub.ca.ca_pem, key, renewed.certificate.chain_pem.encode()) as channel:
        for each in (channel, cpo.channel):
            assert await party_pb2_grpc.PartyServiceStub(each).ListParties(party_pb2.ListPartiesRequest())


async def test_a_platform_cannot_pile_up_certificates(partner: PartnerFactory) -> None:
    cpo = await partner("NL-ABC")
    stub = registration_pb2_grpc.RegistrationServiceStub(cpo.channel)
    request = registration_pb2.RenewCertificateRequest(csr_pem=make_csr()[1].decode())
    for _ in range(19):  # and the one it calls with
        await stub.RenewCertificate(request)
    refused = await caught(stub.RenewCertificate(request))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_CERTIFICATES")


async def test_a_revoked_certificate_is_refused_on_the_next_call_of_its_open_connection(
    admin: admin_pb2_grpc.AdminServiceAsyncStub, partner: PartnerFactory
) -> None:
    cpo = await partner("NL-ABC")
    parties = party_pb2_grpc.PartyServiceStub(cpo.channel)
    await parties.ListParties(party_pb2.ListPartiesRequest())
    held = await admin.ListCertificates(admin_pb2.ListCertificatesRequest(parent=f"platforms/{cpo.platform}"))
    assert [certificate.name for certificate in held.certificates] == [f"certificates/{cpo.serial}"]
    revoked = await admin.RevokeCertificate(admin_pb2.RevokeCertificateRequest(name=held.certificates[0].name))
    assert revoked.HasField("revoke_time")
    refused = await caught(parties.ListParties(party_pb2.ListPartiesRequest()))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_REVOKED")


async def test_the_operator_cannot_revoke_the_certificate_it_calls_with(
    admin: admin_pb2_grpc.AdminServiceAsyncStub,
) -> None:
    held = await admin.ListCertificates(admin_pb2.ListCertificatesRequest(parent="operators/root"))
    (own,) = held.certificates
    refused = await caught(admin.RevokeCertificate(admin_pb2.RevokeCertificateRequest(name=own.name)))
    assert refused.reason == "OWN_CERTIFICATE"


async def test_a_revoked_platform_is_out_until_it_is_invited_and_resumed(
    hub: Hub,
    admin: admin_pb2_grpc.AdminServiceAsyncStub,
    door: registration_pb2_grpc.RegistrationServiceAsyncStub,
    partner: PartnerFactory,
) -> None:
    cpo = await partner("NL-ABC", platform="acme")
    pending = await admin.CreateInvitation(invitation("acme", "ABC"))
    platform = await admin.RevokePlatform(admin_pb2.RevokePlatformRequest(name="platforms/acme"))
    assert platform.certificate_count == 0
    assert [party.presence for party in platform.parties] == [party_pb2.PRESENCE_SUSPENDED]
    gone = await caught(party_pb2_grpc.PartyServiceStub(cpo.channel).ListParties(party_pb2.ListPartiesRequest()))
    assert gone.reason == "CERTIFICATE_REVOKED"
    key, csr = make_csr()
    withdrawn = registration_pb2.RegisterRequest(code=pending.code, csr_pem=csr.decode())
    assert (await caught(door.Register(withdrawn))).reason == "INVITATION_REFUSED"
    again = await admin.CreateInvitation(invitation("acme", "ABC"))
    registered = await door.Register(registration_pb2.RegisterRequest(code=again.code, csr_pem=csr.decode()))
    await admin.ResumeParty(admin_pb2.ResumePartyRequest(name="parties/nl-abc"))
    async with open_channel(hub.port, hub.ca.ca_pem, key, registered.certificate.chain_pem.encode()) as channel:
        stub = party_pb2_grpc.PartyServiceStub(channel)
        own = party_pb2.Party(country_code="NL", party_id="ABC", endpoint="cpo.example:443")
        assert (await stub.UpdateParty(party_pb2.UpdatePartyRequest(party=own))).endpoint == "cpo.example:443"


async def test_a_party_of_another_platform_cannot_be_invited(
    admin: admin_pb2_grpc.AdminServiceAsyncStub,
) -> None:
    await admin.CreateInvitation(invitation("acme", "ABC"))
    refused = await caught(admin.CreateInvitation(invitation("other", "ABC")))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "PARTY_TAKEN")
    assert refused.metadata["party"] == "NL-ABC"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (invitation("Acme"), "invitation.platform_id"),
        (invitation("-acme"), "invitation.platform_id"),
        (invitation("acme", "TOOLONG"), "invitation.parties[0]"),
        (invitation("acme", "ABC", "abc"), "invitation.parties[1]"),
        (invitation("acme", "ABC", ttl=10), "ttl"),
        (invitation("acme", "ABC", ttl=-5), "ttl"),
        (invitation("acme", "ABC", ttl=31 * 86_400), "ttl"),
        (
            admin_pb2.CreateInvitationRequest(invitation=admin_pb2.Invitation(platform_id="new")),
            "invitation.parties",
        ),
    ],
    ids=["capitals", "hyphen", "party", "twice", "short", "negative", "long", "no party"],
)
async def test_a_bad_invitation_is_refused_by_its_field(
    admin: admin_pb2_grpc.AdminServiceAsyncStub, request_: admin_pb2.CreateInvitationRequest, field: str
) -> None:
    refused = await caught(admin.CreateInvitation(request_))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == [field]
    assert not (await admin.ListInvitations(admin_pb2.ListInvitationsRequest())).invitations
    assert not (await admin.ListPlatforms(admin_pb2.ListPlatformsRequest())).platforms


async def test_invitations_and_platforms_are_listed_in_pages(admin: admin_pb2_grpc.AdminServiceAsyncStub) -> None:
    names = [(await admin.CreateInvitation(invitation(f"p{i}", f"AA{i}"))).name for i in range(5)]
    request = admin_pb2.ListInvitationsRequest(page_size=2)
    seen: list[str] = []
    while True:
        page = await admin.ListInvitations(request)
        assert not any(item.code for item in page.invitations)
        seen += [item.name for item in page.invitations]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert seen == names[::-1]
    first = await admin.ListPlatforms(admin_pb2.ListPlatformsRequest(page_size=3))
    rest = await admin.ListPlatforms(admin_pb2.ListPlatformsRequest(page_size=3, page_token=first.next_page_token))
    assert [p.name for p in (*first.platforms, *rest.platforms)] == [f"platforms/p{i}" for i in range(5)]
    assert rest.next_page_token == ""


async def test_an_operator_gets_a_certificate_that_is_listed_and_can_be_revoked(
    hub: Hub, admin: admin_pb2_grpc.AdminServiceAsyncStub
) -> None:
    key, csr = make_csr()
    made = await admin.CreateOperator(admin_pb2.CreateOperatorRequest(operator_id="anna", csr_pem=csr.decode()))
    assert made.certificate.subject_uri == "roamhub://operator/anna"
    listed = await admin.ListCertificates(admin_pb2.ListCertificatesRequest(parent="operators/anna"))
    assert [each.name for each in listed.certificates] == [made.certificate.name]
    async with open_channel(hub.port, made.ca_pem.encode(), key, made.chain_pem.encode()) as channel:
        anna = admin_pb2_grpc.AdminServiceStub(channel)
        assert (await anna.ListPlatforms(admin_pb2.ListPlatformsRequest())).platforms == []
        await admin.RevokeCertificate(admin_pb2.RevokeCertificateRequest(name=made.certificate.name))
        refused = await caught(anna.ListPlatforms(admin_pb2.ListPlatformsRequest()))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_REVOKED")


async def test_all_operators_are_listed_by_their_certificates_and_no_platform_among_them(
    hub: Hub, partner: PartnerFactory, admin: admin_pb2_grpc.AdminServiceAsyncStub
) -> None:
    cpo = await partner("NL-ABC")
    for name in ("anna", "bob", "anna"):
        _, csr = make_csr()
        await admin.CreateOperator(admin_pb2.CreateOperatorRequest(operator_id=name, csr_pem=csr.decode()))
    request, seen = admin_pb2.ListCertificatesRequest(parent="operators/-", page_size=3), list[str]()
    while True:
        page = await admin.ListCertificates(request)
        seen += [each.subject_uri for each in page.certificates]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert sorted(seen) == [f"roamhub://operator/{name}" for name in ("anna", "anna", "bob", "root")]
    platforms = await admin.ListCertificates(admin_pb2.ListCertificatesRequest(parent="platforms/-"))
    assert [each.subject_uri for each in platforms.certificates] == [f"roamhub://platform/{cpo.platform}"]


@pytest.mark.parametrize("name", ["root", "hub", "", "-anna", "Anna", "a" * 41])
async def test_an_operator_needs_a_name_of_their_own(admin: admin_pb2_grpc.AdminServiceAsyncStub, name: str) -> None:
    _, csr = make_csr()
    request = admin_pb2.CreateOperatorRequest(operator_id=name, csr_pem=csr.decode())
    assert (await caught(admin.CreateOperator(request))).fields == ["operator_id"]


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("RevokeInvitation", admin_pb2.RevokeInvitationRequest(name="invitations/x"), "name"),
        ("RevokeCertificate", admin_pb2.RevokeCertificateRequest(name="certificates/XYZ"), "name"),
        ("RevokePlatform", admin_pb2.RevokePlatformRequest(name="operators/root"), "name"),
        ("RevokePlatform", admin_pb2.RevokePlatformRequest(name="platforms/"), "name"),
        ("SuspendParty", admin_pb2.SuspendPartyRequest(name="parties/NL-ABC"), "name"),
        ("ListCertificates", admin_pb2.ListCertificatesRequest(parent="acme"), "parent"),
        ("ListInvitations", admin_pb2.ListInvitationsRequest(page_size=-1), "page_size"),
        ("ListPlatforms", admin_pb2.ListPlatformsRequest(page_token="made up"), "page_token"),
    ],
)
async def test_a_bad_name_is_refused_by_its_field(
    admin: admin_pb2_grpc.AdminServiceAsyncStub, method: str, request_: object, field: str
) -> None:
    refused = await caught(getattr(admin, method)(request_))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


@pytest.mark.parametrize(
    ("method", "request_", "reason"),
    [
        ("RevokeInvitation", admin_pb2.RevokeInvitationRequest(name="invitations/" + "0" * 36), "INVITATION_NOT_FOUND"),
        ("RevokeCertificate", admin_pb2.RevokeCertificateRequest(name="certificates/abc"), "CERTIFICATE_NOT_FOUND"),
        ("RevokePlatform", admin_pb2.RevokePlatformRequest(name="platforms/acme"), "PLATFORM_NOT_FOUND"),
        ("ResumeParty", admin_pb2.ResumePartyRequest(name="parties/nl-abc"), "PARTY_NOT_FOUND"),
    ],
)
async def test_what_is_not_there_is_not_found(
    admin: admin_pb2_grpc.AdminServiceAsyncStub, method: str, request_: object, reason: str
) -> None:
    refused = await caught(getattr(admin, method)(request_))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, reason)


async def test_an_empty_registration_names_every_field_it_lacks(
    door: registration_pb2_grpc.RegistrationServiceAsyncStub,
) -> None:
    refused = await caught(door.Register(registration_pb2.RegisterRequest()))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["code", "csr_pem"])
    long = registration_pb2.RegisterRequest(code="x" * 101, csr_pem="x")
    assert (await caught(door.Register(long))).fields == ["code"]


async def test_an_address_that_guesses_codes_is_held_back(
    door: registration_pb2_grpc.RegistrationServiceAsyncStub,
) -> None:
    request = registration_pb2.RegisterRequest(code="ABCD", csr_pem="x")
    # All at once: with each second that they take, five more are heard than at first.
    answers = await asyncio.gather(*(caught(door.Register(request)) for _ in range(200)))
    assert {answer.reason for answer in answers} == {"INVITATION_REFUSED", "RATE_LIMITED"}


async def test_a_stranger_who_sends_much_is_not_taken_in(
    door: registration_pb2_grpc.RegistrationServiceAsyncStub,
) -> None:
    large = registration_pb2.RegisterRequest(code="ABCD", csr_pem="x" * 200_000)
    assert (await caught(door.Register(large))).code is grpc.StatusCode.RESOURCE_EXHAUSTED
