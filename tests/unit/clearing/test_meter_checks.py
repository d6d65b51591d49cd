"""What signed meter values lead to, check by check."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.app.cdrs.meter import MeterClaim, keys_for, prove
from hub.crypto.meter.keys import read_material
from hub.crypto.meter.verifier import SignatureVerifier
from hub.domain.agreements import CheckAction
from hub.domain.cdrs.checks import DEFAULT_ACTIONS, Check, KnownProven, examine
from hub.domain.cdrs.checks.meter import CLOCK_TOLERANCE
from hub.domain.ids import ObjectId, PartyId
from hub.domain.locations import EvseKey
from hub.domain.meter.cdr import SignedData, SignedValue
from hub.domain.meter.evidence import (
    CHARACTERS_MAX,
    DOCUMENTS_MAX,
    DocumentEvidence,
    MeterEvidence,
    documents_within_bounds,
    tolerance,
)
from hub.domain.meter.keys import KeyClaim, MeterKey
from hub.domain.meter.model import Format, Measured, Reason, Signature
from hub.store.cdr_meter import from_json, to_json
from tests.unit.clearing.making_cdrs import CPO, KNOWN, START, charge
from tests.unit.meter.making import BEGIN, END, Meter, payload, reading

METER = Meter()
KEY = MeterKey(
    id="key-1",
    claim=KeyClaim(
        party=CPO,
        location_id="LOC1",
        evse_uid="E1",
        material=read_material(METER.spki.hex(), ""),
        valid_from=START - timedelta(days=1),
    ),
    registered=START,
)
EVERY = dict.fromkeys(map(str, Check), CheckAction.WARN)
WHEN: dict[str, Any] = {
    "start_time": datetime(2026, 3, 1, 12, tzinfo=UTC),
    "end_time": datetime(2026, 3, 1, 13, tzinfo=UTC),
}
WHOLE = METER.ocmf(payload(BEGIN, END))


def signed_data(*documents: str, key: str = "") -> SignedData:
    values = tuple(SignedValue(nature="End", plain_data="", signed_data=text) for text in documents)
    return SignedData(encoding_method="OCMF", public_key=key, values=values)


def evidence(
    *documents: str, claimed: str = "22.5", key: str = "", keys: tuple[MeterKey, ...] = (KEY,)
) -> MeterEvidence:
    signed = signed_data(*documents, key=key)
    claim = MeterClaim(EvseKey(CPO, "loc1", "e1"), START, Decimal(claimed), signed)
    return prove(SignatureVerifier(), documents_within_bounds(signed), claim, keys)


def found(
    *documents: str,
    claimed: str = "22.5",
    known: Any = KNOWN,
    key: str = "",
    keys: tuple[MeterKey, ...] = (replace(KEY, registered=WHEN["start_time"]),),
    **changes: Any,
) -> dict[str, str]:
    """Return the messages of the findings about meters, by code."""
    meter = evidence(*documents, claimed=claimed, key=key, keys=keys)
    cdr = charge(**{**WHEN, "total_energy": Decimal(claimed), "meter": meter, **changes})
    return {f.code: f.message for f in examine(cdr, known, EVERY) if f.code.startswith("METER")}


def test_a_proven_charge_has_no_finding() -> None:
    assert found(WHOLE) == {}


OTHER = Meter()
FOUND: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "changed": ({"documents": [WHOLE.replace("32.5", "42.5")]}, ["METER_SIGNATURE_INVALID"], "document 0"),
    "another key": (
        {"documents": [OTHER.ocmf(payload(BEGIN, END))], "key": OTHER.spki.hex()},
        ["METER_KEY_MISMATCH"],
        "another key",
    ),
    "another key that did not come along": (
        {"documents": [OTHER.ocmf(payload(BEGIN, END))]},
        ["METER_SIGNATURE_INVALID"],
        "document 0",
    ),
    "a key that came along": (
        {"documents": [WHOLE], "keys": (), "key": METER.spki.hex()},
        ["METER_KEY_UNKNOWN"],
        KEY.claim.material.fingerprint,
    ),
    "no key at all": ({"documents": [WHOLE], "keys": ()}, ["METER_KEY_UNKNOWN"], "document 0"),
    "a key that came along and is none": (
        {"documents": [WHOLE], "keys": (), "key": "xyz"},
        ["METER_DATA_UNREADABLE"],
        "public_key_malformed",
    ),
    "no document": ({"documents": ["hello"]}, ["METER_DATA_UNREADABLE"], "not_a_meter_document"),
    "an algorithm unknown": (
        {"documents": [METER.ocmf(payload(BEGIN, END), SA="ECDSA-secp521r1-SHA512")]},
        ["METER_SIGNATURE_UNSUPPORTED"],
        "OCMF ECDSA-secp521r1-SHA512",
    ),
    "a begin alone": ({"documents": [METER.ocmf(payload(BEGIN))]}, ["METER_NOT_BILLABLE"], "end_missing"),
    "a bad status": (
        {"documents": [METER.ocmf(payload(BEGIN, {**END, "ST": "E"}))]},
        ["METER_NOT_BILLABLE"],
        "status_not_good",
    ),
    "two transactions": (
        {"documents": [WHOLE, METER.ocmf(payload(BEGIN, END, page="T9"))]},
        ["METER_NOT_BILLABLE"],
        "several_transactions",
    ),
    "other energy": ({"documents": [WHOLE], "claimed": "22.7"}, ["METER_ENERGY_MISMATCH"], "22.7 kWh"),
    "other energy under a key that came along": (
        {"documents": [WHOLE], "claimed": "30", "keys": (), "key": METER.spki.hex()},
        ["METER_KEY_UNKNOWN", "METER_ENERGY_MISMATCH"],
        "not registered|no key",
    ),
    "a begin before the session": (
        {"documents": [WHOLE], "start_time": WHEN["start_time"] + CLOCK_TOLERANCE + timedelta(seconds=1)},
        ["METER_TIME_MISMATCH"],
        "later than",
    ),
    "an end after the session": (
        {"documents": [WHOLE], "end_time": WHEN["end_time"] - CLOCK_TOLERANCE - timedelta(seconds=1)},
        ["METER_TIME_MISMATCH"],
        "earlier than",
    ),
    "a key registered after the session": (
        {"documents": [WHOLE], "keys": (replace(KEY, registered=WHEN["end_time"] + timedelta(seconds=1)),)},
        ["METER_KEY_LATE"],
        "after the session's end",
    ),
}


@pytest.mark.parametrize(("case", "codes", "words"), FOUND.values(), ids=FOUND)
def test_each_shortcoming_has_its_code_and_says_where(case: dict[str, Any], codes: list[str], words: str) -> None:
    told = found(*case.pop("documents"), **case)
    assert list(told) == codes
    assert any(word in told[codes[0]] for word in words.split("|"))


USERS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "the card": ({"IT": "ISO14443", "ID": "04AB17"}, {"token_uid": "04ab17"}, ""),
    "the card, with separators": ({"IT": "ISO15693", "ID": "04:AB:17"}, {"token_uid": "04-ab 17"}, ""),
    "the card, by a number": ({"IT": "iso14443", "ID": 4711}, {"token_uid": "4711"}, ""),
    "another card": ({"IT": "ISO14443", "ID": "04AB18"}, {"token_uid": "04AB17"}, "cdr_token.uid"),
    "another card, said to be assigned": (
        {"IT": "ISO14443", "ID": "04AB18", "IS": True},
        {"token_uid": "04AB17"},
        "cdr_token.uid",
    ),
    "a card that was not assigned": ({"IT": "ISO14443", "ID": "04AB18", "IS": False}, {"token_uid": "04AB17"}, ""),
    "a card without an id": ({"IT": "ISO14443", "ID": None}, {"token_uid": "04AB17"}, ""),
    "the contract": ({"IT": "EMAID", "ID": "DEMSPC12345678X"}, {"contract_id": "DE-MSP-C12345678-X"}, ""),
    "the contract without its check digit": (
        {"IT": "EMAID", "ID": "de*msp*c12345678"},
        {"contract_id": "DE-MSP-C12345678-X"},
        "",
    ),
    "the contract as the token's uid": (
        {"IT": "EMAID", "ID": "DEMSPC12345678X"},
        {"contract_id": "none", "token_uid": "DE-MSP-C12345678"},
        "",
    ),
    "another contract": (
        {"IT": "EMAID", "ID": "DEMSPC12345679X"},
        {"contract_id": "DE-MSP-C12345678-X"},
        "cdr_token.contract_id",
    ),
    "what no CDR names": ({"IT": "CENTRAL", "ID": "04AB18"}, {"token_uid": "04AB17"}, ""),
    "a kind that there is none of": ({"IT": "\u0130SO14443", "ID": "x"}, {"token_uid": "04AB17"}, ""),
}


@pytest.mark.parametrize(("said", "token", "field"), USERS.values(), ids=USERS)
def test_whom_the_meter_names_is_whom_the_cdr_names(said: dict[str, Any], token: dict[str, Any], field: str) -> None:
    meter = evidence(METER.ocmf(payload(BEGIN, END, **said)), keys=(replace(KEY, registered=WHEN["start_time"]),))
    cdr = charge(**{**WHEN, "total_energy": Decimal("22.5"), "meter": meter, **token})
    told = [each for each in examine(cdr, KNOWN, EVERY) if each.code.startswith("METER")]
    assert [(each.code, each.field) for each in told] == ([("METER_USER_MISMATCH", field)] if field else [])
    assert not any(str(said["ID"]) in each.message for each in told)
    assert str(said["ID"]) not in to_json(meter)
    assert DEFAULT_ACTIONS[Check.METER_USER_MISMATCH] is CheckAction.WARN


def test_one_document_of_another_user_is_enough_and_told_once() -> None:
    mine, other = {"IT": "ISO14443", "ID": "tok1"}, {"IT": "ISO14443", "ID": "tok2"}
    begin, end = (METER.ocmf(payload(each, page=None, **mine)) for each in (BEGIN, END))
    stray = METER.ocmf(payload(reading("C", "20"), page=None, **other))
    assert found(begin, end, token_uid="TOK1").keys() <= {"METER_NOT_BILLABLE"}
    assert "METER_USER_MISMATCH" in found(begin, end, stray, token_uid="TOK1")
    forged = METER.ocmf(payload(BEGIN, END, **other)).replace("tok2", "tok3")
    assert "METER_USER_MISMATCH" not in found(forged, token_uid="TOK1")


HARMLESS = {
    "the whole twice": [WHOLE, WHOLE],
    "the begin beside the whole": [METER.ocmf(payload(BEGIN, page="T0")), WHOLE],
}


@pytest.mark.parametrize("documents", HARMLESS.values(), ids=HARMLESS)
def test_what_stations_send_beside_a_whole_transaction_does_no_harm(documents: list[str]) -> None:
    assert found(*documents) == {}
    assert list(found(*documents, keys=(), key=METER.spki.hex())) == ["METER_KEY_UNKNOWN"]


@pytest.mark.parametrize(
    ("begin", "end", "claimed", "differs"),
    [
        ("10.0", "32.5", "22.6", False),
        ("10.0", "32.5", "22.6001", True),
        ("10.000", "32.500", "22.501", False),
        ("10.000", "32.500", "22.5011", True),
        ("10.000000", "32.500000", "22.501", False),
        ("10", "32", "22.1", False),
        ("10", "32", "22.2", True),
    ],
)
def test_energy_may_differ_by_the_last_digit_of_the_meter_within_bounds(
    begin: str, end: str, claimed: str, differs: bool
) -> None:
    document = METER.ocmf(payload({**BEGIN, "RV": begin}, {**END, "RV": end}))
    assert ("METER_ENERGY_MISMATCH" in found(document, claimed=claimed)) == differs


def test_the_meter_s_times_lie_within_the_session_and_need_not_be_its_own() -> None:
    hour = timedelta(hours=1)
    assert found(WHOLE, start_time=WHEN["start_time"] - hour, end_time=WHEN["end_time"] + hour) == {}


@pytest.mark.parametrize("clock", ["U", "R"])
def test_a_clock_that_was_not_set_is_not_compared(clock: str) -> None:
    free = [{**each, "TM": f"1970-01-01T0{hour}:00:00,000+0000 {clock}"} for hour, each in enumerate((BEGIN, END))]
    assert found(METER.ocmf(payload(*free))) == {}


def test_values_that_are_missing_are_told_where_energy_was_charged() -> None:
    assert [f.code for f in examine(charge(), KNOWN, EVERY) if f.code.startswith("METER")] == ["METER_DATA_MISSING"]
    unused = charge(total_energy=Decimal(0))
    assert not [f for f in examine(unused, KNOWN, EVERY) if f.code.startswith("METER")]
    assert DEFAULT_ACTIONS[Check.METER_DATA_MISSING] is CheckAction.ACCEPT


def test_values_that_prove_another_charge_are_told_and_named_to_the_same_emsp_only() -> None:
    mine = KNOWN._replace(proven=KnownProven(id=ObjectId(CPO, "CDR-9"), emsp=charge().emsp))
    other = KNOWN._replace(proven=KnownProven(id=ObjectId(CPO, "CDR-9"), emsp=PartyId("FR", "OTH")))
    assert "CDR-9" in found(WHOLE, known=mine)["METER_DATA_REUSED"]
    assert "CDR-9" not in found(WHOLE, known=other)["METER_DATA_REUSED"]


def test_what_a_meter_signed_at_the_end_tells_a_transaction_from_every_other() -> None:
    begin, end = METER.ocmf(payload(BEGIN, page="T1")), METER.ocmf(payload(END, page="T3"))
    between = METER.ocmf(payload(reading("C", "20"), page="T2"))
    apart = evidence(begin, end).proof
    assert apart
    assert apart == evidence(end, begin, between, end).proof != evidence(WHOLE).proof
    assert not evidence(begin).proof
    assert not evidence(METER.ocmf(payload(BEGIN, {**END, "RV": "10.0"}))).proof, "nothing was charged"


def test_a_message_names_few_documents_however_many_there_are() -> None:
    told = found(*[WHOLE.replace("32.5", f"{number}.5") for number in range(60, 90)])
    assert "and 25 more" in told["METER_SIGNATURE_INVALID"]


def test_what_is_too_much_is_not_read() -> None:
    for documents in (["x" * (CHARACTERS_MAX + 1)], ["OCMF|{}|{}"] * (DOCUMENTS_MAX + 1)):
        assert "too_large" in found(*documents)["METER_DATA_UNREADABLE"]


def test_keys_are_those_of_the_evse_at_the_session_s_start() -> None:
    here, there = EvseKey(CPO, "loc1", "e1"), EvseKey(CPO, "loc1", "e2")

    class Keys:
        def of_evses(self, evses: set[EvseKey]) -> dict[EvseKey, list[MeterKey]]:
            assert evses == {here, there}
            return {here: [KEY]}

    class Unit:
        meter_keys = Keys()

    begun = KEY.claim.valid_from
    claims = [
        MeterClaim(evse, start, Decimal(1), signed_data())
        for evse, start in ((here, begun), (here, begun - timedelta(microseconds=1)), (there, begun))
    ]
    assert keys_for(Unit(), claims) == [[KEY], [], []]  # type: ignore[arg-type]


def test_a_key_is_named_by_its_registration() -> None:
    (document,) = evidence(WHOLE).documents
    assert (document.key_id, document.fingerprint) == ("key-1", KEY.claim.material.fingerprint)
    (document,) = evidence(WHOLE, keys=(), key=METER.spki.hex()).documents
    assert (document.key_id, document.fingerprint) == ("", KEY.claim.material.fingerprint)


instants = st.none() | st.datetimes(timezones=st.just(UTC))
reasons = st.lists(st.sampled_from(Reason), max_size=4).map(tuple)
numbers = st.decimals(allow_nan=False, allow_infinity=False)
measured = st.builds(Measured, energy_kwh=numbers, resolution_kwh=numbers, begin=instants, end=instants)
documents = st.builds(
    DocumentEvidence,
    index=st.just(0),
    format=st.sampled_from(Format),
    algorithm=st.text(max_size=64),
    signature=st.sampled_from(Signature),
    billable=st.booleans(),
    reasons=reasons,
    fingerprint=st.text(max_size=64),
    key_id=st.text(max_size=36),
    registered=instants,
)


@given(
    whole=st.builds(
        MeterEvidence,
        signature=st.sampled_from(Signature),
        billable=st.booleans(),
        reasons=reasons,
        documents=st.lists(documents, max_size=3).map(
            lambda several: tuple(replace(each, index=index) for index, each in enumerate(several))
        ),
        measured=st.none() | measured,
        proof=st.binary(max_size=32),
    )
)
def test_evidence_is_stored_and_read_back(whole: MeterEvidence) -> None:
    assert from_json(to_json(whole), whole.proof) == whole


@given(st.lists(st.text(max_size=80) | st.just(WHOLE), max_size=4), st.text(max_size=40), st.decimals(0, 10**6))
def test_any_values_lead_to_findings_and_to_nothing_else(texts: list[str], key: str, claimed: Decimal) -> None:
    meter = evidence(*texts, claimed=str(claimed), key=key)
    told = examine(charge(**WHEN, total_energy=claimed, meter=meter), KNOWN, EVERY)
    assert meter.billable or any(finding.code.startswith("METER") for finding in told)
    assert from_json(to_json(meter), meter.proof) == meter
    assert meter.measured is None or tolerance(meter.measured) > 0
