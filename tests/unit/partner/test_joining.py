"""Joining a hub and staying: the first certificate, the next ones, and whom to answer."""

import asyncio
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import grpc
import pytest
from cryptography import x509
from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1.journal_pb2 import JOURNAL_STREAM_REGISTRY, JournalEntry, WatchRequest, WatchResponse
from roamhub.v1.journal_pb2_grpc import JournalServiceServicer, add_JournalServiceServicer_to_server
from roamhub.v1.partner_pb2 import PartnerServiceAuthorizeRequest, PingRequest
from roamhub.v1.partner_pb2_grpc import PartnerServiceStub
from roamhub.v1.party_pb2 import ListPartiesRequest, ListPartiesResponse, Party, UpdatePartyRequest
from roamhub.v1.party_pb2_grpc import PartyServiceServicer, add_PartyServiceServicer_to_server
from roamhub.v1.registration_pb2 import (
    RegisterRequest,
    RegisterResponse,
    RenewCertificateRequest,
    RenewCertificateResponse,
)
from roamhub.v1.registration_pb2_grpc import (
    RegistrationServiceServicer,
    RegistrationServiceStub,
    add_RegistrationServiceServicer_to_server,
)
from roamhub.v1.token_object_pb2 import ALLOWED_TYPE_ALLOWED, AuthorizationInfo

from adapters.partner import Handler, Invitation, Partner, party
from adapters.partner.channel import tls
from adapters.partner.connection import Connection
from adapters.partner.credentials import Credentials, Store, StoreError, new_key, signing_request
from adapters.partner.errors import Denied, Expired, NotFound, Unauthenticated, Unreachable, from_rpc_error
from adapters.partner.journal import Journal, decode
from adapters.partner.registration import keep_fresh, register
from adapters.partner.retry import Backoff
from adapters.partner.server import PartnerServer
from hub.crypto.ca import dial_pair, server_pair
from hub.domain.journal import EntryKind
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


async def test_a_partner_renews_its_certificate_by_itself(fake_hub: FakeHub, tmp_path: Path) -> None:
    today, fake_hub.now = fake_hub.now, fake_hub.now - timedelta(days=80)
    registry = fake(Registry)(fake_hub)
    async with fake_hub.serving((add_RegistrationServiceServicer_to_server, registry)):
        store = fake_hub.store(tmp_path / "acme")
        old, fake_hub.now = store.load(), today
        async with Partner(tmp_path / "acme") as partner, asyncio.timeout(60):
            while partner.connection.credentials.certificate == old.certificate:
                await asyncio.sleep(0.01)
    assert registry.renewed == 1
    assert store.load().certificate.not_valid_after_utc > old.certificate.not_valid_after_utc


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


class Door(RegistrationServiceServicer):
    """Takes each code once, as the hub does."""

    def __init__(self, hub: FakeHub, *codes: str) -> None:
        self.hub = hub
        self.codes = set(codes)
        self.asked: list[str] = []

    async def Register(self, request: RegisterRequest, context: Any) -> RegisterResponse:
        self.asked.append(request.code)
        if request.code not in self.codes:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no such invitation")
        self.codes.discard(request.code)
        issued = self.hub.ca.issue_platform(request.csr_pem.encode(), "acme", self.hub.now)
        response = RegisterResponse(ca_pem=self.hub.ca.ca_pem.decode(), endpoint=self.hub.address)
        response.certificate.chain_pem = issued.chain_pem.decode()
        return response


async def test_another_invitation_is_all_it_takes_to_get_another_certificate(tmp_path: Path) -> None:
    hub, folder = FakeHub(tmp_path / "hub"), tmp_path / "acme"
    door = fake(Door)(hub, "FIRST", "SECOND")
    pair = server_pair(hub.ca, tmp_path / "hub", ["localhost", "127.0.0.1"], hub.now)
    server = grpc.aio.server()
    add_RegistrationServiceServicer_to_server(door, server)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(pair.key_pem, pair.chain_pem)]))
    await server.start()

    def invitation(code: str, platform: str = "platforms/acme") -> Invitation:
        ca_pem = hub.ca.ca_pem.decode()
        return Invitation(code=code, register_endpoint=f"127.0.0.1:{port}", ca_pem=ca_pem, platform=platform)

    async def joined(code: str) -> bytes:
        (await Partner.join(folder, invitation(code)))._outbox.close()
        return (folder / "identity.pem").read_bytes()

    first = await joined("FIRST")
    assert await joined("first") == first, "the invitation that it came of is not shown again"
    second = await joined("SECOND")
    assert second != first
    assert await joined("FIRST") == second, "an old invitation, which the hub no longer takes, leaves what there is"
    assert door.asked == ["FIRST", "SECOND", "FIRST"]
    assert await Partner.join(folder, tmp_path / "gone.json"), "the file may be gone once it was used"
    with pytest.raises(StoreError, match="holds the certificate of platform/acme"):
        await Partner.join(folder, invitation("THIRD", "platforms/other"))
    await server.stop(0)


