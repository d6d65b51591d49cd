"""What signed meter values proved, beside the few CDRs that have any."""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, select

from hub.app.directory import Directory
from hub.app.ports.cdrs import Proof
from hub.domain.ids import ObjectId, PartyId
from hub.domain.meter.evidence import DocumentEvidence, MeterEvidence
from hub.domain.meter.model import Format, Measured, Reason, Signature
from hub.store.keys import by_party
from hub.store.session import Session
from hub.store.statements import SelectIn
from hub.store.tables.meter import CdrMeterRow
from hub.store.types import from_micros, to_micros

_ROW = CdrMeterRow.__table__  # type: ignore[attr-defined]
_PROVEN = SelectIn(select(_ROW.c.proof, _ROW.c.cdr_id).where(_ROW.c.cpo == bindparam("cpo_")), _ROW.c.proof)
_FIND = SelectIn(
    select(_ROW.c.cdr_id, _ROW.c.evidence, _ROW.c.proof).where(_ROW.c.cpo == bindparam("cpo_")), _ROW.c.cdr_id
)


def add_evidence(session: Session, cpo: int, cdr_id: str, evidence: MeterEvidence) -> None:
    """Record what a CDR's signed meter values proved, by the CPO's number and the folded id."""
    session.insert(CdrMeterRow, (cpo, cdr_id, to_json(evidence), evidence.proof or None))


def read_evidence(session: Session, directory: Directory, cdrs: Iterable[ObjectId]) -> dict[ObjectId, MeterEvidence]:
    """Return what is recorded for those of these CDRs that have any; one query for each CPO."""
    return {
        ObjectId(cpo, cdr_id): from_json(evidence, bytes(proof or b""))
        for cpo, number, folded in by_party(cdrs, directory)
        for cdr_id, evidence, proof in _FIND.all(session.connection, folded, (number,))
    }


def find_proofs(session: Session, directory: Directory, proofs: Iterable[Proof]) -> dict[Proof, list[ObjectId]]:
    """Return the CDRs that the same signed values came with, by CPO and proof; one query for each CPO."""
    wanted: dict[PartyId, set[bytes]] = {}
    for cpo, proof in proofs:
        wanted.setdefault(cpo, set()).add(proof)
    found: dict[Proof, list[ObjectId]] = {}
    for cpo, several in wanted.items():
        party = directory.parties.get(cpo)
        for proof, cdr_id in _PROVEN.all(session.connection, several, (party.number,)) if party else ():
            found.setdefault((cpo, bytes(proof)), []).append(ObjectId(cpo, cdr_id))
    return found


def to_json(evidence: MeterEvidence) -> str:
    """Return evidence as it is stored, but for the proof, which has a column of its own."""
    measured = evidence.measured
    whole = {
        "signature": evidence.signature,
        "billable": evidence.billable,
        "reasons": evidence.reasons,
        "measured": measured
        and [
            str(measured.energy_kwh),
            str(measured.resolution_kwh),
            _micros(measured.begin),
            _micros(measured.end),
        ],
        "documents": [
            [
                each.format,
                each.algorithm,
                each.signature,
                each.billable,
                each.reasons,
                each.fingerprint,
                each.key_id,
                _micros(each.registered),
            ]
            for each in evidence.documents
        ],
    }
    return json.dumps(whole, separators=(",", ":"))


def from_json(text: str, proof: bytes) -> MeterEvidence:
    """Return evidence as it was."""
    whole = json.loads(text)
    return MeterEvidence(
        signature=Signature(whole["signature"]),
        billable=whole["billable"],
        reasons=_reasons(whole["reasons"]),
        documents=tuple(_document(index, each) for index, each in enumerate(whole["documents"])),
        measured=_measured(*whole["measured"]) if whole["measured"] else None,
        proof=proof,
    )


def _document(index: int, row: list[Any]) -> DocumentEvidence:
    form, algorithm, signature, billable, reasons, fingerprint, key_id, registered = row
    return DocumentEvidence(
        index=index,
        format=Format(form),
        algorithm=algorithm,
        signature=Signature(signature),
        billable=billable,
        reasons=_reasons(reasons),
        fingerprint=fingerprint,
        key_id=key_id,
        registered=_instant(registered),
    )


def _measured(energy: str, resolution: str, begin: int | None, end: int | None) -> Measured:
    return Measured(
        energy_kwh=Decimal(energy), resolution_kwh=Decimal(resolution), begin=_instant(begin), end=_instant(end)
    )


def _reasons(words: list[str]) -> tuple[Reason, ...]:
    return tuple(Reason(word) for word in words)


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
