"""Locations and EVSE states: publishing 20,000 real locations, states in batches, what a watcher waits, and memory.

Run: `python -m tests.bench.bench_catalog`. Real data comes from ROAMHUB_DATA; without it locations are made up.
"""

import asyncio
import os
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import grpc
import uvloop
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng
from roamhub.v1 import common_pb2, journal_pb2, journal_pb2_grpc, location_pb2, location_pb2_grpc
from roamhub.v1 import location_object_pb2 as pb

from adapters.ocpi.codec import Kind, Version, from_json
from adapters.ocpi.files import read_objects
from tests.bench.load import Served, blank, rate, report, serving
from tests.support import refusal

_DATA = Path(os.environ.get("ROAMHUB_DATA", "../shared/data")) / "locations" / "ndw-nl-locations.jsonl.gz"
_BATCH = 1_000
_CHUNK = 100


def stamp(instant: datetime) -> Timestamp:
    """Return the message of an instant."""
    made = Timestamp()
    made.FromDatetime(instant)
    return made


def real_locations() -> list[pb.Location]:
    """Return the real locations as one CPO's."""
    found = []
    for item in read_objects(_DATA):
        assert item.obj is not None
        message, _ = from_json(Kind.LOCATION, Version.V2_2_1, item.obj, owner=("NL", "CPO"))
        assert isinstance(message, pb.Location)
        message.country_code, message.party_id = "NL", "CPO"
        found.append(message)
    return found


