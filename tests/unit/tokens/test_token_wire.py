"""Whatever is sent as a token is read whole, or refused by its fields without repeating what is in them."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from roamhub.v1 import token_object_pb2 as pb

from hub.domain.errors import HubError, Invalid
from hub.domain.tokens import Token, Whitelist
from hub.rpc.status import to_item_error
from hub.rpc.token_wire import token_from_pb

LATEST = datetime(2026, 3, 1, tzinfo=UTC)
numbers = st.integers(-(1 << 31), (1 << 31) - 1)
stamps = st.builds(Timestamp, seconds=st.integers(-(1 << 63), (1 << 63) - 1), nanos=numbers)
text = st.text(max_size=80)
hostile = st.builds(
    pb.Token,
    country_code=text,
    party_id=text,
    uid=text,
    type=text,
    contract_id=text,
    visual_number=st.none() | text,
    issuer=text,
    group_id=st.none() | text,
    valid=st.none() | st.booleans(),
    whitelist=numbers,
    language=st.none() | text,
    default_profile_type=numbers,
    energy_contract=st.none() | st.builds(pb.EnergyContract, supplier_name=text, contract_id=st.none() | text),
    last_updated=st.none() | stamps,
    extensions=text | st.sampled_from(["{}", "[]", "[" * 5000, '{"a":1e999}', "nul"]),
)


def printable(most: int) -> st.SearchStrategy[str]:
    letters = st.characters(codec="utf-8").filter(str.isprintable)
    return st.text(letters, min_size=1, max_size=most)


sound: dict[str, Any] = {
    "country_code": st.sampled_from(["NL", "nl", "Fr"]),
    "party_id": st.from_regex(r"[A-Za-z0-9]{3}", fullmatch=True),
    "uid": printable(36),
    "type": st.sampled_from(["RFID", "APP_USER", "EMAID", "NEW_KIND"]),
    "contract_id": printable(36),
    "visual_number": st.none() | printable(64),
    "issuer": printable(64),
    "group_id": st.none() | printable(36),
    "valid": st.booleans(),
    "whitelist": st.integers(1, 4),
    "language": st.none() | st.from_regex(r"[a-z]{2}", fullmatch=True),
    "default_profile_type": st.integers(0, 4),
    "energy_contract": st.none() | st.builds(pb.EnergyContract, supplier_name=printable(64)),
    "last_updated": st.builds(
        Timestamp, seconds=st.integers(1, int(LATEST.timestamp()) - 1), nanos=st.integers(0, 999_999_999)
    ),
    "extensions": st.sampled_from(["", "{}", '{"visual":"blue","n":0.10}']),
}


def read(message: pb.Token) -> Token | HubError:
    try:
        return token_from_pb(message, LATEST)
    except HubError as refusal:
        return refusal


@given(hostile)
def test_a_hostile_token_is_refused_by_its_fields(message: pb.Token) -> None:
    answer = read(message)
    if isinstance(answer, Token):
        assert pb.Token.FromString(answer.document) == message
    else:
        assert isinstance(answer, Invalid)
        assert all(violation.field.startswith("token.") for violation in answer.violations)


@given(st.builds(pb.Token, **sound))
def test_a_sound_token_is_read_and_kept_to_the_byte(message: pb.Token) -> None:
    token = read(message)
    assert isinstance(token, Token)
    assert token.document == message.SerializeToString(deterministic=True)
    assert token.key.uid == message.uid.lower()
    assert token.key.emsp.country_code == message.country_code.upper()
    assert (token.valid, token.whitelist) == (message.valid, Whitelist(message.whitelist))
    assert token.contract_id == message.contract_id


@given(st.sampled_from(["uid", "contract_id", "group_id", "visual_number", "issuer", "language", "extensions", "type"]))
def test_no_refusal_repeats_what_a_field_held(field: str) -> None:
    said: dict[str, Any] = {field: "SECRET\x00" * 12}
    answer = read(pb.Token(**said))
    assert isinstance(answer, HubError)
    assert "SECRET" not in str(to_item_error(answer)) + str(answer) + repr(answer)
