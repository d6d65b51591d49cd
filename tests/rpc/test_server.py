"""The hub as a server: who gets through the door, how much they may send, and how it closes."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from roamhub.v1 import (
    common_pb2,
    journal_pb2,
    journal_pb2_grpc,
    link_pb2,
    link_pb2_grpc,
    party_pb2,
    party_pb2_grpc,
    tariff_pb2,
    tariff_pb2_grpc,
)

from hub.app.ports.partners import TokenQuestion
from hub.config import ConfigError
from hub.crypto.ca import CertificateAuthority
from hub.domain.errors import Unreachable
from hub.domain.parties import Role
from hub.main import Hub, system_clock
from tests.cdrs import make_tariff
from tests.rpc.partners import held_link, says_yes
from tests.support import Partner, add_partner, eventually, make_csr, open_channel, refusal

if TYPE_CHECKING:
    from hub.config import Config
    from tests.conftest import PartnerFactory

LIST = party_pb2.ListPartiesRequest()


def parties(channel: grpc.aio.Channel) -> party_pb2_grpc.PartyServiceAsyncStub:
    return party_pb2_grpc.PartyServiceStub(channel)


async def ends_in(call: object) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    answer = refusal(caught.value)
    return answer.code, answer.reason


async def listed(hub: Hub, key_pem: bytes | None, chain_pem: bytes | None, ca_pem: bytes = b"") -> object:
    """Make one call with a certificate."""
    async with open_channel(hub.port, ca_pem or hub.ca.ca_pem, key_pem, chain_pem) as channel:
        return await parties(channel).ListParties(LIST, timeout=60)


# --- who gets in -------------------------------------------------------------------------------------------------


async def test_without_a_client_certificate_nobody_connects(hub: Hub) -> None:
    assert await ends_in(listed(hub, None, None)) == (grpc.StatusCode.UNAVAILABLE, "")


async def test_a_certificate_of_another_authority_does_not_connect(hub: Hub) -> None:
    key, csr = make_csr()
    stranger = CertificateAuthority.create(hub.clock()).issue_platform(csr, "acme", hub.clock())
    assert await ends_in(listed(hub, key, stranger.chain_pem)) == (grpc.StatusCode.UNAVAILABLE, "")


async def test_a_partner_that_trusts_another_authority_does_not_talk_to_this_hub(hub: Hub) -> None:
    key, csr = make_csr()
    issued = hub.ca.issue_platform(csr, "acme", hub.clock())
    other = CertificateAuthority.create(hub.clock()).ca_pem
    assert await ends_in(listed(hub, key, issued.chain_pem, other)) == (grpc.StatusCode.UNAVAILABLE, "")


async def test_an_expired_certificate_does_not_connect(hub: Hub) -> None:
    key, csr = make_csr()
    expired = hub.ca.issue_platform(csr, "acme", hub.clock() - timedelta(days=91))
    assert await ends_in(listed(hub, key, expired.chain_pem)) == (grpc.StatusCode.UNAVAILABLE, "")


async def test_the_servers_own_certificate_is_no_clients(hub: Hub) -> None:
    pair = hub.ca.issue_pair("server", [x509.DNSName("localhost")], ExtendedKeyUsageOID.SERVER_AUTH, hub.clock())
    assert await ends_in(listed(hub, pair.key_pem, pair.chain_pem)) == (grpc.StatusCode.UNAVAILABLE, "")


async def test_the_certificate_that_the_hub_dials_with_is_no_partners(hub: Hub) -> None:
    answer = await ends_in(listed(hub, hub.dial_pair.key_pem, hub.dial_pair.chain_pem))
    assert answer == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_WITHOUT_PLATFORM")


async def test_a_certificate_that_expires_while_connected_is_refused_on_the_next_call(config: Config) -> None:
    ahead = timedelta()
    hub = Hub(config, clock=lambda: system_clock() + ahead)
    await hub.start()
    cpo = await add_partner(hub, ["NL-ABC"], [], "acme")
    await parties(cpo.channel).ListParties(LIST)
    ahead = timedelta(days=90)
    answer = await ends_in(parties(cpo.channel).ListParties(LIST))
    assert answer == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_EXPIRED")
    await cpo.channel.close()
    await hub.stop()


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_a_hub_whose_clock_is_ten_minutes_off_still_registers_and_answers(config: Config, minutes: int) -> None:
    hub = Hub(config, clock=lambda: system_clock() + timedelta(minutes=minutes))
    await hub.start()
    cpo = await add_partner(hub, ["NL-ABC"], [], "acme")
    assert await parties(cpo.channel).ListParties(LIST)
    await cpo.channel.close()
    await hub.stop()


# --- how much they may send --------------------------------------------------------------------------------------


async def test_a_message_that_is_too_large_is_refused_and_leaves_no_trace(hub: Hub, partner: PartnerFactory) -> None:
    cpo = await partner("NL-ABC")
    most = hub.config.message_bytes_max
    party = party_pb2.Party(country_code="NL", party_id="ABC", extensions="x" * most)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await parties(cpo.channel).UpdateParty(party_pb2.UpdatePartyRequest(party=party))
    answer = refusal(caught.value)
    assert (answer.code, answer.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
    assert (answer.metadata["field"], answer.metadata["bytes_max"]) == ("request", str(most))
    # What is larger by far is not even taken in: gRPC refuses it, in its own words.
    party.extensions = "x" * (2 * most)
    answered = await ends_in(parties(cpo.channel).UpdateParty(party_pb2.UpdatePartyRequest(party=party)))
    assert answered == (grpc.StatusCode.RESOURCE_EXHAUSTED, "")
    assert not (await parties(cpo.channel).GetParty(party_pb2.GetPartyRequest(name="parties/nl-abc"))).extensions


async def test_a_message_of_a_stream_that_is_too_large_ends_it_and_what_came_before_stays(
    hub: Hub, partner: PartnerFactory
) -> None:
    cpo = await partner("NL-CPO")
    stub: tariff_pb2_grpc.TariffServiceAsyncStub = tariff_pb2_grpc.TariffServiceStub(cpo.channel)
    call = stub.StreamTariffs()
    await call.write(tariff_pb2.StreamTariffsRequest(tariffs=[make_tariff("T1")]))
    stored = await call.read()
    assert isinstance(stored, common_pb2.PublishProgress)
    assert stored.applied_count == 1
    large = make_tariff("T2", extensions="x" * hub.config.message_bytes_max)
    await call.write(tariff_pb2.StreamTariffsRequest(tariffs=[large]))
    assert await ends_in(call.read()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
    listed = await stub.ListTariffs(tariff_pb2.ListTariffsRequest())
    assert [tariff.id for tariff in listed.tariffs] == ["T1"]


async def test_bytes_that_are_no_message_are_refused(partner: PartnerFactory) -> None:
    cpo = await partner("NL-ABC")
    call = cpo.channel.unary_unary("/roamhub.v1.PartyService/ListParties", bytes, bytes)
    assert await ends_in(call(b"\xff\xff\xff")) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")
    assert await parties(cpo.channel).ListParties(LIST)


@pytest.fixture
def slow_rates(config: Config) -> Config:
    return replace(config, calls_per_second=1, calls_burst=3)


async def calls_at_once(partner: Partner, count: int) -> list[object]:
    """Return how calls ended that were made at the same time, in this order: answers, then errors."""
    stub = parties(partner.channel)
    ended = await asyncio.gather(*(stub.ListParties(LIST) for _ in range(count)), return_exceptions=True)
    return sorted(ended, key=lambda each: isinstance(each, BaseException))


async def test_a_platform_that_calls_too_fast_is_held_back_and_others_are_not(slow_rates: Config) -> None:
    hub = Hub(slow_rates)
    await hub.start()
    hasty, calm = [await add_partner(hub, [f"NL-AA{i}"], [], f"p{i}") for i in range(2)]
    # On a machine that takes seconds for these, one more is let through with each second.
    ended = await calls_at_once(hasty, 100)
    assert [type(each) for each in ended[:3]] == [party_pb2.ListPartiesResponse] * 3
    assert isinstance(ended[-1], grpc.aio.AioRpcError)
    answer = refusal(ended[-1])
    assert (answer.code, answer.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert 0 < float(answer.metadata["retry_after_seconds"]) <= 1
    assert await parties(calm.channel).ListParties(LIST)
    await asyncio.sleep(float(answer.metadata["retry_after_seconds"]) + 0.05)
    assert await parties(hasty.channel).ListParties(LIST)
    for each in (hasty, calm):
        await each.channel.close()
    await hub.stop()


async def test_a_stream_is_no_way_around_the_rate(config: Config) -> None:
    hub = Hub(replace(config, calls_per_second=10, calls_burst=3))
    await hub.start()
    cpo = await add_partner(hub, ["NL-CPO"], [Role.CPO], "cpo")
    stub: tariff_pb2_grpc.TariffServiceAsyncStub = tariff_pb2_grpc.TariffServiceStub(cpo.channel)
    sent = [tariff_pb2.StreamTariffsRequest(tariffs=[make_tariff(f"T{i}")]) for i in range(12)]
    started = monotonic()
    answers = [answer async for answer in stub.StreamTariffs(iter(sent))]
    # The call and twelve messages, of which three are free: ten tenths of a second at least, on any machine.
    assert monotonic() - started > 0.95
    assert answers[-1].applied_count == 12
    await cpo.channel.close()
    await hub.stop()


# --- those who are gone without a word ---------------------------------------------------------------------------


class Wire:
    """A TCP relay to the hub that can stop carrying without closing anything."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._carries = asyncio.Event()
        self._carries.set()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers = [writer, back]
        self._tasks = [
            asyncio.create_task(self._carry(reader, back)),
            asyncio.create_task(self._carry(there, writer)),
        ]

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._carries.wait()
            writer.write(data)
            await writer.drain()

    def cut(self) -> None:
        """Carry nothing from now on; both ends still see an open connection."""
        self._carries.clear()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        self._server.close()
        await self._server.wait_closed()


