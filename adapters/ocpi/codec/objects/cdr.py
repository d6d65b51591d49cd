"""OCPI module CDRs."""

from dataclasses import replace

from google.protobuf.message import Message
from roamhub.v1 import cdr_object_pb2, location_object_pb2, session_object_pb2

from adapters.ocpi.codec.engine import descend, plan_of
from adapters.ocpi.codec.jsontext import Json
from adapters.ocpi.codec.objects.location import CONNECTOR_FORMAT, CONNECTOR_TYPE, LOCATION, POWER_TYPE, only_evse
from adapters.ocpi.codec.objects.session import AUTH_ID, AUTH_METHOD, CDR_TOKEN, CHARGING_PERIOD
from adapters.ocpi.codec.objects.shared import (
    COUNTRY,
    CURRENCY,
    FLAG,
    GEO_LOCATION,
    INSTANT,
    INT,
    NUMBER,
    OWNER_GAPS,
    cistring,
    closed,
    cost,
    opened,
    owner,
    string,
)
from adapters.ocpi.codec.objects.tariff import TARIFF
from adapters.ocpi.codec.tables import Bridge, Nested, Reading, Row, Table, Writing
from adapters.ocpi.codec.words import SINCE_221, V211

SIGNED_VALUE = Table(
    name="SignedValue",
    message=cdr_object_pb2.SignedValue,
    rows=(
        Row(ocpi="nature", kind=cistring(32), card="1", versions=SINCE_221),
        Row(ocpi="plain_data", kind=string(5000), card="1", versions=SINCE_221),
        Row(ocpi="signed_data", kind=string(5000), card="1", versions=SINCE_221),
    ),
)
SIGNED_DATA = Table(
    name="SignedData",
    message=cdr_object_pb2.SignedData,
    rows=(
        Row(ocpi="encoding_method", kind=cistring(36), card="1", versions=SINCE_221),
        Row(ocpi="encoding_method_version", kind=INT, card="?", versions=SINCE_221),
        Row(ocpi="public_key", kind=string(512), card="?", versions=SINCE_221),
        Row(ocpi="signed_values", kind=Nested(SIGNED_VALUE), card="+", versions=SINCE_221),
        Row(ocpi="url", kind=string(512), card="?", versions=SINCE_221),
    ),
)
CDR_LOCATION = Table(
    name="CdrLocation",
    message=cdr_object_pb2.CdrLocation,
    rows=tuple(
        replace(row, versions=SINCE_221)
        for row in (
            Row(ocpi="id", kind=cistring(36), card="1"),
            Row(ocpi="name", kind=string(255), card="?"),
            Row(ocpi="address", kind=string(45), card="1"),
            Row(ocpi="city", kind=string(45), card="1"),
            Row(ocpi="postal_code", kind=string(10), card="?"),
            Row(ocpi="state", kind=string(20), card="?"),
            Row(ocpi="country", kind=COUNTRY, card="1"),
            Row(ocpi="coordinates", kind=Nested(GEO_LOCATION), card="1"),
            Row(ocpi="evse_uid", kind=cistring(36), card="1"),
            Row(ocpi="evse_id", kind=cistring(48), card="1"),
            Row(ocpi="connector_id", kind=cistring(36), card="1"),
            Row(ocpi="connector_standard", kind=opened(CONNECTOR_TYPE), card="1"),
            Row(
                ocpi="connector_format",
                kind=closed(CONNECTOR_FORMAT, location_object_pb2.ConnectorFormat),
                card="1",
            ),
            Row(ocpi="connector_power_type", kind=closed(POWER_TYPE, location_object_pb2.PowerType), card="1"),
        )
    ),
)

_SAME = ("id", "address", "city", "country")
_SAME_OPTIONAL = ("name", "postal_code")


def _read_location(cdr: Message, value: Json, reading: Reading) -> bool:
    assert isinstance(cdr, cdr_object_pb2.Cdr)
    full = location_object_pb2.Location()
    descend(LOCATION, full, value, reading, "", many=False)
    evse, connector = only_evse(full)
    place = cdr.cdr_location
    for name in (*_SAME, *(name for name in _SAME_OPTIONAL if full.HasField(name))):  # type: ignore[arg-type]
        setattr(place, name, getattr(full, name))
    if full.HasField("coordinates"):
        place.coordinates.CopyFrom(full.coordinates)
    place.evse_uid, place.evse_id, place.connector_id = evse.uid, evse.evse_id, connector.id
    place.connector_standard = connector.standard
    place.connector_format = connector.format
    place.connector_power_type = connector.power_type
    return False


