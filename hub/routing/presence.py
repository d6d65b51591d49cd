"""Who can be reached: a party with an open link, or with an endpoint that answers.

Going out of reach counts only when it lasts (`grace_seconds`): partners change links and restart. What was recorded
last is compared with what is, and only differences are recorded, in the order in which they came about.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from roamhub.v1 import partner_pb2

from hub.app.ports.partners import PresenceSink
from hub.domain.errors import HubError
from hub.domain.ids import PartyId
from hub.routing.dialled import Dialled, Endpoint
from hub.routing.outcomes import AnsweredBadlyError, NotSentError, SilentError

_log = logging.getLogger(__name__)

#: Calls in a row that must fail before an endpoint counts as away.
_FAILURES_MAX = 2
_PINGS_AT_ONCE = 50
_RETRY_SECONDS = 1.0
#: So often a partner may say that it serves its endpoint, and the hub looks at once.
_SAID_SECONDS = 1.0


class PresenceTracker:
    """Watches links and endpoints and records who came within reach and who went out of it.

    Args:
        sink: Records the changes.
        endpoints: The endpoints there are, each with the parties served there.
        grace_seconds: How long a party must be out of reach before it counts as offline.
    """

    def __init__(
        self,
        *,
        sink: PresenceSink,
        endpoints: Callable[[], Mapping[Endpoint, Sequence[PartyId]]],
        grace_seconds: float = 3.0,
    ) -> None:
        self._sink = sink
        self._endpoints = endpoints
        self._grace = grace_seconds
        self._linked: set[PartyId] = set()
        self._failures: dict[Endpoint, int] = {}
        self._gone_since: dict[PartyId, float] = {}
        self._recorded: dict[PartyId, bool] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, recorded: Mapping[PartyId, bool]) -> None:
        """Begin; `recorded` is what was recorded last, by this process or another."""
        self._recorded = dict(recorded)
        self._wake.set()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Record no more. Parties stay as they were recorded: a restart is no change of theirs."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def connected(self, party: PartyId) -> bool:
        """Say whether the party can be reached, as recorded last."""
        return self._recorded.get(party, False)

    def link_changed(self, party: PartyId, connected: bool) -> None:
        """Note that the party's first link has opened, or its last one closed."""
        (self._linked.add if connected else self._linked.discard)(party)
        self._wake.set()

    def endpoint_called(self, endpoint: Endpoint, reached: bool) -> None:
        """Note whether a call reached an endpoint."""
        before = self._failures.get(endpoint)
        # One that was never reached is away from its first failure on.
        after = 0 if reached else _FAILURES_MAX if before is None else min(before + 1, _FAILURES_MAX)
        if after != before:
            self._failures[endpoint] = after
            self._wake.set()

    def look(self) -> None:
        """Compare what is with what was recorded: endpoints have come or gone."""
        self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            changes, recheck = self._differences(loop.time())
            if changes:
                try:
                    await self._sink.changed(changes)
                    self._recorded.update(changes)
                except HubError as error:
                    _log.warning("presence_not_recorded", extra={"reason": error.reason})
                    recheck = _RETRY_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(recheck):
                    await self._wake.wait()

    def _differences(self, now: float) -> tuple[list[tuple[PartyId, bool]], float | None]:
        """Return what differs from the record, and in how many seconds to look again at the latest."""
        reachable = set(self._linked)
        endpoints = self._endpoints()
        for gone in self._failures.keys() - endpoints.keys():
            del self._failures[gone]
        for endpoint, parties in endpoints.items():
            if self._failures.get(endpoint, _FAILURES_MAX) < _FAILURES_MAX:
                reachable.update(parties)
        changes = []
        recheck: float | None = None
        for party in reachable:
            self._gone_since.pop(party, None)
            if not self._recorded.get(party, False):
                changes.append((party, True))
        for party, connected in self._recorded.items():
            if not connected or party in reachable:
                continue
            left = self._gone_since.setdefault(party, now) + self._grace - now
            if left <= 0:
                del self._gone_since[party]
                changes.append((party, False))
            else:
                recheck = left if recheck is None else min(recheck, left)
        return changes, recheck


class HealthPings:
    """Pings endpoints in turn, so that their presence is known without anybody's request."""

    def __init__(
        self,
        *,
        dialled: Dialled,
        endpoints: Callable[[], Mapping[Endpoint, Sequence[PartyId]]],
        every_seconds: float,
        timeout_seconds: float,
    ) -> None:
        self._dialled = dialled
        self._endpoints = endpoints
        self._every = every_seconds
        self._timeout = timeout_seconds
        self._pinged: frozenset[Endpoint] = frozenset()
        self._said: set[Endpoint] = set()
        self._said_at: dict[Endpoint, float] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def look(self) -> None:
        """Ping the endpoints that are new."""
        self._wake.set()

    def again(self, endpoint: Endpoint) -> None:
        """Ping an endpoint at once, although it is left alone: its partner says that it serves there.

        More than once a second is no news: nobody is to have the hub knock at an address without end.
        """
        now = asyncio.get_running_loop().time()
        if now - self._said_at.get(endpoint, -_SAID_SECONDS) >= _SAID_SECONDS:
            self._said_at[endpoint] = now
            self._said.add(endpoint)
            self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._every
            await self._ping_each(frozenset())
            await self._dialled.close_idle()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    while await self._wake.wait():
                        self._wake.clear()
                        said, self._said = frozenset(self._said), set()
                        for endpoint in said:
                            await self._dialled.renew(endpoint)
                        await self._ping_each(self._pinged - said)

    async def _ping_each(self, but: frozenset[Endpoint]) -> None:
        self._pinged = frozenset(self._endpoints())
        for gone in self._said_at.keys() - self._pinged:
            del self._said_at[gone]
        places = asyncio.Semaphore(_PINGS_AT_ONCE)
        await asyncio.gather(*(self._ping(endpoint, places) for endpoint in self._pinged - but))

    async def _ping(self, endpoint: Endpoint, places: asyncio.Semaphore) -> None:
        request = partner_pb2.PingRequest()
        request.send_time.GetCurrentTime()
        async with places:
            # What came of it is told to the tracker by whoever dials.
            with suppress(NotSentError, SilentError, AnsweredBadlyError):
                await self._dialled.ask(endpoint, "ping", request, self._timeout, "")