async def test_a_stream_of_a_partner_that_is_gone_without_a_word_is_ended(config: Config) -> None:
    hub = Hub(replace(config, keepalive_seconds=2))
    await hub.start()
    cpo = await add_partner(hub, ["NL-ABC"], [], "acme")
    wire = Wire(hub.port)
    channel = open_channel(await wire.open(), hub.ca.ca_pem, cpo.key_pem, cpo.chain_pem)
    watch = journal_pb2_grpc.JournalServiceStub(channel).Watch(
        journal_pb2.WatchRequest(stream=journal_pb2.JOURNAL_STREAM_REGISTRY, after_index=-1)
    )
    own = party_pb2.Party(country_code="NL", party_id="ABC", endpoint="cpo.example:443")
    await parties(channel).UpdateParty(party_pb2.UpdatePartyRequest(party=own))
    assert await watch.read()
    wire.cut()
    labels = {"rpc": "/roamhub.v1.JournalService/Watch", "code": "CANCELLED"}
    await eventually(lambda: hub.metrics.registry.get_sample_value("roamhub_rpc_seconds_count", labels))
    watch.cancel()
    for each in (channel, cpo.channel):
        await each.close()
    await wire.close()
    await hub.stop()


async def test_a_connection_that_never_shakes_hands_is_closed(config: Config) -> None:
    hub = Hub(replace(config, keepalive_seconds=1))
    await hub.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    writer.close()
    await hub.stop()


