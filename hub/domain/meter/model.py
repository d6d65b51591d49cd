"""What a signed meter document holds, whatever its format, and what is concluded from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class Format(StrEnum):
    """How a document is written."""

    OCMF = "OCMF"
    PCDF = "PCDF"
    EDL40 = "EDL40"
    MENNEKES = "EDL-Mennekes"
    NONE = "none"


class Signature(StrEnum):
    """What came of checking a document's signature."""

    VALID = "valid"
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    MALFORMED = "malformed"


class Reason(StrEnum):
    """Why a document is not billable. The words are public; `EXPLANATIONS` says what each means."""

    NOT_A_METER_DOCUMENT = "not_a_meter_document"
    TOO_LARGE = "too_large"
    XML_NOT_WELL_FORMED = "xml_not_well_formed"
    XML_FORBIDDEN = "xml_forbidden"
    DOCUMENT_MALFORMED = "document_malformed"
    SIGNATURE_MALFORMED = "signature_malformed"
    FORMAT_UNSUPPORTED = "format_unsupported"
    ALGORITHM_UNSUPPORTED = "algorithm_unsupported"
    NO_PUBLIC_KEY = "no_public_key"
    PUBLIC_KEY_MALFORMED = "public_key_malformed"
    SIGNATURE_INVALID = "signature_invalid"
    SIGNED_BY_ANOTHER_KEY = "signed_by_another_key"
    KEY_NOT_TRUSTED = "key_not_trusted"
    DUPLICATE = "duplicate"
    BILLING_NOT_ALLOWED = "billing_not_allowed"
    NO_TRANSACTION = "no_transaction"
    OTHER_PART_NOT_VALID = "other_part_not_valid"
    KEYS_DIFFER = "keys_differ"
    BEGIN_MISSING = "begin_missing"
    END_MISSING = "end_missing"
    RECORDS_OUT_OF_ORDER = "records_out_of_order"
    EXCEPTION_RECORDED = "exception_recorded"
    STATUS_NOT_GOOD = "status_not_good"
    ERROR_FLAGS = "error_flags"
    PAGINATION_MISSING = "pagination_missing"
    PAGINATION_NOT_MONOTONE = "pagination_not_monotone"
    NO_ENERGY_REGISTER = "no_energy_register"
    ENERGY_RUNS_BACKWARDS = "energy_runs_backwards"
    ENERGY_IMPLAUSIBLE = "energy_implausible"
    TIME_RUNS_BACKWARDS = "time_runs_backwards"
    ENERGY_DIFFERS = "energy_differs"
    SEVERAL_TRANSACTIONS = "several_transactions"


EXPLANATIONS: Mapping[Reason, str] = {
    Reason.NOT_A_METER_DOCUMENT: "it holds no signed meter document",
    Reason.TOO_LARGE: "it is larger, or holds more documents, than is read",
    Reason.XML_NOT_WELL_FORMED: "it is no well-formed XML",
    Reason.XML_FORBIDDEN: "it is XML with a document type, or nested too deeply",
    Reason.DOCUMENT_MALFORMED: "what was signed cannot be read in its format",
    Reason.SIGNATURE_MALFORMED: "the signature cannot be read",
    Reason.FORMAT_UNSUPPORTED: "the format is known by name only",
    Reason.ALGORITHM_UNSUPPORTED: "the signature's algorithm is not supported",
    Reason.NO_PUBLIC_KEY: "no public key came along and none was given",
    Reason.PUBLIC_KEY_MALFORMED: "the public key that came along is none for the algorithm",
    Reason.SIGNATURE_INVALID: "the signature does not match what was signed",
    Reason.SIGNED_BY_ANOTHER_KEY: "the key that came along signed it, which is none of the trusted ones",
    Reason.KEY_NOT_TRUSTED: "the only key that vouches for it came along with it",
    Reason.DUPLICATE: "the same signed content stands in it before",
    Reason.BILLING_NOT_ALLOWED: "the meter itself marked it as not for billing",
    Reason.NO_TRANSACTION: "it records no part of a charging transaction",
    Reason.OTHER_PART_NOT_VALID: "another document of the same transaction is not valid",
    Reason.KEYS_DIFFER: "the transaction's documents are signed by different keys",
    Reason.BEGIN_MISSING: "the transaction's begin is missing",
    Reason.END_MISSING: "the transaction's end is missing",
    Reason.RECORDS_OUT_OF_ORDER: "begin and end do not enclose the transaction's records once",
    Reason.EXCEPTION_RECORDED: "the meter recorded an exception during charging",
    Reason.STATUS_NOT_GOOD: "a reading's meter status is not good",
    Reason.ERROR_FLAGS: "a reading carries error flags",
    Reason.PAGINATION_MISSING: "the transaction has several documents, and one has no pagination",
    Reason.PAGINATION_NOT_MONOTONE: "pagination does not grow from begin to end",
    Reason.NO_ENERGY_REGISTER: "begin and end share no register of imported energy",
    Reason.ENERGY_RUNS_BACKWARDS: "the energy register runs backwards",
    Reason.ENERGY_IMPLAUSIBLE: "more energy than any charging point could deliver",
    Reason.TIME_RUNS_BACKWARDS: "the meter's clock runs backwards",
    Reason.ENERGY_DIFFERS: "the CDR's energy is not the meter's",
    Reason.SEVERAL_TRANSACTIONS: "the CDR holds more than one transaction",
}


