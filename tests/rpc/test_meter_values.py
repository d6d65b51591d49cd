"""Signed meter values in CDRs over real mutual TLS: verified, attached, and decisive where the agreement says so."""

import base64
import html
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1 import (
    cdr_object_pb2,
    cdr_pb2,
    cdr_pb2_grpc,
    common_pb2,
    location_pb2,
    location_pb2_grpc,
    meter_object_pb2,
    meter_pb2,
    meter_pb2_grpc,
)

from hub.domain.agreements import CheckAction
from hub.domain.cdrs.checks import Check
from hub.domain.meter.documents import read_documents
from hub.domain.meter.evidence import VALUES_MAX
from hub.domain.meter.model import MeterDocument
from hub.domain.parties import Role
from hub.main import Hub
from tests import catalog
from tests.cdrs import START, credit_of, make_cdr, number, period, stamp, submission
from tests.conftest import PartnerFactory
from tests.rpc.roaming import publish_cdr_token
from tests.support import Partner, agree
from tests.unit.meter.making import BEGIN, END, Meter, payload, shared

ACCEPTED, RETURNED = cdr_pb2.CDR_STATE_ACCEPTED, cdr_pb2.CDR_STATE_RETURNED
VALID, INVALID = meter_object_pb2.METER_SIGNATURE_VALID, meter_object_pb2.METER_SIGNATURE_INVALID
CPO = common_pb2.PartyKey(country_code="NL", party_id="CPO")
METER = Meter()
#: What a meter signs whose clock was never set, so that its times say nothing.
UNSET = [{**each, "TM": "1970-01-01T00:00:00,000+0000 U"} for each in (BEGIN, END)]
WHOLE = METER.ocmf(payload(*UNSET))


@dataclass
class Station:
    """A hub with a CPO that published one EVSE, and an eMSP that published one token."""

    hub: Hub
    cpo: Partner
    emsp: Partner
    agreed: bool = False

    async def register(self, key: str, since: Timestamp | None = None, **fields: Any) -> meter_object_pb2.MeterKey:
        made = meter_object_pb2.MeterKey(
            location_id="LOC1",
            evse_uid="E1",
            public_key=key,
            valid_from=since or stamp(START - timedelta(days=9)),
            **fields,
        )
        service = meter_pb2_grpc.MeterKeyServiceStub(self.cpo.channel)
        answer = await service.RegisterMeterKeys(meter_pb2.RegisterMeterKeysRequest(party=CPO, keys=[made]))
        assert answer.outcomes[0].HasField("key"), answer
        return answer.outcomes[0].key

    async def submit(self, cdr: cdr_object_pb2.Cdr, request: int = 1) -> cdr_pb2.SubmitCdrResponse:
        if not self.agreed:
            await self.demand()
        return await cdr_pb2_grpc.CdrServiceStub(self.cpo.channel).SubmitCdr(submission(cdr, request))

    async def record(self, side: Partner, name: str = "CDR-1") -> cdr_pb2.CdrRecord:
        key = common_pb2.ObjectKey(country_code="NL", party_id="CPO", id=name)
        return await cdr_pb2_grpc.CdrServiceStub(side.channel).GetCdr(cdr_pb2.GetCdrRequest(key=key))

    async def demand(self, **checks: CheckAction) -> None:
        """Put the agreement in force; it says so about these checks, and wants nothing else checked of charges."""
        self.agreed = True
        others = (code for code in Check if not code.startswith(("METER", "CREDIT")))
        wanted: dict[str, CheckAction] = {**dict.fromkeys(map(str, others), CheckAction.ACCEPT), **checks}
        await agree(self.hub, self.cpo.party, self.emsp.party, checks=wanted)


@pytest.fixture
async def station(hub: Hub, partner: PartnerFactory) -> Station:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    await location_pb2_grpc.LocationServiceStub(cpo.channel).PutLocation(
        location_pb2.PutLocationRequest(location=catalog.location())
    )
    await publish_cdr_token(hub, emsp.party)
    return Station(hub, cpo, emsp)


