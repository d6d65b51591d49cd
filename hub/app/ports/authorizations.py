"""Storage of authorizations given."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub.domain.authorizations import Authorization, AuthorizationFacts
from hub.domain.ids import PartyId


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationFilter:
    """Which records to list: of one party as CPO or as eMSP, recorded from `start` on and before `end`."""

    party: PartyId
    start: datetime | None = None
    end: datetime | None = None


class Authorizations(Protocol):
    """Authorizations by CPO and reference; append-only. Records hold no token document."""

    def add(self, authorization: Authorization) -> None:
        """Record an answer."""
        ...

    def find_many(self, keys: Iterable[tuple[int, str]]) -> Mapping[tuple[int, str], AuthorizationFacts]:
        """Return what checks need of the answers with these (CPO number, reference); one query for each CPO."""
        ...

    def find(self, reference: str, parties: Collection[PartyId]) -> Authorization | None:
        """Return the record with this reference in which one of the parties is CPO or eMSP."""
        ...

    def list(self, wanted: AuthorizationFilter, before_reference: str, limit: int) -> Sequence[Authorization]:
        """Return records by descending reference, those below `before_reference` unless that is empty."""
        ...
