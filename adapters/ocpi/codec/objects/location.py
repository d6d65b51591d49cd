"""OCPI module Locations."""

from dataclasses import replace

from google.protobuf.message import Message
from roamhub.v1 import location_object_pb2 as pb

from adapters.ocpi.codec.enums import Words
from adapters.ocpi.codec.jsontext import Json
from adapters.ocpi.codec.objects.shared import (
    ADDITIONAL_GEO_LOCATION,
    BUSINESS_DETAILS,
    COUNTRY,
    DISPLAY_TEXT,
    ENERGY_MIX,
    FLAG,
    GEO_LOCATION,
    HOURS,
    IMAGE,
    INSTANT,
    INT,
    NUMBER,
    OWNER_GAPS,
    URL,
    cistring,
    closed,
    opened,
    owner,
    string,
    words,
)
from adapters.ocpi.codec.objects.token import TOKEN_TYPE
from adapters.ocpi.codec.tables import Bridge, Gap, Nested, Reading, Row, Table, Writing
from adapters.ocpi.codec.words import SINCE_221, V211, V230, Refused

CAPABILITY = words(
    "Capability",
    "CHARGING_PROFILE_CAPABLE CREDIT_CARD_PAYABLE REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER UNLOCK_CAPABLE",
    "CHARGING_PREFERENCES_CAPABLE CHIP_CARD_SUPPORT CONTACTLESS_CARD_SUPPORT DEBIT_CARD_PAYABLE PED_TERMINAL"
    " START_SESSION_CONNECTOR_REQUIRED TOKEN_GROUP_CAPABLE",
    is_open=True,
)
CONNECTOR_CAPABILITY = words(
    "ConnectorCapability", plus_230="ISO_15118_2_PLUG_AND_CHARGE ISO_15118_20_PLUG_AND_CHARGE", is_open=True
)
CONNECTOR_FORMAT = words("ConnectorFormat", "SOCKET CABLE")
CONNECTOR_TYPE = words(
    "ConnectorType",
    "CHADEMO DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G DOMESTIC_H DOMESTIC_I"
    " DOMESTIC_J DOMESTIC_K DOMESTIC_L IEC_60309_2_single_16 IEC_60309_2_three_16 IEC_60309_2_three_32"
    " IEC_60309_2_three_64 IEC_62196_T1 IEC_62196_T1_COMBO IEC_62196_T2 IEC_62196_T2_COMBO IEC_62196_T3A"
    " IEC_62196_T3C TESLA_R TESLA_S",
    "CHAOJI DOMESTIC_M DOMESTIC_N DOMESTIC_O GBT_AC GBT_DC NEMA_5_20 NEMA_6_30 NEMA_6_50 NEMA_10_30 NEMA_10_50"
    " NEMA_14_30 NEMA_14_50 PANTOGRAPH_BOTTOM_UP PANTOGRAPH_TOP_DOWN",
    "MCS SAE_J3400",
    is_open=True,
)
EVSE_POSITION = words("EVSEPosition", plus_230="LEFT RIGHT CENTER")
FACILITY = words(
    "Facility",
    "HOTEL RESTAURANT CAFE MALL SUPERMARKET SPORT RECREATION_AREA NATURE MUSEUM BUS_STOP TAXI_STAND TRAIN_STATION"
    " AIRPORT CARPOOL_PARKING FUEL_STATION WIFI",
    "BIKE_SHARING TRAM_STOP METRO_STATION PARKING_LOT",
    is_open=True,
)
LOCATION_TYPE = Words(
    name="LocationType",
    known={V211: tuple("ON_STREET PARKING_GARAGE UNDERGROUND_GARAGE PARKING_LOT OTHER UNKNOWN".split())},
    instead={V211: {"*": "OTHER"}},
)
PARKING_DIRECTION = words("ParkingDirection", plus_230="PARALLEL PERPENDICULAR ANGLE")
PARKING_RESTRICTION = words(
    "ParkingRestriction",
    "EV_ONLY PLUGGED DISABLED CUSTOMERS MOTORCYCLES",
    plus_230="EMPLOYEES TAXIS TENANTS",
    is_open=True,
)
PARKING_TYPE = words(
    "ParkingType",
    plus_221="ALONG_MOTORWAY PARKING_GARAGE PARKING_LOT ON_DRIVEWAY ON_STREET UNDERGROUND_GARAGE",
    is_open=True,
)
POWER_TYPE = words("PowerType", "AC_1_PHASE AC_3_PHASE DC", "AC_2_PHASE AC_2_PHASE_SPLIT")
STATUS = words("Status", "AVAILABLE BLOCKED CHARGING INOPERATIVE OUTOFORDER PLANNED REMOVED RESERVED UNKNOWN")
VEHICLE_TYPE = words(
    "VehicleType",
    plus_230="MOTORCYCLE PERSONAL_VEHICLE PERSONAL_VEHICLE_WITH_TRAILER VAN SEMI_TRACTOR RIGID TRUCK_WITH_TRAILER BUS"
    " DISABLED",
    is_open=True,
)


