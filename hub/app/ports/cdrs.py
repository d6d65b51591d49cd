"""Storage of CDRs, and what their checks ask of everything else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, Protocol

from hub.domain.cdrs.checks import KnownAuthorization
from hub.domain.cdrs.record import Cdr, CdrAnswer, CdrRecord, CdrState
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
    """Which CDRs to list: those that the parties submitted or are to pay."""

    parties: frozenset[PartyId]
    state: CdrState | None = None
    end_time_from: datetime | None = None
    end_time_before: datetime | None = None


class Cdrs(Protocol):
    """CDRs on record. They are added and never changed."""

    def find(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, StoredCdr]:
        """Return those that are on record."""
        ...

    def credited(self, ids: Iterable[ObjectId]) -> frozenset[ObjectId]:
        """Return those that an accepted credit names."""
        ...

    def add(self, cdr: Cdr, stored: StoredCdr) -> None:
        """Record a CDR."""
        ...

    def get(self, cdr: ObjectId) -> CdrRecord | None:
        """Return the record of one CDR."""
        ...

    def list(self, wanted: CdrFilter, after_index: int, limit: int) -> Sequence[CdrRecord]:
        """Return records with a journal index greater than `after_index`, in that order."""
        ...


#: An authorization as a CDR quotes it: the CPO that was answered, and the reference.
AuthorizationKey = tuple[PartyId, str]


class CdrFacts(Protocol):
    """What the checks of CDRs ask of the rest of the hub; each method is one query."""

    def authorizations(self, quoted: Iterable[AuthorizationKey]) -> Mapping[AuthorizationKey, KnownAuthorization]:
        """Return the answers that CPOs quote, each by the CPO and the reference."""
        ...

    def tokens(self, tokens: Iterable[TokenKey]) -> frozenset[TokenKey]:
        """Return those that their eMSP has published, whether valid now or not."""
        ...
