"""What a CDR's signed meter values prove, as it stands on record beside the CDR."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

from hub.domain.meter.cdr import SignedData, conclude, documents_of
from hub.domain.meter.keys import MeterKey
from hub.domain.meter.model import (
    Entry,
    Event,
    Format,
    Measured,
    MeterDocument,
    Reason,
    Signature,
    SignedUser,
    Unread,
    Verdict,
)

#: Signed values of one CDR, documents in them, and characters of both their texts: far more than stations send, and
#: what bounds the work that one CDR can cause.
VALUES_MAX = 200
DOCUMENTS_MAX = 200
CHARACTERS_MAX = 512 * 1024

#: By how much the CDR's energy may differ from the meter's: one unit of the meter's last digit, within these bounds.
_TOLERANCE_LEAST = Decimal("0.001")
_TOLERANCE_MOST = Decimal("0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEvidence:
    """What is concluded of one document.

    Attributes:
        algorithm: What it is signed with; empty where that could not be read.
        fingerprint: Of the key under which the signature holds; empty where it does not.
        key_id: The registration of that key; empty where it is registered neither for the EVSE nor for that time.
        registered: When the hub recorded that registration; None without one.
    """

    index: int
    format: Format
    algorithm: str
    signature: Signature
    billable: bool
    reasons: tuple[Reason, ...] = ()
    fingerprint: str = ""
    key_id: str = ""
    registered: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterEvidence:
    """What all documents of a CDR prove.

    Attributes:
        signature: `valid` where every document's is; else the first other outcome.
        billable: They hold exactly one billable transaction, of the energy that the CDR claims.
        reasons: Why not.
        documents: Each document, in order.
        measured: What the one transaction says whose signatures hold, billable or not; None where there is no such
            transaction, or more than one.
        proof: SHA-256 of what the meter signed at the end of that transaction, which tells it from every other; empty
            where there is none, or no energy in it.
        users: Whom those documents identify whose signatures hold: for the checks, and not kept on record.
    """

    signature: Signature
    billable: bool
    reasons: tuple[Reason, ...]
    documents: tuple[DocumentEvidence, ...]
    measured: Measured | None
    proof: bytes = b""
    users: tuple[SignedUser, ...] = field(default=(), compare=False, repr=False)


def documents_within_bounds(signed: SignedData) -> tuple[Entry, ...]:
    """Return the documents of a CDR; one `Unread` where there are more than is read."""
    size = sum(len(value.signed_data) + len(value.plain_data) for value in signed.values)
    if len(signed.values) > VALUES_MAX or size > CHARACTERS_MAX:
        return _TOO_LARGE
    documents = documents_of(signed)
    return documents if len(documents) <= DOCUMENTS_MAX else _TOO_LARGE


_TOO_LARGE: tuple[Entry, ...] = (Unread(format=Format.NONE, reason=Reason.TOO_LARGE),)


def tolerance(measured: Measured) -> Decimal:
    """Return by how many kWh a CDR may differ from its meter."""
    return min(max(measured.resolution_kwh, _TOLERANCE_LEAST), _TOLERANCE_MOST)


def evidence_of(
    documents: Sequence[Entry], verdicts: Sequence[Verdict], claimed_kwh: Decimal, keys: Sequence[MeterKey]
) -> MeterEvidence:
    """Return what the verdicts on a CDR's documents prove.

    Args:
        documents: The documents.
        verdicts: As a `MeterVerifier` gave them; at least one.
        claimed_kwh: The CDR's total energy.
        keys: Those that were trusted.
    """
    by_transaction = {each.transaction: each.measured for each in verdicts if each.measured is not None}
    measured = next(iter(by_transaction.values())) if len(by_transaction) == 1 else None
    finding = conclude(verdicts, claimed_kwh, _TOLERANCE_LEAST if measured is None else tolerance(measured))
    registered = {key.claim.material.fingerprint: key for key in keys}
    return MeterEvidence(
        signature=finding.signature,
        billable=finding.billable,
        reasons=finding.reasons,
        documents=tuple(_document(each, registered) for each in verdicts),
        measured=measured,
        proof=_proof(documents, verdicts) if measured is not None and measured.energy_kwh else b"",
        users=tuple(dict.fromkeys(_users(documents, verdicts))),
    )


def _users(documents: Sequence[Entry], verdicts: Sequence[Verdict]) -> Iterator[SignedUser]:
    for document, verdict in zip(documents, verdicts, strict=True):
        if verdict.signature is Signature.VALID and isinstance(document, MeterDocument) and document.user is not None:
            yield document.user


def _proof(documents: Sequence[Entry], verdicts: Sequence[Verdict]) -> bytes:
    """Return what tells the one transaction that was measured from every other."""
    return next(
        sha256(document.signed).digest()
        for document, verdict in zip(documents, verdicts, strict=True)
        if verdict.measured is not None and isinstance(document, MeterDocument) and document.has(Event.END)
    )


def _document(verdict: Verdict, registered: Mapping[str, MeterKey]) -> DocumentEvidence:
    fingerprint = sha256(bytes.fromhex(verdict.key)).hexdigest() if verdict.key else ""
    key = registered.get(fingerprint)
    return DocumentEvidence(
        index=verdict.index,
        format=verdict.format,
        algorithm=verdict.algorithm or "",
        signature=verdict.signature,
        billable=verdict.billable,
        reasons=verdict.reasons,
        fingerprint=fingerprint,
        key_id=key.id if key else "",
        registered=key.registered if key else None,
    )
