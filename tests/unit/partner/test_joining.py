"""Joining a hub and staying: the first certificate, the next ones, and whom to answer."""

import asyncio
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1.journal_pb2 import JOURNAL_STREAM_REGISTRY, JournalEntry, WatchRequest, WatchResponse
from roamhub.v1.journal_pb2_grpc import JournalServiceServicer, add_JournalServiceServicer_to_server
from roamhub.v1.partner_pb2 import PartnerServiceAuthorizeRequest, PingRequest
from roamhub.v1.partner_pb2_grpc import PartnerServiceStub
from roamhub.v1.registration_pb2 import RenewCertificateRequest, RenewCertificateResponse
from roamhub.v1.registration_pb2_grpc import RegistrationServiceServicer, add_RegistrationServiceServicer_to_server
from roamhub.v1.token_object_pb2 import ALLOWED_TYPE_ALLOWED, AuthorizationInfo

from adapters.partner import Handler, Invitation, Partner, party
from adapters.partner.channel import tls
from adapters.partner.connection import Connection
from adapters.partner.credentials import Store, StoreError
from adapters.partner.errors import Denied, Expired, NotFound, from_rpc_error
from adapters.partner.journal import Journal
from adapters.partner.registration import keep_fresh, register
from adapters.partner.retry import Backoff
from adapters.partner.server import PartnerServer
from hub.crypto.ca import dial_pair
from tests.unit.partner.fake_hub import FakeHub, fake

AT_ONCE = Backoff(first_seconds=0.001, longest_seconds=0.002)


class Registry(RegistrationServiceServicer):
    """Issues the next certificates."""

    def __init__(self, hub: FakeHub) -> None:
        self.hub = hub
        self.renewed = 0

    async def RenewCertificate(self, request: RenewCertificateRequest, context: Any) -> RenewCertificateResponse:
        self.renewed += 1
        issued = self.hub.ca.issue_platform(request.csr_pem.encode(), "acme", self.hub.now)
        response = RenewCertificateResponse(ca_pem=self.hub.ca.ca_pem.decode())
        response.certificate.chain_pem = issued.chain_pem.decode()
        return response


class Facts(JournalServiceServicer):
    """A journal of ten entries; breaks off after those it is told to."""

    def __init__(self, breaks_after: int = 99, oldest: int = -1) -> None:
        self.breaks_after = breaks_after
        self.oldest = oldest
        self.asked: list[int] = []

    async def Watch(self, request: WatchRequest, context: Any) -> Any:
        self.asked.append(request.after_index)
        if request.after_index < self.oldest:
            await context.abort(grpc.StatusCode.OUT_OF_RANGE, "compacted")
        for index in range(request.after_index + 1, 10):
            if index == self.breaks_after:
                self.breaks_after = 99
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            yield WatchResponse(entries=[JournalEntry(index=index, kind="party")], next_after_index=index)
        await asyncio.sleep(60)


async def test_a_certificate_is_renewed_with_a_new_key_before_it_ends(fake_hub: FakeHub, tmp_path: Path) -> None:
    registry = fake(Registry)(fake_hub)
    async with fake_hub.serving((add_RegistrationServiceServicer_to_server, registry)):
        store = fake_hub.store(tmp_path / "acme")
        old = store.load()
        connection = Connection(old)
        later = old.renewal_time() + timedelta(seconds=1)
        task = asyncio.create_task(
            keep_fresh(connection, store, lambda: later if registry.renewed == 0 else fake_hub.now)
        )
        while connection.credentials is old:
            await asyncio.sleep(0.01)
        task.cancel()
        assert registry.renewed == 1
        new = store.load()
        assert new.key_pem == connection.credentials.key_pem != old.key_pem
        assert new.certificate.public_key() != old.certificate.public_key()
        assert stat.S_IMODE((tmp_path / "acme" / "identity.pem").stat().st_mode) == 0o600
        await connection.close()


async def test_an_invitation_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "invitation.json"
    file.write_text('{"code": "x"}')
    with pytest.raises(ValueError, match="is no invitation"):
        Invitation.read(file)
    with pytest.raises(StoreError, match="register first"):
        Partner(tmp_path / "nothing")


async def test_a_registration_that_failed_is_repeated_with_the_same_request(tmp_path: Path, fake_hub: FakeHub) -> None:
    store = Store(tmp_path / "acme")
    key, request = store.pending()
    assert store.pending() == (key, request)
    assert x509.load_pem_x509_csr(request).is_signature_valid
    async with fake_hub.serving():
        invitation = Invitation(code="c", register_endpoint=fake_hub.address, ca_pem=fake_hub.ca.ca_pem.decode())
        with pytest.raises(Exception):  # noqa: B017, PT011 - the server knows no such service
            await register(invitation, store)
    assert store.pending() == (key, request)


