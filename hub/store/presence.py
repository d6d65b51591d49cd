"""Who can be reached."""

from collections.abc import Callable, Mapping

from sqlalchemy import bindparam, select

from hub.app.directory import Directory
from hub.app.ports.presence import Presences, Reachability
from hub.domain.ids import PartyId
from hub.store.session import Session
from hub.store.statements import Statement, insert_into
from hub.store.tables.routing import PresenceRow
from hub.store.types import from_micros, to_micros

_ROW = PresenceRow.__table__  # type: ignore[attr-defined]
_ALL = Statement(select(*_ROW.c))
_DELETE = Statement(_ROW.delete().where(_ROW.c.party == bindparam("party_")))


class StoredPresences:
    """Implements `hub.app.ports.presence.Presences`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def find_all(self) -> Mapping[PartyId, Reachability]:
        """Return what is recorded of every party."""
        numbers = self._directory().by_number
        return {
            numbers[number].id: Reachability(connected=bool(connected), since=from_micros(since))
            for number, connected, since in _ALL.all(self._session.connection)
        }

    def save(self, party: PartyId, reachability: Reachability) -> None:
        """Insert or replace."""
        number = self._directory().parties[party].number
        _DELETE.run(self._session.connection, (number,))
        row = number, int(reachability.connected), to_micros(reachability.since)
        insert_into(PresenceRow).run(self._session.connection, row)


_: type[Presences] = StoredPresences
