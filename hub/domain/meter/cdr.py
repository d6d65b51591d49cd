"""The signed meter values of a CDR (OCPI: SignedData): what they prove, and whether it is the energy claimed."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hub.domain.meter.documents import DOCUMENTS_MAX, read_value
from hub.domain.meter.model import Entry, Format, Reason, Signature, Unread, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedValue:
    """One value as a CDR carries it.

    Attributes:
        nature: The sender's word for what it marks: `Start`, `End`, `Intermediate`; unsigned.
        plain_data: What was signed, by the sender's word.
        signed_data: The document: Base64 as OCPI says, or plain as many send it.
    """

    nature: str
    plain_data: str
    signed_data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedData:
    """The signed values of a CDR; `public_key` came along with them and earns no trust."""

    encoding_method: str
    public_key: str = ""
    values: tuple[SignedValue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFinding:
    """What a CDR's signed values prove.

    Attributes:
        signature: `valid` where every document's is; else the first other outcome.
        billable: Whether they hold exactly one billable transaction, of the energy that the CDR claims.
        reasons: Why not.
        energy_kwh: The meter's energy; None where no single transaction is billable. It is given, too, where it
            differs from the CDR's.
    """

    signature: Signature
    billable: bool
    reasons: tuple[Reason, ...] = ()
    energy_kwh: Decimal | None = None


#: What does no harm beside a whole transaction.
HARMLESS = frozenset({Reason.DUPLICATE, Reason.END_MISSING})


def documents_of(signed: SignedData) -> tuple[Entry, ...]:
    """Return the documents of a CDR, in order; what cannot be read is an `Unread` in its place."""
    found: list[Entry] = []
    for value in signed.values[: DOCUMENTS_MAX + 1]:
        entries = _documents(value.signed_data, value, signed.public_key)
        if all(isinstance(entry, Unread) for entry in entries):
            # Some senders put the whole document where the signed bytes alone belong.
            other = _documents(value.plain_data, value, signed.public_key)
            entries = entries if all(isinstance(entry, Unread) for entry in other) else other
        found.extend(entries)
        if len(found) > DOCUMENTS_MAX:
            return (Unread(format=Format.NONE, reason=Reason.TOO_LARGE),)
    return tuple(found) or (Unread(format=Format.NONE, reason=Reason.NOT_A_METER_DOCUMENT),)


def _documents(text: str, value: SignedValue, key: str) -> tuple[Entry, ...]:
    # What cannot be written as UTF-8 becomes a question mark, and so no document, or one whose signature fails.
    return read_value(text.encode(errors="replace"), carried_key=key, context=value.nature)


def conclude(verdicts: Sequence[Verdict], claimed_kwh: Decimal, tolerance_kwh: Decimal) -> MeterFinding:
    """Return what the verdicts on a CDR's documents mean for it.

    A document that stands in it twice, or a begin that stands alone beside the whole transaction, does no harm, as long
    as its signature is valid under a trusted key: stations send both.

    Args:
        verdicts: The verdicts, as a `MeterVerifier` gave them; at least one.
        claimed_kwh: The CDR's total energy.
        tolerance_kwh: By how much the two may differ, for rounding.
    """
    signature = next((each.signature for each in verdicts if each.signature is not Signature.VALID), Signature.VALID)
    proven = {each.transaction: each.energy_kwh for each in verdicts if each.billable and each.energy_kwh is not None}
    harmless = HARMLESS if any(each.measured for each in verdicts) else frozenset()
    reasons = [reason for each in verdicts for reason in each.reasons if reason not in harmless]
    energy = next(iter(proven.values())) if len(proven) == 1 else None
    if len(proven) > 1:
        reasons.append(Reason.SEVERAL_TRANSACTIONS)
    if energy is not None and abs(energy - claimed_kwh) > tolerance_kwh:
        reasons.append(Reason.ENERGY_DIFFERS)
    billable = energy is not None and not reasons
    return MeterFinding(
        signature=signature, billable=billable, reasons=tuple(dict.fromkeys(reasons)), energy_kwh=energy
    )
