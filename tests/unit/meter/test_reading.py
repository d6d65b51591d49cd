"""How documents and their containers are read, and what is refused."""

import base64
import json
from datetime import UTC, datetime

import pytest

from hub.domain.meter.documents import read_documents, read_value
from hub.domain.meter.model import Event, Format, MeterDocument, Reason, Sync, Unread
from tests.unit.meter.making import BEGIN, END, Meter, payload, reading, verdicts

METER = Meter()
DOCUMENT = METER.ocmf(payload(BEGIN, END))


def _one(content: str | bytes) -> MeterDocument:
    (entry,) = read_documents(content.encode() if isinstance(content, str) else content)
    assert isinstance(entry, MeterDocument), entry
    return entry


def _refused(content: str | bytes) -> list[str]:
    entries = read_documents(content.encode() if isinstance(content, str) else content)
    assert all(isinstance(entry, Unread) for entry in entries), entries
    return [entry.reason for entry in entries if isinstance(entry, Unread)]


def _value(text: str, attributes: str = "") -> str:
    return f"<value><signedData {attributes}>{text}</signedData></value>"


def test_the_signed_bytes_are_those_between_the_first_and_the_last_bar() -> None:
    signed = '{ "RD" : [], "ID" : "a|b",\t"GS":"\u00e9" }'
    assert _one(f'OCMF|{signed}|{{"SD":"00"}}').signed == signed.encode()


def test_a_reading_takes_what_it_leaves_out_from_the_one_before() -> None:
    first = reading("B", "1.5", TM="2026-03-01T12:00:00,250+0100 I")
    document = _one(METER.ocmf(payload(first, {"RV": "2"}, {"RV": 3, "TX": "E", "TM": "2026-03-01T13:00:00Z R"})))
    assert [each.event for each in document.readings] == [Event.BEGIN, Event.BEGIN, Event.END]
    assert document.readings[1].time == datetime(2026, 3, 1, 11, 0, 0, 250_000, tzinfo=UTC)
    assert [each.sync for each in document.readings] == [Sync.INFORMATIVE, Sync.INFORMATIVE, Sync.RELATIVE]
    assert document.readings[2].good
    assert not document.readings[2].flagged


@pytest.mark.parametrize(
    ("page", "expected"), [("T12", 12), ("F3", 3), ("12", None), ("T-1", None), ("T" + "9" * 30, None), (None, None)]
)
def test_pages_are_a_letter_and_a_number(page: str | None, expected: int | None) -> None:
    assert _one(METER.ocmf(payload(BEGIN, END, page=page))).pagination == expected


