"""Locations and tariffs for tests: small, valid, and easy to vary."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import common_pb2, journal_pb2, journal_pb2_grpc, location_pb2
from roamhub.v1 import location_object_pb2 as location_pb
from roamhub.v1 import tariff_object_pb2 as tariff_pb

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def stamp(minutes: float = 0) -> Timestamp:
    """Return a time some minutes after the one that objects of tests were last updated at."""
    made = Timestamp()
    made.FromDatetime(NOW + timedelta(minutes=minutes))
    return made


def key(name: str = "LOC1", party: str = "NL-CPO") -> common_pb2.ObjectKey:
    country_code, party_id = party.split("-")
    return common_pb2.ObjectKey(country_code=country_code, party_id=party_id, id=name)


def connector(name: str = "1", minutes: float = 0, **fields: Any) -> location_pb.Connector:
    return location_pb.Connector(
        **{
            "id": name,
            "standard": "IEC_62196_T2",
            "format": location_pb.CONNECTOR_FORMAT_SOCKET,
            "power_type": location_pb.POWER_TYPE_AC_3_PHASE,
            "max_voltage": 230,
            "max_amperage": 16,
            "last_updated": stamp(minutes),
            **fields,
        }
    )


def evse(uid: str = "E1", minutes: float = 0, **fields: Any) -> location_pb.Evse:
    return location_pb.Evse(
        **{
            "uid": uid,
            "evse_id": f"NL*CPO*{uid}",
            "status": location_pb.EVSE_STATUS_AVAILABLE,
            "connectors": [connector(minutes=minutes)],
            "last_updated": stamp(minutes),
            **fields,
        }
    )


def location(name: str = "LOC1", minutes: float = 0, party: str = "NL-CPO", **fields: Any) -> location_pb.Location:
    country_code, party_id = party.split("-")
    return location_pb.Location(
        **{
            "country_code": country_code,
            "party_id": party_id,
            "id": name,
            "publish": True,
            "address": "Dam 1",
            "city": "Amsterdam",
            "country": "NLD",
            "coordinates": common_pb2.GeoLocation(latitude="52.3731", longitude="4.8926"),
            "time_zone": "Europe/Amsterdam",
            "evses": [evse(minutes=minutes)],
            "last_updated": stamp(minutes),
            **fields,
        }
    )


def at(latitude: float, longitude: float) -> common_pb2.GeoLocation:
    return common_pb2.GeoLocation(latitude=f"{latitude:.6f}", longitude=f"{longitude:.6f}")


def state(
    evse_uid: str = "E1",
    minutes: float = 1,
    status: location_pb.EvseStatus.ValueType = location_pb.EVSE_STATUS_CHARGING,
    location_id: str = "LOC1",
) -> location_pb2.EvseState:
    return location_pb2.EvseState(
        location_id=location_id, evse_uid=evse_uid, status=status, last_updated=stamp(minutes)
    )


def report(*states: location_pb2.EvseState, party: str = "NL-CPO") -> location_pb2.EvseStatesReport:
    country_code, party_id = party.split("-")
    return location_pb2.EvseStatesReport(country_code=country_code, party_id=party_id, states=states)


def tariff(name: str = "T1", minutes: float = 0, price: str = "0.25", **fields: Any) -> tariff_pb.Tariff:
    component = tariff_pb.PriceComponent(
        type=tariff_pb.TARIFF_DIMENSION_TYPE_ENERGY, price=PbDecimal(value=price), step_size=1
    )
    return tariff_pb.Tariff(
        **{
            "country_code": "NL",
            "party_id": "CPO",
            "id": name,
            "currency": "EUR",
            "elements": [tariff_pb.TariffElement(price_components=[component])],
            "last_updated": stamp(minutes),
            **fields,
        }
    )


async def told(journal: "journal_pb2_grpc.JournalServiceAsyncStub", kind: str, count: int) -> list[bytes]:
    """Return the bodies of the first registry entries of a kind that the caller may see."""
    bodies: list[bytes] = []
    request = journal_pb2.WatchRequest(stream=journal_pb2.JOURNAL_STREAM_REGISTRY, after_index=-1, kinds=[kind])
    call = journal.Watch(request)
    responses = aiter(call)
    while len(bodies) < count:
        bodies += [entry.body for entry in (await anext(responses)).entries]
    call.cancel()
    return bodies
