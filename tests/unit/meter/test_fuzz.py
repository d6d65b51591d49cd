"""Whatever bytes come, there is a verdict: never an error, never something billable that no trusted key signed."""

import json
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.domain.meter.documents import read_documents, read_value
from hub.domain.meter.markup import parse_xml
from hub.domain.meter.model import MalformedMeterData, MeterDocument, Signature
from hub.domain.meter.ocmf import parse_ocmf
from hub.domain.meter.pcdf import parse_pcdf
from hub.domain.meter.sml import HEADER as SML
from hub.domain.meter.sml import parse_sml
from tests.unit.meter.making import BEGIN, END, Meter, payload, shared, verdicts

METER = Meter()
KEY = METER.spki.hex()
XML = f"""<?xml version="1.0" encoding="UTF-8"?><values><value transactionId="1" context="Transaction.Begin">
<signedData format="OCMF" encoding="plain">{METER.ocmf(payload(BEGIN, END))}</signedData>
<publicKey encoding="hex">{KEY}</publicKey></value></values>""".encode()

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner)
)
oddities = st.sampled_from(
    [
        "1e99999",
        "-0",
        "NaN",
        "9" * 500,
        "T1",
        "B",
        "Z",
        "U",
        "Wh",
        "kWh",
        "\ud800",
        "\u202e",
        "|",
        "]]>",
        "&x;",
        "G",
        "",
    ]
)
hostile_readings = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("TM", "TX", "RV", "RI", "RU", "EF", "ST"), oddities | anything),
)
hostile_payloads = st.fixed_dictionaries(
    {"RD": st.lists(hostile_readings, max_size=4) | anything},
    optional=dict.fromkeys(("FV", "GS", "MS", "PG", "IT", "ID", "CT", "CI"), oddities | anything),
)
hostile_seals = st.fixed_dictionaries(
    {},
    optional={
        "SA": oddities | anything | st.sampled_from(["Ed25519", "ECDSA-secp384r1-SHA256", "ECDSA-secp521r1-SHA512"]),
        "SE": oddities | anything | st.sampled_from(["hex", "base64"]),
        "SD": oddities | anything | st.binary(max_size=150).map(bytes.hex),
    },
)


@st.composite
def mutated(draw: st.DrawFn, originals: st.SearchStrategy[bytes]) -> bytes:
    """A document with some bytes changed, left out, doubled or put in."""
    data = bytearray(draw(originals))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.integers(0, 40))
        match draw(st.sampled_from(["change", "cut", "double", "insert"])):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del data[at : at + length]
            case "double":
                data[at:at] = data[at : at + length]
            case _:
                data[at:at] = draw(st.binary(max_size=20))
    return bytes(data)


def _holds(content: bytes, *keys: str) -> None:
    for index, verdict in enumerate(verdicts(content, *keys)):
        assert verdict.index == index
        assert verdict.billable == (not verdict.reasons)
        assert verdict.billable == (verdict.energy_kwh is not None)
        assert not verdict.billable or verdict.signature is Signature.VALID
        assert not verdict.billable or keys


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_have_verdicts(content: bytes) -> None:
    _holds(content, KEY)
    _holds(b"OCMF|" + content)
    _holds(b"<values><value><signedData>" + content + b"</signedData></value></values>")


@given(st.binary(max_size=400))
def test_parsers_raise_nothing_but_their_error(content: bytes) -> None:
    for parse in (parse_ocmf, parse_pcdf, parse_sml, parse_xml):
        for start in (b"", b"OCMF|", b"OCMF|{}|", b"128.8.0(", SML, b"<?xml version='1.0' encoding='", b"<a>"):
            with suppress(MalformedMeterData):
                parse(start + content)


@given(hostile_payloads, hostile_seals)
def test_hostile_fields_have_verdicts(signed: dict[str, Any], seal: dict[str, Any]) -> None:
    content = f"OCMF|{json.dumps(signed)}|{json.dumps(seal)}".encode()
    _holds(content, KEY)
    _holds(content)


@given(hostile_payloads)
def test_hostile_fields_that_a_trusted_meter_signed_have_verdicts(signed: dict[str, Any]) -> None:
    _holds(METER.ocmf(json.dumps(signed)).encode(), KEY)


@given(mutated(st.just(XML)))
def test_a_mutated_document_is_billable_only_with_the_signed_bytes(content: bytes) -> None:
    _holds(content, KEY)
    for entry, verdict in zip(read_documents(content), verdicts(content, KEY), strict=True):
        if verdict.billable:
            assert isinstance(entry, MeterDocument)
            assert entry.signed == payload(BEGIN, END).encode()


@cache
def _real() -> list[bytes]:
    paths = [path for path in sorted(shared().rglob("*")) if path.suffix in {".xml", ".pcdf", ".metra", ".txt"}]
    return [content for path in paths if len(content := path.read_bytes()) < 5000]


@pytest.mark.data
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_mutated_real_documents_have_verdicts(data: st.DataObject) -> None:
    content = data.draw(mutated(st.sampled_from(_real())))
    _holds(content)
    _holds(content, KEY)
    read_value(content)
