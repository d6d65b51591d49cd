"""The way to links, wherever in the cluster they are open.

A single process has its own links and nothing else. A cluster bus adds the other nodes': a request travels to the node
that holds the party's link as the serialised message, and the answer or the outcome travels back.
"""

from typing import Protocol

from google.protobuf.message import Message

from hub.domain.ids import PartyId
from hub.routing.links import Links


class Bus(Protocol):
    """Reaches parties over links."""

    def reaches(self, party: PartyId) -> bool:
        """Say whether a link of the party is open somewhere."""
        ...

    async def ask(self, party: PartyId, kind: str, request: Message, seconds: float, correlation_id: str) -> Message:
        """Ask over a link of the party; raises as `hub.routing.links.Links.ask`."""
        ...


class LocalBus:
    """The bus of a hub that is one process."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self.ask = links.ask  # no frame between: this is the hot path

    def reaches(self, party: PartyId) -> bool:
        """Say whether the party has a link here."""
        return self._links.connected(party)


_: type[Bus] = LocalBus