class MalformedMeterData(ValueError):
    """A document cannot be read, for a reason of the closed set; holds nothing of the document."""

    def __init__(self, reason: Reason = Reason.DOCUMENT_MALFORMED) -> None:
        super().__init__(EXPLANATIONS[reason])
        self.reason = reason


class Event(StrEnum):
    """Where in a transaction a reading was taken."""

    BEGIN = "begin"
    DURING = "during"
    EXCEPTION = "exception"
    END = "end"


class Sync(StrEnum):
    """How far a meter's clock is to be trusted, by OCMF's letters."""

    UNKNOWN = "U"
    INFORMATIVE = "I"
    SYNCHRONISED = "S"
    RELATIVE = "R"


class UserKind(StrEnum):
    """What a meter tells a user by, of what a CDR says as well."""

    TOKEN = "token"  # noqa: S105 - the uid of a card
    CONTRACT = "contract"


class SignedUser(NamedTuple):
    """Whom a meter says that it served; the id is personal, and as hostile as all that is signed."""

    kind: UserKind
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of one register.

    Attributes:
        event: Where in the transaction; None outside of one.
        time: When by the meter's clock, UTC; None where the format does not say, or not in which zone.
        sync: Whether that clock was set.
        register: The register's OBIS code, folded; empty where not said.
        energy_kwh: Imported energy; None where the register counts something else.
        good: Whether the meter says that its status is.
        flagged: Whether the meter flags an error of energy or time.
    """

    event: Event | None
    time: datetime | None = None
    sync: Sync = Sync.UNKNOWN
    register: str = ""
    energy_kwh: Decimal | None = None
    good: bool = True
    flagged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterDocument:
    """One signed document, read and unverified.

    Attributes:
        format: How it is written.
        algorithm: What it says it is signed with, such as `ECDSA-secp256r1-SHA256`.
        signed: The exact bytes that were signed.
        signature: The signature's bytes, in whatever form.
        carried_key: The public key that came along, hex or Base64; empty where none did. Never a reason to trust.
        transaction: What the container calls the transaction; unsigned.
        meter: Serial number of what measured, as signed.
        session: Whatever else ties the parts of one transaction together, as signed: whose it is, and where.
        pagination: The document's number in the device's own count, as signed.
        readings: The readings in order.
        refusal: What the meter itself says against billing.
        user: Whom it served; None where it does not say, or by what no CDR names.
    """

    format: Format
    algorithm: str
    signed: bytes
    signature: bytes
    carried_key: str = ""
    transaction: str = ""
    meter: str = ""
    session: tuple[str, ...] = ()
    pagination: int | None = None
    readings: tuple[Reading, ...] = ()
    refusal: Reason | None = None
    user: SignedUser | None = field(default=None, repr=False)

    def has(self, event: Event) -> bool:
        """Return whether a reading was taken at this point."""
        return any(reading.event is event for reading in self.readings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """What stands where a document should, and cannot be read."""

    format: Format
    reason: Reason
    signature: Signature = Signature.MALFORMED


Entry = MeterDocument | Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureCheck:
    """What verifying one document's signature brought.

    Attributes:
        signature: The outcome.
        reason: Why it is not valid, or valid under no trusted key; None where it is valid under a trusted one.
        key: What tells the key that signed from every other; empty where the signature is not valid.
    """

    signature: Signature
    reason: Reason | None = None
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the begin and the end of a transaction say, billable or not, as long as every signature of it holds.

    Attributes:
        energy_kwh: What its register has counted.
        resolution_kwh: One unit of the last digit that the readings show.
        begin: When it began by the meter's clock, UTC; None where that clock is not known to have been set.
        end: When it ended, likewise.
    """

    energy_kwh: Decimal
    resolution_kwh: Decimal
    begin: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is concluded of one document.

    Attributes:
        index: Its place in the order they came, from 0.
        format: How it is written.
        algorithm: What it is signed with; None where that could not be read.
        signature: Whether the signature holds.
        billable: Whether energy may be billed by it: signature, trust, and everything in `docs/meter.md`.
        reasons: Why not; empty where it is billable.
        transaction: Index of the first document of its transaction; None where it belongs to none.
        energy_kwh: Energy of the whole transaction; None where it is not billable.
        key: What tells the key that signed from every other: its SPKI DER in hex; empty where the signature is not
            valid.
        measured: What the transaction's readings say, whether trusted and billable or not; None where they do not.
    """

    index: int
    format: Format
    algorithm: str | None
    signature: Signature
    billable: bool
    reasons: tuple[Reason, ...] = ()
    transaction: int | None = None
    energy_kwh: Decimal | None = None
    key: str = ""
    measured: Measured | None = None
