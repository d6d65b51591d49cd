"""`kill -9` under load: what was acknowledged is there once, unchanged; what was not is there whole, or not at all."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import grpc
import pytest
from roamhub.v1 import cdr_pb2, cdr_pb2_grpc, location_pb2, location_pb2_grpc, session_pb2, session_pb2_grpc
from sqlalchemy import text

from hub.cli.demo.ports import held_ports
from hub.config import Config
from hub.domain.agreements import CheckAction
from hub.domain.journal import Stream
from hub.domain.parties import Role
from hub.domain.tokens import Token, TokenKey, Whitelist
from hub.main import Hub
from hub.store.database import open_engine
from hub.store.tables.sessions import ChargingSessionRow
from hub.store.tables.spine import EntryRow, IdempotencyRow
from tests import catalog
from tests.cdrs import NOW, make_cdr
from tests.e2e.conftest import listens, wait_for
from tests.rpc.test_sessions import session
from tests.stored import check_cdrs, check_journal, read_rows
from tests.support import Partner, add_partner, agree, open_channel

#: How often the hub is killed, and after how many answers.
KILLS = 3
ANSWERS = (40, 700)
UNARY, REPORTS, BATCHES, BATCH, STREAM = 12, 4, 2, 25, 40


@dataclass
class Ledger:
    """What a partner's back end knows: what it has sent, and what it was told."""

    sent: dict[str, cdr_pb2.SubmitCdrRequest] = field(default_factory=dict)
    receipts: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    told_sessions: set[str] = field(default_factory=set)

    def next(self) -> cdr_pb2.SubmitCdrRequest:
        name = f"CDR-{len(self.sent)}"
        request = cdr_pb2.SubmitCdrRequest(request_id=str(UUID(int=len(self.sent) + 1)), cdr=make_cdr(name))
        self.sent[name] = request
        return request

    def told(self, request: cdr_pb2.SubmitCdrRequest, answer: cdr_pb2.SubmitCdrResponse) -> None:
        assert answer.state == cdr_pb2.CDR_STATE_ACCEPTED, answer
        receipt = answer.receipt.journal_index, answer.receipt.leaf_hash
        assert self.receipts.setdefault(request.cdr.id, receipt) == receipt

    @property
    def open(self) -> list[cdr_pb2.SubmitCdrRequest]:
        """What was sent and never answered."""
        return [request for name, request in self.sent.items() if name not in self.receipts]


class Load:
    """Submits CDRs alone, in batches and in a stream, and reports sessions, until the hub is gone."""

    def __init__(self, channel: grpc.aio.Channel, ledger: Ledger) -> None:
        self._cdrs: cdr_pb2_grpc.CdrServiceAsyncStub = cdr_pb2_grpc.CdrServiceStub(channel)
        self._sessions: session_pb2_grpc.SessionServiceAsyncStub = session_pb2_grpc.SessionServiceStub(channel)
        self._ledger = ledger
        self._over = False

    async def run(self) -> None:
        workers = [self._alone() for _ in range(UNARY)] + [self._batches() for _ in range(BATCHES)]
        workers += [self._report() for _ in range(REPORTS)]
        await asyncio.gather(*map(until_it_is_gone, [*workers, self._stream()]))
        self._over = True

    async def submit_all(self, requests: Sequence[cdr_pb2.SubmitCdrRequest]) -> None:
        for start in range(0, len(requests), 500):
            chunk = requests[start : start + 500]
            answer = await self._cdrs.BatchSubmitCdrs(cdr_pb2.BatchSubmitCdrsRequest(requests=chunk))
            for request, outcome in zip(chunk, answer.outcomes, strict=True):
                self._ledger.told(request, outcome.response)

    async def _alone(self) -> None:
        while True:
            request = self._ledger.next()
            self._ledger.told(request, await self._cdrs.SubmitCdr(request))

    async def _batches(self) -> None:
        while True:
            await self.submit_all([self._ledger.next() for _ in range(BATCH)])

    async def _stream(self) -> None:
        sent: list[cdr_pb2.SubmitCdrRequest] = []

        async def requests() -> AsyncIterator[cdr_pb2.StreamCdrsRequest]:
            while not self._over:
                for _ in range(STREAM):
                    sent.append(self._ledger.next())
                    yield cdr_pb2.StreamCdrsRequest(request_id=sent[-1].request_id, cdr=sent[-1].cdr)
                await asyncio.sleep(0.01)

        async for response in self._cdrs.StreamCdrs(requests()):
            for place, outcome in enumerate(response.outcomes, response.first_index):
                self._ledger.told(sent[place], outcome.response)

    async def _report(self) -> None:
        while True:
            name = f"S-{len(self._ledger.sessions)}"
            self._ledger.sessions.add(name)
            await self._sessions.PutSession(session_pb2.PutSessionRequest(session=session(id=name)))
            self._ledger.told_sessions.add(name)