MALFORMED = {
    "no seal": "OCMF|{}",
    "nothing": "OCMF|",
    "no JSON": 'OCMF|{"RD":[}|{"SD":"00"}',
    "a list": 'OCMF|[]|{"SD":"00"}',
    "no readings": 'OCMF|{}|{"SD":"00"}',
    "readings of another kind": 'OCMF|{"RD":{}}|{"SD":"00"}',
    "a reading of another kind": 'OCMF|{"RD":[5]}|{"SD":"00"}',
    "too many readings": f'OCMF|{{"RD":[{",".join(["{}"] * 1001)}]}}|{{"SD":"00"}}',
    "a key twice": 'OCMF|{"RD":[],"RD":[]}|{"SD":"00"}',
    "not a number": 'OCMF|{"RD":[{"RV":NaN}]}|{"SD":"00"}',
    "nested too deeply": 'OCMF|{"RD":' + "[" * 30_000 + '|{"SD":"00"}',
    "an endless text": METER.ocmf(payload(BEGIN, END, ID="x" * 257)),
    "an unknown event": METER.ocmf(payload(reading("Q"))),
    "a boolean event": METER.ocmf(payload(reading("B", TX=True))),
    "an impossible time": METER.ocmf(payload(reading("B", TM="2026-02-30T00:00:00,000+0000 S"))),
    "a time before time": METER.ocmf(payload(reading("B", TM="0001-01-01T00:00:00,000+2300 S"))),
    "an absurd value": METER.ocmf(payload(reading("B", "1e30"))),
    "a finer value than any": METER.ocmf(payload(reading("B", "1e-20"))),
    "a value in words": METER.ocmf(payload(reading("B", "ten"))),
    "a boolean value": METER.ocmf(payload(reading("B", value=True))),
    "no UTF-8": b'OCMF|{"RD":[],"ID":"\xff"}|{"SD":"00"}',
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_ocmf_that_is_none_is_malformed(content: str | bytes) -> None:
    assert _refused(content) == ["document_malformed"]


def test_a_document_is_bounded() -> None:
    assert [each.format for each in read_value(b" " * (8 * 1024 * 1024 + 1))] == ["none"]
    assert _refused(METER.ocmf(payload(BEGIN, END, XX="x" * 70_000))) == ["too_large"]
    assert _refused(b" " * (8 * 1024 * 1024 + 1)) == ["too_large"]
    assert _refused("OCMF|{}|{}\n" * 1001) == ["too_large"]


@pytest.mark.parametrize(
    "content", ["", " \n ", "hello", "{}", "<values/>", "<values><value/></values>", "\xef\xbb\xbf"]
)
def test_what_holds_no_document_says_so(content: str) -> None:
    assert _refused(content) == ["not_a_meter_document"]


def test_safe_xml_holds_documents_plain_and_packed_whatever_the_label() -> None:
    raw = DOCUMENT.encode()
    packed = base64.b64encode(raw).decode()
    escaped = DOCUMENT.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    values = [
        _value(f"\n {escaped} \n", 'format="OCMF" encoding="plain"'),
        _value(packed, 'encoding="base64"'),
        _value(packed, 'encoding="plain"'),
        _value(packed),
        _value(raw.hex(), 'encoding="hex"'),
        _value(raw.hex(), 'encoding="base64"'),
        _value(raw.hex()),
        _value(f"<![CDATA[{DOCUMENT}]]>"),
    ]
    entries = read_documents(f"<values>{''.join(values)}</values>".encode())
    assert {entry.signed for entry in entries if isinstance(entry, MeterDocument)} == {payload(BEGIN, END).encode()}
    assert all(isinstance(entry, MeterDocument) for entry in entries)


def test_a_document_written_over_several_lines_is_one() -> None:
    signed = payload(BEGIN, END).replace(", ", ",\n ")
    (verdict,) = verdicts(METER.ocmf(signed), METER.spki.hex())
    assert verdict.billable


def test_a_stated_format_names_what_cannot_be_read() -> None:
    for stated, form in (
        ("OCMF", Format.OCMF),
        ("PCDF", Format.PCDF),
        ("SML_EDL40_P", Format.EDL40),
        ("Alfen", "none"),
    ):
        (entry,) = read_documents(f"<values>{_value('?', f'format={chr(34)}{stated}{chr(34)}')}</values>".encode())
        assert isinstance(entry, Unread)
        assert entry.format == form


def test_prefixes_byte_order_marks_and_other_encodings_do_not_matter() -> None:
    xml = f"<s:values xmlns:s='x'><s:value><s:signedData>{DOCUMENT}</s:signedData></s:value></s:values>"
    for data in (xml.encode(), b"\xef\xbb\xbf" + xml.encode(), xml.encode("utf-16")):
        assert _one(data).signed == payload(BEGIN, END).encode()


def test_one_bad_value_leaves_the_others() -> None:
    xml = f"<values>{_value('OCMF|x|y')}{_value(DOCUMENT)}<value/></values>"
    found = verdicts(xml, METER.spki.hex())
    assert [(each.signature.value, each.billable) for each in found] == [
        ("malformed", False),
        ("valid", True),
        ("malformed", False),
    ]


FORBIDDEN = {
    "a document type": "<!DOCTYPE values><values/>",
    "an entity": '<!DOCTYPE v [<!ENTITY x "y">]><v>&x;</v>',
    "a billion laughs": '<!DOCTYPE v [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><v>&b;</v>',
    "a file": '<!DOCTYPE v [<!ENTITY x SYSTEM "file:///etc/passwd">]><v>&x;</v>',
    "an outside type": '<!DOCTYPE v SYSTEM "http://127.0.0.1/v.dtd"><v/>',
    "depth": "<a>" * 20 + "</a>" * 20,
    "many elements": f"<a>{'<b/>' * 20_001}</a>",
}


@pytest.mark.parametrize("content", FORBIDDEN.values(), ids=FORBIDDEN)
def test_xml_that_attacks_is_refused(content: str) -> None:
    assert _refused(content) == ["xml_forbidden"]


@pytest.mark.parametrize(
    "content",
    ["<", "<a>", "<a></b>", "<a/><a/>", "<a>&x;</a>", '<?xml version="1.0" encoding="nonsense"?><a/>', "<a/>x"],
)
def test_xml_that_is_none_says_so(content: str) -> None:
    assert _refused(content) == ["xml_not_well_formed"]


PCDF = "128.8.0(ST:200501162017)(BV:1)(RV:0003.276*kWh)(SI:55)(HW:1)(SG:{})"


def _pcdf(text: str = PCDF) -> str:
    return text.format(METER.sign(text.partition("(SG:")[0].encode()).hex())


def test_pcdf_is_signed_up_to_its_signature() -> None:
    (verdict,) = verdicts(_pcdf(), METER.spki.hex())
    assert (verdict.format, verdict.billable, str(verdict.energy_kwh)) == (Format.PCDF, True, "3.276")
    assert verdicts(_pcdf().replace("3.276", "3.376"), METER.spki.hex())[0].signature == "invalid"


def test_pcdf_in_watt_hours_and_in_safe_xml() -> None:
    (verdict,) = verdicts(f"<values>{_value(_pcdf(PCDF.replace('kWh', 'Wh')))}</values>", METER.spki.hex())
    assert (verdict.billable, str(verdict.energy_kwh)) == (True, "0.003276")


@pytest.mark.parametrize("mark", ["(BV:0)", "(BV:2)", ""])
def test_pcdf_that_is_not_for_billing_is_not_billed(mark: str) -> None:
    (verdict,) = verdicts(_pcdf(PCDF.replace("(BV:1)", mark)), METER.spki.hex())
    assert (verdict.signature, verdict.reasons) == ("valid", (Reason.BILLING_NOT_ALLOWED,))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_pcdf().replace("(HW:1)", "(RV:9*kWh)"), "document_malformed"),
        (_pcdf() + "(HW:2)", "document_malformed"),
        (_pcdf().replace("(SG", "(SQ"), "document_malformed"),
        (PCDF.format("zz"), "signature_malformed"),
        (_pcdf().replace("kWh", "MWh"), "document_malformed"),
        (_pcdf().replace("0003.276", "."), "document_malformed"),
        (_pcdf().replace("(SI:55)", "(SI:(5))"), "document_malformed"),
        (_pcdf().replace("55", "\u00e9"), "document_malformed"),
        ("128.8.0(" + "A" * 70_000, "too_large"),
    ],
)
def test_pcdf_that_is_none_is_malformed(content: str, reason: str) -> None:
    assert _refused(content) == [reason]


def test_verdicts_are_printed_as_json(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    from hub.cli.app import run

    path = tmp_path / "session.ocmf"
    path.write_text(DOCUMENT)
    assert run(["meter", "verify", str(path), "--public-key", METER.spki.hex(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "index": 0,
            "format": "OCMF",
            "algorithm": "ECDSA-secp256r1-SHA256",
            "signature": "valid",
            "billable": True,
            "reasons": [],
        }
    ]
    assert run(["meter", "verify", str(path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "0  OCMF, ECDSA-secp256r1-SHA256: signature invalid, not billable",
        "     no_public_key: no public key came along and none was given",
    ]
    assert run(["meter", "verify", str(path), "--public-key", "nonsense"]) == 2
    assert "trusted_keys" in capsys.readouterr().err
    path.write_text("nothing")
    assert run(["meter", "verify", str(path)]) == 2
    assert run(["meter", "verify", str(tmp_path / "absent")]) == 2
