"""A world of real data: OCPI locations and tariffs from files, and when and how much drivers really charged.

The files name many owners; here one simulated CPO owns everything. Sessions are moved by whole days into the simulated
month, keeping their time of day, duration and energy, and are put on real connectors whose tariff the simulator can
price (energy and a flat fee, no restrictions): about one in nine of the Dutch ones, and direct current where there is
enough of it.
"""

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from google.protobuf.message import Message
from roamhub.v1.common_pb2 import PartyKey
from roamhub.v1.location_object_pb2 import POWER_TYPE_DC, Location
from roamhub.v1.tariff_object_pb2 import Tariff
from roamhub.v1.token_object_pb2 import Token

from adapters.ocpi.codec import Kind, Version, from_json
from adapters.ocpi.files import read_objects
from adapters.simulator.drives import Calendar, Drive, Papers, World, make_drives, numbered
from adapters.simulator.world import Plug, plugs_of

_TRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What is known of a real session."""

    start: datetime
    end: datetime
    kwh: Decimal


def make_world(
    *,
    key: PartyKey,
    tokens: Sequence[Token],
    locations: Path,
    tariffs: Path | None,
    drives: Path | None,
    count: int,
    month: tuple[datetime, datetime],
    rng: random.Random,
) -> World:
    """Return the world in these files; without a file of sessions, `count` invented ones."""
    priced = [message for message in _read(tariffs, Kind.TARIFF, key) if isinstance(message, Tariff)] if tariffs else []
    papers = Papers(priced)
    plugs = [
        plug
        for location in read_locations(locations, key)
        for plug in plugs_of(location)
        if papers.price_of(plug) is not None
    ]
    fast = [plug for plug in plugs if plug.connector.power_type == POWER_TYPE_DC and plug.power_kw >= 1]
    usable = fast if len(fast) > 50 else [plug for plug in plugs if plug.power_kw >= 1]
    if not usable:
        raise SystemExit("no connector has a tariff that the simulator can price: energy and a flat fee, no more")
    if drives is None:
        made = make_drives(usable, tokens, count, month, rng)
    else:
        made = place(list(read_charges(drives)), usable, tokens, month, rng)
    return World(locations=_Locations(locations, key), tariffs=priced, drives=made)


class _Locations:
    """The locations of a file, read anew each time: memory holds one of them."""

    def __init__(self, path: Path, key: PartyKey) -> None:
        self._path = path
        self._key = key

    def __iter__(self) -> Iterator[Location]:
        return read_locations(self._path, self._key)


def read_locations(path: Path, key: PartyKey) -> Iterator[Location]:
    """Yield the locations of a file as a party's own."""
    for message in _read(path, Kind.LOCATION, key):
        assert isinstance(message, Location)
        yield message


def _read(path: Path, kind: Kind, key: PartyKey) -> Iterator[Message]:
    for item in read_objects(path):
        if item.obj is not None:
            message, _ = from_json(kind, Version.V2_2_1, item.obj, owner=(key.country_code, key.party_id))
            message.country_code, message.party_id = key.country_code, key.party_id  # type: ignore[attr-defined]
            yield message


def read_charges(path: Path) -> Iterator[Charge]:
    """Yield the sessions of a file with the columns Arrival, Departure and Energy (Wh); unusable rows are left out."""
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            start = datetime.fromisoformat(row["Arrival"]).replace(tzinfo=UTC)
            end = datetime.fromisoformat(row["Departure"]).replace(tzinfo=UTC)
            kwh = (Decimal(row["Energy (Wh)"]) / 1000).quantize(Decimal("0.001"))
            if start < end < start + timedelta(days=1) and kwh > 0:
                yield Charge(start=start, end=end, kwh=kwh)


def place(
    charges: Sequence[Charge],
    plugs: Sequence[Plug],
    tokens: Sequence[Token],
    month: tuple[datetime, datetime],
    rng: random.Random,
) -> list[Drive]:
    """Return the sessions as drives of this month; one for which no card and EVSE is free is left out."""
    calendar, drives = Calendar(), list[Drive]()
    days = (month[1] - month[0]).days - 1
    for charge in charges:
        shift = timedelta(days=(charge.start.date() - charges[0].start.date()).days % days)
        start = datetime.combine(month[0].date(), charge.start.time(), UTC) + shift
        end = start + (charge.end - charge.start)
        for _ in range(_TRIES):
            plug, token = rng.choice(plugs), rng.choice(tokens)
            if plug.power_kw * Decimal((end - start) / timedelta(hours=1)) < charge.kwh:
                continue  # this connector could not deliver so much in that time
            if calendar.take([f"{plug.location.id}/{plug.evse.uid}", token.uid], start, end):
                drives.append(Drive(number=0, plug=plug, token=token, start=start, end=end, kwh=charge.kwh))
                break
    return numbered(drives)
