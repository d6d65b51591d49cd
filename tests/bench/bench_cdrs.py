"""CDRs: unary, in batches and alone, against a bare echo of a message of the same size.

The bare server is grpc.aio on asyncio as it comes; it parses a message and sends it back.

Run: `python -m tests.bench.bench_cdrs`
"""

import asyncio
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

import uvloop
from roamhub.v1 import (
    cdr_object_pb2,
    cdr_pb2,
    tariff_object_pb2,
    tariff_pb2,
    tariff_pb2_grpc,
    token_object_pb2,
)

from tests.bench.load import Served, blank, latency_ms, rate, report, serving
from tests.bench.roaming import publish
from tests.cdrs import START, make_cdr, number, period, stamp

_BATCH = 100
_ROUNDS = 5
_SECONDS = 2.0
#: CDRs are of so many tokens and EVSEs, each of which charges so many times without an overlap.
PLACES, _TURNS = 1_000, 500


def full_cdr(name: int) -> cdr_object_pb2.Cdr:
    """Return a plausible CDR of about 1.9 KB: eight periods, its tariff and a remark."""
    component = tariff_object_pb2.PriceComponent(
        type=tariff_object_pb2.TARIFF_DIMENSION_TYPE_ENERGY, price=number("0.3500"), vat=number("21.0"), step_size=1
    )
    tariff = tariff_object_pb2.Tariff(
        country_code="NL",
        party_id="CPO",
        id="T-1",
        currency="EUR",
        elements=[tariff_object_pb2.TariffElement(price_components=[component])] * 4,
        last_updated=stamp(START - timedelta(days=400)),
    )
    cdr = make_cdr(
        f"CDR-{name:012d}",
        charging_periods=[period(15 * index, "2.5000", "0.2500") for index in range(8)],
        tariffs=[tariff],
        remark="This CDR was made for a benchmark; it is as long as real ones are. " * 12,
    )
    turn, place = divmod(name, PLACES)
    cdr.cdr_token.uid, cdr.cdr_location.evse_uid = f"TOK{place + 1}", f"E{place + 1}"
    earlier = int(timedelta(hours=2.5).total_seconds()) * (turn % _TURNS)
    for stamped in (cdr.start_date_time, cdr.end_date_time, *(each.start_date_time for each in cdr.charging_periods)):
        stamped.seconds -= earlier
    return cdr


def submissions(first: int, count: int) -> list[cdr_pb2.SubmitCdrRequest]:
    """Return new submissions."""
    return [
        cdr_pb2.SubmitCdrRequest(request_id=str(UUID(int=(1 << 64) + name)), cdr=full_cdr(name))
        for name in range(first, first + count)
    ]


async def publish_tariff(hub: Served) -> None:
    """Publish the tariff that `full_cdr` is priced by."""
    async with hub.channel("cpo") as channel:
        stub: tariff_pb2_grpc.TariffServiceAsyncStub = tariff_pb2_grpc.TariffServiceStub(channel)
        await stub.PutTariff(tariff_pb2.PutTariffRequest(tariff=full_cdr(0).tariffs[0]))


@dataclass
class Submitting:
    """Calls of the two servers, each submission new."""

    echo: Any
    submit: Any
    batches: Any
    made: list[bytes]
    blank: bytes
    used: int = 1

    async def alone(self) -> tuple[float, float]:
        """Return the median latencies of a lone echo and of a lone submission, in milliseconds."""
        bare, _ = await latency_ms(lambda _: self.echo(self.blank), calls=100)
        hub, self.used = await latency_ms(lambda n: self.submit(self.made[n]), calls=100, first=self.used)
        return bare, hub

    async def unary(self) -> tuple[float, float]:
        """Return the rates of echoes and of submissions, 64 in flight."""
        bare, _ = await rate(lambda _: self.echo(self.blank), seconds=_SECONDS)
        hub, self.used = await rate(lambda n: self.submit(self.made[n]), seconds=_SECONDS, first=self.used)
        return bare, hub

    async def batched(self, number: int) -> tuple[float, float]:
        """Return the rate of echoes, and of CDRs in batches of 100, four batches in flight."""
        bare, _ = await rate(lambda _: self.echo(self.blank), seconds=_SECONDS)
        first = 70_000 + 12_000 * number
        packed = [
            cdr_pb2.BatchSubmitCdrsRequest(requests=submissions(first + k * _BATCH, _BATCH)).SerializeToString()
            for k in range(120)
        ]
        sent = perf_counter()
        results: list[bytes] = []

        async def worker() -> None:
            while packed and perf_counter() - sent < _SECONDS:
                results.append(await self.batches(packed.pop()))

        await asyncio.gather(*(worker() for _ in range(4)))
        return bare, len(results) * _BATCH / (perf_counter() - sent)


async def run(echo: Served, hub: Served) -> None:
    """Measure in rounds, echo and hub in turn, and print the median of the rounds' ratios."""
    await publish(hub, token_object_pb2.WHITELIST_TYPE_ALWAYS, count=PLACES)
    await publish_tariff(hub)
    raw = hub.channel("cpo")
    made = [request.SerializeToString() for request in submissions(0, 60_000)]
    calls = Submitting(
        echo=echo.channel("echo").unary_unary("/bench/Echo"),
        submit=raw.unary_unary("/roamhub.v1.CdrService/SubmitCdr"),
        batches=raw.unary_unary("/roamhub.v1.CdrService/BatchSubmitCdrs"),
        made=made,
        blank=blank(len(made[0])),
    )
    first = cdr_pb2.SubmitCdrResponse.FromString(await calls.submit(calls.made[0]))
    print(f"CDR message: {len(calls.made[0])} bytes; {cdr_pb2.CdrState.Name(first.state)}", flush=True)
    rounds = [await calls.alone() for _ in range(_ROUNDS)]
    bare, taken = (median(part) for part in zip(*rounds, strict=True))
    report("SubmitCdr alone, median latency", f"{taken:.2f} of {bare:.2f} ms", ratio_of(rounds), "<= 2.5")
    cpu, started = hub.cpu_seconds(), calls.used
    rounds = [await calls.unary() for _ in range(_ROUNDS)]
    each = (hub.cpu_seconds() - cpu) / (calls.used - started) * 1e6
    bare, taken = (median(part) for part in zip(*rounds, strict=True))
    report("SubmitCdr unary, 64 in flight", f"{taken:,.0f} of {bare:,.0f}/s", ratio_of(rounds), ">= 0.6")
    print(f"hub processor time: {each:.0f} us a CDR", flush=True)
    rounds = [await calls.batched(number) for number in range(_ROUNDS)]
    bare, taken = (median(part) for part in zip(*rounds, strict=True))
    report("CDRs in batches of 100", f"{taken:,.0f} CDRs/s", ratio_of(rounds), ">= 1.6")


def ratio_of(rounds: list[tuple[float, float]]) -> float:
    """Return the median ratio: a burst of other work on the machine then spoils a round and not the figure."""
    return median(hub / bare for bare, hub in rounds)


def main() -> None:
    """Run the servers and measure."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving("echo", Path(folder) / "echo") as echo,
        serving("hub", Path(folder) / "hub") as hub,
    ):
        uvloop.run(run(echo, hub))


if __name__ == "__main__":
    main()
