"""CDRs: unary, in batches and alone, against a bare echo of a message of the same size.

Run: `python -m tests.bench.bench_cdrs`
"""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import uvloop
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import (
    cdr_object_pb2,
    cdr_pb2,
    common_pb2,
    location_object_pb2,
    session_object_pb2,
    tariff_object_pb2,
)

from tests.bench.load import Served, latency_ms, rate, report, serving

_NOW = datetime.now(UTC)
_BATCH = 100


def stamp(instant: datetime) -> Timestamp:
    """Return the message of an instant."""
    made = Timestamp()
    made.FromDatetime(instant)
    return made


def make_cdr(number: int) -> cdr_object_pb2.Cdr:
    """Return a plausible CDR of about 1.9 KB: eight periods and its tariff."""
    start = _NOW - timedelta(hours=8)
    dimension = session_object_pb2.CdrDimension

    def period(index: int) -> session_object_pb2.ChargingPeriod:
        return session_object_pb2.ChargingPeriod(
            start_date_time=stamp(start + timedelta(minutes=15 * index)),
            dimensions=[
                dimension(type=session_object_pb2.CDR_DIMENSION_TYPE_ENERGY, volume=PbDecimal(value="2.5000")),
                dimension(type=session_object_pb2.CDR_DIMENSION_TYPE_TIME, volume=PbDecimal(value="0.2500")),
                dimension(type=session_object_pb2.CDR_DIMENSION_TYPE_MAX_POWER, volume=PbDecimal(value="11.0000")),
            ],
            tariff_id="T-1",
        )

    component = tariff_object_pb2.PriceComponent(
        type=tariff_object_pb2.TARIFF_DIMENSION_TYPE_ENERGY,
        price=PbDecimal(value="0.3500"),
        vat=PbDecimal(value="21.0"),
        step_size=1,
    )
    return cdr_object_pb2.Cdr(
        country_code="NL",
        party_id="CPO",
        id=f"CDR-{number:012d}",
        start_date_time=stamp(start),
        end_date_time=stamp(start + timedelta(hours=2)),
        session_id=f"S-{number:012d}",
        cdr_token=session_object_pb2.CdrToken(
            country_code="DE", party_id="MSP", uid="0455A1B2C3D4E5", type="RFID", contract_id="DE-MSP-C12345678-X"
        ),
        auth_method=session_object_pb2.AUTH_METHOD_WHITELIST,
        cdr_location=cdr_object_pb2.CdrLocation(
            id="LOC-1",
            name="Station square",
            address="Stationsplein 1",
            city="Utrecht",
            postal_code="3511 ED",
            country="NLD",
            coordinates=common_pb2.GeoLocation(latitude="52.0893", longitude="5.1102"),
            evse_uid="EVSE-1",
            evse_id="NL*CPO*E1234567*1",
            connector_id="1",
            connector_standard="IEC_62196_T2",
            connector_format=location_object_pb2.CONNECTOR_FORMAT_SOCKET,
            connector_power_type=location_object_pb2.POWER_TYPE_AC_3_PHASE,
        ),
        meter_id="meter-000123456",
        currency="EUR",
        tariffs=[
            tariff_object_pb2.Tariff(
                country_code="NL",
                party_id="CPO",
                id="T-1",
                currency="EUR",
                elements=[tariff_object_pb2.TariffElement(price_components=[component])] * 4,
                last_updated=stamp(start),
            )
        ],
        charging_periods=[period(index) for index in range(8)],
        total_cost=common_pb2.Price(before_taxes=PbDecimal(value="7.0000"), after_taxes=PbDecimal(value="8.4700")),
        total_energy=PbDecimal(value="20.0000"),
        total_energy_cost=common_pb2.Price(before_taxes=PbDecimal(value="7.0000")),
        total_time=PbDecimal(value="2.0000"),
        remark="This CDR was made for a benchmark; it is as long as real ones are. " * 4,
        last_updated=stamp(_NOW - timedelta(hours=5)),
    )


def submissions(first: int, count: int) -> list[cdr_pb2.SubmitCdrRequest]:
    """Return new submissions."""
    return [
        cdr_pb2.SubmitCdrRequest(request_id=str(UUID(int=(1 << 64) + number)), cdr=make_cdr(number))
        for number in range(first, first + count)
    ]


async def run(echo: Served, hub: Served) -> None:
    """Measure and print."""
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
