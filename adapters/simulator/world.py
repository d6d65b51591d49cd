"""The simulated world: stations, tariffs, tokens. Plausible, invented, and the same for the same seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1.common_pb2 import PartyKey
from roamhub.v1.location_object_pb2 import (
    CONNECTOR_FORMAT_CABLE,
    CONNECTOR_FORMAT_SOCKET,
    EVSE_STATUS_AVAILABLE,
    POWER_TYPE_AC_3_PHASE,
    POWER_TYPE_DC,
    Connector,
    Evse,
    Location,
)
from roamhub.v1.tariff_object_pb2 import (
    TARIFF_DIMENSION_TYPE_ENERGY,
    TARIFF_DIMENSION_TYPE_FLAT,
    PriceComponent,
    Tariff,
    TariffElement,
)
from roamhub.v1.token_object_pb2 import (
    WHITELIST_TYPE_ALLOWED_OFFLINE,
    WHITELIST_TYPE_ALWAYS,
    WHITELIST_TYPE_NEVER,
    Token,
    WhitelistType,
)

_CITIES = (
    ("Amsterdam", 52.3702, 4.8952),
    ("Rotterdam", 51.9225, 4.4792),
    ("Den Haag", 52.0786, 4.2888),
    ("Utrecht", 52.0907, 5.1214),
    ("Eindhoven", 51.4416, 5.4697),
    ("Groningen", 53.2194, 6.5665),
    ("Tilburg", 51.5555, 5.0913),
    ("Almere", 52.3508, 5.2647),
    ("Breda", 51.5719, 4.7683),
    ("Nijmegen", 51.8126, 5.8372),
    ("Enschede", 52.2215, 6.8937),
    ("Zwolle", 52.5168, 6.0830),
)
_STREETS = (
    "Stationsplein",
    "Marktstraat",
    "Molenweg",
    "Kerkstraat",
    "Havenkade",
    "Parklaan",
    "Industrieweg",
    "Dorpsstraat",
    "Wilhelminalaan",
    "Beukenlaan",
)

#: Tariff id -> price of a kWh, flat fee, both before 21 % VAT.
_TARIFFS = {
    "AC-CITY": ("0.3890", None),
    "AC-PLUS": ("0.3420", "0.3500"),
    "DC-FAST": ("0.5790", None),
    "DC-HPC": ("0.6610", "0.5000"),
}
_VAT = "21"

#: What a back end answers for a token when it is asked; the CPO cannot know.
_BLOCKED_SHARE = 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """A place to charge: location, EVSE and connector."""

    location: Location
    evse: Evse
    connector: Connector

    @property
    def power_kw(self) -> Decimal:
        """Return the highest power."""
        if self.connector.HasField("max_electric_power"):
            return Decimal(self.connector.max_electric_power) / 1000
        phases = 3 if self.connector.power_type == POWER_TYPE_AC_3_PHASE else 1
        return Decimal(self.connector.max_voltage * self.connector.max_amperage * phases) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A driver's token and what its eMSP says of it in real time."""

    token: Token
    blocked: bool


def stamp(instant: datetime) -> Timestamp:
    """Return the message of an aware instant."""
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def plugs_of(location: Location) -> Iterator[Plug]:
    """Yield the places to charge at a location."""
    for evse in location.evses:
        for connector in evse.connectors:
            yield Plug(location=location, evse=evse, connector=connector)


def make_tariffs(cpo: PartyKey, since: datetime) -> list[Tariff]:
    """Return the CPO's tariffs, in force since then."""
    return [
        Tariff(
            country_code=cpo.country_code,
            party_id=cpo.party_id,
            id=name,
            currency="EUR",
            elements=[TariffElement(price_components=list(_components(energy, flat)))],
            last_updated=stamp(since),
        )
        for name, (energy, flat) in _TARIFFS.items()
    ]


def _components(energy: str, flat: str | None) -> Iterator[PriceComponent]:
    vat = PbDecimal(value=_VAT)
    price = PbDecimal(value=energy)
    yield PriceComponent(type=TARIFF_DIMENSION_TYPE_ENERGY, price=price, vat=vat, step_size=1)
    if flat is not None:
        yield PriceComponent(type=TARIFF_DIMENSION_TYPE_FLAT, price=PbDecimal(value=flat), vat=vat, step_size=1)


