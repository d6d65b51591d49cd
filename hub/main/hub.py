"""One hub process: its parts built whole from the configuration, started and stopped in order."""

import asyncio
import logging
import secrets
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import grpc

from hub.app.answers import FAIR_SECONDS, AnswerCounter, CountedPartners
from hub.app.clearing.proofs import ensure_keyring, signs
from hub.app.commands import CommandDesk
from hub.app.presence import PresenceRecorder, recorded_presence
from hub.app.trust.registration import record_own
from hub.config import Config
from hub.crypto.ca import CertificateAuthority, dial_pair, operator_pair, operator_record, server_pair
from hub.crypto.files import private_folder
from hub.crypto.meter.verifier import SignatureVerifier
from hub.domain.clock import Clock, uuid7
from hub.domain.ids import PartyId
from hub.domain.journal import Stream
from hub.jobs.clearing import ClearingJobs
from hub.main.clearing import clearing_settings
from hub.main.edge import make_edge
from hub.main.jobs import scheduler
from hub.main.server import Ports, credentials, serve_metrics
from hub.main.services import registration, services, watched
from hub.metrics import Metrics
from hub.routing.room import Routing
from hub.routing.wire import presence_document
from hub.rpc.commands import command_document
from hub.rpc.health import HealthServicer
from hub.rpc.meter_evidence import MeterExaminer
from hub.rpc.tail import JournalTail
from hub.store.committer import Committer
from hub.store.database import open_engine
from hub.store.directory import DirectoryHolder
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
        metrics_port: The port of the metrics, once started; 0 when none are served.
        operator: The operator's key and certificate, as kept in the data directory.
        dial_pair: The key and certificate that the hub shows to partners it dials.
    """

    port = 0
    register_port = 0
    metrics_port = 0

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
        self.metrics = Metrics()
        self.tail = JournalTail()
        self.committer = Committer(
            self._engine,
            clock=clock,
            new_id=self.new_id,
            entropy=entropy,
            directory=self.directory,
            on_commit=self.tail.publish,
            on_group=self.metrics.group,
        )
        self.reads = Reads(
            self._read_engine, clock=clock, new_id=self.new_id, entropy=entropy, directory=self.directory
        )
        self.meters = MeterExaminer(reads=self.reads, verifier=SignatureVerifier())
        self.edge = make_edge(
            config, directory=lambda: self.directory.current, clock=clock, new_id=self.new_id, metrics=self.metrics
        )
        self.routing = Routing(
            directory=lambda: self.directory.current,
            credentials=grpc.ssl_channel_credentials(self.ca.ca_pem, self.dial_pair.key_pem, self.dial_pair.chain_pem),
            presence=PresenceRecorder(committer=self.committer, document=presence_document),
            new_id=self.new_id,
            keepalive_seconds=config.keepalive_seconds,
            partner_timeout_seconds=config.partner_timeout_seconds,
            message_bytes_max=config.message_bytes_max,
            observe=self.metrics.relay,
        )
        self.answers = AnswerCounter(committer=self.committer, clock=clock)
        self.partners = CountedPartners(
            partners=self.routing.partners,
            count=self.answers.count,
            fair_seconds=min(FAIR_SECONDS, config.partner_timeout_seconds),
        )
        self.commands = CommandDesk(
            committer=self.committer,
            reads=self.reads,
            partners=self.partners,
            document=command_document,
            wait_seconds=config.partner_timeout_seconds,
        )
        self.metrics.read_heads(self.tail.head)
        self.metrics.read_links(lambda: len(self.routing.links))
        self.metrics.read_dropped(self.routing.counts.dropped)
        self.health = HealthServicer()
        self.clearing = clearing_settings(config, entropy)
        self.clearing_jobs = ClearingJobs(committer=self.committer, reads=self.reads, settings=self.clearing)
        self.scheduler = scheduler(self)
        self._ports = Ports(config, self.edge)
        self._opened = AsyncExitStack()

    def reachable(self, party: PartyId) -> bool:
        """Say whether a party holds a link or its endpoint answers."""
        return self.routing.reachable(party)

    def settle(self) -> int:
        """Act on what the directory says by now; returns how many streams that ended."""
        self.routing.look()
        return self.edge.end_refused()

    def endpoint(self) -> str:
        """Return where partners call, `host:port`."""
        return self.config.public_endpoint or f"{self.server_names[0]}:{self.port}"

    def register_endpoint(self) -> str:
        """Return where partners register, `host:port`."""
        return self.config.public_register_endpoint or f"{self.server_names[0]}:{self.register_port}"

    async def start(self) -> None:
        """Bring the database up to date and serve; if that fails, what was opened is closed again."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        # Each part says here how it is closed; they close in the opposite order.
        await self._start_storage()
        await self._start_partners()
        self.scheduler.start()
        self._opened.callback(self.scheduler.stop)
        await self._open_ports()
        ports = {"port": self.port, "register_port": self.register_port, "metrics_port": self.metrics_port}
        _log.info("serving", extra=ports)

    async def _start_storage(self) -> None:
        opened = self._opened
        opened.callback(self._read_engine.dispose)
        opened.callback(self._engine.dispose)
        upgrade(self._engine)
        self.committer.start()
        opened.callback(self.reads.stop)
        opened.callback(self.meters.stop)
        opened.callback(self.committer.stop)
        await self.committer.run(lambda uow: record_own(uow, operator_record(self.operator)))
        await self.committer.run(lambda uow: ensure_keyring(uow, self.clearing.notary))
        if not await self.reads.run(lambda uow: signs(uow, self.clearing.notary)):
            # Partners still roam; what cannot be signed is issued once the keys are back, or others are agreed on.
            _log.error("no_signing_key", extra={"see": "roamhub doctor"})
        self.tail.advance(await self.reads.run(lambda uow: {stream: uow.journal.head(stream) for stream in Stream}))

    async def _start_partners(self) -> None:
        opened = self._opened
        self.routing.start(await self.reads.run(recorded_presence))
        opened.push_async_callback(self.routing.stop)
        opened.push_async_callback(self.answers.close)
        self.commands.start()
        opened.push_async_callback(self.commands.stop)

    async def _open_ports(self) -> None:
        if self.config.metrics_listen:
            metrics = serve_metrics(self.config, self.metrics)
            self._opened.callback(metrics.stop)
            self.metrics_port = metrics.port
        pair = server_pair(self.ca, self.config.data_dir, self.server_names, self.clock())
        answered = watched(services(self), self.health)
        self._opened.push_async_callback(self._drain)
        self.port = await self._ports.open("listen", answered, credentials(pair, self.ca.ca_pem))
        self.register_port = await self._ports.open("register_listen", registration(self), credentials(pair))

    async def stop(self) -> None:
        """Let calls in flight finish within the configured time, then write what is queued and close."""
        await self._opened.aclose()
        _log.info("stopped")

    async def _drain(self) -> None:
        grace = self.config.drain_seconds
        _log.info("draining", extra={"seconds": grace})
        self.health.drain()
        self.tail.stop()
        await asyncio.gather(self.routing.links.drain(grace), self._ports.drain(grace))