async def test_an_endpoint_answers_the_hub_and_turns_other_partners_away(fake_hub: FakeHub, tmp_path: Path) -> None:
    class Allowing(Handler):
        async def authorize(self, request: PartnerServiceAuthorizeRequest) -> AuthorizationInfo:
            if request.token_uid == "unknown":
                raise NotFound("this token is unknown", reason="UNKNOWN_TOKEN")
            return AuthorizationInfo(allowed=ALLOWED_TYPE_ALLOWED)

    async with (
        fake_hub.serving(),
        fake_hub.connected() as connection,
        PartnerServer(connection, Allowing(), "127.0.0.1:0") as server,
    ):
        pair = dial_pair(fake_hub.ca, tmp_path / "hub", fake_hub.now)
        target = f"127.0.0.1:{server.port}"
        options = [("grpc.ssl_target_name_override", "acme.platforms.roamhub.internal")]
        hub_tls = grpc.ssl_channel_credentials(fake_hub.ca.ca_pem, pair.key_pem, pair.chain_pem)
        async with grpc.aio.secure_channel(target, hub_tls, options=options) as channel:
            stub = PartnerServiceStub(channel)
            answer = await stub.Authorize(PartnerServiceAuthorizeRequest(token_uid="known"))
            assert answer.allowed == ALLOWED_TYPE_ALLOWED
            assert (await stub.Ping(PingRequest(send_time=Timestamp(seconds=1)))).answer_time.seconds > 0
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Authorize(PartnerServiceAuthorizeRequest(token_uid="unknown"))
            error = from_rpc_error(refused.value)
            assert isinstance(error, NotFound)
            assert error.reason == "UNKNOWN_TOKEN"
        stranger = tls(fake_hub.credentials("other"))
        async with grpc.aio.secure_channel(target, stranger, options=options) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await PartnerServiceStub(channel).Authorize(PartnerServiceAuthorizeRequest(token_uid="known"))
            error = from_rpc_error(refused.value)
            assert isinstance(error, Denied)
            assert error.reason == "NOT_THE_HUB"


async def test_a_renewed_certificate_is_shown_by_the_endpoint_at_once(fake_hub: FakeHub, tmp_path: Path) -> None:
    async with (
        fake_hub.serving(),
        fake_hub.connected() as connection,
        PartnerServer(connection, Handler(), "127.0.0.1:0") as server,
    ):
        old = connection.credentials
        connection.replace(fake_hub.credentials())
        pair = dial_pair(fake_hub.ca, tmp_path / "hub", fake_hub.now)
        hub_tls = grpc.ssl_channel_credentials(fake_hub.ca.ca_pem, pair.key_pem, pair.chain_pem)
        options = [("grpc.ssl_target_name_override", "acme.platforms.roamhub.internal")]
        async with grpc.aio.secure_channel(f"127.0.0.1:{server.port}", hub_tls, options=options) as channel:
            await PartnerServiceStub(channel).Ping(PingRequest())
        assert connection.credentials is not old


async def test_following_goes_on_after_a_break_and_after_a_restart(fake_hub: FakeHub, tmp_path: Path) -> None:
    facts, state = fake(Facts)(breaks_after=4), tmp_path / "index"
    async with fake_hub.serving((add_JournalServiceServicer_to_server, facts)), fake_hub.connected() as connection:
        seen = []
        entries = Journal(connection, AT_ONCE).follow(JOURNAL_STREAM_REGISTRY, state)
        async for entry in entries:
            seen.append(entry.index)
            if entry.index == 6:
                break
        await entries.aclose()
        assert seen == [0, 1, 2, 3, 4, 5, 6]
        assert state.read_text() == "5\n", "what one was dealing with when it ended comes again"
        assert await anext(Journal(connection, AT_ONCE).follow(JOURNAL_STREAM_REGISTRY, state)) == JournalEntry(
            index=6, kind="party"
        )
    assert facts.asked == [-1, 3, 5]


async def test_following_from_what_was_compacted_away_says_so(fake_hub: FakeHub) -> None:
    facts = fake(Facts)(oldest=3)
    async with fake_hub.serving((add_JournalServiceServicer_to_server, facts)), fake_hub.connected() as connection:
        with pytest.raises(Expired):
            await anext(Journal(connection, AT_ONCE).follow(JOURNAL_STREAM_REGISTRY))


@pytest.mark.parametrize("text", ["", "NL", "NLABC", "NL-ABCD", "NL_ABC"])
def test_a_party_is_written_with_its_separator(text: str) -> None:
    with pytest.raises(ValueError, match="write it like NL-ABC"):
        party(text)
    assert party("nl*abc") == party("NL-ABC")
