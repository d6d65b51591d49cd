"""One hub process: its parts built whole from the configuration, started and stopped in order."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import grpc

from hub.app.presence import PresenceRecorder, recorded_presence
from hub.app.trust.registration import record_own
from hub.config import Config
from hub.crypto.ca import CertificateAuthority, dial_pair, operator_pair, operator_record, server_pair
from hub.crypto.files import private_folder
from hub.domain.clock import Clock, uuid7
from hub.domain.ids import PartyId
from hub.domain.journal import Stream
from hub.domain.parties import Caller
from hub.main.server import credentials, make_server
from hub.main.services import Service, registration, services
from hub.routing.room import Routing
from hub.routing.wire import presence_document
from hub.rpc.edge import Edge
from hub.rpc.identity import CertificateIdentity
from hub.rpc.tail import JournalTail
from hub.store.committer import Committer, DirectoryHolder
from hub.store.database import open_engine
from hub.store.reads import Reads
from hub.store.schema import upgrade
from hub.store.unit import Entropy

_log = logging.getLogger(__name__)


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
        self.server_names = [name.strip() for name in config.server_names.split(",") if name.strip()]
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
        self.routing = Routing(
            directory=lambda: self.directory.current,
            credentials=grpc.ssl_channel_credentials(self.ca.ca_pem, self.dial_pair.key_pem, self.dial_pair.chain_pem),
            presence=PresenceRecorder(committer=self.committer, document=presence_document),
            new_id=self.new_id,
            keepalive_seconds=config.keepalive_seconds,
            partner_timeout_seconds=config.partner_timeout_seconds,
            message_bytes_max=config.message_bytes_max,
        )
        self._servers: list[grpc.aio.Server] = []

    def reachable(self, party: PartyId) -> bool:
        """Say whether a party holds a link or its endpoint answers."""
        return self.routing.reachable(party)

    def endpoint(self) -> str:
        """Return where partners call, `host:port`."""
        return self.config.public_endpoint or f"{self.server_names[0]}:{self.port}"

    def register_endpoint(self) -> str:
        """Return where partners register, `host:port`."""
        return self.config.public_register_endpoint or f"{self.server_names[0]}:{self.register_port}"

    async def start(self) -> None:
        """Bring the database up to date and serve."""
        upgrade(self._engine)
        self.committer.start()
        await self.committer.run(lambda uow: record_own(uow, operator_record(self.operator)))
        self.tail.advance(await self.reads.run(lambda uow: {stream: uow.journal.head(stream) for stream in Stream}))
        self.routing.start(await self.reads.run(recorded_presence))
        pair = server_pair(self.ca, self.config.data_dir, self.server_names, self.clock())
        self.port = await self._serve(self.config.listen, services(self), credentials(pair, self.ca.ca_pem))
        self.register_port = await self._serve(self.config.register_listen, registration(self), credentials(pair))
        _log.info("serving", extra={"port": self.port, "register_port": self.register_port})

    async def stop(self) -> None:
        """Let calls in flight finish within the configured time, then write what is queued and close."""
        self.tail.stop()
        grace = self.config.drain_seconds
        await asyncio.gather(self.routing.links.drain(grace), *(server.stop(grace) for server in self._servers))
        await self.routing.stop()
        self.committer.stop()
        self.reads.stop()
        self._engine.dispose()
        self._read_engine.dispose()

    async def _serve(self, address: str, answered: Sequence[Service], tls: grpc.ServerCredentials) -> int:
        server = make_server(self.config, self.edge, answered)
        port = server.add_secure_port(address, tls)
        await server.start()
        self._servers.append(server)
        return port

    def _admit(self, caller: Caller) -> None:
        """Hold a caller back; replaced by the rate limits."""

    def _observe(self, method: str, code: str, seconds: float) -> None:
        """Count a call; replaced by the metrics."""
