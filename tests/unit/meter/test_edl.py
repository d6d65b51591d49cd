"""EDL40 in its four coats: the same 320 bytes are signed in all."""

import base64
import html
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.meter.documents import read_documents
from hub.domain.meter.edl import DataSet
from hub.domain.meter.model import MalformedMeterData, MeterDocument
from hub.domain.meter.sml import HEADER, parse_sml
from tests.unit.meter.making import Meter, reasons, shared, verdicts

METER = Meter("secp192r1")
SERVER, CONTRACT = bytes.fromhex("0901454d480000000001"), bytes.fromhex("04a1b2c3")
REGISTER = bytes.fromhex("0100011100ff")
SECONDS = 1_772_366_400

BEGIN = DataSet(
    server=SERVER,
    local_seconds=SECONDS + 7200,
    status=0x08,
    seconds_index=5000,
    pagination=40,
    register=REGISTER,
    unit=0x1E,
    scaler=-1,
    value=123_450,
    log_book=7,
    contract=CONTRACT,
    presented=SECONDS + 7200,
)
END = replace(BEGIN, pagination=41, value=223_450, local_seconds=SECONDS + 9200, status=0x88)

Value = bytes | int | list["Value"] | None


def _sml(value: "Value") -> bytes:
    """Encode a value of SML."""
    if value is None:
        return b"\x01"
    if isinstance(value, list):
        return bytes([0x70 | len(value)]) + b"".join(_sml(each) for each in value)
    if isinstance(value, int):
        return b"\x59" + value.to_bytes(8, signed=True)
    length = len(value) + 1
    head = bytes([length]) if length < 16 else bytes([0x80 | (length + 1) >> 4, (length + 1) & 0xF])
    return head + value


def telegram(data: DataSet, **changes: Value) -> bytes:
    fields: dict[str, Value] = {
        "server": data.server,
        "signature": METER.sign_raw(data.to_bytes()) + data.log_book.to_bytes(2),
        "status": data.status,
        "time": [3, [data.local_seconds - 7200, 60, 60]],
        "register": data.register,
        "value": data.value,
        **changes,
    }
    entries: list[Value] = [
        [fields["register"], fields["status"], fields["time"], data.unit, data.scaler, fields["value"], None],
        [bytes.fromhex("810060080001"), None, None, None, None, [1, [1, data.seconds_index]], None],
        [bytes.fromhex("8180817101ff"), None, None, None, None, data.pagination, None],
        [bytes.fromhex("8182815401ff"), None, [3, [data.presented - 7200, 60, 60]], None, None, data.contract, None],
    ]
    body: Value = [None, fields["server"], None, None, entries, fields["signature"], None]
    messages: list[Value] = [[b"1", 0, 0, [0x0101, [None] * 6], 0], [b"2", 0, 0, [0x0701, body], 0]]
    return (
        HEADER + b"\x00".join(_sml(message) for message in messages) + b"\x00\x00" + b"\x1b" * 4 + b"\x1a\x00\x00\x00"
    )


def signed_meter_value(data: DataSet, method: str = "ECDSA192SHA256") -> str:
    signature = METER.sign_raw(data.to_bytes()) + data.log_book.to_bytes(2)
    return (
        f"<signedMeterValue><publicKey>{base64.b64encode(METER.point[1:]).decode()}</publicKey>"
        f"<meterValueSignature encoding='base64'>{base64.b64encode(signature).decode()}</meterValueSignature>"
        f"<signatureMethod>{method}</signatureMethod>"
        f"<encodedMeterValue encoding='base64'>{base64.b64encode(data.to_bytes()).decode()}</encodedMeterValue>"
        "</signedMeterValue>"
    )


def measurement(name: str, data: DataSet, time: str) -> str:
    fields = {
        "Timestamp": time,
        "Signature": METER.sign_raw(data.to_bytes()).hex(),
        "EventCounter": data.log_book,
        "MeterStatus": data.status,
        "Value": data.value,
        "Scaler": data.scaler,
        "Pagination": data.pagination,
        "SecondIndex": data.seconds_index,
    }
    return f"<{name}>{''.join(f'<{key}>{value}</{key}>' for key, value in fields.items())}</{name}>"