def _write_location(cdr: Message, writing: Writing) -> Json:
    assert isinstance(cdr, cdr_object_pb2.Cdr)
    if not cdr.HasField("cdr_location"):
        return None
    place = cdr.cdr_location
    full = location_object_pb2.Location()
    for name in (*_SAME, *(name for name in _SAME_OPTIONAL if place.HasField(name))):  # type: ignore[arg-type]
        setattr(full, name, getattr(place, name))
    if place.HasField("coordinates"):
        full.coordinates.CopyFrom(place.coordinates)
    if place.state:
        writing.note("2.1.1 has no such field", ".state")
    evse = full.evses.add(uid=place.evse_uid, evse_id=place.evse_id)
    evse.connectors.add(
        id=place.connector_id,
        standard=place.connector_standard,
        format=place.connector_format,
        power_type=place.connector_power_type,
    )
    writing.note("2.1.1 wants the location in full, and a CDR holds less")
    return plan_of(LOCATION, writing.version).write(full, writing)


CDR = Table(
    name="CDR",
    message=cdr_object_pb2.Cdr,
    rows=(
        *owner(),
        Row(ocpi="id", kind=cistring(39, 36), card="1"),
        Row(ocpi="start_date_time", kind=INSTANT, card="1"),
        Row(ocpi="stop_date_time", kind=INSTANT, card="1", versions=(V211,), ours="end_date_time"),
        Row(ocpi="end_date_time", kind=INSTANT, card="1", versions=SINCE_221),
        Row(ocpi="session_id", kind=cistring(36), card="?", versions=SINCE_221),
        AUTH_ID,
        Row(ocpi="cdr_token", kind=Nested(CDR_TOKEN), card="1", versions=SINCE_221),
        Row(ocpi="auth_method", kind=closed(AUTH_METHOD, session_object_pb2.AuthMethod), card="1"),
        Row(ocpi="authorization_reference", kind=cistring(36), card="?", versions=SINCE_221),
        Row(
            ocpi="location",
            kind=Bridge(
                name="Location", read=_read_location, write=_write_location, covers=frozenset({"cdr_location"})
            ),
            card="1",
            versions=(V211,),
            ours="cdr_location; in full in extensions",
        ),
        Row(ocpi="cdr_location", kind=Nested(CDR_LOCATION), card="1", versions=SINCE_221),
        Row(ocpi="meter_id", kind=string(255), card="?"),
        Row(ocpi="currency", kind=CURRENCY, card="1"),
        Row(ocpi="tariffs", kind=Nested(TARIFF), card="*"),
        Row(ocpi="charging_periods", kind=Nested(CHARGING_PERIOD), card="+"),
        Row(ocpi="signed_data", kind=Nested(SIGNED_DATA), card="?", versions=SINCE_221),
        *cost("total_cost", "1"),
        *cost("total_fixed_cost", "?", since_221=True),
        Row(ocpi="total_energy", kind=NUMBER, card="1"),
        *cost("total_energy_cost", "?", since_221=True),
        Row(ocpi="total_time", kind=NUMBER, card="1"),
        *cost("total_time_cost", "?", since_221=True),
        Row(ocpi="total_parking_time", kind=NUMBER, card="?"),
        *cost("total_parking_cost", "?", since_221=True),
        *cost("total_reservation_cost", "?", since_221=True),
        Row(ocpi="remark", kind=string(255), card="?"),
        Row(ocpi="invoice_reference_id", kind=cistring(39), card="?", versions=SINCE_221),
        Row(ocpi="credit", kind=FLAG, card="?", versions=SINCE_221),
        Row(ocpi="credit_reference_id", kind=cistring(39), card="?", versions=SINCE_221),
        Row(ocpi="home_charging_compensation", kind=FLAG, card="?", versions=SINCE_221),
        Row(ocpi="last_updated", kind=INSTANT, card="1"),
    ),
    gaps=OWNER_GAPS,
)