def charged(energy: str, *documents: str, key: str = "", name: str = "CDR-1", **changes: Any) -> cdr_object_pb2.Cdr:
    """Return a CDR of so much energy with these documents, and the key that comes along."""
    values = [cdr_object_pb2.SignedValue(nature="End", plain_data="", signed_data=text) for text in documents]
    signed = cdr_object_pb2.SignedData(encoding_method="OCMF", public_key=key, signed_values=values)
    return make_cdr(
        name,
        **{
            "total_energy": number(energy),
            "charging_periods": [period(0, energy, "2.0000")],
            "signed_data": signed,
            **changes,
        },
    )


def of_its_user(cdr: cdr_object_pb2.Cdr) -> cdr_object_pb2.Cdr:
    """Return the CDR for the card that its signed values name, if they name any."""
    for document in read_documents(cdr.signed_data.signed_values[0].signed_data.encode()):
        if isinstance(document, MeterDocument) and document.user is not None:
            cdr.cdr_token.uid = document.user.id
    return cdr


def codes(answer: cdr_pb2.SubmitCdrResponse | cdr_pb2.CdrRecord) -> list[str]:
    """Return the codes of the findings about meters."""
    return [finding.code for finding in answer.findings if finding.code.startswith("METER")]


def message(answer: cdr_pb2.SubmitCdrResponse, code: str) -> str:
    (found,) = (finding.message for finding in answer.findings if finding.code == code)
    return found


def real(file: str) -> tuple[str, str]:
    """Return a shared file of meter documents, and the key that comes along in it."""
    content = shared(file).read_bytes()
    (key,) = {each.carried_key for each in read_documents(content) if isinstance(each, MeterDocument)}
    return content.decode(), key


REAL = {
    "OCMF in SAFE's XML": ("safe/xml/VW_OCMF_load.xml", "1.101", "ECDSA-secp256r1-SHA256", 1),
    "OCMF of another maker": ("pyocmf/other_examples/working_ocmf.xml", "17.796", "ECDSA-secp256r1-SHA256", 1),
    "PCDF": ("safe/pcdf/valid.pcdf", "3.276", "ECDSA-secp256r1-SHA256", 1),
    "EDL40, begin and end": ("safe/hummel.xml", "1.0451", "ECDSA-secp192r1-SHA256", 2),
    "Mennekes": ("safe/xml/test_mennekes_full.xml", "0.1419", "ECDSA-secp192r1-SHA256", 2),
}


@pytest.mark.data
@pytest.mark.parametrize(("file", "energy", "algorithm", "count"), REAL.values(), ids=REAL)
async def test_a_real_document_under_a_registered_key_is_accepted_and_attached(
    station: Station, file: str, energy: str, algorithm: str, count: int
) -> None:
    document, key = real(file)
    curve = algorithm.split("-")[1]
    registered = await station.register(key, curve=curve)
    await station.demand(METER_DATA_MISSING=CheckAction.RETURN, METER_KEY_UNKNOWN=CheckAction.RETURN)
    answer = await station.submit(of_its_user(charged(energy, document)))
    assert answer.state == ACCEPTED
    assert codes(answer) == ["METER_KEY_LATE"], "the test registers the key after the session"
    for side in (station.cpo, station.emsp):
        meter = (await station.record(side)).meter
        assert (meter.signature, meter.billable, list(meter.reasons)) == (VALID, True, [])
        assert meter.energy_kwh.value == energy
        assert [(each.index, each.algorithm, each.signature, each.billable) for each in meter.documents] == [
            (index, algorithm, VALID, True) for index in range(count)
        ]
        assert {(each.key_id, each.key_fingerprint) for each in meter.documents} == {
            (registered.id, registered.fingerprint)
        }


