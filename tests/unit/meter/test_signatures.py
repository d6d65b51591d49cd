"""Signatures: every curve, every shape of key and signature, and what trust takes."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hub.domain.errors import Invalid
from tests.unit.meter.making import BEGIN, CURVES, END, Meter, ed25519_ocmf, payload, reasons, verdicts

WHOLE = payload(BEGIN, END)


@pytest.mark.parametrize("curve", CURVES)
def test_every_curve_verifies_and_notices_a_changed_payload(curve: str) -> None:
    meter = Meter(curve)
    document = meter.ocmf(WHOLE)
    (good,) = meter.billed(document)
    (bad,) = meter.billed(document.replace("32.5", "33.5"))
    assert (good.signature, good.billable, good.algorithm) == ("valid", True, f"ECDSA-{curve}-SHA256")
    assert (bad.signature, bad.billable, reasons([bad])) == ("invalid", False, [["signature_invalid"]])


@pytest.mark.parametrize("curve", CURVES)
def test_keys_come_as_spki_or_as_a_point_in_hex_or_base64(curve: str) -> None:
    meter = Meter(curve)
    document = meter.ocmf(WHOLE)
    for data in (meter.spki, meter.point, meter.point[1:]):
        spaced = " ".join(data.hex()[at : at + 4] for at in range(0, len(data.hex()), 4))
        for text in (data.hex(), data.hex().upper(), spaced, base64.b64encode(data).decode()):
            assert verdicts(document, text)[0].billable, text


def test_brainpool_goes_without_its_letter_too() -> None:
    meter = Meter("brainpoolP256r1")
    assert meter.billed(meter.ocmf(WHOLE, SA="ECDSA-brainpool256r1-SHA256"))[0].billable


def test_keys_and_signatures_of_the_other_kind_are_not_taken() -> None:
    document, key = ed25519_ocmf(WHOLE)
    assert verdicts(document, Meter().spki.hex())[0].signature == "invalid"
    assert verdicts(Meter().ocmf(WHOLE), key)[0].signature == "invalid"
    short = document.replace('"SD": "', '"SD": "AAAA')
    assert verdicts(short, key)[0].signature == "malformed"


def test_ed25519_verifies() -> None:
    document, key = ed25519_ocmf(WHOLE)
    assert verdicts(document, key)[0].billable
    raw = base64.b64decode(key)[-32:].hex()
    assert verdicts(document, raw)[0].billable
    assert verdicts(document.replace("32.5", "33.5"), key)[0].signature == "invalid"


def test_signatures_come_as_r_and_s_side_by_side() -> None:
    meter = Meter()
    assert meter.billed(meter.ocmf(WHOLE, SD=meter.sign_raw(WHOLE.encode()).hex()))[0].billable


def test_a_negative_r_is_read_as_unsigned() -> None:
    meter = Meter()
    for _ in range(200):
        signature = meter.sign(WHOLE.encode())
        r, s = decode_dss_signature(signature)
        if r >> 255:
            break
    else:
        pytest.fail("half of all r have their high bit set")
    body = b"\x02\x20" + r.to_bytes(32) + bytes([2, len(tail := s.to_bytes(33).lstrip(b"\x00"))]) + tail
    document = meter.ocmf(WHOLE, SD=(bytes([0x30, len(body)]) + body).hex())
    assert meter.billed(document)[0].billable


def test_the_algorithm_and_the_encoding_have_defaults() -> None:
    meter = Meter()
    assert meter.billed(meter.ocmf(WHOLE, SA=None))[0].algorithm == "ECDSA-secp256r1-SHA256"
    packed = base64.b64encode(meter.sign(WHOLE.encode())).decode()
    assert meter.billed(meter.ocmf(WHOLE, SA=None, SE="base64", SD=packed))[0].billable


@pytest.mark.parametrize(
    "name", ["ECDSA-secp521r1-SHA512", "ECDSA-secp192k1-SHA256", "RSA-2048-SHA256", "none", "ECDSA-secp256r1-MD5"]
)
def test_other_algorithms_are_unsupported_by_name(name: str) -> None:
    meter = Meter()
    (verdict,) = meter.billed(meter.ocmf(WHOLE, SA=name))
    assert (verdict.signature, verdict.algorithm, verdict.billable) == ("unsupported", name, False)


def test_a_hostile_algorithm_name_is_cut_and_cleaned() -> None:
    meter = Meter()
    (verdict,) = meter.billed(meter.ocmf(WHOLE, SA="\x1b[2J\u202e" + "x" * 200))
    assert verdict.algorithm == "?[2J?" + "x" * 59


@pytest.mark.parametrize(
    "seal",
    [
        {"SD": None},
        {"SD": ""},
        {"SD": "zz"},
        {"SD": 5},
        {"SD": "00"},
        {"SD": "30"},
        {"SD": "3081"},
        {"SD": "300602010102"},
        {"SD": "3006020101020101ff"},
        {"SD": "3009020101020101020101"},
        {"SD": "3003020101"},
        {"SD": "30820006020101020101"},
        {"SD": "30812302" + "30" + "01" * 33},
        {"SE": "rot13"},
        {"SE": "base64", "SD": "*"},
    ],
    ids=str,
)
def test_a_signature_that_is_none_is_malformed(seal: dict[str, Any]) -> None:
    meter = Meter()
    (verdict,) = meter.billed(meter.ocmf(WHOLE, **seal))
    assert (verdict.signature, reasons([verdict])) == ("malformed", [["signature_malformed"]])


def test_r_and_s_of_zero_are_invalid() -> None:
    meter = Meter()
    assert meter.billed(meter.ocmf(WHOLE, SD="3006020100020100"))[0].signature == "invalid"
    assert meter.billed(meter.ocmf(WHOLE, SD="00" * 64))[0].signature == "invalid"


def test_the_key_that_came_along_makes_a_signature_valid_and_nothing_billable() -> None:
    meter = Meter()
    (verdict,) = verdicts(_in_xml(meter, meter.spki.hex()))
    assert (verdict.signature, verdict.billable, reasons([verdict])) == ("valid", False, [["key_not_trusted"]])


def test_with_a_trusted_key_no_other_key_counts() -> None:
    meter = Meter()
    (verdict,) = verdicts(_in_xml(meter, meter.spki.hex()), Meter().spki.hex())
    assert (verdict.signature, reasons([verdict])) == ("invalid", [["signed_by_another_key"]])


def test_without_any_key_the_signature_is_not_valid() -> None:
    assert reasons(verdicts(Meter().ocmf(WHOLE))) == [["no_public_key"]]


def test_a_key_that_is_none_is_malformed() -> None:
    (verdict,) = verdicts(_in_xml(Meter(), "0102"))
    assert verdicts(_in_xml(Meter(), "00" * 2000))[0].reasons == verdict.reasons
    assert (verdict.signature, reasons([verdict])) == ("malformed", [["public_key_malformed"]])


def test_a_key_on_another_curve_has_not_signed_it() -> None:
    meter = Meter()
    (verdict,) = verdicts(_in_xml(meter, Meter("secp256k1").spki.hex()))
    assert (verdict.signature, reasons([verdict])) == ("invalid", [["signature_invalid"]])


@pytest.mark.parametrize("key", ["", "hello", "00" * 64, "30" * 40, "ab" * 5000])
def test_a_trusted_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(Invalid, match="trusted_keys"):
        verdicts(Meter().ocmf(WHOLE), key)


def _in_xml(meter: Meter, key: str) -> str:
    document = meter.ocmf(WHOLE)
    return f"<values><value><signedData>{document}</signedData><publicKey>{key}</publicKey></value></values>"