def _read_tariff_id(connector: Message, value: Json, reading: Reading) -> bool:
    assert isinstance(connector, pb.Connector)
    connector.tariff_ids.append(str(cistring(36).reader(reading.version)(value)))
    return True


def _write_tariff_id(connector: Message, writing: Writing) -> Json:
    assert isinstance(connector, pb.Connector)
    if not connector.tariff_ids:
        return None
    if len(connector.tariff_ids) > 1:
        writing.note("2.1.1 has one tariff per connector; the first is said")
    return connector.tariff_ids[0]


CONNECTOR = Table(
    name="Connector",
    message=pb.Connector,
    rows=(
        Row(ocpi="id", kind=cistring(36), card="1"),
        Row(ocpi="standard", kind=opened(CONNECTOR_TYPE), card="1"),
        Row(ocpi="format", kind=closed(CONNECTOR_FORMAT, pb.ConnectorFormat), card="1"),
        Row(ocpi="power_type", kind=closed(POWER_TYPE, pb.PowerType), card="1"),
        Row(ocpi="voltage", kind=INT, card="1", versions=(V211,), ours="max_voltage"),
        Row(ocpi="amperage", kind=INT, card="1", versions=(V211,), ours="max_amperage"),
        Row(ocpi="max_voltage", kind=INT, card="1", versions=SINCE_221),
        Row(ocpi="max_amperage", kind=INT, card="1", versions=SINCE_221),
        Row(ocpi="max_electric_power", kind=INT, card="?", versions=SINCE_221),
        Row(
            ocpi="tariff_id",
            kind=Bridge(
                name="string(36)", read=_read_tariff_id, write=_write_tariff_id, covers=frozenset({"tariff_ids"})
            ),
            card="?",
            versions=(V211,),
            ours="tariff_ids, the first",
        ),
        Row(ocpi="tariff_ids", kind=cistring(36), card="*", versions=SINCE_221),
        Row(ocpi="terms_and_conditions", kind=URL, card="?"),
        Row(ocpi="capabilities", kind=opened(CONNECTOR_CAPABILITY), card="*", versions=(V230,)),
        Row(ocpi="last_updated", kind=INSTANT, card="1"),
    ),
)
STATUS_SCHEDULE = Table(
    name="StatusSchedule",
    message=pb.StatusSchedule,
    rows=(
        Row(ocpi="period_begin", kind=INSTANT, card="1"),
        Row(ocpi="period_end", kind=INSTANT, card="?"),
        Row(ocpi="status", kind=closed(STATUS, pb.EvseStatus), card="1"),
    ),
)
EVSE_PARKING = Table(
    name="EVSEParking",
    message=pb.EvseParking,
    rows=(
        Row(ocpi="parking_id", kind=cistring(36), card="1", versions=(V230,)),
        Row(ocpi="evse_position", kind=closed(EVSE_POSITION, pb.EvsePosition), card="?", versions=(V230,)),
    ),
)
EVSE = Table(
    name="EVSE",
    message=pb.Evse,
    rows=(
        Row(ocpi="uid", kind=cistring(36, 39), card="1"),
        Row(ocpi="evse_id", kind=cistring(48), card="?"),
        Row(ocpi="status", kind=closed(STATUS, pb.EvseStatus), card="1"),
        Row(ocpi="status_schedule", kind=Nested(STATUS_SCHEDULE), card="*"),
        Row(ocpi="capabilities", kind=opened(CAPABILITY), card="*"),
        Row(ocpi="connectors", kind=Nested(CONNECTOR), card="+"),
        Row(ocpi="floor_level", kind=string(4), card="?"),
        Row(ocpi="coordinates", kind=Nested(GEO_LOCATION), card="?"),
        Row(ocpi="physical_reference", kind=string(16), card="?"),
        Row(ocpi="directions", kind=Nested(DISPLAY_TEXT), card="*"),
        Row(ocpi="parking_restrictions", kind=opened(PARKING_RESTRICTION), card="*"),
        Row(ocpi="parking", kind=Nested(EVSE_PARKING), card="*", versions=(V230,)),
        Row(ocpi="images", kind=Nested(IMAGE), card="*"),
        Row(ocpi="accepted_service_providers", kind=string(50), card="*", versions=(V230,)),
        Row(ocpi="last_updated", kind=INSTANT, card="1"),
    ),
)
PARKING = Table(
    name="Parking",
    message=pb.Parking,
    rows=tuple(
        replace(row, versions=(V230,))
        for row in (
            Row(ocpi="id", kind=cistring(36), card="1"),
            Row(ocpi="physical_reference", kind=string(12), card="?"),
            Row(ocpi="vehicle_types", kind=opened(VEHICLE_TYPE), card="+"),
            Row(ocpi="max_vehicle_weight", kind=NUMBER, card="?"),
            Row(ocpi="max_vehicle_height", kind=NUMBER, card="?"),
            Row(ocpi="max_vehicle_length", kind=NUMBER, card="?"),
            Row(ocpi="max_vehicle_width", kind=NUMBER, card="?"),
            Row(ocpi="parking_space_length", kind=NUMBER, card="?"),
            Row(ocpi="parking_space_width", kind=NUMBER, card="?"),
            Row(ocpi="dangerous_goods_allowed", kind=FLAG, card="?"),
            Row(ocpi="direction", kind=closed(PARKING_DIRECTION, pb.ParkingDirection), card="?"),
            Row(ocpi="drive_through", kind=FLAG, card="?"),
            Row(ocpi="restricted_to_type", kind=FLAG, card="1"),
            Row(ocpi="reservation_required", kind=FLAG, card="1"),
            Row(ocpi="time_limit", kind=NUMBER, card="?"),
            Row(ocpi="roofed", kind=FLAG, card="?"),
            Row(ocpi="images", kind=Nested(IMAGE), card="*"),
            Row(ocpi="lighting", kind=FLAG, card="?"),
            Row(ocpi="refrigeration_outlet", kind=FLAG, card="?"),
            Row(ocpi="standards", kind=cistring(36), card="*"),
            Row(ocpi="apds_reference", kind=cistring(255), card="?"),
        )
    ),
)
PUBLISH_TOKEN_TYPE = Table(
    name="PublishTokenType",
    message=pb.PublishTokenType,
    rows=tuple(
        replace(row, versions=SINCE_221)
        for row in (
            Row(ocpi="uid", kind=cistring(36), card="?"),
            Row(ocpi="type", kind=opened(TOKEN_TYPE), card="?"),
            Row(ocpi="visual_number", kind=string(64), card="?"),
            Row(ocpi="issuer", kind=string(64), card="?"),
            Row(ocpi="group_id", kind=cistring(36), card="?"),
        )
    ),
)
LOCATION = Table(
    name="Location",
    message=pb.Location,
    rows=(
        *owner(),
        Row(ocpi="id", kind=cistring(36, 39), card="1"),
        Row(ocpi="type", kind=opened(LOCATION_TYPE), card="1", versions=(V211,), ours="parking_type", assume="UNKNOWN"),
        Row(ocpi="publish", kind=FLAG, card="1", versions=SINCE_221),
        Row(ocpi="publish_allowed_to", kind=Nested(PUBLISH_TOKEN_TYPE), card="*", versions=SINCE_221),
        Row(ocpi="name", kind=string(255), card="?"),
        Row(ocpi="address", kind=string(255, 45), card="1"),
        Row(ocpi="city", kind=string(45), card="1"),
        Row(ocpi="postal_code", kind=string(10), card="1", versions=(V211,)),
        Row(ocpi="postal_code", kind=string(10), card="?", versions=SINCE_221),
        Row(ocpi="state", kind=string(45), card="?", versions=SINCE_221),
        Row(ocpi="country", kind=COUNTRY, card="1"),
        Row(ocpi="coordinates", kind=Nested(GEO_LOCATION), card="1"),
        Row(ocpi="related_locations", kind=Nested(ADDITIONAL_GEO_LOCATION), card="*"),
        Row(ocpi="parking_type", kind=opened(PARKING_TYPE), card="?", versions=SINCE_221),
        Row(ocpi="evses", kind=Nested(EVSE), card="*"),
        Row(ocpi="parking_places", kind=Nested(PARKING), card="*", versions=(V230,)),
        Row(ocpi="directions", kind=Nested(DISPLAY_TEXT), card="*"),
        Row(ocpi="operator", kind=Nested(BUSINESS_DETAILS), card="?"),
        Row(ocpi="suboperator", kind=Nested(BUSINESS_DETAILS), card="?"),
        Row(ocpi="owner", kind=Nested(BUSINESS_DETAILS), card="?"),
        Row(ocpi="facilities", kind=opened(FACILITY), card="*"),
        Row(ocpi="time_zone", kind=string(255), card="?", versions=(V211,)),
        Row(ocpi="time_zone", kind=string(255), card="1", versions=SINCE_221),
        Row(ocpi="opening_times", kind=Nested(HOURS), card="?"),
        Row(ocpi="charging_when_closed", kind=FLAG, card="?"),
        Row(ocpi="images", kind=Nested(IMAGE), card="*"),
        Row(ocpi="energy_mix", kind=Nested(ENERGY_MIX), card="?"),
        Row(ocpi="help_phone", kind=cistring(25), card="?", versions=(V230,)),
        Row(ocpi="last_updated", kind=INSTANT, card="1"),
    ),
    gaps=(
        *OWNER_GAPS,
        Gap(
            ours="publish",
            versions=(V211,),
            rule="2.1.1 shows every location to everybody: do not send this one",
            harmless=lambda value: value is True,
            implied=True,
        ),
    ),
)


def only_evse(location: pb.Location) -> tuple[pb.Evse, pb.Connector]:
    """Return the EVSE and connector of a location that 2.1.1 nests in a session or CDR.

    Raises:
        Refused: there is not exactly one of each.
    """
    if len(location.evses) != 1 or len(location.evses[0].connectors) != 1:
        raise Refused("must hold exactly one EVSE with one connector")
    return location.evses[0], location.evses[0].connectors[0]