@pytest.mark.data
async def test_a_real_document_that_was_changed_is_returned(station: Station) -> None:
    document, key = real("safe/xml/VW_OCMF_load.xml")
    await station.register(key)
    changed = document.replace('"FV":"1.0"', '"FV":"1.1"')
    assert changed != document
    answer = await station.submit(charged("1.101", changed, key=key))
    assert answer.state == RETURNED
    assert codes(answer) == ["METER_SIGNATURE_INVALID"]
    meter = (await station.record(station.emsp)).meter
    assert (meter.signature, meter.billable) == (INVALID, False)
    assert meter.reasons[0] == "signature_invalid"
    assert not meter.documents[0].key_id


@pytest.mark.data
async def test_the_key_that_comes_along_verifies_and_earns_no_trust(station: Station) -> None:
    document, key = real("safe/xml/VW_OCMF_load.xml")
    answer = await station.submit(of_its_user(charged("1.101", document, key=key)))
    assert (answer.state, codes(answer)) == (ACCEPTED, ["METER_KEY_UNKNOWN"])
    meter = (await station.record(station.cpo)).meter
    assert (meter.signature, meter.billable, list(meter.reasons)) == (VALID, False, ["key_not_trusted"])
    assert meter.documents[0].key_fingerprint in message(answer, "METER_KEY_UNKNOWN")
    assert not meter.documents[0].key_id


async def test_values_of_another_card_are_told_to_both_sides_without_naming_it(station: Station) -> None:
    await station.register(METER.spki.hex())
    signed = METER.ocmf(payload(*UNSET, IT="ISO14443", ID="SECRETCARD"))
    answer = await station.submit(charged("22.5", signed))
    assert answer.state == ACCEPTED
    assert "METER_USER_MISMATCH" in codes(answer)
    for side in (station.cpo, station.emsp):
        record = await station.record(side)
        assert "METER_USER_MISMATCH" in codes(record)
        record.ClearField("cdr")
        assert "SECRETCARD" not in str(record)


async def test_an_agreement_may_demand_proof(station: Station) -> None:
    demands = dict.fromkeys(("METER_DATA_MISSING", "METER_KEY_UNKNOWN", "METER_NOT_BILLABLE"), CheckAction.RETURN)
    await station.demand(**demands)
    missing = await station.submit(make_cdr("CDR-1"), 1)
    unknown = await station.submit(charged("22.5", WHOLE, key=METER.spki.hex(), name="CDR-2"), 2)
    await station.register(METER.spki.hex())
    begun = await station.submit(charged("22.5", METER.ocmf(payload(UNSET[0])), name="CDR-3"), 3)
    proven = await station.submit(charged("22.5", WHOLE, name="CDR-4"), 4)
    assert [answer.state for answer in (missing, unknown, begun, proven)] == [RETURNED, RETURNED, RETURNED, ACCEPTED]
    assert [codes(answer) for answer in (missing, unknown)] == [["METER_DATA_MISSING"], ["METER_KEY_UNKNOWN"]]
    assert "METER_NOT_BILLABLE" in codes(begun)


async def test_without_signed_values_nothing_is_attached_and_nothing_said(station: Station) -> None:
    answer = await station.submit(make_cdr())
    assert (answer.state, codes(answer)) == (ACCEPTED, [])
    assert not (await station.record(station.cpo)).HasField("meter")


async def test_where_keys_are_registered_a_document_of_another_meter_is_returned(station: Station) -> None:
    await station.register(Meter().spki.hex())
    answer = await station.submit(charged("22.5", WHOLE, key=METER.spki.hex()))
    assert (answer.state, codes(answer)) == (RETURNED, ["METER_KEY_MISMATCH"])


