"""Storage of what accepted charges occupy."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from hub.domain.cdrs.spans import Span
from hub.domain.ids import ObjectId, PartyId


class Occupied(NamedTuple):
    """What an accepted charge occupies; `idx` is the journal index with which it was recorded, whatever came of it."""

    span: Span
    idx: int


class Shared(NamedTuple):
    """Journal indexes of charges: one that overlaps on the token, one on the EVSE, and a twin; None where none does."""

    token: int | None
    evse: int | None
    twin: int | None


class Spans(Protocol):
    """Spans of accepted charges that have not been credited."""

    def neighbours(self, spans: Sequence[Span], apart_from: Collection[int]) -> Mapping[int, Shared]:
        """Return what spans share with those on record, in one query, by their place in the sequence.

        Args:
            spans: Of charges that are not on record.
            apart_from: Journal indexes of charges that do not count.
        """
        ...

    def names(self, cpo: PartyId, emsp: PartyId, indexes: Collection[int]) -> Mapping[int, str]:
        """Return the ids of those CDRs, by journal index, that this CPO submitted for this eMSP."""
        ...

    def of(self, charges: Iterable[ObjectId]) -> Mapping[ObjectId, Occupied]:
        """Return what those charges on record say that they occupy, accepted or not; credits occupy nothing."""
        ...

    def add(self, charges: Iterable[Occupied]) -> None:
        """Record what charges occupy."""
        ...

    def remove(self, charges: Iterable[Occupied]) -> None:
        """Forget what charges occupied."""
        ...

    def has_before(self, owner: PartyId, instant: datetime) -> bool:
        """Say whether anything is recorded of a party's tokens and EVSEs that `remove_before` would forget."""
        ...

    def remove_before(self, owner: PartyId, instant: datetime, limit: int) -> int:
        """Forget what occupied a party's tokens and EVSEs days before an instant, the oldest first.

        What lies within four days before it may stay. Returns how many rows were removed, at most `limit`; a charge has
        one for each four days and side.
        """
        ...
