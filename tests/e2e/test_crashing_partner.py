"""A CPO's process that is killed while it submits: every CDR arrives, and none twice."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from roamhub.v1.cdr_pb2 import ListCdrsRequest
from roamhub.v1.cdr_pb2_grpc import CdrServiceStub

from adapters.partner import Partner
from adapters.simulator.emsp import cards_of
from adapters.simulator.world import make_stations, make_tariffs
from tests.e2e.conftest import CPO, EMSP, RNG_SEED, ROOT, SINCE, RunningHub, seeded

COUNT = 3_000


def start(hub: RunningHub, *killed_after: str) -> "subprocess.Popen[str]":
    script = [sys.executable, str(ROOT / "tests/e2e/submitting.py"), "crasher", str(COUNT), *killed_after]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(script, stdout=subprocess.PIPE, text=True, cwd=hub.folder, env=environment)


def answered(outbox: Path) -> int:
    if not outbox.exists():
        return 0
    database = sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)
    try:
        return int(database.execute("SELECT count(*) FROM cdr WHERE state <> 'pending'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        database.close()


async def prepare(hub: RunningHub) -> None:
    async with Partner(hub.folder / "crasher") as cpo, Partner(hub.folder / "shy") as emsp:
        await cpo.publish.tariffs(make_tariffs(CPO, SINCE))
        await cpo.publish.locations(make_stations(CPO, 5, SINCE, seeded(RNG_SEED)))
        await emsp.publish.tokens([cards_of(EMSP, 1, RNG_SEED)[0].token])


async def indexes(folder: Path) -> list[int]:
    found: list[int] = []
    async with Partner(folder) as partner:
        request = ListCdrsRequest(page_size=1000)
        while True:
            page = await partner.call(partner.stub(CdrServiceStub).ListCdrs, request)
            found += [record.receipt.journal_index for record in page.cdrs]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token


def test_every_cdr_of_a_process_that_was_killed_arrives_exactly_once(running_hub: RunningHub) -> None:
    hub = running_hub
    for name, party in (("crasher", "NL-CRA:CPO"), ("shy", "DE-SHY:EMSP")):
        hub.roamhub("partner", "invite", name, "--party", party, "--out", f"{name}.json")
        assert hub.roamhub("partner", "register", f"{name}.json", "--as", name).code == 0
    sides = ("--cpo", "NL-CRA", "--emsp", "DE-SHY", "--start", "2026-01-01T00:00:00Z")
    proposed = hub.roamhub("agreement", "propose", *sides, "--as", "crasher", "--json").json()
    assert hub.roamhub("agreement", "accept", proposed["name"], "--as", "shy").code == 0
    asyncio.run(prepare(hub))

    outbox, before = hub.folder / "crasher" / "outbox.db", 0
    for more in (1, 1_000):
        process = start(hub, str(more))
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL
        assert before + more <= answered(outbox) < COUNT
        before = answered(outbox)

    process = start(hub)
    out, _ = process.communicate(timeout=300)
    assert out.splitlines() == ["submitting", f"accepted {COUNT}"]
    found = asyncio.run(indexes(hub.folder / "crasher"))
    assert len(found) == len(set(found)) == COUNT