def mennekes(begin: DataSet = BEGIN, end: DataSet = END) -> str:
    return (
        f"<ChargingProcess><ServerId>{SERVER.hex()}</ServerId><PublicKey>{METER.point[1:].hex()}</PublicKey>"
        f"<CustomerIdent>{CONTRACT.hex()}</CustomerIdent>"
        "<TimestampCustomerIdent>2026-03-01T14:00:00+02:00</TimestampCustomerIdent>"
        f"{measurement('MeasurementStart', begin, '2026-03-01T14:00:00+02:00')}"
        f"{measurement('MeasurementEnd', end, '2026-03-01T14:33:20+02:00')}</ChargingProcess>"
    )


def safe(begin: str, end: str) -> str:
    parts = (("Transaction.Begin", begin), ("Transaction.End", end))
    values = (
        f'<value transactionId="1" context="{context}"><signedData>{html.escape(text)}</signedData></value>'
        for context, text in parts
    )
    return f"<values>{''.join(values)}</values>"


COATS = {
    "SML in hex": safe(telegram(BEGIN).hex(), telegram(END).hex(" ", 2)),
    "SML in Base64": safe(base64.b64encode(telegram(BEGIN)).decode(), base64.b64encode(telegram(END)).decode()),
    "signedMeterValue": safe(signed_meter_value(BEGIN), signed_meter_value(END)),
    "Mennekes": mennekes(),
    "Mennekes' bill": f"<Billing xmlns='x'><ChargingProcesses>{mennekes()}</ChargingProcesses></Billing>",
}


@pytest.mark.parametrize("content", COATS.values(), ids=COATS)
def test_a_transaction_is_billable_in_every_coat(content: str) -> None:
    found = verdicts(content, METER.spki.hex())
    assert [(each.signature, each.billable, str(each.energy_kwh)) for each in found] == [("valid", True, "10.0000")] * 2
    assert {each.algorithm for each in found} == {"ECDSA-secp192r1-SHA256"}


@pytest.mark.parametrize("content", COATS.values(), ids=COATS)
def test_the_signed_bytes_are_the_data_sets(content: str) -> None:
    entries = read_documents(content.encode())
    assert [each.signed for each in entries if isinstance(each, MeterDocument)] == [BEGIN.to_bytes(), END.to_bytes()]


def test_a_changed_value_is_noticed() -> None:
    found = verdicts(mennekes().replace("<Value>223450", "<Value>323450"), METER.spki.hex())
    assert reasons(found) == [["other_part_not_valid"], ["signature_invalid"]]


SETS: dict[str, tuple[DataSet, DataSet, list[list[str]]]] = {
    "status": (BEGIN, replace(END, status=0x18), [["status_not_good"]] * 2),
    "page": (BEGIN, replace(END, pagination=40), [["pagination_not_monotone"]] * 2),
    "value": (BEGIN, replace(END, value=1), [["energy_runs_backwards"]] * 2),
    "register": (BEGIN, replace(END, register=bytes.fromhex("0100021100ff")), [["no_energy_register"]] * 2),
    "unit": (replace(BEGIN, unit=0x1D), END, [["no_energy_register"]] * 2),
    "contract": (BEGIN, replace(END, contract=b"x"), [["end_missing"], ["begin_missing"]]),
    "another presentation": (BEGIN, replace(END, presented=1), [["end_missing"], ["begin_missing"]]),
}


@pytest.mark.parametrize(("begin", "end", "expected"), SETS.values(), ids=SETS)
def test_data_sets_are_judged_like_any_document(begin: DataSet, end: DataSet, expected: list[list[str]]) -> None:
    content = safe(signed_meter_value(begin), signed_meter_value(end))
    assert reasons(verdicts(content, METER.spki.hex())) == expected


def test_without_a_word_of_begin_or_end_there_is_no_transaction() -> None:
    assert reasons(verdicts(telegram(BEGIN).hex(), METER.spki.hex())) == [["no_transaction"]]


def test_other_methods_are_unsupported_by_name() -> None:
    (verdict,) = verdicts(signed_meter_value(BEGIN, "ECDSA521SHA512"))
    assert (verdict.signature, verdict.algorithm) == ("unsupported", "ECDSA521SHA512")


@pytest.mark.parametrize("changes", [{"signature": b"x" * 66}, {"register": bytes.fromhex("0100010800ff")}], ids=str)
def test_telegrams_of_other_meters_are_unsupported(changes: dict[str, Value]) -> None:
    (verdict,) = verdicts(telegram(BEGIN, **changes).hex())
    assert (verdict.format, verdict.signature, reasons([verdict])) == ("EDL40", "unsupported", [["format_unsupported"]])


