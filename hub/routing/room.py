"""The whole of routing, built and started as one; the composition root holds one of these."""

from collections.abc import Callable, Mapping, Sequence

import grpc

from hub.app.directory import Directory
from hub.app.ports.partners import PresenceSink
from hub.app.ports.trust import platform_host
from hub.domain.clock import NewId
from hub.domain.ids import PartyId
from hub.domain.parties import PartyState
from hub.routing.bus import LocalBus
from hub.routing.dialled import Dialled, Endpoint
from hub.routing.links import Links
from hub.routing.outcomes import Counts, Observe
from hub.routing.partners import RoutedPartners
from hub.routing.presence import HealthPings, PresenceTracker


class Routing:
    """Links, endpoints, presence, and the port that use cases ask partners by.

    Attributes:
        links: What LinkService opens links in; `await links.drain(seconds)` asks partners to leave them.
        partners: Implements `hub.app.ports.partners.Partners`.
        counts: What happened on the ways, for the metrics.
    """

    def __init__(
        self,
        *,
        directory: Callable[[], Directory],
        credentials: grpc.ChannelCredentials,
        presence: PresenceSink,
        new_id: NewId,
        keepalive_seconds: float,
        partner_timeout_seconds: float,
        message_bytes_max: int,
        offline_grace_seconds: float = 3.0,
        observe: Observe = lambda _kind, _way, _outcome, _seconds: None,
    ) -> None:
        self._directory = directory
        self._seen: Directory | None = None
        self._endpoints: dict[Endpoint, list[PartyId]] = {}
        self._looked: Mapping[Endpoint, Sequence[PartyId]] = self._endpoints
        self.counts = Counts()
        self._tracker = PresenceTracker(sink=presence, endpoints=self.endpoints, grace_seconds=offline_grace_seconds)
        self.links = Links(
            new_id=new_id,
            keepalive_seconds=keepalive_seconds,
            counts=self.counts,
            platform_of=self._platform_of,
            changed=self._tracker.link_changed,
        )
        self._dialled = Dialled(
            credentials=credentials,
            new_id=new_id,
            message_bytes_max=message_bytes_max,
            keepalive_seconds=keepalive_seconds,
            reached=self._tracker.endpoint_called,
        )
        self.partners = RoutedPartners(
            bus=LocalBus(self.links),
            dialled=self._dialled,
            endpoint_of=self._endpoint_of,
            counts=self.counts,
            observe=observe,
        )
        self._pings = HealthPings(
            dialled=self._dialled,
            endpoints=self.endpoints,
            every_seconds=keepalive_seconds,
            timeout_seconds=partner_timeout_seconds,
        )

    def start(self, recorded: Mapping[PartyId, bool]) -> None:
        """Watch presence from here on; `recorded` is what was recorded of it last."""
        self._tracker.start(recorded)
        self._pings.start()

    def look(self) -> None:
        """Act on what has changed about endpoints: new ones are pinged at once, and not when their turn comes."""
        endpoints = self.endpoints()
        if endpoints is not self._looked:
            self._looked = endpoints
            self._tracker.look()
            self._pings.look()

    def named(self, party: PartyId) -> None:
        """Look at once whether a party out of reach answers where it has just said that it serves."""
        endpoint = self._endpoint_of(party)
        if endpoint is not None and not self.reachable(party):
            self._pings.again(endpoint)

    async def stop(self) -> None:
        """End what runs in the background and close every connection to an endpoint."""
        await self._pings.stop()
        await self._tracker.stop()
        await self._dialled.close()

    def reachable(self, party: PartyId) -> bool:
        """Say whether the party can be reached, as recorded last."""
        return self._tracker.connected(party)

    def endpoints(self) -> Mapping[Endpoint, Sequence[PartyId]]:
        """Return every endpoint of a party that takes part, with the parties served there."""
        directory = self._directory()
        if directory is not self._seen:
            self._seen = directory
            self._endpoints = {}
            for party in directory.parties.values():
                endpoint = _endpoint(directory, party.id)
                if endpoint is not None:
                    self._endpoints.setdefault(endpoint, []).append(party.id)
        return self._endpoints

    def _platform_of(self, party: PartyId) -> str | None:
        """Return whose links answer for a party: nobody's while it is suspended."""
        found = self._directory().parties.get(party)
        return None if found is None or found.state is PartyState.SUSPENDED else found.platform

    def _endpoint_of(self, party: PartyId) -> Endpoint | None:
        return _endpoint(self._directory(), party)


def _endpoint(directory: Directory, party: PartyId) -> Endpoint | None:
    found = directory.parties.get(party)
    if found is None or not found.endpoint or found.state is PartyState.SUSPENDED:
        return None
    return Endpoint(found.endpoint, platform_host(found.platform))