async def test_a_connection_that_speaks_no_tls_is_closed(hub: Hub) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
    async with asyncio.timeout(60):
        assert b"HTTP" not in await reader.read()
    writer.close()


# --- health, reflection, metrics ---------------------------------------------------------------------------------


async def test_the_hub_is_healthy_as_a_whole_and_by_service(partner: PartnerFactory) -> None:
    cpo = await partner("NL-ABC")
    health: Any = health_pb2_grpc.HealthStub(cpo.channel)
    for service in ("", "roamhub.v1.PartyService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    unknown = await ends_in(health.Check(health_pb2.HealthCheckRequest(service="nothing")))
    assert unknown == (grpc.StatusCode.NOT_FOUND, "SERVICE_UNKNOWN")


async def test_tools_can_read_the_contract_from_the_hub(partner: PartnerFactory) -> None:
    cpo = await partner("NL-ABC")
    reflection: Any = reflection_pb2_grpc
    call = reflection.ServerReflectionStub(cpo.channel).ServerReflectionInfo(
        iter(
            [
                reflection_pb2.ServerReflectionRequest(list_services=""),
                reflection_pb2.ServerReflectionRequest(file_containing_symbol="roamhub.v1.PartyService"),
            ]
        )
    )
    services, file = [answer async for answer in call]
    names = {service.name for service in services.list_services_response.service}
    assert {"roamhub.v1.PartyService", "roamhub.v1.RegistrationService"} <= names
    assert file.file_descriptor_response.file_descriptor_proto


@pytest.fixture
async def measured(config: Config) -> AsyncIterator[Hub]:
    hub = Hub(replace(config, metrics_listen="127.0.0.1:0"))
    await hub.start()
    yield hub
    await hub.stop()


async def test_the_metrics_show_calls_commits_and_the_journal_and_name_no_partner(measured: Hub) -> None:
    cpo = await add_partner(measured, ["NL-ABC"], [], "acme")
    own = party_pb2.Party(country_code="NL", party_id="ABC", endpoint="cpo.example:443")
    assert (await ends_in(parties(cpo.channel).UpdateParty(party_pb2.UpdatePartyRequest())))[1] == "NOT_PERMITTED"
    await parties(cpo.channel).UpdateParty(party_pb2.UpdatePartyRequest(party=own))
    url = f"http://127.0.0.1:{measured.metrics_port}/metrics"
    text = (await asyncio.to_thread(lambda: urllib.request.urlopen(url).read())).decode()
    await cpo.channel.close()
    path = "/roamhub.v1.PartyService/UpdateParty"
    assert f'roamhub_rpc_seconds_count{{code="OK",rpc="{path}"}} 1.0' in text
    assert f'roamhub_rpc_seconds_count{{code="PERMISSION_DENIED",rpc="{path}"}} 1.0' in text
    for name in ("roamhub_commit_requests_count", "roamhub_commit_wait_seconds_count", "roamhub_links 0.0"):
        assert name in text
    assert 'roamhub_journal_entries{stream="registry"} 1.0' in text
    assert "acme" not in text
    assert "NL-ABC" not in text.upper().replace("_", "-")


async def test_the_metrics_show_commits_links_relays_and_jobs(measured: Hub) -> None:
    def value(name: str, **labels: str) -> float:
        return measured.metrics.registry.get_sample_value(name, labels) or 0.0

    def ran(job: str) -> bool:
        return any(value("roamhub_jobs_total", job=job, outcome=outcome) for outcome in ("done", "skipped"))

    emsp = await add_partner(measured, ["DE-XYZ"], [Role.EMSP], "xyz")
    assert value("roamhub_commit_requests_sum") > 0
    assert value("roamhub_commit_seconds_count") > 0
    assert value("roamhub_links") == 0
    question = TokenQuestion(
        emsp=emsp.party,
        cpo=emsp.party,
        token_uid="T1",
        token_type="RFID",
        place=None,
        reference="r",
        correlation_id="c",
    )
    async with held_link(emsp, says_yes):
        assert value("roamhub_links") == 1
        await measured.routing.partners.authorize(question, 60)
    assert value("roamhub_relay_seconds_count", kind="authorize", way="link", outcome="answered") == 1
    await eventually(lambda: value("roamhub_links") == 0)
    with pytest.raises(Unreachable):
        await measured.routing.partners.authorize(question, 60)
    assert value("roamhub_relay_seconds_count", kind="authorize", way="none", outcome="unreachable") == 1
    for job in ("acceptance", "agreements", "answers", "news", "periods", "returns", "spans", "statements"):
        await eventually(partial(ran, job))


# --- the end -----------------------------------------------------------------------------------------------------


async def test_a_stopping_hub_finishes_what_is_under_way_and_takes_nothing_new(config: Config) -> None:
    hub = Hub(replace(config, drain_seconds=60))
    await hub.start()
    cpo = await add_partner(hub, ["NL-ABC"], [], "acme")
    watch = journal_pb2_grpc.JournalServiceStub(cpo.channel).Watch(
        journal_pb2.WatchRequest(stream=journal_pb2.JOURNAL_STREAM_REGISTRY, after_index=-1)
    )
    stub: Any = health_pb2_grpc.HealthStub(cpo.channel)
    health = stub.Watch(health_pb2.HealthCheckRequest())
    assert await health.read() == health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
    with held_disk(hub):
        update = asyncio.create_task(_update(cpo, "NL", "ABC"))
        await eventually(lambda: hub.committer._group)
        stopping = asyncio.create_task(hub.stop())
        assert await health.read() == health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)
        assert not update.done()
    assert (await update).endpoint == "cpo.example:443"
    async for _ in watch:  # what it may see, and then the end
        pass
    assert await watch.code() is grpc.StatusCode.OK
    await stopping
    assert (await ends_in(listed(hub, cpo.key_pem, cpo.chain_pem)))[0] is grpc.StatusCode.UNAVAILABLE
    await cpo.channel.close()


