"""How many of the requests that the hub relayed to a party it answered in time, day by day."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple, Protocol

from hub.domain.ids import PartyId


class Answered(NamedTuple):
    """Requests relayed to a party, and those of them that it answered in time."""

    asked: int
    answered: int


class Answers(Protocol):
    """Sums by party and UTC day."""

    def add(self, counts: Mapping[tuple[PartyId, date], Answered]) -> None:
        """Add to what is recorded; parties that do not take part any more are left out."""
        ...

    def total(self, party: PartyId, first: date, last: date) -> Answered:
        """Return the sums of the days from the first to the last."""
        ...
