"""What the signed values of a CDR mean for it."""

import base64
import html
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.crypto.meter.verifier import SignatureVerifier
from hub.domain.meter.cdr import MeterFinding, SignedData, SignedValue, conclude, documents_of
from hub.domain.meter.model import MeterDocument
from tests.unit.meter.making import BEGIN, END, Meter, payload, reading, shared

METER = Meter()
BEGINNING = METER.ocmf(payload(BEGIN, page="T1"))
ENDING = METER.ocmf(payload(END, page="T2"))
WHOLE = METER.ocmf(payload(BEGIN, END, page="T2"))
INTERMEDIATE = METER.ocmf(payload(reading("C", "11"), page="T2"))


def packed(document: str) -> str:
    return base64.b64encode(document.encode()).decode()


def found(*documents: str, claimed: str = "22.5", plain: str = "", key: str | None = None) -> MeterFinding:
    values = tuple(SignedValue(nature="End", plain_data=plain, signed_data=document) for document in documents)
    signed = SignedData(encoding_method="OCMF", public_key=METER.spki.hex(), values=values)
    keys = [METER.spki.hex()] if key is None else [key] if key else []
    verdicts = SignatureVerifier().verify(documents_of(signed), keys)
    return conclude(verdicts, Decimal(claimed), Decimal("0.001"))


PROVEN = {
    "begin and end": [BEGINNING, ENDING],
    "in Base64": [packed(BEGINNING), packed(ENDING)],
    "the whole": [WHOLE],
    "the whole twice": [WHOLE, WHOLE],
    "the begin beside the whole": [BEGINNING, WHOLE],
    "in SAFE's XML": [f"<values><value><signedData>{WHOLE}</signedData></value></values>"],
    "in packed XML": [packed(f"<values><value><signedData>{WHOLE}</signedData></value></values>")],
}


@pytest.mark.parametrize("documents", PROVEN.values(), ids=PROVEN)
def test_signed_values_prove_the_energy(documents: list[str]) -> None:
    finding = found(*documents)
    assert (finding.signature, finding.billable, finding.reasons) == ("valid", True, ())
    assert finding.energy_kwh == Decimal("22.5")


def test_a_document_in_plain_data_is_found() -> None:
    assert found("MEUCIQ==", plain=WHOLE).billable


def test_rounding_is_tolerated_and_more_is_not() -> None:
    assert found(WHOLE, claimed="22.501").billable
    finding = found(WHOLE, claimed="22.5011")
    assert (finding.signature, finding.billable, finding.reasons) == ("valid", False, ("energy_differs",))
    assert finding.energy_kwh == Decimal("22.5")


UNPROVEN: dict[str, tuple[list[str], str, list[str]]] = {
    "nothing": ([], "malformed", ["not_a_meter_document"]),
    "no document": (["hello"], "malformed", ["not_a_meter_document"]),
    "a begin alone": ([BEGINNING], "valid", ["end_missing"]),
    "an end alone": ([ENDING], "valid", ["begin_missing"]),
    "a changed document": ([WHOLE.replace("32.5", "42.5")], "invalid", ["signature_invalid"]),
    "a changed document beside a good one": (
        [WHOLE, WHOLE.replace("32.5", "42.5")],
        "invalid",
        ["signature_invalid"],
    ),
    "another transaction": (
        [WHOLE, METER.ocmf(payload(BEGIN, END, page="T9"))],
        "valid",
        ["several_transactions"],
    ),
}


@pytest.mark.parametrize(("documents", "signature", "reasons"), UNPROVEN.values(), ids=UNPROVEN)
def test_signed_values_prove_nothing(documents: list[str], signature: str, reasons: list[str]) -> None:
    finding = found(*documents)
    assert (finding.signature, finding.billable, list(finding.reasons)) == (signature, False, reasons)


def test_the_key_that_came_along_proves_nothing() -> None:
    finding = found(WHOLE, key="")
    assert (finding.signature, finding.billable, finding.reasons) == ("valid", False, ("key_not_trusted",))
    assert found(WHOLE, key=Meter().spki.hex()).reasons == ("signed_by_another_key",)


def test_more_values_than_are_read_are_refused() -> None:
    assert found(*["x"] * 1001).reasons == ("too_large",)


@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60), st.text(max_size=10))), st.text(max_size=60))
def test_any_signed_data_has_a_finding(values: list[tuple[str, str, str]], key: str) -> None:
    signed = SignedData(
        encoding_method="x",
        public_key=key,
        values=tuple(SignedValue(nature=n, plain_data=p, signed_data=s) for s, p, n in values),
    )
    verdicts = SignatureVerifier().verify(documents_of(signed), [])
    assert not conclude(verdicts, Decimal(0), Decimal(0)).billable


@pytest.mark.data
def test_edl40_begins_and_ends_where_the_cdr_says() -> None:
    document = re.compile(r"<signedMeterValue>.*?</signedMeterValue>", re.DOTALL)
    begin, end = document.findall(html.unescape(shared("safe/hummel.xml").read_text()))
    values = [
        SignedValue(nature=nature, plain_data="", signed_data=packed(text))
        for nature, text in (("Start", begin), ("End", end))
    ]
    documents = documents_of(SignedData(encoding_method="EDL40 E-Mobility Extension", values=tuple(values)))
    keys = [each.carried_key for each in documents if isinstance(each, MeterDocument)]
    finding = conclude(SignatureVerifier().verify(documents, keys[:1]), Decimal("1.045"), Decimal("0.001"))
    assert (finding.billable, finding.energy_kwh) == (True, Decimal("1.0451"))
