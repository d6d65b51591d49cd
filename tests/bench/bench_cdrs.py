"""CDRs: unary, in batches and alone, against a bare echo of a message of the same size.

The bare server is grpc.aio on asyncio as it comes; it parses a message and sends it back. CDRs are as short as the
specification's example and as long as those of many periods. They go to one eMSP whose agreement wants no price
checked, and then to one whose CDRs are all rated; `bench_rated` compares these two.

Run: `python -m tests.bench.bench_cdrs`
"""

import asyncio
import tempfile
from collections.abc import Callable
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
_BATCHES = 120
_ROUNDS = 5
_SECONDS = 2.0
#: Makes the CDR of a number for an eMSP's token.
Make = Callable[[int, str], cdr_object_pb2.Cdr]
#: More unary submissions a second than any hub here takes.
_UNARY_MAX = 4_000
#: CDRs are of so many tokens and EVSEs, each of which charges so many times without an overlap.
PLACES, _TURNS = 1_000, 500


def full_cdr(name: int, emsp: str = "MSP") -> cdr_object_pb2.Cdr:
    """Return a long CDR of about 1.6 KB for an eMSP's token: eight periods, its tariff and a remark."""
    cdr = make_cdr(
        f"CDR-{name:012d}",
        charging_periods=[period(15 * index, "2.5000", "0.2500") for index in range(8)],
        tariffs=[_tariff(elements=4)],
        remark="This CDR was made for a benchmark; it is as long as real ones are. " * 12,
    )
    return _placed(cdr, name, emsp)


def short_cdr(name: int, emsp: str = "MSP") -> cdr_object_pb2.Cdr:
    """Return a CDR of about 0.4 KB for an eMSP's token, like the specification's example: two periods, its tariff."""
    return _placed(make_cdr(f"CDR-{name:012d}", tariffs=[_tariff(elements=1)]), name, emsp)


def _tariff(elements: int) -> tariff_object_pb2.Tariff:
    component = tariff_object_pb2.PriceComponent(
        type=tariff_object_pb2.TARIFF_DIMENSION_TYPE_ENERGY, price=number("0.3500"), vat=number("21.0"), step_size=1
    )
    return tariff_object_pb2.Tariff(
        country_code="NL",
        party_id="CPO",
        id="T-1",
        currency="EUR",
        elements=[tariff_object_pb2.TariffElement(price_components=[component])] * elements,
        last_updated=stamp(START - timedelta(days=400)),
    )


def _placed(cdr: cdr_object_pb2.Cdr, name: int, emsp: str) -> cdr_object_pb2.Cdr:
    """Put a CDR at a token, a place and a time of its own."""
    turn, place = divmod(name, PLACES)
    cdr.cdr_token.uid, cdr.cdr_token.party_id, cdr.cdr_location.evse_uid = f"TOK{place + 1}", emsp, f"E{place + 1}"
    earlier = int(timedelta(hours=2.5).total_seconds()) * (turn % _TURNS)
    for stamped in (cdr.start_date_time, cdr.end_date_time, *(each.start_date_time for each in cdr.charging_periods)):
        stamped.seconds -= earlier
    return cdr


def submissions(first: int, count: int, emsp: str = "MSP", make: Make = full_cdr) -> list[cdr_pb2.SubmitCdrRequest]:
    """Return new submissions for an eMSP's tokens."""
    return [
        cdr_pb2.SubmitCdrRequest(request_id=str(UUID(int=(1 << 64) + name)), cdr=make(name, emsp))
        for name in range(first, first + count)
    ]


async def publish_tariff(hub: Served) -> None:
    """Publish the tariff that `full_cdr` is priced by."""
    async with hub.channel("cpo") as channel:
        stub: tariff_pb2_grpc.TariffServiceAsyncStub = tariff_pb2_grpc.TariffServiceStub(channel)
        await stub.PutTariff(tariff_pb2.PutTariffRequest(tariff=full_cdr(0).tariffs[0]))