async def test_a_certificate_that_has_expired_is_named_where_no_connection_comes_about(
    fake_hub: FakeHub, tmp_path: Path
) -> None:
    issued = fake_hub.now - timedelta(days=200)
    key = new_key()
    expired = fake_hub.ca.issue_platform(signing_request(key), "acme", issued)
    async with fake_hub.serving():
        credentials = Credentials(
            key_pem=key, certificate_pem=expired.chain_pem, authority_pem=fake_hub.ca.ca_pem, hub=fake_hub.address
        )
        connection = Connection(credentials)
        with pytest.raises(Unauthenticated, match="expired on") as refused:
            await connection.call(connection.stub(RegistrationServiceStub).RenewCertificate, RenewCertificateRequest())
        assert refused.value.reason == "CERTIFICATE_EXPIRED"
        with pytest.raises(Unauthenticated):
            await anext(Journal(connection, AT_ONCE).follow(JOURNAL_STREAM_REGISTRY))
        await connection.close()
    async with fake_hub.connected() as good:
        with pytest.raises(Unreachable):
            await good.call(good.stub(RegistrationServiceStub).RenewCertificate, RenewCertificateRequest(), timeout=60)


async def test_a_full_disk_does_not_end_the_renewals(fake_hub: FakeHub, tmp_path: Path) -> None:
    class Full(Store):
        full = True

        def save(self, credentials: Credentials) -> None:
            if self.full:
                raise OSError(28, "No space left on device")
            super().save(credentials)

    registry = fake(Registry)(fake_hub)
    async with fake_hub.serving((add_RegistrationServiceServicer_to_server, registry)):
        old = fake_hub.store(tmp_path / "acme").load()
        connection, store = Connection(old), Full(tmp_path / "acme")
        later = old.renewal_time() + timedelta(seconds=1)
        task = asyncio.create_task(keep_fresh(connection, store, lambda: later, AT_ONCE))
        while registry.renewed < 3:
            await asyncio.sleep(0.01)
        assert connection.credentials is old
        store.full = False
        while connection.credentials is old:
            await asyncio.sleep(0.01)
        task.cancel()
        await connection.close()


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


async def test_an_endpoint_tells_the_hub_where_it_is_until_it_has_heard(fake_hub: FakeHub) -> None:
    class Parties(PartyServiceServicer):
        lost = 1
        named: ClassVar[list[tuple[str, str]]] = []

        async def ListParties(self, request: ListPartiesRequest, context: Any) -> ListPartiesResponse:
            if self.lost:
                self.lost -= 1
                await context.abort(grpc.StatusCode.INTERNAL, "lost")
            assert request.own
            parties = [Party(country_code="DE", party_id=each) for each in ("ONE", "TWO")]
            return ListPartiesResponse(parties=parties)

        async def UpdateParty(self, request: UpdatePartyRequest, context: Any) -> Party:
            self.named.append((request.party.party_id, request.party.endpoint))
            assert list(request.update_mask.paths) == ["endpoint"]
            return request.party

    parties = fake(Parties)()
    async with (
        fake_hub.serving((add_PartyServiceServicer_to_server, parties)),
        fake_hub.connected() as connection,
        PartnerServer(connection, Handler(), "127.0.0.1:0", "back-end.example:7450"),
        asyncio.timeout(30),
    ):
        while len(parties.named) < 2:
            await asyncio.sleep(0.01)
    assert parties.named == [("ONE", "back-end.example:7450"), ("TWO", "back-end.example:7450")]


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


async def test_a_stream_whose_certificate_ran_out_goes_on_with_the_next_one(fake_hub: FakeHub) -> None:
    class Ending(Facts):
        async def Watch(self, request: WatchRequest, context: Any) -> Any:
            self.asked.append(request.after_index)
            if len(self.asked) == 1:
                connection.replace(fake_hub.credentials())
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "this certificate has expired")
            yield WatchResponse(entries=[JournalEntry(index=0, kind="party")], next_after_index=0)

    facts = fake(Ending)()
    async with fake_hub.serving((add_JournalServiceServicer_to_server, facts)), fake_hub.connected() as connection:
        entries = Journal(connection, AT_ONCE).follow(JOURNAL_STREAM_REGISTRY)
        assert (await anext(entries)).index == 0
        await entries.aclose()
        assert facts.asked == [-1, -1]


OF_THE_CLEARING_STREAM = {
    *(EntryKind.CDR_ACCEPTED, EntryKind.CDR_RETURNED, EntryKind.CDR_QUARANTINED, EntryKind.CDR_RESUBMITTED),
    *(EntryKind.CDR_WITHDRAWN, EntryKind.CUT_OFF, EntryKind.STATEMENT_ISSUED, EntryKind.STATEMENT_ACKNOWLEDGED),
    EntryKind.KEY_CHANGED,
}


def test_every_kind_of_the_registry_is_decoded() -> None:
    for kind in EntryKind:
        entry = JournalEntry(kind=kind)
        assert (decode(entry) is None) == (kind in OF_THE_CLEARING_STREAM), kind


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
