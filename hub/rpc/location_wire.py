"""Location messages to what the hub reasons about, and stored documents with what their EVSEs do now."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

from roamhub.v1 import common_pb2, location_pb2
from roamhub.v1 import location_object_pb2 as pb

from hub.app.evse_states import StatesReport
from hub.domain.clock import not_after
from hub.domain.errors import HubError, Invalid, Violation
from hub.domain.geo import Point, parse_degrees
from hub.domain.ids import ObjectId, PartyId, fold
from hub.domain.locations import (
    Connector,
    Evse,
    EvseState,
    Location,
    LocationRecord,
    PowerType,
    StateAt,
    check,
    max_power,
)
from hub.rpc.enums import check_enums
from hub.rpc.listing import ID_MAX
from hub.rpc.wire import Reader, time_from_pb, time_to_pb

_EVSE_ID_MAX = 48
_STANDARD_MAX = 64
_LARGEST = 1_000_000
_LARGEST_POWER = 1_000_000_000

_STATES = {int(state): state for state in EvseState}
_POWER_TYPES = {int(kind): kind for kind in PowerType}
_FORMATS: dict[int, int] = {number: number for number in pb.ConnectorFormat.values() if number}


def location_from_pb(message: pb.Location, latest: datetime, path: str = "location") -> Location:
    """Read a location.

    Args:
        message: The whole location.
        latest: The latest time that its owner's clock may show.
        path: Where it stands in the request.

    Raises:
        Invalid: With every field that breaks a rule.
    """
    reader = Reader(path)
    document = reader.document(message.SerializeToString(deterministic=True))
    owner = reader.party("", message.country_code, message.party_id)
    location = Location(
        id=ObjectId(owner, reader.id("id", message.id, ID_MAX)),
        last_updated=reader.time("last_updated", message.last_updated),
        point=_point(reader, message.coordinates),
        time_zone=message.time_zone,
        evses=tuple(_evse(reader, f"evses[{i}].", evse) for i, evse in enumerate(message.evses)),
        document=document,
        digest=blake2b(document, digest_size=16).digest(),
    )
    reader.extensions("extensions", message.extensions)
    check_enums(reader, message)
    for violation in check(location, latest):
        reader.refuse(violation.field, violation.rule)
    reader.done()
    return location


def _point(reader: Reader, coordinates: common_pb2.GeoLocation) -> Point:
    degrees = []
    for name, most in (("latitude", 90), ("longitude", 180)):
        try:
            degrees.append(parse_degrees(getattr(coordinates, name), most))
        except ValueError as error:
            reader.refuse(f"coordinates.{name}", str(error))
            degrees.append(0)
    return Point(*degrees)


def _evse(reader: Reader, path: str, message: pb.Evse) -> Evse:
    evse_id = message.evse_id
    if evse_id:
        reader.id(path + "evse_id", evse_id, _EVSE_ID_MAX)
    state = reader.one_of(path + "status", message.status, _STATES, EvseState.UNKNOWN)
    reader.extensions(path + "extensions", message.extensions)
    return Evse(
        uid=reader.id(path + "uid", message.uid, ID_MAX),
        evse_id=evse_id,
        now=StateAt(state, reader.time(path + "last_updated", message.last_updated)),
        connectors=tuple(
            _connector(reader, f"{path}connectors[{i}].", connector) for i, connector in enumerate(message.connectors)
        ),
    )


def _connector(reader: Reader, path: str, message: pb.Connector) -> Connector:
    kind = reader.one_of(path + "power_type", message.power_type, _POWER_TYPES, PowerType.DC)
    reader.one_of(path + "format", message.format, _FORMATS, 0)
    last_updated = reader.time(path + "last_updated", message.last_updated)
    reader.extensions(path + "extensions", message.extensions)
    voltage, amperage, stated = message.max_voltage, message.max_amperage, message.max_electric_power
    if not 0 <= voltage <= _LARGEST:
        reader.refuse(path + "max_voltage", f"must be from 0 to {_LARGEST}")
    if not 0 <= amperage <= _LARGEST:
        reader.refuse(path + "max_amperage", f"must be from 0 to {_LARGEST}")
    if not 0 <= stated <= _LARGEST_POWER:
        reader.refuse(path + "max_electric_power", f"must be from 0 to {_LARGEST_POWER}")
    return Connector(
        id=reader.id(path + "id", message.id, ID_MAX),
        standard=reader.id(path + "standard", message.standard, _STANDARD_MAX),
        power_type=kind,
        power=max_power(kind, voltage, amperage, stated),
        tariff_ids=tuple(message.tariff_ids),
        last_updated=last_updated,
    )


def current_location(document: bytes, states: Mapping[str, StateAt]) -> pb.Location:
    """Return a stored location with what its EVSEs do now."""
    message = pb.Location.FromString(document)
    newest = time_from_pb(message.last_updated)
    for evse in message.evses:
        now = states.get(fold(evse.uid))
        if now is None:
            continue
        said = time_from_pb(evse.last_updated)
        if now.last_updated < said or (now.last_updated == said and int(now.state) == evse.status):
            continue
        evse.status = pb.EvseStatus.ValueType(now.state)
        evse.last_updated.CopyFrom(time_to_pb(now.last_updated))
        if now.last_updated > newest:
            newest = now.last_updated
            message.last_updated.CopyFrom(evse.last_updated)
    return message


def record_to_pb(record: LocationRecord) -> pb.Location:
    """Return the message of a location on record."""
    return current_location(record.document, record.states)


def states_report(
    owner: PartyId, report: location_pb2.EvseStatesReport, latest: datetime
) -> tuple[StatesReport, list[int], dict[int, HubError]]:
    """Read what EVSEs do.

    Returns:
        The states that are well-formed, the position of each in the request, and the refusals of the others by theirs.
    """
    states: list[tuple[tuple[str, str], StateAt]] = []
    positions: list[int] = []
    refused: dict[int, HubError] = {}
    latest_second = int(latest.timestamp())
    for i, message in enumerate(report.states):
        location, evse, state = message.location_id, message.evse_uid, _STATES.get(message.status)
        # This is the hottest loop of all: what is well-formed passes by a few comparisons, what is not is looked at
        # again to say what is wrong with it.
        if (
            0 < len(location) <= ID_MAX
            and 0 < len(evse) <= ID_MAX
            and state is not None
            and location.isprintable()
            and evse.isprintable()
            and 0 < message.last_updated.seconds <= latest_second
            and 0 <= message.last_updated.nanos < 1_000_000_000
        ):
            states.append(((fold(location), fold(evse)), StateAt(state, time_from_pb(message.last_updated))))
            positions.append(i)
        else:
            refused[i] = _state_refusal(f"report.states[{i}]", message, latest)

    def body(applied: Sequence[int]) -> bytes:
        if len(applied) == len(report.states):
            return report.SerializeToString()
        told = [report.states[positions[i]] for i in applied]
        return location_pb2.EvseStatesReport(
            country_code=report.country_code, party_id=report.party_id, states=told
        ).SerializeToString()

    return StatesReport(owner=owner, states=states, body=body), positions, refused


def _state_refusal(path: str, message: location_pb2.EvseState, latest: datetime) -> Invalid:
    reader = Reader(path)
    reader.id("location_id", message.location_id, ID_MAX)
    reader.id("evse_uid", message.evse_uid, ID_MAX)
    reader.one_of("status", message.status, _STATES, EvseState.UNKNOWN)
    if reader.time("last_updated", message.last_updated) > latest:
        reader.refuse("last_updated", not_after(latest))
    return Invalid(reader.violations or [Violation(field=f"{path}.last_updated", rule="must be a time since 1970")])
