"""CDRs in batches, checked and rated, against the same CDRs of an agreement that wants no price checked.

Both kinds have eight charging periods and name a published tariff, go to the same hub in turn, four batches of 100 in
flight, and differ in the eMSP alone.

Run: `python -m tests.bench.bench_rated`
"""

import asyncio
import tempfile
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import uvloop
from roamhub.v1 import cdr_pb2, token_object_pb2

from tests.bench.bench_cdrs import PLACES, publish_tariff, ratio_of, submissions
from tests.bench.load import Served, report, serving
from tests.bench.roaming import publish

_BATCH = 100
_BATCHES = 60
_ROUNDS = 7
_ACCEPTED = cdr_pb2.CDR_STATE_ACCEPTED


def packed(first: int, party_id: str) -> list[bytes]:
    """Return batches of new submissions for an eMSP's token."""
    batches = []
    for start in range(first, first + _BATCHES * _BATCH, _BATCH):
        requests = submissions(start, _BATCH, party_id)
        batches.append(cdr_pb2.BatchSubmitCdrsRequest(requests=requests).SerializeToString())
    return batches


async def submitted(call: Any, hub: Served, batches: list[bytes]) -> tuple[float, float]:
    """Submit them, four in flight; returns CDRs per second and the hub's processor time for each in microseconds."""
    total, cpu, started = len(batches) * _BATCH, hub.cpu_seconds(), perf_counter()
    answers: list[bytes] = []

    async def worker() -> None:
        while batches:
            answers.append(await call(batches.pop()))

    await asyncio.gather(*(worker() for _ in range(4)))
    rate, each = total / (perf_counter() - started), (hub.cpu_seconds() - cpu) / total * 1e6
    for outcome in cdr_pb2.BatchSubmitCdrsResponse.FromString(answers[-1]).outcomes:
        assert outcome.response.state == _ACCEPTED, outcome
        assert not outcome.response.findings, outcome
    return rate, each


async def run(hub: Served) -> None:
    """Measure in rounds, unrated and rated in turn, and print the median of the rounds' ratios."""
    await publish(hub, token_object_pb2.WHITELIST_TYPE_ALWAYS, count=PLACES)
    channel, numbers = hub.channel("cpo"), count(0, _BATCHES * _BATCH)
    await publish_tariff(hub)
    call: Any = channel.unary_unary("/roamhub.v1.CdrService/BatchSubmitCdrs")
    await submitted(call, hub, packed(next(numbers), "MSP"))  # compiles statements and tariffs
    rounds, cpu = [], []
    for _ in range(_ROUNDS):
        unrated, unrated_cpu = await submitted(call, hub, packed(next(numbers), "OFF"))
        rated, rated_cpu = await submitted(call, hub, packed(next(numbers), "MSP"))
        rounds.append((unrated, rated))
        cpu.append((unrated_cpu, rated_cpu))
    bare, taken = (median(part) for part in zip(*rounds, strict=True))
    report("CDRs in batches of 100, rated", f"{taken:,.0f} of {bare:,.0f}/s", ratio_of(rounds), ">= 0.6")
    bare, taken = (median(part) for part in zip(*cpu, strict=True))
    print(f"hub processor time a CDR: {taken:.0f} us, without rating {bare:.0f} us", flush=True)


def main() -> None:
    """Run the server and measure."""
    with tempfile.TemporaryDirectory() as folder, serving("hub", Path(folder) / "hub") as hub:
        uvloop.run(run(hub))


if __name__ == "__main__":
    main()