@contextmanager
def held_disk(hub: Hub) -> Iterator[None]:
    """Let the next commit wait until this ends, as on a disk that has been slow before."""
    released = threading.Event()
    hub.committer._runner.commit_seconds = math.inf
    hub.committer._thread.submit(released.wait, 120)
    try:
        yield
    finally:
        released.set()


async def test_a_write_whose_caller_gave_up_before_it_began_is_not_done(hub: Hub, partner: PartnerFactory) -> None:
    cpo, other = await partner("NL-ABC"), await partner("NL-DEF")
    given_up = {"rpc": "/roamhub.v1.PartyService/UpdateParty", "code": "CANCELLED"}
    with held_disk(hub):
        busy = asyncio.create_task(_update(other, "NL", "DEF"))
        await eventually(lambda: hub.committer._group)
        late = asyncio.create_task(_update(cpo, "NL", "ABC"))
        await eventually(lambda: hub.committer._waiting)
        late.cancel()
        await eventually(lambda: hub.metrics.registry.get_sample_value("roamhub_rpc_seconds_count", given_up))
    assert (await busy).endpoint == "cpo.example:443"
    await _update(other, "NL", "DEF")  # the next group has come and gone
    assert not (await parties(cpo.channel).GetParty(party_pb2.GetPartyRequest(name="parties/nl-abc"))).endpoint


