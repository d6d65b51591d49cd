"""Storage of agreements, one row for each version."""

from collections.abc import Collection, Sequence
from typing import Protocol

from hub.domain.agreements import Agreement, AgreementState
from hub.domain.ids import PartyId


class Agreements(Protocol):
    """Versions of agreements; every change makes the directory be read anew by the next transaction."""

    def versions(self, agreement_id: str) -> Sequence[Agreement]:
        """Return all versions of one agreement, the first one first; none when there is no such agreement."""
        ...

    def living(self, cpo: PartyId, emsp: PartyId) -> Sequence[Agreement]:
        """Return the versions between the two that are not over, at most one in force and one on its way."""
        ...

    def page(
        self, parties: Collection[PartyId], *, state: AgreementState | None, after_id: str, limit: int
    ) -> Sequence[Agreement]:
        """Return agreements in which one of the parties takes part, by ascending id, each by its telling version.

        Args:
            parties: Whose agreements.
            state: Only those with a version in this state, and that version.
            after_id: Only those with a greater id.
            limit: How many at most.
        """
        ...

    def save(self, *agreements: Agreement) -> None:
        """Insert or replace versions, in this order."""
        ...
