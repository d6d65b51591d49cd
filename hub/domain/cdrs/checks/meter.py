"""What the signed meter values of a charge say of it; docs/meter.md explains each check.

Signed values that are missing, or signed by a key that nobody vouches for, prove nothing and contradict nothing: an
agreement that demands proof returns such CDRs. Values that contradict the CDR return it anyway.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from hub.domain.cdrs.checks.codes import Check, Found
from hub.domain.cdrs.checks.known import Known
from hub.domain.cdrs.record import Cdr
from hub.domain.ids import fold
from hub.domain.meter.cdr import HARMLESS
from hub.domain.meter.evidence import DocumentEvidence, MeterEvidence, tolerance
from hub.domain.meter.model import Reason, Signature, SignedUser, UserKind
from hub.domain.money import EXACT

#: How far a meter's clock may be from that of the CPO's back end.
CLOCK_TOLERANCE = timedelta(minutes=5)

_SIGNATURES = {
    Signature.MALFORMED: Check.METER_DATA_UNREADABLE,
    Signature.UNSUPPORTED: Check.METER_SIGNATURE_UNSUPPORTED,
    Signature.INVALID: Check.METER_SIGNATURE_INVALID,
}
#: Reasons that have a check of their own, or that follow from another document's.
_TOLD_ELSEWHERE = frozenset({Reason.KEY_NOT_TRUSTED, Reason.ENERGY_DIFFERS, Reason.OTHER_PART_NOT_VALID})
#: In the order in which they are told.
_ORDER = (
    Check.METER_DATA_UNREADABLE,
    Check.METER_SIGNATURE_UNSUPPORTED,
    Check.METER_SIGNATURE_INVALID,
    Check.METER_KEY_MISMATCH,
    Check.METER_KEY_UNKNOWN,
)
_WORDS = {
    Check.METER_DATA_UNREADABLE: "cannot be read",
    Check.METER_SIGNATURE_UNSUPPORTED: "cannot be verified here",
    Check.METER_SIGNATURE_INVALID: "has a signature that does not hold",
    Check.METER_KEY_MISMATCH: "is signed by another key than those registered for the EVSE",
    Check.METER_KEY_UNKNOWN: "is verified by no key that is registered for the EVSE at the session's start",
}
_SHOWN_MAX = 5
_FIELD = "signed_data"


def check_meter(cdr: Cdr, known: Known) -> Found:
    """Yield what signed meter values say against a charge."""
    evidence = cdr.meter
    if evidence is None:
        if cdr.total_energy:
            yield Check.METER_DATA_MISSING, _FIELD, "is not there, so that no meter vouches for the energy"
        return
    if not evidence.billable:
        yield from _signatures(evidence.documents)
        yield from _billing(evidence)
    yield from _claims(cdr, evidence)
    if known.proven is not None:
        # Of another eMSP's CDR this one must not hear.
        name = f" {known.proven.id.id}" if known.proven.emsp == cdr.emsp else ""
        yield Check.METER_DATA_REUSED, _FIELD, f"came with another CDR{name}, which stands for its energy"


def _signatures(documents: Sequence[DocumentEvidence]) -> Found:
    found: dict[Check, list[str]] = {}
    for document in documents:
        check = _signature_check(document)
        if check is not None:
            found.setdefault(check, []).append(_named(document, check))
    for check in _ORDER:
        if check in found:
            names = found[check]
            more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
            yield check, _FIELD, f"{_WORDS[check]}: {'; '.join(names[:_SHOWN_MAX])}{more}"


def _signature_check(document: DocumentEvidence) -> Check | None:
    if document.signature is Signature.VALID:
        return Check.METER_KEY_UNKNOWN if Reason.KEY_NOT_TRUSTED in document.reasons else None
    if Reason.NO_PUBLIC_KEY in document.reasons:
        return Check.METER_KEY_UNKNOWN
    if Reason.SIGNED_BY_ANOTHER_KEY in document.reasons:
        return Check.METER_KEY_MISMATCH
    return _SIGNATURES[document.signature]


def _named(document: DocumentEvidence, check: Check) -> str:
    name = f"document {document.index}"
    if check is Check.METER_SIGNATURE_UNSUPPORTED:
        return f"{name} ({' '.join(filter(None, (document.format, document.algorithm)))})"
    if check is Check.METER_DATA_UNREADABLE:
        return f"{name} ({', '.join(document.reasons)})"
    if check is Check.METER_KEY_UNKNOWN and document.fingerprint:
        return f"{name} (key {document.fingerprint})"
    return name


def _billing(evidence: MeterEvidence) -> Found:
    reasons = list(dict.fromkeys(_against_billing(evidence)))
    if reasons:
        yield Check.METER_NOT_BILLABLE, _FIELD, f"is nothing to bill by: {', '.join(reasons)}"


def _against_billing(evidence: MeterEvidence) -> Iterator[Reason]:
    ignored = _TOLD_ELSEWHERE | HARMLESS if evidence.measured is not None else _TOLD_ELSEWHERE
    for document in evidence.documents:
        if document.signature is Signature.VALID:
            yield from (reason for reason in document.reasons if reason not in ignored)
    if Reason.SEVERAL_TRANSACTIONS in evidence.reasons:
        yield Reason.SEVERAL_TRANSACTIONS


def _claims(cdr: Cdr, evidence: MeterEvidence) -> Found:
    """Compare the CDR with what its meter says."""
    late = [each for each in evidence.documents if each.registered is not None and each.registered > cdr.end_time]
    if late:
        yield Check.METER_KEY_LATE, _FIELD, "is verified by a key that was registered after the session's end"
    measured = evidence.measured
    if measured is None:
        return
    if abs(EXACT.subtract(measured.energy_kwh, cdr.total_energy)) > tolerance(measured):
        yield (
            Check.METER_ENERGY_MISMATCH,
            "total_energy",
            f"is {cdr.total_energy:f} kWh, and by the signed meter values it is {measured.energy_kwh:f}",
        )
    if measured.begin is not None and measured.begin < cdr.start_time - CLOCK_TOLERANCE:
        yield Check.METER_TIME_MISMATCH, "start_date_time", "is later than the signed meter values begin"
    if measured.end is not None and measured.end > cdr.end_time + CLOCK_TOLERANCE:
        yield Check.METER_TIME_MISMATCH, "end_date_time", "is earlier than the signed meter values end"
    for user in evidence.users:
        if not _is_of(user, cdr):
            field = "cdr_token.uid" if user.kind is UserKind.TOKEN else "cdr_token.contract_id"
            # Ids are personal: which one it is stands in the signed values themselves.
            yield Check.METER_USER_MISMATCH, field, "is not whom the signed meter values identify"
            return


def _is_of(user: SignedUser, cdr: Cdr) -> bool:
    """Say whether the meter served whom the CDR names; what is no letter or digit does not count, nor does case."""
    said = _plain(user.id)
    if user.kind is UserKind.TOKEN:
        return said == _plain(cdr.token_uid)
    # The check digit may be left out; and the uid of a token may be the contract's id.
    return any(said[:_EMAID] == _plain(each)[:_EMAID] for each in (cdr.contract_id, cdr.token_uid))


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, fold(text)))


#: Letters and digits of an eMAID without its check digit.
_EMAID = 14