TORN: dict[str, bytes] = {
    "cut": telegram(BEGIN)[:-30],
    "no end": telegram(BEGIN).partition(b"\x1b\x1b\x1b\x1b\x1a")[0],
    "header only": HEADER,
    "no list": HEADER + b"\x76" + b"\x01" * 6 + b"\x1b" * 4,
    "nested": HEADER + b"\x71" * 50 + b"\x1b" * 4,
    "endless length": HEADER + b"\xff" * 40 + b"\x1b" * 4,
    "no time": telegram(BEGIN, time=None),
    "index for a time": telegram(BEGIN, time=[1, 5]),
    "text for a value": telegram(BEGIN, value=b"x"),
    "a value too large": telegram(BEGIN, status=0, time=[3, [1 << 40, 0, 0]]),
    "a short server id": telegram(BEGIN, server=b"x"),
    "a number for a server id": telegram(BEGIN, server=1),
    "the same code twice": telegram(BEGIN, register=bytes.fromhex("8180817101ff")),
}


@pytest.mark.parametrize("data", TORN.values(), ids=TORN)
def test_torn_telegrams_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedMeterData) as caught:
        parse_sml(data)
    assert caught.value.reason == "document_malformed"


BENT = {
    "no signature": mennekes().replace("Signature", "Seal"),
    "time": mennekes().replace("2026-03-01", "2026-02-31"),
    "fraction": mennekes().replace("<Value>", "<Value>0.5"),
    "sign": mennekes().replace("<Pagination>", "<Pagination>-"),
    "log book": mennekes().replace("<EventCounter>", "<EventCounter>99999"),
    "server": mennekes().replace("<ServerId>", "<ServerId>00"),
    "contract": mennekes().replace(CONTRACT.hex(), "00" * 129),
    "twice": mennekes().replace("<Value>", "<Value>1</Value><Value>"),
}


@pytest.mark.parametrize("content", BENT.values(), ids=BENT)
def test_bent_mennekes_files_are_malformed(content: str) -> None:
    assert {each.signature.value for each in verdicts(content, METER.spki.hex())} == {"malformed"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<encodedMeterValue", "<other"),
        ("encoding='base64'", "encoding='hex'"),
        ("</meterValueSignature>", "*</meterValueSignature>"),
    ],
)
def test_bent_signed_meter_values_are_malformed(old: str, new: str) -> None:
    content = (
        signed_meter_value(BEGIN)
        .replace(old, new)
        .replace("</encodedMeterValue", f"</{'other' if 'oth' in new else 'encodedMeterValue'}")
    )
    assert [each.signature.value for each in verdicts(content)] == ["malformed"]


def test_a_signature_of_another_length_is_malformed() -> None:
    packed = base64.b64encode(b"x" * 47).decode()
    content = re.sub(r"base64'>[^<]*</meterV", f"base64'>{packed}</meterV", signed_meter_value(BEGIN))
    assert reasons(verdicts(content)) == [["signature_malformed"]]


def test_a_process_without_its_end_has_a_begin() -> None:
    content = re.sub("<MeasurementEnd>.*</MeasurementEnd>", "", mennekes())
    assert reasons(verdicts(content, METER.spki.hex())) == [["end_missing"]]


@given(st.data())
def test_mutated_telegrams_raise_nothing_else(data: st.DataObject) -> None:
    content = bytearray(telegram(BEGIN))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    for verdict in verdicts(bytes(content).hex(), METER.spki.hex()):
        assert not verdict.billable


@pytest.mark.data
def test_real_telegrams_put_together_what_mennekes_files_do() -> None:
    telegrams = re.findall(r"1b1b1b1b[0-9a-f]+", shared("safe/Mennekes/Zählerdaten.txt").read_text())
    documents = read_documents(shared("safe/Mennekes/de.xml").read_bytes())
    signed = [each.signed for each in documents if isinstance(each, MeterDocument)]
    assert [parse_sml(bytes.fromhex(each)).signed for each in telegrams] == signed


@pytest.mark.data
@pytest.mark.parametrize("file", ["edl-40-01", "edl-40-02", "edl-40-03"])
def test_real_telegrams_verify(file: str) -> None:
    (verdict,) = verdicts(shared(f"safe/xml/{file}.xml").read_bytes())
    assert (verdict.signature, verdict.algorithm) == ("valid", "ECDSA-secp192r1-SHA256")
