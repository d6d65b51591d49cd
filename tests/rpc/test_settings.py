"""Settings do what their page says of them, as partners see it; those that other files try are not here."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from cryptography import x509
from roamhub.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    cdr_pb2,
    cdr_pb2_grpc,
    link_pb2,
    link_pb2_grpc,
    location_pb2,
    location_pb2_grpc,
    party_pb2,
    registration_pb2,
    registration_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    tariff_pb2,
    tariff_pb2_grpc,
    token_pb2,
    token_pb2_grpc,
    transparency_pb2,
    transparency_pb2_grpc,
)

from hub.config import Config
from hub.domain.parties import Role
from hub.main import Hub
from tests.cdrs import make_tariff, stamp
from tests.rpc.valid_objects import EMSP, location, session, submission, token
from tests.support import add_partner, agree, make_csr, open_channel, refusal


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Hub]:
    hub = Hub(config)
    await hub.start()
    yield hub
    await hub.stop()


async def test_partners_are_told_the_public_endpoints(config: Config) -> None:
    said = replace(config, public_endpoint="hub.example:443", public_register_endpoint="join.example:8443")
    _, csr = make_csr()
    async with (
        running(said) as hub,
        open_channel(hub.port, hub.ca.ca_pem, hub.operator.key_pem, hub.operator.chain_pem) as operator,
        open_channel(hub.register_port, hub.ca.ca_pem) as door,
    ):
        request = admin_pb2.CreateInvitationRequest()
        request.invitation.platform_id = "acme"
        request.invitation.parties.add(country_code="NL", party_id="ABC", roles=[party_pb2.PARTY_ROLE_CPO])
        admin: admin_pb2_grpc.AdminServiceAsyncStub = admin_pb2_grpc.AdminServiceStub(operator)
        invited = await admin.CreateInvitation(request)
        assert invited.register_endpoint == "join.example:8443"
        registration: registration_pb2_grpc.RegistrationServiceAsyncStub
        registration = registration_pb2_grpc.RegistrationServiceStub(door)
        given = await registration.Register(registration_pb2.RegisterRequest(code=invited.code, csr_pem=csr.decode()))
        assert given.endpoint == "hub.example:443"


async def test_the_servers_certificate_bears_the_names_that_partners_dial(config: Config) -> None:
    async with running(replace(config, server_names="hub.example, 192.0.2.7")) as hub:
        address = "127.0.0.1", hub.register_port
        pem = await asyncio.to_thread(ssl.get_server_certificate, address)
    names = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["hub.example"]
    assert [str(each) for each in names.value.get_values_for_type(x509.IPAddress)] == ["192.0.2.7"]


async def test_checkpoints_bear_the_name_of_the_journal(config: Config) -> None:
    async with (
        running(replace(config, journal_name="hub.example/money")) as hub,
        open_channel(hub.port, hub.ca.ca_pem, hub.operator.key_pem, hub.operator.chain_pem) as operator,
    ):
        stub: transparency_pb2_grpc.TransparencyServiceAsyncStub
        stub = transparency_pb2_grpc.TransparencyServiceStub(operator)
        checkpoint = await stub.GetCheckpoint(transparency_pb2.GetCheckpointRequest())
    assert checkpoint.note.startswith("hub.example/money\n")


def reports(cpo: grpc.aio.Channel, emsp: grpc.aio.Channel, ahead: timedelta) -> dict[str, Any]:
    """Return what partners report whose clock is ahead: the field that says so, and how it is sent."""
    now = stamp(datetime.now(UTC) + ahead)
    place, going, billed = location(1), session(1), submission(1)
    parts: list[Any] = [place, *place.evses, *(each for evse in place.evses for each in evse.connectors), going]
    for part in parts:
        part.last_updated.CopyFrom(now)
    billed.cdr.end_date_time.CopyFrom(now)
    locations: Any = location_pb2_grpc.LocationServiceStub(cpo)
    tariffs: Any = tariff_pb2_grpc.TariffServiceStub(cpo)
    tokens: Any = token_pb2_grpc.TokenServiceStub(emsp)
    return {
        "location.last_updated": locations.PutLocation(location_pb2.PutLocationRequest(location=place)),
        "tariff.last_updated": tariffs.PutTariff(tariff_pb2.PutTariffRequest(tariff=make_tariff(last_updated=now))),
        "token.last_updated": tokens.PutToken(token_pb2.PutTokenRequest(token=token(last_updated=now))),
        "session.last_updated": session_pb2_grpc.SessionServiceStub(cpo).PutSession(
            session_pb2.PutSessionRequest(session=going)
        ),
        "cdr.end_date_time": cdr_pb2_grpc.CdrServiceStub(cpo).SubmitCdr(billed),
    }


@pytest.mark.parametrize(("skew_seconds", "taken"), [(7_200, True), (600, False)])
async def test_clocks_may_differ_by_as_much_as_is_set(config: Config, skew_seconds: int, taken: bool) -> None:
    async with running(replace(config, clock_skew_seconds=skew_seconds)) as hub:
        cpo = await add_partner(hub, ["NL-CPO"], [Role.CPO], "cpo")
        emsp = await add_partner(hub, ["DE-MSP"], [Role.EMSP], "emsp")
        await agree(hub, cpo.party, emsp.party)
        for field, call in reports(cpo.channel, emsp.channel, timedelta(hours=1)).items():
            try:
                answer = await call
            except grpc.aio.AioRpcError as error:
                refused = refusal(error)
                assert not taken, f"{field}: {refused}"
                assert field in refused.fields
            else:
                assert taken, f"{field}: {answer}"
                assert not isinstance(answer, cdr_pb2.SubmitCdrResponse) or answer.receipt.leaf_hash
        for each in (cpo, emsp):
            await each.channel.close()


async def test_links_are_told_after_what_silence_they_are_asked_for_life(config: Config) -> None:
    async with running(replace(config, keepalive_seconds=77)) as hub:
        emsp = await add_partner(hub, ["DE-MSP"], [Role.EMSP], "emsp")
        call: Any = link_pb2_grpc.LinkServiceStub(emsp.channel).Connect()
        await call.write(link_pb2.ConnectRequest(hello=link_pb2.LinkHello(parties=[EMSP])))
        assert (await call.read()).welcome.keepalive_interval.seconds == 77
        call.cancel()
        await emsp.channel.close()