async def until_it_is_gone(work: Any) -> None:
    try:
        await work
    except grpc.aio.AioRpcError as error:
        # The last is what grpc.aio makes of a message that it was handing to a connection that broke.
        lost = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert error.code() in lost or error.details() == "Internal error from Core", error  # noqa: PT017
    except asyncio.CancelledError:
        # How grpc.aio ends an iteration whose call was lost while a request was being written.
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise


@dataclass(frozen=True)
class Scene:
    """A data directory with a CPO and an eMSP that roam, and the settings of the process that serves it."""

    config: Config
    folder: Path
    cpo: Partner
    ca_pem: bytes

    @property
    def port(self) -> int:
        return int(self.config.listen.rpartition(":")[2])

    def channel(self) -> grpc.aio.Channel:
        return open_channel(self.port, self.ca_pem, self.cpo.key_pem, self.cpo.chain_pem)

    def check(self, ledger: Ledger) -> None:
        """Compare what is stored with what the partner knows."""
        engine = open_engine(self.config.database())
        sizes = check_journal(engine)
        stored = check_cdrs(engine)
        assert sizes[Stream.CLEARING] == len(stored), "every entry is about one CDR"
        assert set(stored) <= set(ledger.sent)
        assert {name: stored.get(name) for name in ledger.receipts} == ledger.receipts, "an acknowledged CDR is lost"
        remembered = {row.request_id for row in read_rows(engine, IdempotencyRow, "request_id")}
        assert remembered == {ledger.sent[name].request_id for name in stored}
        entries = read_rows(engine, EntryRow, "idx")
        told = [row.subject.rpartition("/")[2] for row in entries if row.kind == "session"]
        kept = {row.session_id for row in read_rows(engine, ChargingSessionRow, "session_id")}
        assert sorted(told) == sorted(name.upper() for name in kept), "a session without its entry, or the reverse"
        assert ledger.told_sessions <= set(told) <= ledger.sessions
        engine.dispose()


@pytest.fixture
def ports() -> Iterator[list[int]]:
    with held_ports(2) as ports:
        yield ports


@pytest.fixture
async def scene(database: str, authority: Path, tmp_path: Path, ports: list[int]) -> Scene:
    data_dir = tmp_path / "hub"
    shutil.copytree(authority, data_dir)
    config = Config(
        data_dir=data_dir,
        database_url=database,
        listen=f"127.0.0.1:{ports[0]}",
        register_listen=f"127.0.0.1:{ports[1]}",
        metrics_listen="",
        drain_seconds=1,
    )
    hub = Hub(config)
    await hub.start()
    cpo = await add_partner(hub, ["NL-CPO"], [Role.CPO], "cpo")
    emsp = await add_partner(hub, ["DE-MSP"], [Role.EMSP], "emsp")
    # All CDRs of the load are of one driver at one time: what matters here is that none is lost.
    checks = dict.fromkeys(("NEAR_DUPLICATE", "TOKEN_OVERLAP", "EVSE_OVERLAP"), CheckAction.ACCEPT)
    await agree(hub, cpo.party, emsp.party, checks=checks)
    token = Token(
        key=TokenKey(emsp.party, "tok1", "RFID"),
        contract_id="DE-MSP-C12345678-X",
        whitelist=Whitelist.ALWAYS,
        valid=True,
        last_updated=NOW,
        document=b"",
    )
    await hub.committer.run(lambda uow: uow.tokens.save([token]))
    locations: location_pb2_grpc.LocationServiceAsyncStub = location_pb2_grpc.LocationServiceStub(cpo.channel)
    await locations.PutLocation(location_pb2.PutLocationRequest(location=catalog.location()))
    for each in (cpo, emsp):
        await each.channel.close()
    await hub.stop()
    return Scene(config, tmp_path, cpo, hub.ca.ca_pem)