def made_up_locations() -> list[pb.Location]:
    """Return as many plausible locations."""
    now = stamp(datetime.now(UTC) - timedelta(days=1))
    chance = random.Random(1)
    return [
        pb.Location(
            country_code="NL",
            party_id="CPO",
            id=f"{chance.getrandbits(64):016x}",
            publish=True,
            name=f"Station {n}",
            address=f"Street {n}",
            city="Utrecht",
            country="NLD",
            coordinates=common_pb2.GeoLocation(
                latitude=f"{chance.uniform(50.8, 53.5):.6f}", longitude=f"{chance.uniform(3.4, 7.2):.6f}"
            ),
            time_zone="Europe/Amsterdam",
            evses=[
                pb.Evse(
                    uid=f"{chance.getrandbits(64):016x}",
                    evse_id=f"NL*CPO*E{n}*{k}",
                    status=pb.EVSE_STATUS_AVAILABLE,
                    connectors=[
                        pb.Connector(
                            id="1",
                            standard="IEC_62196_T2",
                            format=pb.CONNECTOR_FORMAT_SOCKET,
                            power_type=pb.POWER_TYPE_AC_3_PHASE,
                            max_voltage=230,
                            max_amperage=16,
                            last_updated=now,
                        )
                    ],
                    last_updated=now,
                )
                for k in range(2 + n % 3 // 2)
            ],
            last_updated=now,
        )
        for n in range(20_000)
    ]


async def publish(hub: Served, locations: Sequence[pb.Location]) -> None:
    """Measure how long publishing takes."""

    async def requests() -> AsyncIterator[location_pb2.StreamLocationsRequest]:
        for first in range(0, len(locations), _CHUNK):
            yield location_pb2.StreamLocationsRequest(locations=locations[first : first + _CHUNK])

    stub = location_pb2_grpc.LocationServiceStub(hub.channel("cpo"))
    before, started, cpu = hub.memory_mb(), perf_counter(), hub.cpu_seconds()
    last = common_pb2.PublishProgress()
    async for progress in stub.StreamLocations(requests()):
        last = progress
        for refused in progress.refusals:
            print("refused", refused.error.reason, [(each.field, each.rule) for each in refused.error.violations])
    seconds = perf_counter() - started
    evses = sum(len(location.evses) for location in locations)
    print(f"{last.applied_count:,} locations, {evses:,} EVSEs; {last.refused_count} refused; ", end="")
    print(f"hub {(hub.cpu_seconds() - cpu) / len(locations) * 1e6:.0f} us each")
    report("Publishing", f"{seconds:.1f} s", seconds / 60, "< 1 of 60 s")
    after = hub.memory_mb()
    report("Memory of the hub", f"{before:.0f} -> {after:.0f} MB", after / 300, "< 1 of 300 MB")


class States:
    """Makes reports, each later than the one before."""

    def __init__(self, locations: Sequence[pb.Location]) -> None:
        self._keys = [(location.id, evse.uid) for location in locations for evse in location.evses]
        self._start = datetime.now(UTC) - timedelta(minutes=30)
        self._chance = random.Random(2)

    def request(self, number: int, count: int = _BATCH) -> bytes:
        """Return one serialised report on EVSEs picked at random."""
        when = stamp(self._start + timedelta(milliseconds=number))
        states = [
            location_pb2.EvseState(
                location_id=location, evse_uid=evse, status=pb.EvseStatus.ValueType(1 + number % 3), last_updated=when
            )
            for location, evse in self._chance.sample(self._keys, count)
        ]
        made = location_pb2.EvseStatesReport(country_code="NL", party_id="CPO", states=states)
        return location_pb2.UpdateEvseStatesRequest(report=made).SerializeToString()


async def update_states(echo: Served, hub: Served, states: States) -> None:
    """Measure states per second in batches, next to bare echoes per second."""
    bare: Any = echo.channel("echo").unary_unary("/bench/Echo")
    update: Any = hub.channel("cpo").unary_unary(
        "/roamhub.v1.LocationService/UpdateEvseStates",
        response_deserializer=location_pb2.UpdateEvseStatesResponse.FromString,
    )
    message = blank(300)
    echo_rate, _ = await rate(lambda _: bare(message))
    made = [states.request(n) for n in range(300)]
    refused = 0

    async def call(number: int) -> None:
        nonlocal refused
        refused += (await update(made[number % len(made)])).refused_count

    cpu = hub.cpu_seconds()
    calls, used = await rate(call, in_flight=4, seconds=3.0)
    each = (hub.cpu_seconds() - cpu) / used / _BATCH * 1e6
    print(f"echo {echo_rate:,.0f}/s; {used} batches, {refused} states refused; hub {each:.1f} us a state")
    report("EVSE states in batches of 1,000", f"{calls * _BATCH:,.0f}/s", calls * _BATCH / echo_rate, ">= 4")


async def head_of(stub: "journal_pb2_grpc.JournalServiceAsyncStub") -> int:
    """Return the index of the newest entry: what a watch is told that starts too far on."""
    call = stub.Watch(journal_pb2.WatchRequest(stream=journal_pb2.JOURNAL_STREAM_REGISTRY, after_index=1 << 60))
    try:
        await anext(aiter(call))
    except grpc.aio.AioRpcError as error:
        return int(refusal(error).metadata["head"])
    raise AssertionError


async def watch(hub: Served, states: States, watchers: int) -> float:
    """Return the median time, in milliseconds, from sending a state until every watcher has it."""
    sent: dict[int, float] = {}
    waited: list[float] = []
    channel = hub.channel("emsp")
    stub = journal_pb2_grpc.JournalServiceStub(channel)

    head = await head_of(stub)

    async def follow() -> None:
        request = journal_pb2.WatchRequest(
            stream=journal_pb2.JOURNAL_STREAM_REGISTRY, after_index=head, kinds=["evse_states"]
        )
        seen = 0
        async for response in stub.Watch(request):
            for entry in response.entries:
                body = location_pb2.EvseStatesReport.FromString(entry.body)
                waited.append((perf_counter() - sent[body.states[0].last_updated.ToMilliseconds()]) * 1000)
                seen += 1
            if seen >= 100:
                return

    tasks = [asyncio.create_task(follow()) for _ in range(watchers)]
    await asyncio.sleep(1)
    update: Any = hub.channel("cpo").unary_unary("/roamhub.v1.LocationService/UpdateEvseStates")
    for n in range(100):
        request = states.request(400_000 + watchers * 1_000 + n, 1)
        body = location_pb2.UpdateEvseStatesRequest.FromString(request).report
        sent[body.states[0].last_updated.ToMilliseconds()] = perf_counter()
        await update(request)
        await asyncio.sleep(0.01)
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    return median(waited)


async def search(hub: Served) -> None:
    """Measure a search and a page of a list."""
    stub = location_pb2_grpc.LocationServiceStub(hub.channel("emsp"))
    chance = random.Random(3)
    for radius in (2_000, 20_000, 200_000):
        taken, found = [], 0
        for _ in range(20):
            center = LatLng(latitude=chance.uniform(51.5, 52.8), longitude=chance.uniform(4.5, 6.0))
            request = location_pb2.SearchLocationsRequest(
                center=center, radius_m=radius, available=True, min_power_kw={"value": "50"}
            )
            started = perf_counter()
            found = len((await stub.SearchLocations(request)).results)
            taken.append((perf_counter() - started) * 1000)
        print(f"search, fast and free, within {radius:>7,} m: {median(taken):6.1f} ms; {found} found")
    started, count, token = perf_counter(), 0, ""
    while True:
        page = await stub.ListLocations(location_pb2.ListLocationsRequest(page_size=500, page_token=token))
        count, token = count + len(page.locations), page.next_page_token
        if not token:
            break
    print(f"listing {count:,} locations: {perf_counter() - started:.1f} s; hub {hub.memory_mb():.0f} MB")


async def run(echo: Served, hub: Served) -> None:
    """Measure and print."""
    locations = real_locations() if _DATA.exists() else made_up_locations()
    print("real data" if _DATA.exists() else f"{_DATA} is absent: made-up locations")
    await publish(hub, locations)
    states = States(locations)
    await update_states(echo, hub, states)
    await search(hub)
    for watchers in (1, 50):
        waited = await watch(hub, states, watchers)
        report(f"A state seen by {watchers} watchers, median", f"{waited:.1f} ms", waited / 100, "< 1 of 100 ms")
    print(f"at the end: {hub.memory_mb():.0f} MB")


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
