"""Keys of meters: read in every form they come in, refused for a reason, and never swapped in silence."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hub.crypto.meter.keys import CURVE_NAMES, read_material
from hub.domain.errors import Conflict, Precondition
from hub.domain.ids import PartyId
from hub.domain.meter.keys import KEYS_AT_ONCE_MAX, KEYS_MAX, KeyClaim, KeyMaterial, MeterKey, UnusableKey, register
from tests.unit.meter.making import CURVES, Meter

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize("curve", CURVES)
def test_a_key_is_the_same_in_every_form(curve: str) -> None:
    meter = Meter(curve)
    compressed = meter.key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    forms = [
        (meter.spki.hex(), ""),
        (meter.spki.hex(" ").upper(), curve),
        (base64.b64encode(meter.spki).decode(), ""),
        (meter.point.hex(), curve),
        (meter.point[1:].hex(), curve.upper()),
        (base64.b64encode(compressed).decode(), curve),
    ]
    read = [read_material(text, named) for text, named in forms]
    assert read == [KeyMaterial(curve=curve, spki=meter.spki)] * len(forms)
    assert len({material.fingerprint for material in read}) == 1


def test_an_ed25519_key_is_read_as_spki_and_as_its_bytes() -> None:
    key = Ed25519PrivateKey.generate().public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    material = KeyMaterial(curve="Ed25519", spki=spki)
    assert read_material(base64.b64encode(spki).decode(), "") == material
    assert read_material(key.public_bytes_raw().hex(), "ed25519") == material


def spki_of(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


REFUSED = {
    "no text": ("", "", "in hex or Base64"),
    "neither hex nor Base64": ("what?", "", "in hex or Base64"),
    "too long": ("00" * 1_025, "", "at most 2048 characters"),
    "a point whose curve is not named": (Meter().point.hex(), "", "must be named"),
    "a point of another curve": (Meter("secp384r1").point.hex(), "secp256r1", "nor a point of secp256r1"),
    "a point on no curve": ("04" + "11" * 64, "secp256r1", "nor a point of secp256r1"),
    "a key of another curve than named": (Meter().spki.hex(), "secp256k1", "is on secp256r1, not on secp256k1"),
    "a curve that is not supported": (spki_of(ec.generate_private_key(ec.SECP521R1()).public_key()), "", "secp521r1"),
    "a name of no curve": (Meter().spki.hex(), "secp112r1", "must be one of secp192r1, secp256r1"),
    "an RSA key": (spki_of(rsa.generate_private_key(65_537, 2_048).public_key()), "", "ECDSA or Ed25519"),
}


@pytest.mark.parametrize(("text", "curve", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_key_is_refused_for_its_reason(text: str, curve: str, why: str) -> None:
    with pytest.raises(UnusableKey, match=why):
        read_material(text, curve)


@given(
    text=st.one_of(st.text(max_size=200), st.binary(max_size=120).map(bytes.hex)),
    curve=st.one_of(st.text(max_size=20), st.sampled_from(["", *CURVE_NAMES])),
)
def test_any_text_is_a_key_or_refused(text: str, curve: str) -> None:
    try:
        material = read_material(text, curve)
    except UnusableKey:
        return
    assert read_material(material.spki.hex(), material.curve) == material


def claim(key: str = "A", start: int = 0, end: int | None = None) -> KeyClaim:
    """Return a claim for a key that is valid so many days from now."""
    return KeyClaim(
        party=PartyId("NL", "CPO"),
        location_id="Loc",
        evse_uid="Evse",
        material=KeyMaterial(curve="secp256r1", spki=key.encode()),
        valid_from=NOW + start * DAY,
        valid_until=None if end is None else NOW + end * DAY,
    )


def registered(*claims: KeyClaim) -> list[MeterKey]:
    known: list[MeterKey] = []
    for number, each in enumerate(claims):
        known.append(register(each, known, f"id-{number}", NOW))
    return known


def test_the_same_registration_again_is_the_first_one() -> None:
    known = registered(claim("A"), claim("B", 0, 5))
    assert [register(each.claim, known, "new", NOW + DAY) for each in known] == known


@pytest.mark.parametrize(("start", "end"), [(1, None), (-1, None), (-1, 1), (0, 400)])
def test_a_key_with_another_validity_that_overlaps_is_a_conflict(start: int, end: int | None) -> None:
    with pytest.raises(Conflict) as caught:
        register(claim("A", start, end), registered(claim("A")), "new", NOW)
    assert (caught.value.reason, caught.value.metadata) == ("METER_KEY_CONFLICT", {"registration": "id-0"})


def test_a_meter_may_come_back() -> None:
    known = registered(claim("A", 0, 5), claim("A", 5, 7), claim("A", -3, 0))
    assert len(known) == 3


def test_an_evse_has_few_keys_at_once_and_any_number_one_after_the_other() -> None:
    known = registered(*(claim(str(number), 0) for number in range(KEYS_AT_ONCE_MAX)))
    with pytest.raises(Precondition, match="4 valid keys at once"):
        register(claim("X"), known, "new", NOW)
    assert register(claim("X", -9, 0), known, "new", NOW).id == "new"


def test_the_history_of_an_evse_is_bounded() -> None:
    known = registered(*(claim(str(number), number, number + 1) for number in range(KEYS_MAX)))
    with pytest.raises(Precondition, match="100 keys on record"):
        register(claim("X", -9, -8), known, "new", NOW)


def test_a_key_is_valid_from_its_start_until_before_its_end() -> None:
    (key,) = registered(claim("A", 1, 2))
    moments = [NOW, NOW + DAY, NOW + 2 * DAY - timedelta(microseconds=1), NOW + 2 * DAY]
    assert [key.is_valid(moment) for moment in moments] == [False, True, True, False]


def test_a_validity_is_cut_short_and_never_extended() -> None:
    (key,) = registered(claim("A"))
    ended = key.ended(NOW + 3 * DAY, NOW, "replaced")
    assert (ended.claim.valid_until, ended.revoked, ended.reason) == (NOW + 3 * DAY, NOW, "replaced")
    assert ended.ended(NOW + 3 * DAY, NOW + DAY, "again") is ended
    with pytest.raises(Precondition) as caught:
        ended.ended(NOW + 4 * DAY, NOW, "")
    assert caught.value.reason == "METER_KEY_ENDED"
    never = ended.ended(NOW - 9 * DAY, NOW + DAY, "stolen")
    assert never.claim.valid_until == never.claim.valid_from
    assert not never.is_valid(never.claim.valid_from)
    assert register(claim("A"), [never], "new", NOW).id == "new", "what was never valid overlaps with nothing"
