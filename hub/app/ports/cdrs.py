"""Storage of CDRs, and what their checks ask of everything else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from hub.domain.cdrs.checks import KnownAuthorization
from hub.domain.cdrs.record import Cdr, CdrAnswer, CdrRecord, CdrState
from hub.domain.cdrs.standing import Standing
from hub.domain.ids import ObjectId, PartyId
from hub.domain.tokens import TokenKey


class StoredCdr(NamedTuple):
    """What a later submission, or a credit, must know of a CDR on record; amounts in ten-thousandths."""

    digest: bytes
    answer: CdrAnswer
    emsp: PartyId
    currency: str
    amount: int
    energy: int
    country: str
    tariff_kind: str
    tax_date: date
    agreement: str
    credit: bool

    @property
    def accepted(self) -> bool:
        """Whether it is to be settled."""
        return self.answer.state is CdrState.ACCEPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrFilter:
    """Which CDRs to list.

    Attributes:
        parties: Those that one of these submitted or is to pay; None for everybody's.
        counterparty: Of those, the ones with this party on the other side; only with `parties`.
        state: Those in this state; None for any.
        end_time_from: Those whose session ended then or later.
        end_time_before: Those whose session ended before.
    """

    parties: frozenset[PartyId] | None
    counterparty: PartyId | None = None
    state: CdrState | None = None
    end_time_from: datetime | None = None
    end_time_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnsFilter:
    """Which CDRs to list of those that wait for somebody.

    Attributes:
        parties: On either side; None for everybody's.
        state: RETURNED or QUARANTINED; None for both.
        acting: Only those on which one of the parties has to act; of everybody's that is each.
        deadline_before: Only those with an earlier deadline.
    """

    parties: frozenset[PartyId] | None
    state: CdrState | None = None
    acting: bool = False
    deadline_before: datetime | None = None


class Cdrs(Protocol):
    """CDRs on record. They are added and never changed; what changes about some of them is their standing."""

    def find(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, StoredCdr]:
        """Return those that are on record; the answer's state is that of now."""
        ...

    def credited(self, ids: Iterable[ObjectId]) -> frozenset[ObjectId]:
        """Return those that an accepted credit names."""
        ...

    def after_taxes(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, Decimal]:
        """Return the total costs after taxes, in major units, of those on record that state one."""
        ...

    def add(self, cdr: Cdr, stored: StoredCdr) -> None:
        """Record a CDR."""
        ...

    def get(self, cdr: ObjectId) -> CdrRecord | None:
        """Return the record of one CDR."""
        ...

    def list(self, wanted: CdrFilter, after_index: int, limit: int) -> Sequence[CdrRecord]:
        """Return records whose first journal index is greater than `after_index`, in that order."""
        ...

    def changes(self, parties: Iterable[PartyId], after_index: int, limit: int) -> Sequence[CdrRecord]:
        """Return records to which something happened after a journal index, in the order of what happened last.

        Their states are those of the journal: STATED and SETTLED are not among them.
        """
        ...

    def returns(self, wanted: ReturnsFilter, after: tuple[int, int] | None, limit: int) -> Sequence[CdrRecord]:
        """Return records that wait for somebody by (deadline in microseconds, last index), those after this key."""
        ...


class CdrStandings(Protocol):
    """Where CDRs stand that were not accepted at once."""

    def find(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, Standing]:
        """Return the standings of those that have one."""
        ...

    def save(self, standing: Standing) -> None:
        """Insert or replace a standing."""
        ...

    def due(self, limit: int) -> Sequence[Standing]:
        """Return those whose open deadline has come, the earliest first."""
        ...


#: An authorization as a CDR quotes it: the CPO that was answered, and the reference.
AuthorizationKey = tuple[PartyId, str]

#: What a CDR is proven by: the CPO, and SHA-256 of what its meter signed at the transaction's end.
Proof = tuple[PartyId, bytes]


class CdrFacts(Protocol):
    """What the checks of CDRs ask of the rest of the hub; each method is one query."""

    def authorizations(self, quoted: Iterable[AuthorizationKey]) -> Mapping[AuthorizationKey, KnownAuthorization]:
        """Return the answers that CPOs quote, each by the CPO and the reference."""
        ...

    def tokens(self, tokens: Iterable[TokenKey]) -> frozenset[TokenKey]:
        """Return those that their eMSP has published, whether valid now or not."""
        ...

    def proofs(self, proofs: Iterable[Proof]) -> Mapping[Proof, Sequence[ObjectId]]:
        """Return the CDRs on record that the same signed values came with, whatever became of them."""
        ...
