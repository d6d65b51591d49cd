"""What the checks of CDRs ask of the rest of the hub."""
# ruff: noqa: ARG002 - connected as the rooms that hold these facts join

from collections.abc import Callable, Iterable, Mapping

from hub.app.directory import Directory
from hub.app.ports.cdrs import TokenKey
from hub.domain.cdrs.checks import KnownAuthorization, KnownEvse
from hub.domain.ids import ObjectId
from hub.store.session import Session


class StoredCdrFacts:
    """Implements `hub.app.ports.cdrs.CdrFacts`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def authorizations(self, references: Iterable[str]) -> Mapping[str, KnownAuthorization]:
        """Return the answers that these authorization references stand for."""
        return {}

    def tokens(self, tokens: Iterable[TokenKey]) -> frozenset[TokenKey]:
        """Return those that their eMSP has published."""
        return frozenset()

    def evses(self, locations: Iterable[ObjectId]) -> Mapping[ObjectId, Mapping[str, KnownEvse]]:
        """Return the EVSEs of those locations that are published."""
        return {}
