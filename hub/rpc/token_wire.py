"""Tokens on the wire: reading what eMSPs say about them. No refusal repeats a uid, a contract id or a group id."""

import re
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1 import session_object_pb2, token_pb2
from roamhub.v1 import token_object_pb2 as pb

from hub.domain.clock import not_after
from hub.domain.tokens import RFID, Token, TokenKey, Whitelist
from hub.rpc.wire import Reader

#: Longest values (OCPI 2.3.0, Tokens, Token object).
_UID_MAX = 36
_CONTRACT_MAX = 36
_GROUP_MAX = 36
_TEXT_MAX = 64

_WHITELISTS = {int(kind): kind for kind in Whitelist}
_PROFILES = frozenset(session_object_pb2.ProfileType.values())
_TYPE = re.compile(r"[A-Za-z0-9_]{1,36}")
_LANGUAGE = re.compile(r"[A-Za-z]{2}")


def token_from_pb(message: pb.Token, latest: datetime, path: str = "token") -> Token:
    """Read a token.

    Args:
        message: The whole token.
        latest: The latest time that its owner's clock may show.
        path: Where it stands in the request.

    Raises:
        Invalid: With every field that breaks a rule.
    """
    reader = Reader(path)
    token = Token(
        key=TokenKey.of(
            reader.party("", message.country_code, message.party_id),
            reader.id("uid", message.uid, _UID_MAX),
            _type(reader, message.type, required=True),
        ),
        contract_id=reader.id("contract_id", message.contract_id, _CONTRACT_MAX),
        whitelist=reader.one_of("whitelist", message.whitelist, _WHITELISTS, Whitelist.NEVER),
        valid=message.valid,
        group_id=reader.id("group_id", message.group_id, _GROUP_MAX) if message.HasField("group_id") else "",
        last_updated=time_of(reader, "last_updated", message.last_updated, latest),
        document=reader.document(message.SerializeToString(deterministic=True)),
    )
    if not message.HasField("valid"):
        reader.refuse("valid", "is required")
    reader.id("issuer", message.issuer, _TEXT_MAX)
    _read_optional(reader, message)
    reader.done()
    return token


def _read_optional(reader: Reader, message: pb.Token) -> None:
    if message.HasField("visual_number"):
        reader.id("visual_number", message.visual_number, _TEXT_MAX)
    if message.HasField("language") and not _LANGUAGE.fullmatch(message.language):
        reader.refuse("language", "must be an ISO 639-1 code, two letters")
    if message.default_profile_type not in _PROFILES:
        reader.refuse("default_profile_type", f"{message.default_profile_type} is no value of this enum")
    if message.HasField("energy_contract"):
        contract = message.energy_contract
        reader.id("energy_contract.supplier_name", contract.supplier_name, _TEXT_MAX)
        if contract.HasField("contract_id"):
            reader.id("energy_contract.contract_id", contract.contract_id, _TEXT_MAX)
        reader.extensions("energy_contract.extensions", contract.extensions)
    reader.extensions("extensions", message.extensions)


def key_from_pb(message: token_pb2.TokenKey | pb.Token, path: str = "token") -> TokenKey:
    """Read the key of a token; an empty type means RFID. Raises Invalid."""
    reader = Reader(path)
    key = TokenKey.of(
        reader.party("", message.country_code, message.party_id),
        reader.id("uid", message.uid, _UID_MAX),
        _type(reader, message.type, required=False),
    )
    reader.done()
    return key


def _type(reader: Reader, text: str, *, required: bool) -> str:
    if not text:
        if required:
            reader.refuse("type", "is required")
        return RFID
    if not _TYPE.fullmatch(text):
        reader.refuse("type", "must have at most 36 letters, digits and underscores, such as RFID")
    return text


def time_of(reader: Reader, field: str, stamp: Timestamp, latest: datetime) -> datetime:
    """Read when the owner says that something happened, which is no later than its clock may show."""
    instant = reader.time(field, stamp)
    if instant > latest:
        reader.refuse(field, not_after(latest))
    return instant
