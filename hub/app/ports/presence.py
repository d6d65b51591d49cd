"""Storage of who can be reached."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub.domain.ids import PartyId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachability:
    """Whether a party can be reached, and since when that is so."""

    connected: bool
    since: datetime


#: Makes the published message of one change: the party, whether it is connected, since when.
PresenceDocument = Callable[[PartyId, bool, datetime], bytes]


class Presences(Protocol):
    """Reachability by party; a party that was never connected has none."""

    def find_all(self) -> Mapping[PartyId, Reachability]:
        """Return what is recorded of every party."""
        ...

    def save(self, party: PartyId, reachability: Reachability) -> None:
        """Insert or replace what is recorded of a party."""
        ...
