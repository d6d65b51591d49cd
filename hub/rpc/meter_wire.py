"""Messages about meters to domain objects, and back."""

import base64
from typing import Any

from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import cdr_object_pb2, meter_object_pb2

from hub.app.ports.meter import MeterKeyReader
from hub.domain.ids import PartyId
from hub.domain.meter.cdr import SignedData, SignedValue
from hub.domain.meter.evidence import VALUES_MAX, DocumentEvidence, MeterEvidence
from hub.domain.meter.keys import KeyClaim, KeyMaterial, MeterKey, UnusableKey
from hub.domain.meter.model import Signature
from hub.rpc.listing import ID_MAX
from hub.rpc.wire import Reader, fill_time

#: Stands in for a key that cannot be read while the rest of the message is.
_NONE = KeyMaterial(curve="", spki=b"")


def claim_from_pb(
    message: meter_object_pb2.MeterKey, party: PartyId, read_key: MeterKeyReader, path: str = ""
) -> KeyClaim:
    """Read a key that is to be registered; raises Invalid with every field that breaks a rule."""
    reader = Reader(path)
    location_id = reader.id("location_id", message.location_id, ID_MAX)
    evse_uid = reader.id("evse_uid", message.evse_uid, ID_MAX)
    material = _material(reader, message, read_key)
    valid_from = reader.time("valid_from", message.valid_from)
    valid_until = reader.optional_time("valid_until", message)
    if valid_until is not None and valid_until <= valid_from:
        reader.refuse("valid_until", "must be later than valid_from")
    reader.done()
    return KeyClaim(
        party=party,
        location_id=location_id,
        evse_uid=evse_uid,
        material=material,
        valid_from=valid_from,
        valid_until=valid_until,
    )


def _material(reader: Reader, message: meter_object_pb2.MeterKey, read_key: MeterKeyReader) -> KeyMaterial:
    if not message.public_key:
        reader.refuse("public_key", "is required")
        return _NONE
    try:
        return read_key(message.public_key, message.curve)
    except UnusableKey as error:
        reader.refuse(error.field, str(error))
        return _NONE


def key_to_pb(key: MeterKey) -> meter_object_pb2.MeterKey:
    """Return the message of a registered key."""
    claim = key.claim
    made = meter_object_pb2.MeterKey(
        country_code=claim.party.country_code,
        party_id=claim.party.party_id,
        id=key.id,
        location_id=claim.location_id,
        evse_uid=claim.evse_uid,
        public_key=base64.b64encode(claim.material.spki).decode(),
        curve=claim.material.curve,
        fingerprint=claim.material.fingerprint,
        revoke_reason=key.reason,
    )
    fill_time(made.valid_from, claim.valid_from)
    fill_time(made.register_time, key.registered)
    if claim.valid_until is not None:
        fill_time(made.valid_until, claim.valid_until)
    if key.revoked is not None:
        fill_time(made.revoke_time, key.revoked)
    return made


def encode_key(key: MeterKey) -> bytes:
    """Return the serialised message of a key, the body of its journal facts."""
    return key_to_pb(key).SerializeToString(deterministic=True)


def signed_from_pb(signed: cdr_object_pb2.SignedData) -> SignedData:
    """Return the signed meter values of a CDR; of too many as many as tell that they are."""
    return SignedData(
        encoding_method=signed.encoding_method,
        public_key=signed.public_key,
        values=tuple(
            SignedValue(nature=value.nature, plain_data=value.plain_data, signed_data=value.signed_data)
            for value in signed.signed_values[: VALUES_MAX + 1]
        ),
    )


def evidence_to_pb(evidence: MeterEvidence) -> meter_object_pb2.MeterEvidence:
    """Return the message of what signed meter values prove."""
    made = meter_object_pb2.MeterEvidence(
        signature=_SIGNATURES[evidence.signature],
        billable=evidence.billable,
        reasons=evidence.reasons,
        documents=[_document_to_pb(document) for document in evidence.documents],
    )
    measured = evidence.measured
    if measured is not None:
        made.energy_kwh.CopyFrom(PbDecimal(value=f"{measured.energy_kwh:f}"))
        if measured.begin is not None:
            fill_time(made.begin_time, measured.begin)
        if measured.end is not None:
            fill_time(made.end_time, measured.end)
    return made


def _document_to_pb(document: DocumentEvidence) -> meter_object_pb2.MeterDocumentVerdict:
    return meter_object_pb2.MeterDocumentVerdict(
        index=document.index,
        format=document.format,
        algorithm=document.algorithm,
        signature=_SIGNATURES[document.signature],
        billable=document.billable,
        reasons=document.reasons,
        key_fingerprint=document.fingerprint,
        key_id=document.key_id,
    )


# Any: the stubs give the enum's numbers a type of their own.
_SIGNATURES: dict[Signature, Any] = {
    Signature.VALID: meter_object_pb2.METER_SIGNATURE_VALID,
    Signature.INVALID: meter_object_pb2.METER_SIGNATURE_INVALID,
    Signature.UNSUPPORTED: meter_object_pb2.METER_SIGNATURE_UNSUPPORTED,
    Signature.MALFORMED: meter_object_pb2.METER_SIGNATURE_MALFORMED,
}