async def test_a_stopping_hub_tells_its_links_to_reconnect_and_waits_for_their_answers(config: Config) -> None:
    hub = Hub(replace(config, drain_seconds=60))
    await hub.start()
    emsp = await add_partner(hub, ["DE-XYZ"], [Role.EMSP], "xyz")
    call: Any = link_pb2_grpc.LinkServiceStub(emsp.channel).Connect()
    key = common_pb2.PartyKey(country_code="DE", party_id="XYZ")
    await call.write(link_pb2.ConnectRequest(hello=link_pb2.LinkHello(parties=[key])))
    assert (await call.read()).WhichOneof("message") == "welcome"
    stopping = asyncio.create_task(hub.stop())
    told = await call.read()
    assert told.drain.grace_period.seconds == 60
    assert not stopping.done()
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    await stopping
    await emsp.channel.close()


async def _update(partner: Partner, country_code: str, party_id: str) -> party_pb2.Party:
    own = party_pb2.Party(country_code=country_code, party_id=party_id, endpoint="cpo.example:443")
    return await parties(partner.channel).UpdateParty(party_pb2.UpdatePartyRequest(party=own))


async def test_a_hub_that_cannot_open_its_port_says_so_and_leaves_nothing_open(hub: Hub, config: Config) -> None:
    second = Hub(replace(config, listen=f"127.0.0.1:{hub.port}"))
    with pytest.raises(ConfigError, match="cannot be listened on"):
        await second.start()
    third = Hub(config)
    await third.start()
    await third.stop()


async def test_the_ports_that_the_system_picked_can_be_read(hub: Hub) -> None:
    for port in (hub.port, hub.register_port):
        with socket.create_connection(("127.0.0.1", port)):
            pass
    assert hub.port != hub.register_port


async def test_ten_thousand_calls_at_once_are_all_answered(hub: Hub, partner: PartnerFactory) -> None:
    asked = parties((await partner("NL-ABC")).channel)
    answers = await asyncio.gather(*(asked.ListParties(LIST, timeout=600) for _ in range(10_000)))
    assert len(answers) == 10_000
