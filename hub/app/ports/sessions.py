"""Storage of charging sessions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from hub.domain.cdrs.checks import KnownSession
from hub.domain.ids import ObjectId, PartyId
from hub.domain.sessions import ChargingSession, SessionState


class ChargingSessions(Protocol):
    """Sessions by CPO and id."""

    def find(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, ChargingSession]:
        """Return those that are stored."""
        ...

    def known(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, KnownSession]:
        """Return what the checks of CDRs ask, of those that are stored."""
        ...

    def save(self, session: ChargingSession) -> None:
        """Insert or replace a session."""
        ...

    def list(
        self, parties: frozenset[PartyId], state: SessionState | None, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[tuple[int, str], ChargingSession]]:
        """Return sessions in which one of the parties is CPO or eMSP, each with its position, by position.

        The position is the CPO's number and the folded id; `(0, "")` is before the first.
        """
        ...