async def test_each_key_counts_for_sessions_of_its_time(station: Station) -> None:
    """A meter is replaced: what the old one signed before verifies after, and neither stands in for the other."""
    new = Meter()
    exchanged = START + timedelta(hours=3)
    await station.register(METER.spki.hex(), valid_until=stamp(exchanged))
    await station.register(new.spki.hex(), since=stamp(exchanged))
    later: dict[str, Any] = {
        "start_date_time": stamp(exchanged),
        "end_date_time": stamp(exchanged + timedelta(hours=2)),
        "charging_periods": [period(180, "22.5", "2.0000")],
    }
    other = new.ocmf(payload(*UNSET))
    keys = METER.spki.hex(), new.spki.hex()
    answers = [
        await station.submit(charged("22.5", WHOLE, name="CDR-1"), 1),
        await station.submit(charged("22.5", other, name="CDR-2", **later), 2),
        await station.submit(charged("22.5", WHOLE, key=keys[0], name="CDR-3", **later), 3),
        await station.submit(charged("22.5", other, key=keys[1], name="CDR-4"), 4),
    ]
    assert [codes(answer)[0] for answer in answers] == [
        "METER_KEY_LATE",
        "METER_KEY_LATE",
        "METER_KEY_MISMATCH",
        "METER_KEY_MISMATCH",
    ]


async def test_a_key_of_another_evse_or_cpo_proves_nothing(station: Station, partner: PartnerFactory) -> None:
    await location_pb2_grpc.LocationServiceStub(station.cpo.channel).PutLocation(
        location_pb2.PutLocationRequest(
            location=catalog.location(minutes=1, evses=[catalog.evse("E1", 1), catalog.evse("E2", 1)])
        )
    )
    other = meter_object_pb2.MeterKey(
        location_id="LOC1", evse_uid="E2", public_key=METER.spki.hex(), valid_from=stamp(START - timedelta(days=9))
    )
    await meter_pb2_grpc.MeterKeyServiceStub(station.cpo.channel).RegisterMeterKeys(
        meter_pb2.RegisterMeterKeysRequest(party=CPO, keys=[other])
    )
    answer = await station.submit(charged("22.5", WHOLE, key=METER.spki.hex()))
    assert codes(answer) == ["METER_KEY_UNKNOWN"]


async def test_energy_that_is_not_the_meter_s_is_returned(station: Station) -> None:
    await station.register(METER.spki.hex())
    answer = await station.submit(charged("23", WHOLE))
    assert answer.state == RETURNED
    assert codes(answer) == ["METER_KEY_LATE", "METER_ENERGY_MISMATCH"]
    assert "23 kWh" in message(answer, "METER_ENERGY_MISMATCH")
    assert "22.5" in message(answer, "METER_ENERGY_MISMATCH")
    meter = (await station.record(station.cpo)).meter
    assert (meter.signature, meter.billable, list(meter.reasons)) == (VALID, False, ["energy_differs"])
    assert meter.energy_kwh.value == "22.5"


async def test_signed_times_outside_of_the_session_are_told(station: Station) -> None:
    await station.register(METER.spki.hex())
    answer = await station.submit(charged("22.5", METER.ocmf(payload(BEGIN, END))))
    assert answer.state == ACCEPTED
    assert "METER_TIME_MISMATCH" in codes(answer)
    meter = (await station.record(station.emsp)).meter
    assert meter.begin_time.ToJsonString() == "2026-03-01T12:00:00Z"
    assert meter.end_time.ToJsonString() == "2026-03-01T13:00:00Z"


async def test_signed_values_prove_one_charge_only(station: Station) -> None:
    await station.register(METER.spki.hex())
    first = charged("22.5", WHOLE, name="CDR-1")
    again = charged("22.5", base64.b64encode(WHOLE.encode()).decode(), METER.ocmf(payload(UNSET[0])), name="CDR-2")
    await station.submit(first, 1)
    answer = await station.submit(again, 2)
    assert answer.state == RETURNED
    assert "cdr-1" in message(answer, "METER_DATA_REUSED")
    await station.submit(credit_of(first), 3)
    put_right = await station.submit(charged("22.5", WHOLE, name="CDR-3"), 4)
    assert (put_right.state, codes(put_right)) == (ACCEPTED, codes(await station.record(station.cpo, "CDR-1")))