@dataclass
class Submitting:
    """Calls of the two servers, each submission new and for one eMSP."""

    echo: Any
    submit: Any
    batches: Any
    emsp: str
    make: Make
    #: The number of the next CDR.
    used: int
    #: How many were submitted by `unary`.
    sent: int = 0

    async def alone(self) -> tuple[float, float]:
        """Return the median latencies of a lone echo and of a lone submission, in milliseconds."""
        made = self._made(100)
        bare, _ = await latency_ms(lambda _: self.echo(blank(len(made[0]))), calls=len(made))
        hub, _ = await latency_ms(lambda n: self.submit(made[n]), calls=len(made))
        return bare, hub

    async def unary(self) -> tuple[float, float]:
        """Return the rates of echoes and of submissions, 64 in flight."""
        made = self._made(int(_SECONDS * _UNARY_MAX))
        bare, _ = await rate(lambda _: self.echo(blank(len(made[0]))), seconds=_SECONDS)
        hub, sent = await rate(lambda n: self.submit(made[n]), seconds=_SECONDS)
        self.sent += sent
        return bare, hub

    async def batched(self) -> tuple[float, float]:
        """Return the rate of echoes, and of CDRs in batches of 100, four batches in flight."""
        packed = [
            cdr_pb2.BatchSubmitCdrsRequest(requests=self._next(_BATCH)).SerializeToString() for _ in range(_BATCHES)
        ]
        bare, _ = await rate(lambda _: self.echo(blank(len(packed[0]) // _BATCH)), seconds=_SECONDS)
        sent = perf_counter()
        results: list[bytes] = []

        async def worker() -> None:
            while packed and perf_counter() - sent < _SECONDS:
                results.append(await self.batches(packed.pop()))

        await asyncio.gather(*(worker() for _ in range(4)))
        return bare, len(results) * _BATCH / (perf_counter() - sent)

    def _made(self, count: int) -> list[bytes]:
        return [request.SerializeToString() for request in self._next(count)]

    def _next(self, count: int) -> list[cdr_pb2.SubmitCdrRequest]:
        first, self.used = self.used, self.used + count
        return submissions(first, count, self.emsp, self.make)


async def run(echo: Served, hub: Served) -> None:
    """Measure in rounds, echo and hub in turn, and print the median of the rounds' ratios."""
    await publish(hub, token_object_pb2.WHITELIST_TYPE_ALWAYS, count=PLACES)
    await publish_tariff(hub)
    raw = hub.channel("cpo")
    bare: Any = echo.channel("echo").unary_unary("/bench/Echo")
    kinds: tuple[tuple[str, str, Make], ...] = (
        ("two periods", "OFF", short_cdr),
        ("eight periods", "OFF", full_cdr),
        ("eight, rated", "MSP", full_cdr),
    )
    for place, (kind, emsp, make) in enumerate(kinds):
        calls = Submitting(
            echo=bare,
            submit=raw.unary_unary("/roamhub.v1.CdrService/SubmitCdr"),
            batches=raw.unary_unary("/roamhub.v1.CdrService/BatchSubmitCdrs"),
            emsp=emsp,
            make=make,
            used=place * PLACES * _TURNS // len(kinds),
        )
        await measure(calls, hub, kind)


async def measure(calls: Submitting, hub: Served, kind: str) -> None:
    """Print the three figures of one kind of CDR."""
    (message,) = submissions(calls.used, 1, calls.emsp, calls.make)
    calls.used += 1
    first = cdr_pb2.SubmitCdrResponse.FromString(await calls.submit(message.SerializeToString()))
    print(f"CDR, {kind}: {message.ByteSize()} bytes; {cdr_pb2.CdrState.Name(first.state)}", flush=True)
    rounds = [await calls.alone() for _ in range(_ROUNDS)]
    bare, taken = (median(part) for part in zip(*rounds, strict=True))
    report(f"SubmitCdr alone, {kind}", f"{taken:.2f} of {bare:.2f} ms", ratio_of(rounds), "<= 2.5")
    cpu = hub.cpu_seconds()
    rounds = [await calls.unary() for _ in range(_ROUNDS)]
    each = (hub.cpu_seconds() - cpu) / calls.sent * 1e6
    bare, taken = (median(part) for part in zip(*rounds, strict=True))
    report(f"SubmitCdr, 64 in flight, {kind}", f"{taken:,.0f} of {bare:,.0f}/s", ratio_of(rounds), ">= 0.6")
    print(f"hub processor time: {each:.0f} us a CDR", flush=True)
    rounds = [await calls.batched() for _ in range(_ROUNDS)]
    bare, taken = (median(part) for part in zip(*rounds, strict=True))
    report(f"CDRs in batches of 100, {kind}", f"{taken:,.0f} of {bare:,.0f}/s", ratio_of(rounds), ">= 1.6")


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