def make_stations(cpo: PartyKey, count: int, since: datetime, rng: random.Random) -> list[Location]:
    """Return so many stations in Dutch towns, each with two to four EVSEs, published since then."""
    return [_station(cpo, number, since, rng) for number in range(1, count + 1)]


def _station(cpo: PartyKey, number: int, since: datetime, rng: random.Random) -> Location:
    city, latitude, longitude = rng.choice(_CITIES)
    fast = rng.random() < 0.3
    location = Location(
        country_code=cpo.country_code,
        party_id=cpo.party_id,
        id=f"LOC{number:04}",
        publish=True,
        name=f"{city} {'snellaadplein' if fast else 'laadplein'} {number}",
        address=f"{rng.choice(_STREETS)} {rng.randint(1, 240)}",
        city=city,
        postal_code=f"{rng.randint(1000, 9999)} {rng.choice('ABCDEFGH')}{rng.choice('ABCDEFGH')}",
        country="NLD",
        parking_type="PARKING_LOT" if fast else "ON_STREET",
        time_zone="Europe/Amsterdam",
        last_updated=stamp(since),
    )
    location.coordinates.latitude = f"{latitude + rng.uniform(-0.05, 0.05):.6f}"
    location.coordinates.longitude = f"{longitude + rng.uniform(-0.08, 0.08):.6f}"
    location.opening_times.twentyfourseven = True
    kind = rng.choice(("DC-FAST", "DC-HPC") if fast else ("AC-CITY", "AC-PLUS"))
    for position in range(1, rng.randint(2, 4) + 1):
        location.evses.append(_evse(cpo, number, position, kind, since))
    return location


def _evse(cpo: PartyKey, number: int, position: int, tariff: str, since: datetime) -> Evse:
    connector = Connector(id="1", tariff_ids=[tariff], last_updated=stamp(since))
    if tariff.startswith("DC"):
        connector.standard, connector.format = "IEC_62196_T2_COMBO", CONNECTOR_FORMAT_CABLE
        connector.power_type, connector.max_voltage, connector.max_amperage = POWER_TYPE_DC, 920, 500
        connector.max_electric_power = 150_000 if tariff == "DC-FAST" else 300_000
    else:
        connector.standard, connector.format = "IEC_62196_T2", CONNECTOR_FORMAT_SOCKET
        connector.power_type, connector.max_voltage, connector.max_amperage = POWER_TYPE_AC_3_PHASE, 230, 32
    return Evse(
        uid=f"{number:04}-{position}",
        evse_id=f"{cpo.country_code}*{cpo.party_id}*E{number:04}*{position}",
        status=EVSE_STATUS_AVAILABLE,
        capabilities=["RFID_READER", "REMOTE_START_STOP_CAPABLE"],
        connectors=[connector],
        last_updated=stamp(since),
    )


def make_cards(emsp: PartyKey, count: int, since: datetime, rng: random.Random) -> list[Card]:
    """Return so many drivers' cards, of every whitelist type; some are blocked though published as valid."""
    kinds: list[WhitelistType.ValueType] = [WHITELIST_TYPE_ALWAYS, WHITELIST_TYPE_NEVER, WHITELIST_TYPE_ALLOWED_OFFLINE]
    weights = (4, 3, 3)
    cards = []
    for number in range(1, count + 1):
        whitelist = rng.choices(kinds, weights)[0]
        uid = f"{rng.getrandbits(56):014X}"
        token = Token(
            country_code=emsp.country_code,
            party_id=emsp.party_id,
            uid=uid,
            type="RFID",
            contract_id=f"{emsp.country_code}-{emsp.party_id}-C{number:08}",
            issuer=f"{emsp.party_id} Mobility",
            valid=True,
            whitelist=whitelist,
            last_updated=stamp(since - timedelta(days=rng.randint(1, 300))),
        )
        blocked = whitelist != WHITELIST_TYPE_ALWAYS and rng.random() < _BLOCKED_SHARE
        cards.append(Card(token=token, blocked=blocked))
    return cards