async def test_signed_values_are_not_used_twice_within_one_batch(station: Station) -> None:
    await station.demand()
    await station.register(METER.spki.hex())
    cdrs = [charged("22.5", WHOLE, name=f"CDR-{at}") for at in (1, 2)]
    cdrs += [credit_of(cdrs[0]), charged("22.5", WHOLE, name="CDR-3"), charged("22.5", WHOLE, name="CDR-4")]
    batch = cdr_pb2.BatchSubmitCdrsRequest(requests=[submission(cdr, at) for at, cdr in enumerate(cdrs, 1)])
    outcomes = (await cdr_pb2_grpc.CdrServiceStub(station.cpo.channel).BatchSubmitCdrs(batch)).outcomes
    assert [each.response.state for each in outcomes] == [ACCEPTED, RETURNED, ACCEPTED, ACCEPTED, RETURNED]


HOSTILE: dict[str, list[str]] = {
    "nothing": [],
    "no document": ["hello"],
    "too many values": ["OCMF|{}|{}"] * (VALUES_MAX + 1),
    "far too many values": [""] * 100_000,
    "too much text": ["x" * 600_000],
    "too many documents": ["<v>" + "<signedData>OCMF|{}|{}</signedData>" * 300 + "</v>"],
    "deep XML": ["<a>" * 5_000],
    "an entity": ['<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>'],
    "deep JSON": ["OCMF|" + "[" * 20_000 + "|{}"],
    "zero bytes": ["\0" * 100],
    "Base64 of garbage": [base64.b64encode(bytes(range(256))).decode()],
}


@pytest.mark.parametrize("documents", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_values_are_unreadable_and_nothing_worse(station: Station, documents: list[str]) -> None:
    answer = await station.submit(charged("22.5", *documents, key="\0" * 600))
    assert (answer.state, codes(answer)) == (ACCEPTED, ["METER_DATA_UNREADABLE"])
    meter = (await station.record(station.emsp)).meter
    assert meter.signature == meter_object_pb2.METER_SIGNATURE_MALFORMED
    assert len(meter.documents) == 1


def mutated(document: str, chance: Random) -> str:
    """Return a document with pieces cut out, doubled or replaced."""
    text = document
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((1, 1, 2, 30, 400)))
        piece = text[start:end]
        put = ["", piece * 2, chr(chance.randrange(1, 0xD800)), "|", '"', "<", "9" * 40, piece.swapcase()]
        text = text[:start] + chance.choice(put) + text[end:]
    return text


@pytest.mark.data
async def test_mutilated_real_documents_are_told_apart_and_never_break_the_hub(station: Station) -> None:
    chance = Random(7)
    whole = [real(file)[0] for file, *_ in REAL.values()]
    await station.register(real("safe/xml/VW_OCMF_load.xml")[1])
    bare = whole[0].split("<signedData")[1].split(">", 1)[1].split("</signedData")[0]
    cdrs = [
        charged(
            "1.101",
            mutated(chance.choice([*whole, bare, bare]), chance),
            key=mutated("00" * 91, chance),
            name=f"C-{at}",
        )
        for at in range(200)
    ]
    await station.demand()
    batch = cdr_pb2.BatchSubmitCdrsRequest(requests=[submission(cdr, at) for at, cdr in enumerate(cdrs)])
    service = cdr_pb2_grpc.CdrServiceStub(station.cpo.channel)
    outcomes = (await service.BatchSubmitCdrs(batch)).outcomes
    assert not [outcome.error for outcome in outcomes if outcome.HasField("error")]
    found = Counter(code for outcome in outcomes for code in codes(outcome.response))
    assert found["METER_DATA_UNREADABLE"] > 20
    assert found["METER_SIGNATURE_INVALID"] > 20
    listed = (await service.ListCdrs(cdr_pb2.ListCdrsRequest(page_size=1_000))).cdrs
    for record in listed:
        if record.meter.billable:
            # What was changed stands around what was signed.
            assert bare.split("|")[1] in html.unescape(record.cdr.signed_data.signed_values[0].signed_data)


