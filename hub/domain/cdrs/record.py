"""A CDR as the hub reasons about it, and the record of what became of it.

The sender's message is the record and is kept as sent (`document`); these are the facts read from it. What is made
once for every CDR is a named tuple: as immutable as a frozen dataclass, and made in half the time.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

from hub.domain.cdrs.periods import PeriodSums, ReportedPeriods
from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import Receipt
from hub.domain.meter.evidence import MeterEvidence
from hub.domain.tariffs import GivenTariff


class ClaimedCost(NamedTuple):
    """A cost that a CDR states: the name of its total, and both sides of the tax as far as stated."""

    total: str
    before_taxes: Decimal | None
    after_taxes: Decimal | None


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
        periods: What the checks ask of the charging periods.
        credit_of: The id of the CDR that this one credits; empty on a charge.
        document: The sender's message, serialised.
        digest: SHA-256 of the document.
        meter: What its signed meter values were found to prove on arrival; None on one without any, and on a credit.
        tariffs: Those inside the CDR.
        tariff_ids: Folded ids of the tariffs that the CDR or its periods name, each once.
        reported: The charging periods.
        costs: What the CDR states of its costs, the total's first.
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
    meter: MeterEvidence | None = None
    tariffs: tuple[GivenTariff, ...] = ()
    tariff_ids: tuple[str, ...] = ()
    reported: ReportedPeriods = ReportedPeriods()
    costs: tuple[ClaimedCost, ...] = ()

    @property
    def after_taxes(self) -> Decimal | None:
        """The total cost after taxes, in major units; None where the CDR states none."""
        return next((cost.after_taxes for cost in self.costs if cost.total == "total_cost"), None)


class CdrState(IntEnum):
    """Where a CDR stands; the numbers are the stored and the published ones.

    A CDR is received and decided on in one transaction, so that nobody ever sees it RECEIVED. STATED and SETTLED are
    not stored with it: they follow from the statement in whose range its acceptance lies.
    """

    ACCEPTED = 1
    RETURNED = 2
    QUARANTINED = 3
    RESUBMITTED = 4
    WITHDRAWN = 5
    STATED = 6
    SETTLED = 7


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
    """What a submission is answered: receipt and findings are those of the first answer, the state is that of now.

    Attributes:
        state: Where the CDR stands.
        receipt: Its place in the clearing journal.
        recorded_time: When it was recorded there.
        findings: What the checks found.
        deadline: Until when somebody has to act; None when nobody has to.
        rated: Our total cost before taxes, in major units of the currency; None where there is none.
    """

    state: CdrState
    receipt: Receipt
    recorded_time: datetime
    findings: tuple[Finding, ...]
    deadline: datetime | None = None
    rated: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One state of a CDR, and what brought it there.

    Attributes:
        index: That of the entry in the clearing journal.
        cause: One of `hub.domain.cdrs.standing.Cause`.
        note: What who caused it said, for people.
        findings: What was found when the CDR came into this state later than on submission.
    """

    state: CdrState
    index: int
    time: datetime
    cause: str
    note: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrRecord:
    """A CDR on record.

    Attributes:
        id: Its key; the party is the CPO.
        emsp: The eMSP that is to pay.
        agreement: Resource name of the agreement it falls under.
        currency: ISO 4217 code.
        document: The CPO's message, serialised.
        answer: What its submission was answered, with the state of now.
        steps: All its states but STATED and SETTLED, in order.
        awaited: Who has to act before the answer's deadline; None when nobody has to.
        replaces: The CPO's id of the returned CDR whose place it takes; empty when there is none.
        replaced_by: The CPO's id of the CDR that takes its place; empty when there is none.
        statement: Resource name of the issued statement that it stands in; empty before.
        meter: What its signed meter values proved when it was submitted; None without any.
    """

    id: ObjectId
    emsp: PartyId
    agreement: str
    currency: str
    document: bytes
    answer: CdrAnswer
    steps: tuple[Step, ...]
    awaited: PartyId | None = None
    replaces: str = ""
    replaced_by: str = ""
    statement: str = ""
    meter: MeterEvidence | None = None

    @property
    def last_index(self) -> int:
        """Index in the clearing journal of what last happened to it."""
        return self.steps[-1].index

    @property
    def accepted_index(self) -> int | None:
        """Index in the clearing journal of its acceptance, by which it falls into a period; None without."""
        last = self.steps[-1]
        return last.index if last.state is CdrState.ACCEPTED else None
