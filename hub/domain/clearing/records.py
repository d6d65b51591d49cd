"""What is on record about a statement: its document with what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.domain.acknowledgements import Decision
from hub.domain.clearing.positions import Obligation
from hub.domain.ids import PartyId
from hub.domain.money import Money


class StatementState(StrEnum):
    """Where a statement stands."""

    DRAFT = "DRAFT"
    ISSUED = "ISSUED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    ACKNOWLEDGED_IN_PART = "ACKNOWLEDGED_IN_PART"
    REJECTED = "REJECTED"
    DEEMED_ACCEPTED = "DEEMED_ACCEPTED"


#: What the debtor's answer makes of a statement.
ANSWERED = {
    Decision.ACCEPT: StatementState.ACKNOWLEDGED,
    Decision.ACCEPT_EXCEPT: StatementState.ACKNOWLEDGED_IN_PART,
    Decision.REJECT: StatementState.REJECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRecord:
    """One statement; amounts are minor units of its currency.

    Attributes:
        name: Resource name.
        period: Resource name of its period.
        digest: SHA-256 of the document, hexadecimal.
        document: The document; never changes once issued.
        envelope: Its DSSE envelope; empty on a draft.
        issue_index: Journal index of its issue; None on a draft.
    """

    name: str
    period: str
    creditor: PartyId
    debtor: PartyId
    currency: str
    state: StatementState
    digest: str
    document: bytes
    cdr_count: int
    net: int
    tax: int
    payable: int
    envelope: bytes = b""
    issue_index: int | None = None
    issue_time: datetime | None = None

    @property
    def obligation(self) -> Obligation:
        """What it leaves to pay."""
        return Obligation(
            statement=self.name,
            debtor=self.debtor,
            creditor=self.creditor,
            payable=Money(minor=self.payable, currency=self.currency),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgementRecord:
    """A party's answer to a statement, as recorded: its document and the envelope around it."""

    statement: str
    party: PartyId
    document: bytes
    envelope: bytes
    recorded_time: datetime
