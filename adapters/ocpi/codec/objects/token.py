"""OCPI module Tokens."""

from dataclasses import replace

from roamhub.v1 import session_object_pb2, token_object_pb2

from adapters.ocpi.codec.objects.shared import (
    DISPLAY_TEXT,
    FLAG,
    INSTANT,
    LANGUAGE,
    OWNER_GAPS,
    cistring,
    closed,
    opened,
    owner,
    string,
    words,
)
from adapters.ocpi.codec.tables import Nested, Row, Table
from adapters.ocpi.codec.words import SINCE_221, V211, V221

TOKEN_TYPE = replace(
    words("TokenType", "OTHER RFID", "AD_HOC_USER APP_USER", "EMAID", is_open=True),
    instead={V211: {"*": "OTHER"}, V221: {"*": "OTHER"}},
)
WHITELIST_TYPE = words("WhitelistType", "ALWAYS ALLOWED ALLOWED_OFFLINE NEVER")
ALLOWED_TYPE = replace(words("AllowedType", "ALLOWED BLOCKED EXPIRED NO_CREDIT NOT_ALLOWED"), names={V211: "Allowed"})
PROFILE_TYPE = words("ProfileType", plus_221="CHEAP FAST GREEN REGULAR")

ENERGY_CONTRACT = Table(
    name="EnergyContract",
    message=token_object_pb2.EnergyContract,
    rows=(
        Row(ocpi="supplier_name", kind=string(64), card="1", versions=SINCE_221),
        Row(ocpi="contract_id", kind=string(64), card="?", versions=SINCE_221),
    ),
)
TOKEN = Table(
    name="Token",
    message=token_object_pb2.Token,
    rows=(
        *owner(),
        Row(ocpi="uid", kind=cistring(36), card="1"),
        Row(ocpi="type", kind=opened(TOKEN_TYPE), card="1"),
        Row(ocpi="auth_id", kind=cistring(36), card="1", versions=(V211,), ours="contract_id"),
        Row(ocpi="contract_id", kind=cistring(36), card="1", versions=SINCE_221),
        Row(ocpi="visual_number", kind=string(64), card="?"),
        Row(ocpi="issuer", kind=string(64), card="1"),
        Row(ocpi="group_id", kind=cistring(36), card="?", versions=SINCE_221),
        Row(ocpi="valid", kind=FLAG, card="1"),
        Row(ocpi="whitelist", kind=closed(WHITELIST_TYPE, token_object_pb2.WhitelistType), card="1"),
        Row(ocpi="language", kind=LANGUAGE, card="?"),
        Row(
            ocpi="default_profile_type",
            kind=closed(PROFILE_TYPE, session_object_pb2.ProfileType),
            card="?",
            versions=SINCE_221,
        ),
        Row(ocpi="energy_contract", kind=Nested(ENERGY_CONTRACT), card="?", versions=SINCE_221),
        Row(ocpi="last_updated", kind=INSTANT, card="1"),
    ),
    gaps=OWNER_GAPS,
)
LOCATION_REFERENCES = Table(
    name="LocationReferences",
    message=token_object_pb2.LocationReferences,
    rows=(
        Row(ocpi="location_id", kind=cistring(36, 39), card="1"),
        Row(ocpi="evse_uids", kind=cistring(36, 39), card="*"),
        Row(ocpi="connector_ids", kind=cistring(36), card="*", versions=(V211,)),
    ),
)
AUTHORIZATION_INFO = Table(
    name="AuthorizationInfo",
    message=token_object_pb2.AuthorizationInfo,
    rows=(
        Row(ocpi="allowed", kind=closed(ALLOWED_TYPE, token_object_pb2.AllowedType), card="1"),
        Row(ocpi="token", kind=Nested(TOKEN), card="1", versions=SINCE_221),
        Row(ocpi="location", kind=Nested(LOCATION_REFERENCES), card="?"),
        Row(ocpi="authorization_reference", kind=cistring(36), card="?", versions=SINCE_221),
        Row(ocpi="info", kind=Nested(DISPLAY_TEXT), card="?"),
    ),
)
