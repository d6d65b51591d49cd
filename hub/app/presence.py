"""Recording who came within reach and who went out of it."""

from collections.abc import Sequence

from hub.app.ports.partners import PresenceSink
from hub.app.ports.presence import PresenceDocument, Reachability
from hub.app.ports.spine import Committer
from hub.app.ports.uow import UnitOfWork
from hub.domain.ids import PartyId
from hub.domain.journal import EntryKind, Fact, Stream


class PresenceRecorder:
    """Implements `hub.app.ports.partners.PresenceSink` with the committer."""

    def __init__(self, *, committer: Committer, document: PresenceDocument) -> None:
        self._committer = committer
        self._document = document

    async def changed(self, changes: Sequence[tuple[PartyId, bool]]) -> None:
        """Record the changes, each with a fact that the party's partners see."""

        def record(uow: UnitOfWork) -> None:
            for party, connected in changes:
                if party not in uow.directory.parties:
                    continue
                uow.presences.save(party, Reachability(connected=connected, since=uow.now))
                body = self._document(party, connected, uow.now)
                fact = Fact(kind=EntryKind.PRESENCE, owner=party, subject=party.name, body=body)
                uow.journal.append(Stream.REGISTRY, fact)

        await self._committer.run(record)


def recorded_presence(uow: UnitOfWork) -> dict[PartyId, bool]:
    """Return for every party that was ever connected whether it is so now, as last recorded."""
    return {party: reachability.connected for party, reachability in uow.presences.find_all().items()}


_: type[PresenceSink] = PresenceRecorder
