"""The composition root: the only module that knows every other."""

import logging
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from roamhub.v1 import agreement_pb2, cdr_pb2, journal_pb2, session_pb2

from hub.config import Config
from hub.crypto.ca import CertificateAuthority, KeyPair, dial_pair, operator_pair, server_pair
from hub.crypto.files import private_folder
from hub.domain.clock import Clock, uuid7
from hub.domain.journal import Stream
from hub.domain.parties import Caller
from hub.rpc.agreements import AgreementServicer
from hub.rpc.cdrs import CdrServicer
from hub.rpc.edge import Edge
from hub.rpc.identity import CertificateIdentity
from hub.rpc.journal import JournalServicer
from hub.rpc.sessions import SessionServicer
from hub.rpc.tail import JournalTail
from hub.store.committer import Committer, DirectoryHolder
from hub.store.database import open_engine
from hub.store.reads import Reads
from hub.store.schema import upgrade
from hub.store.unit import Entropy

_log = logging.getLogger(__name__)

Service = tuple[ServiceDescriptor, object]


def system_clock() -> datetime:
    """Return the machine's time."""
    return datetime.now(UTC)


class Hub:
    """One hub process: built whole from a configuration, then started, then stopped.

    Attributes:
        port: The port that the mutual-TLS server listens on, once started.
        register_port: The port of the registration server, once started.
        operator: The operator's key and certificate, as kept in the data directory.
        dial_pair: The key and certificate that the hub shows to partners it dials.
    """

    port = 0
    register_port = 0

    def __init__(self, config: Config, *, clock: Clock = system_clock, entropy: Entropy = secrets.token_bytes) -> None:
        self.config = config
        self.clock = clock
        self.new_id = lambda: uuid7(clock(), entropy(10))
        private_folder(config.data_dir)
        self.ca = CertificateAuthority.open(config.data_dir, clock())
        self.operator = operator_pair(self.ca, config.data_dir, clock())
        self.dial_pair = dial_pair(self.ca, config.data_dir, clock())
        self.directory = DirectoryHolder()
        self._engine = open_engine(config.database())
        self._read_engine = open_engine(config.database(), read_only=True)
        self.tail = JournalTail()
        self.committer = Committer(
            self._engine,
            clock=clock,
            new_id=self.new_id,
            entropy=entropy,
            directory=self.directory,
            on_commit=self.tail.publish,
        )
        self.reads = Reads(
            self._read_engine, clock=clock, new_id=self.new_id, entropy=entropy, directory=self.directory
        )
        self.edge = Edge(
            identify=CertificateIdentity(lambda: self.directory.current, clock),
            admit=self._admit,
            observe=self._observe,
            new_id=self.new_id,
        )
        self._servers: list[grpc.aio.Server] = []

    def services(self) -> Sequence[Service]:
        """Return every service that partners and operators call, with what answers it; one line each."""
        committer, reads = self.committer, self.reads
        return [
            (
                journal_pb2.DESCRIPTOR.services_by_name["JournalService"],
                JournalServicer(reads=reads, tail=self.tail, directory=lambda: self.directory.current),
            ),
            (
                session_pb2.DESCRIPTOR.services_by_name["SessionService"],
                SessionServicer(committer=committer, reads=reads),
            ),
            (
                cdr_pb2.DESCRIPTOR.services_by_name["CdrService"],
                CdrServicer(committer=committer, reads=reads, tail=self.tail),
            ),
            (
                agreement_pb2.DESCRIPTOR.services_by_name["AgreementService"],
                AgreementServicer(
                    committer=committer, reads=reads, directory=lambda: self.directory.current, clock=self.clock
                ),
            ),
        ]

    def registration(self) -> Sequence[Service]:
        """Return what may be called with no certificate."""
        return []

    async def start(self) -> None:
        """Bring the database up to date and serve."""
        upgrade(self._engine)
        self.committer.start()
        self.tail.advance(await self.reads.run(lambda uow: {stream: uow.journal.head(stream) for stream in Stream}))
        names = [name.strip() for name in self.config.server_names.split(",") if name.strip()]
        pair = server_pair(self.ca, self.config.data_dir, names, self.clock())
        self.port = await self._serve(self.config.listen, self.services(), _credentials(pair, self.ca.ca_pem))
        self.register_port = await self._serve(self.config.register_listen, self.registration(), _credentials(pair))
        _log.info("serving", extra={"port": self.port, "register_port": self.register_port})

    async def stop(self) -> None:
        """Let calls in flight finish within the configured time, then write what is queued and close."""
        self.tail.stop()
        for server in self._servers:
            await server.stop(self.config.drain_seconds)
        self.committer.stop()
        self.reads.stop()
        self._engine.dispose()
        self._read_engine.dispose()

    async def _serve(self, address: str, services: Sequence[Service], credentials: grpc.ServerCredentials) -> int:
        server = grpc.aio.server(options=_options(self.config))
        for descriptor, servicer in services:
            server.add_generic_rpc_handlers((self.edge.handlers(descriptor, servicer),))
        port = server.add_secure_port(address, credentials)
        await server.start()
        self._servers.append(server)
        return port

    def _admit(self, caller: Caller) -> None:
        """Hold a caller back; replaced by the rate limits."""

    def _observe(self, method: str, code: str, seconds: float) -> None:
        """Count a call; replaced by the metrics."""


def _credentials(pair: KeyPair, client_ca: bytes | None = None) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(pair.key_pem, pair.chain_pem)], client_ca, client_ca is not None)


def _options(config: Config) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.message_bytes_max),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]