@contextmanager
def serving(scene: Scene) -> Iterator["subprocess.Popen[str]"]:
    """Run the hub as its operator does; it does not outlive the test."""
    config = scene.config
    settings = (
        f'data_dir = "{config.data_dir}"\nlisten = "{config.listen}"\nregister_listen = "{config.register_listen}"\n'
    )
    settings += f'database_url = "{config.database_url}"\nmetrics_listen = ""\ndrain_seconds = 1\n'
    path = scene.folder / "hub.toml"
    path.write_text(settings)
    process = start(path, scene.folder)
    try:
        wait_for(lambda: listens(config.listen, config.register_listen), process)
        yield process
    finally:
        process.kill()
        process.wait()


def start(config: Path, folder: Path) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROAMHUB_")}
    command = [str(Path(sys.executable).parent / "roamhub"), "serve", "--config", str(config)]
    with (folder / "hub.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, text=True, cwd=folder, env=environment)


async def settled(scene: Scene) -> None:
    """Wait until PostgreSQL has noticed that its client is dead: a COMMIT may still be on its way."""
    engine = open_engine(scene.config.database())
    if engine.dialect.name == "sqlite":
        return
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def alone() -> bool:
        with engine.connect() as connection:
            return not connection.execute(others).scalar_one()

    wait_for(alone)
    engine.dispose()


async def test_nothing_acknowledged_is_lost_and_nothing_else_is_half_done(scene: Scene) -> None:
    chance, ledger = Random(20_261), Ledger()
    for _ in range(KILLS):
        with serving(scene) as process:
            async with scene.channel() as channel:
                load = Load(channel, ledger)
                known = chance.sample(sorted(ledger.receipts), min(50, len(ledger.receipts)))
                # What got no answer is sent again, and so is what got one: neither makes a second CDR.
                await load.submit_all([*ledger.open, *(ledger.sent[name] for name in known)])
                enough = len(ledger.receipts) + chance.randint(*ANSWERS)
                loading = asyncio.create_task(load.run())
                while len(ledger.receipts) < enough and not loading.done():
                    await asyncio.sleep(0.001)
                process.kill()
                async with asyncio.timeout(60):
                    await loading
            process.wait()
        await settled(scene)
        scene.check(ledger)
    with serving(scene) as process:
        async with scene.channel() as channel:
            await Load(channel, ledger).submit_all(list(ledger.sent.values()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, (scene.folder / "hub.log").read_text()
    assert not ledger.open
    scene.check(ledger)


async def test_a_hub_that_is_killed_while_it_starts_for_the_first_time_starts_again(
    tmp_path: Path, ports: list[int]
) -> None:
    data = tmp_path / "data"
    settings = f'data_dir = "{data}"\nlisten = "127.0.0.1:{ports[0]}"\nregister_listen = "127.0.0.1:{ports[1]}"\n'
    config = tmp_path / "hub.toml"
    config.write_text(settings + 'metrics_listen = ""\ndrain_seconds = 1\n')
    chance = Random(7)
    # The files in the order in which a first start makes them; each time it is killed a little after the next is there.
    for name in ("ca.key", "roamhub.db", "server.pem"):
        process = start(config, tmp_path)
        wait_for(lambda name=name: (data / name).exists(), process)  # type: ignore[misc]
        await asyncio.sleep(chance.random() * 0.05)
        process.kill()
        process.wait()
    process = start(config, tmp_path)
    wait_for(lambda: listens(f"127.0.0.1:{ports[0]}"), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    engine = open_engine(f"sqlite:///{data / 'roamhub.db'}")
    check_journal(engine)
    engine.dispose()
    with suppress(FileNotFoundError):
        assert not [path.name for path in data.iterdir() if path.stat().st_mode & 0o077 and path.suffix == ".key"]
