"""What tests build: a hub in this process, partners with real certificates, and the errors calls end in."""

import asyncio
import itertools
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from roamhub.v1 import journal_pb2
from roamhub.v1.journal_pb2_grpc import JournalServiceStub
from sqlalchemy import Engine

from hub.app.trust.registration import renew
from hub.crypto.ca import server_pair
from hub.domain.agreements import Agreement, AgreementState, Terms
from hub.domain.clock import uuid7
from hub.domain.ids import PartyId
from hub.domain.journal import Entry, Stream
from hub.domain.parties import Party, PartyState, Role
from hub.main import Hub, system_clock
from hub.main.server import credentials, make_server
from hub.main.services import Service
from hub.store.committer import Committer
from hub.store.database import open_engine
from hub.store.directory import DirectoryHolder
from hub.store.reads import Reads

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class SteppedClock:
    """A clock that stands until it is told to move."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class ShiftedClock:
    """The machine's clock, set forward or back."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return system_clock() + self.ahead

    def advance(self, **span: float) -> None:
        self.ahead += timedelta(**span)


@dataclass(frozen=True)
class Spine:
    """Committer and reads over one database, for tests of use cases and repositories."""

    committer: Committer
    reads: Reads
    directory: DirectoryHolder
    clock: SteppedClock
    engine: Engine


def hub_database() -> str:
    """Return the kind of database that hubs in tests work on."""
    return os.environ.get("TESTS_DATABASE", "sqlite")


def make_ids(first: int = 1) -> Callable[[], str]:
    """Return a source of ids that are new, and the same in every run."""
    numbers = itertools.count(first)
    return lambda: uuid7(START, next(numbers).to_bytes(10))


@contextmanager
def open_spine(
    url: str, *, on_commit: Callable[[Sequence[Entry]], None] = lambda _: None, first_id: int = 1
) -> Iterator[Spine]:
    """Run committer and reads over a migrated database; of several on one database each needs ids of its own."""
    engine, read_engine = open_engine(url), open_engine(url, read_only=True)
    clock, directory, new_id = SteppedClock(), DirectoryHolder(), make_ids(first_id)
    committer = Committer(
        engine, clock=clock, new_id=new_id, entropy=secrets.token_bytes, directory=directory, on_commit=on_commit
    )
    reads = Reads(read_engine, clock=clock, new_id=new_id, entropy=secrets.token_bytes, directory=directory)
    committer.start()
    yield Spine(committer, reads, directory, clock, engine)
    committer.stop()
    reads.stop()
    engine.dispose()
    read_engine.dispose()


@dataclass
class Partner:
    """A registered platform: its parties, its certificate and a channel that calls the hub with it."""

    platform: str
    parties: list[PartyId]
    key_pem: bytes
    chain_pem: bytes
    serial: str
    channel: grpc.aio.Channel = field(repr=False)

    @property
    def party(self) -> PartyId:
        return self.parties[0]


def make_csr(key: ec.EllipticCurvePrivateKey | None = None) -> tuple[bytes, bytes]:
    """Return a new private key and a certificate signing request for it, PEM."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, request.public_bytes(Encoding.PEM)


def open_channel(
    port: int, ca_pem: bytes, key_pem: bytes | None = None, chain_pem: bytes | None = None
) -> grpc.aio.Channel:
    """Return a channel to a hub in this process; close it."""
    credentials = grpc.ssl_channel_credentials(ca_pem, key_pem, chain_pem)
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options=[("grpc.use_local_subchannel_pool", 1)])


@asynccontextmanager
async def stand_ins(hub: Hub, services: Sequence[Service]) -> AsyncIterator[int]:
    """Serve these services behind a hub's own edge and mutual TLS, on a port of their own."""
    server = make_server(hub.config, hub.edge, services)
    pair = server_pair(hub.ca, hub.config.data_dir, hub.server_names, hub.clock())
    port = server.add_secure_port("127.0.0.1:0", credentials(pair, hub.ca.ca_pem))
    await server.start()
    yield port
    await server.stop(None)


def party_id(text: str) -> PartyId:
    """Return the party of `NL-ABC`."""
    country_code, _, party = text.partition("-")
    return PartyId(country_code, party)


async def add_partner(
    hub: Hub, parties: Iterable[str], roles: Iterable[Role], platform: str, *, endpoint: str = ""
) -> Partner:
    """Put an active platform into a hub, past registration, and connect as it."""
    ids = [party_id(text) for text in parties]
    for each in ids:
        party = Party(
            id=each,
            number=0,
            roles=frozenset(roles),
            platform=platform,
            state=PartyState.ACTIVE,
            endpoint=endpoint,
        )
        await hub.committer.run(lambda uow, party=party: uow.parties.save(party))  # type: ignore[misc]
    key_pem, csr_pem = make_csr()
    issued = await hub.committer.run(lambda uow: renew(uow, platform=platform, csr_pem=csr_pem, certifier=hub.ca))
    channel = open_channel(hub.port, hub.ca.ca_pem, key_pem, issued.chain_pem)
    return Partner(platform, ids, key_pem, issued.chain_pem, issued.serial, channel)


async def eventually(holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds that nothing announces."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Refusal:
    """How a call ended badly: its status code and the details that AIP-193 asks for."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: dict[str, str] = field(hash=False)
    fields: list[str] = field(hash=False)


def refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Return what a failed call says."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    reason, metadata, fields = "", {}, []
    for detail in status.details if status is not None else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            fields = [violation.field for violation in bad.field_violations]
    return Refusal(error.code(), reason, error.details() or "", metadata, fields)


async def all_facts(hub: Hub, channel: grpc.aio.Channel, *kinds: str) -> list[journal_pb2.JournalEntry]:
    """Return what a caller may see of the registry up to now, of some kinds or of all."""
    last = hub.tail.head(Stream.REGISTRY) - 1
    request = journal_pb2.WatchRequest(stream=journal_pb2.JOURNAL_STREAM_REGISTRY, after_index=-1, kinds=kinds)
    watch = JournalServiceStub(channel).Watch(request)
    found: list[journal_pb2.JournalEntry] = []
    async with asyncio.timeout(60):
        # Whoever may see none of them hears how far the journal has come all the same.
        async for response in watch:
            found += response.entries
            if response.next_after_index >= last:
                break
    watch.cancel()
    return found


async def agree(hub: Hub, cpo: PartyId, emsp: PartyId, **terms: Any) -> Agreement:
    """Put an active agreement into a hub, past its proposal."""
    agreement = Agreement(
        id=f"{cpo}-{emsp}".lower(),
        version=1,
        cpo=cpo,
        emsp=emsp,
        state=AgreementState.ACTIVE,
        terms=Terms(**{"currency": "EUR", **terms}),
        proposer=cpo,
        since=Terms(currency="EUR").start,
    )
    await hub.committer.run(lambda uow: uow.agreements.save(agreement))
    return agreement
