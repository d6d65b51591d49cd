"""OCPI module Sessions, and what sessions share with CDRs."""

from dataclasses import replace

from google.protobuf.message import Message
from roamhub.v1 import location_object_pb2, session_object_pb2

from adapters.ocpi.codec.engine import descend
from adapters.ocpi.codec.jsontext import Json
from adapters.ocpi.codec.objects.location import LOCATION, only_evse
from adapters.ocpi.codec.objects.shared import (
    COUNTRY_CODE,
    CURRENCY,
    FLAG,
    INSTANT,
    NUMBER,
    OWNER_GAPS,
    PARTY_ID,
    cistring,
    closed,
    cost,
    opened,
    owner,
    string,
    words,
)
from adapters.ocpi.codec.objects.token import PROFILE_TYPE, TOKEN_TYPE
from adapters.ocpi.codec.tables import Bridge, Nested, Reading, Row, Table, Writing
from adapters.ocpi.codec.words import SINCE_221, V211

AUTH_METHOD = words("AuthMethod", "AUTH_REQUEST WHITELIST", "COMMAND")
SESSION_STATUS = replace(
    words("SessionStatus", "ACTIVE COMPLETED INVALID PENDING", "RESERVATION"),
    instead={V211: {"RESERVATION": "PENDING"}},
)
_DIMENSIONS_221 = (
    "CURRENT ENERGY ENERGY_EXPORT ENERGY_IMPORT MAX_CURRENT MIN_CURRENT MAX_POWER MIN_POWER PARKING_TIME POWER"
    " RESERVATION_TIME STATE_OF_CHARGE TIME"
)
CDR_DIMENSION_TYPE = words("CdrDimensionType", plus_221=_DIMENSIONS_221)
CDR_DIMENSION_TYPE = replace(
    CDR_DIMENSION_TYPE,
    known={**CDR_DIMENSION_TYPE.known, V211: ("ENERGY", "FLAT", "MAX_CURRENT", "MIN_CURRENT", "PARKING_TIME", "TIME")},
)

CDR_TOKEN = Table(
    name="CdrToken",
    message=session_object_pb2.CdrToken,
    rows=(
        Row(ocpi="country_code", kind=COUNTRY_CODE, card="1", versions=SINCE_221),
        Row(ocpi="party_id", kind=PARTY_ID, card="1", versions=SINCE_221),
        Row(ocpi="uid", kind=cistring(36), card="1", versions=SINCE_221),
        Row(ocpi="type", kind=opened(TOKEN_TYPE), card="1", versions=SINCE_221),
        Row(ocpi="contract_id", kind=cistring(36), card="1", versions=SINCE_221),
    ),
)
CDR_DIMENSION = Table(
    name="CdrDimension",
    message=session_object_pb2.CdrDimension,
    rows=(
        Row(ocpi="type", kind=closed(CDR_DIMENSION_TYPE, session_object_pb2.CdrDimensionType), card="1"),
        Row(ocpi="volume", kind=NUMBER, card="1"),
    ),
)
CHARGING_PERIOD = Table(
    name="ChargingPeriod",
    message=session_object_pb2.ChargingPeriod,
    rows=(
        Row(ocpi="start_date_time", kind=INSTANT, card="1"),
        Row(ocpi="dimensions", kind=Nested(CDR_DIMENSION), card="+"),
        Row(ocpi="tariff_id", kind=cistring(36), card="?", versions=SINCE_221),
    ),
)


def _read_auth_id(message: Message, value: Json, reading: Reading) -> bool:
    token: session_object_pb2.CdrToken = message.cdr_token  # type: ignore[attr-defined]
    token.contract_id = str(cistring(36).reader(reading.version)(value))
    return True


def _write_auth_id(message: Message, writing: Writing) -> Json:
    token: session_object_pb2.CdrToken = message.cdr_token  # type: ignore[attr-defined]
    if token.uid or token.country_code or token.extensions:
        writing.note("2.1.1 says the contract only, not the token and whose it is")
    return token.contract_id or None


