"""CDRs: unary, in batches and alone, against a bare echo of a message of the same size.

Run: `python -m tests.bench.bench_cdrs`
"""

import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import uvloop
from roamhub.v1 import cdr_object_pb2, cdr_pb2, tariff_object_pb2, token_object_pb2

from tests.bench.load import Served, latency_ms, rate, report, serving
from tests.bench.roaming import publish
from tests.cdrs import START, make_cdr, number, period, stamp

_BATCH = 100


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
        last_updated=stamp(START),
    )
    return make_cdr(
        f"CDR-{name:012d}",
        charging_periods=[period(15 * index, "2.5000", "0.2500") for index in range(8)],
        tariffs=[tariff],
        remark="This CDR was made for a benchmark; it is as long as real ones are. " * 12,
    )


def submissions(first: int, count: int) -> list[cdr_pb2.SubmitCdrRequest]:
    """Return new submissions."""
    return [
        cdr_pb2.SubmitCdrRequest(request_id=str(UUID(int=(1 << 64) + name)), cdr=full_cdr(name))
        for name in range(first, first + count)
    ]


async def run(echo: Served, hub: Served) -> None:
    """Measure and print."""
    await publish(hub, token_object_pb2.WHITELIST_TYPE_ALWAYS)
    bare: Any = echo.channel("echo").unary_unary("/bench/Echo")
    raw = hub.channel("cpo")
    submit: Any = raw.unary_unary(
        "/roamhub.v1.CdrService/SubmitCdr", response_deserializer=cdr_pb2.SubmitCdrResponse.FromString
    )
    made = [request.SerializeToString() for request in submissions(0, 40_000)]
    print(f"CDR message: {len(made[0])} bytes")
    first = await submit(made[0])
    print("state:", cdr_pb2.CdrState.Name(first.state), [finding.code for finding in first.findings])

    echo_alone, _ = await latency_ms(lambda n: bare(made[n]))
    hub_alone, used = await latency_ms(lambda n: submit(made[n]), first=1)
    report(
        "SubmitCdr alone, median latency",
        f"{hub_alone:.2f} ms of {echo_alone:.2f} ms",
        hub_alone / echo_alone,
        "<= 2.5",
    )

    echo_rate, _ = await rate(lambda n: bare(made[n % len(made)]))
    cpu, started = hub.cpu_seconds(), used
    hub_rate, used = await rate(lambda n: submit(made[n]), first=used)
    each = (hub.cpu_seconds() - cpu) / (used - started) * 1e6
    report("SubmitCdr unary", f"{hub_rate:,.0f}/s of {echo_rate:,.0f}/s", hub_rate / echo_rate, ">= 0.6")
    print(f"hub processor time per unary CDR: {each:.0f} us")

    def batch(number: int) -> Any:
        return batches(packed[number])

    batches: Any = raw.unary_unary("/roamhub.v1.CdrService/BatchSubmitCdrs")
    packed = [
        cdr_pb2.BatchSubmitCdrsRequest(requests=submissions(100_000 + k * _BATCH, _BATCH)).SerializeToString()
        for k in range(400)
    ]
    calls_rate, _ = await rate(batch, seconds=3.0, in_flight=4)
    report("CDRs in batches of 100", f"{calls_rate * _BATCH:,.0f}/s", calls_rate * _BATCH / echo_rate, ">= 1.6")


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