@pytest.mark.data
async def test_what_is_not_supported_is_named(station: Station) -> None:
    document = shared("safe/xml/isa-edl-40p-ok.xml").read_text()
    odd = METER.ocmf(payload(*UNSET), SA="ECDSA-secp521r1-SHA512")
    answer = await station.submit(charged("22.5", document, odd))
    assert (answer.state, codes(answer)) == (ACCEPTED, ["METER_SIGNATURE_UNSUPPORTED"])
    assert "EDL40" in message(answer, "METER_SIGNATURE_UNSUPPORTED")
    assert "secp521r1" in message(answer, "METER_SIGNATURE_UNSUPPORTED")


async def test_a_batch_and_a_stream_are_verified_each_for_itself(station: Station) -> None:
    await station.demand()
    await station.register(METER.spki.hex())
    cdrs = [
        charged("22.5", WHOLE, name="CDR-1"),
        make_cdr("CDR-2"),
        charged("22.5", WHOLE.replace("32.5", "42.5"), name="CDR-3"),
        charged("22.5", *[METER.ocmf(payload(*UNSET, page="T9"))] * 40, name="CDR-4"),
    ]
    cdrs[3].session_id = "S-4"  # or it would be the first one, sent once more
    requests = [submission(cdr, at) for at, cdr in enumerate(cdrs, 1)]
    service = cdr_pb2_grpc.CdrServiceStub(station.cpo.channel)
    outcomes = list((await service.BatchSubmitCdrs(cdr_pb2.BatchSubmitCdrsRequest(requests=requests))).outcomes)
    assert [outcome.response.state for outcome in outcomes] == [ACCEPTED, ACCEPTED, RETURNED, ACCEPTED]

    async def stream() -> Any:
        for request in requests:
            yield cdr_pb2.StreamCdrsRequest(request_id=request.request_id, cdr=request.cdr)

    again = [outcome async for response in service.StreamCdrs(stream()) for outcome in response.outcomes]
    assert again == outcomes, "what is on record gets its first answer"
    listed = (await service.ListCdrs(cdr_pb2.ListCdrsRequest())).cdrs
    assert [record.meter.billable for record in listed] == [True, False, False, True]
    assert [record.HasField("meter") for record in listed] == [True, False, True, True]
    async for response in cdr_pb2_grpc.CdrServiceStub(station.emsp.channel).WatchCdrs(
        cdr_pb2.WatchCdrsRequest(after_index=-1)
    ):
        assert list(response.cdrs) == list(listed)
        break


async def test_many_cdrs_of_one_batch_are_verified_each_for_itself(station: Station) -> None:
    await station.demand()
    await station.register(METER.spki.hex())
    documents = [METER.ocmf(payload(*UNSET, page=f"T{at}")) for at in range(30)]
    cdrs = [charged("22.5", document, name=f"CDR-{at}") for at, document in enumerate(documents)]
    batch = cdr_pb2.BatchSubmitCdrsRequest(requests=[submission(cdr, at) for at, cdr in enumerate(cdrs)])
    service = cdr_pb2_grpc.CdrServiceStub(station.cpo.channel)
    outcomes = (await service.BatchSubmitCdrs(batch)).outcomes
    assert [outcome.response.state for outcome in outcomes] == [ACCEPTED] * len(cdrs)
    listed = (await service.ListCdrs(cdr_pb2.ListCdrsRequest())).cdrs
    assert all(record.meter.billable for record in listed)


async def test_a_credit_needs_no_meter(station: Station) -> None:
    await station.register(METER.spki.hex())
    original = charged("22.5", WHOLE)
    await station.demand(METER_DATA_MISSING=CheckAction.RETURN)
    await station.submit(original, 1)
    answer = await station.submit(credit_of(original), 2)
    assert (answer.state, codes(answer)) == (ACCEPTED, [])
    assert not (await station.record(station.cpo, "CREDIT-1")).HasField("meter")


async def test_a_charge_without_energy_needs_no_meter(station: Station) -> None:
    await station.demand(METER_DATA_MISSING=CheckAction.RETURN)
    unused = make_cdr(total_energy=number("0"), charging_periods=[period(0, "0", "2.0000")])
    assert (await station.submit(unused)).state == ACCEPTED