AUTH_ID = Row(
    ocpi="auth_id",
    kind=Bridge(name="string(36)", read=_read_auth_id, write=_write_auth_id, covers=frozenset({"cdr_token"})),
    card="1",
    versions=(V211,),
    ours="cdr_token.contract_id",
)


def _read_location(session: Message, value: Json, reading: Reading) -> bool:
    assert isinstance(session, session_object_pb2.Session)
    location = location_object_pb2.Location()
    descend(LOCATION, location, value, reading, "", many=False)
    evse, connector = only_evse(location)
    session.location_id, session.evse_uid, session.connector_id = location.id, evse.uid, connector.id
    return False


def _write_location(session: Message, writing: Writing) -> Json:
    assert isinstance(session, session_object_pb2.Session)
    if not session.location_id:
        return None
    writing.note("2.1.1 wants the location in full, and a session holds its ids only")
    connectors: Json = [{"id": session.connector_id}] if session.connector_id else []
    evses: Json = [{"uid": session.evse_uid, "connectors": connectors}] if session.evse_uid else []
    return {"id": session.location_id, "evses": evses}


SESSION = Table(
    name="Session",
    message=session_object_pb2.Session,
    rows=(
        *owner(),
        Row(ocpi="id", kind=cistring(36), card="1"),
        Row(ocpi="start_datetime", kind=INSTANT, card="1", versions=(V211,), ours="start_date_time"),
        Row(ocpi="start_date_time", kind=INSTANT, card="1", versions=SINCE_221),
        Row(ocpi="end_datetime", kind=INSTANT, card="?", versions=(V211,), ours="end_date_time"),
        Row(ocpi="end_date_time", kind=INSTANT, card="?", versions=SINCE_221),
        Row(ocpi="kwh", kind=NUMBER, card="1"),
        AUTH_ID,
        Row(ocpi="cdr_token", kind=Nested(CDR_TOKEN), card="1", versions=SINCE_221),
        Row(ocpi="auth_method", kind=closed(AUTH_METHOD, session_object_pb2.AuthMethod), card="1"),
        Row(ocpi="authorization_reference", kind=cistring(36), card="?", versions=SINCE_221),
        Row(
            ocpi="location",
            kind=Bridge(
                name="Location",
                read=_read_location,
                write=_write_location,
                covers=frozenset({"location_id", "evse_uid", "connector_id"}),
            ),
            card="1",
            versions=(V211,),
            ours="location_id, evse_uid, connector_id; in full in extensions",
        ),
        Row(ocpi="location_id", kind=cistring(36), card="1", versions=SINCE_221),
        Row(ocpi="evse_uid", kind=cistring(36), card="1", versions=SINCE_221),
        Row(ocpi="connector_id", kind=cistring(36), card="1", versions=SINCE_221),
        Row(ocpi="meter_id", kind=string(255), card="?"),
        Row(ocpi="currency", kind=CURRENCY, card="1"),
        Row(ocpi="charging_periods", kind=Nested(CHARGING_PERIOD), card="*"),
        *cost("total_cost", "?"),
        Row(ocpi="status", kind=closed(SESSION_STATUS, session_object_pb2.SessionStatus), card="1"),
        Row(ocpi="last_updated", kind=INSTANT, card="1"),
    ),
    gaps=OWNER_GAPS,
)
CHARGING_PREFERENCES = Table(
    name="ChargingPreferences",
    message=session_object_pb2.ChargingPreferences,
    rows=(
        Row(
            ocpi="profile_type",
            kind=closed(PROFILE_TYPE, session_object_pb2.ProfileType),
            card="1",
            versions=SINCE_221,
        ),
        Row(ocpi="departure_time", kind=INSTANT, card="?", versions=SINCE_221),
        Row(ocpi="energy_need", kind=NUMBER, card="?", versions=SINCE_221),
        Row(ocpi="discharge_allowed", kind=FLAG, card="?", versions=SINCE_221),
    ),
)
