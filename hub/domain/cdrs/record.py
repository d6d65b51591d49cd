"""A CDR as the hub reasons about it, and the record of what became of it.

The sender's message is the record and is kept as sent (`document`); these are the facts read from it. What is made
once for every CDR is a named tuple: as immutable as a frozen dataclass, and made in half the time.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodSums:
    """What the checks ask of all charging periods together: the first and last start, and sums in kWh and hours."""

    count: int
    first_start: datetime
    last_start: datetime
    energy: Decimal
    time: Decimal


class Cdr(NamedTuple):
    """What a CDR says, as far as the hub reasons about it.

    Attributes:
        id: Its key; the party is the CPO.
        emsp: The eMSP of the token.
        token_uid: The token's uid in the sender's spelling; personal.
        token_type: Such as `RFID`.
        contract_id: The eMAID; personal.
        session_id: The CPO's session; empty when it names none.
        authorization_reference: Of the hub's answer; empty when it quotes none.
        country: Country of the location, ISO 3166-1 alpha-3 as OCPI has it.
        tariff_kind: Type of the tariff applied, such as `REGULAR`.
        total_cost: Before taxes, in major units of the currency.
        total_energy: In kWh.
        total_time: In hours, parking included.
        credit_of: The id of the CDR that this one credits; empty on a charge.
        document: The sender's message, serialised.
        digest: SHA-256 of the document.
    """

    id: ObjectId
    emsp: PartyId
    token_uid: str
    token_type: str
    contract_id: str
    session_id: str
    authorization_reference: str
    location_id: str
    evse_uid: str
    connector_id: str
    country: str
    tariff_kind: str
    start_time: datetime
    end_time: datetime
    currency: str
    total_cost: Decimal
    total_energy: Decimal
    total_time: Decimal
    periods: PeriodSums
    credit: bool
    credit_of: str
    document: bytes
    digest: bytes


class CdrState(IntEnum):
    """What the hub made of a CDR; the numbers are the stored and the published ones."""

    ACCEPTED = 1
    RETURNED = 2


class Severity(IntEnum):
    """How much a finding weighs; the numbers are the stored and the published ones."""

    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing the checks found; `field` is its path in the CDR."""

    code: str
    severity: Severity
    field: str
    message: str


class CdrAnswer(NamedTuple):
    """What became of a submitted CDR: its state, its place in the clearing journal, and what was found."""

    state: CdrState
    receipt: Receipt
    recorded_time: datetime
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrRecord:
    """A CDR on record: its message, whose it is, and the answer it got."""

    id: ObjectId
    emsp: PartyId
    agreement: str
    document: bytes
    answer: CdrAnswer
