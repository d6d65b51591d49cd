"""Storage of platforms and parties."""

from typing import Protocol

from hub.domain.ids import PartyId
from hub.domain.parties import Party


class Parties(Protocol):
    """Parties by id; every change makes the directory be read anew by the next transaction."""

    def find(self, party: PartyId) -> Party | None:
        """Return the party, or None."""
        ...

    def save(self, party: Party) -> Party:
        """Insert or replace a party; a number of 0 is replaced by the next free one. Returns what was stored."""
        ...
