"""All links open in this process, by the parties they answer for; several of one party share the load."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from google.protobuf.message import Message

from hub.domain.clock import NewId
from hub.domain.errors import Exhausted, Unreachable
from hub.domain.ids import PartyId
from hub.routing.link import Link
from hub.routing.outcomes import Counts, NotSentError

_log = logging.getLogger(__name__)

_LINKS_OF_PARTY_MAX = 64
_CONCURRENCY_DEFAULT = 1_000
#: Requests held back for a party whose links are all full; more are refused at once.
_HELD_BACK_MAX = 10_000


class Links:
    """Opens, closes, drains and uses links.

    Args:
        keepalive_seconds: After how long a silence a link is asked for life, and how long it may take to answer.
        platform_of: Tells who operates a party now; a link of another platform's is not used for it any more.
        changed: Told of a party when its first link has opened and when its last one has closed.
    """

    def __init__(
        self,
        *,
        new_id: NewId,
        keepalive_seconds: float,
        counts: Counts,
        platform_of: Callable[[PartyId], str | None],
        changed: Callable[[PartyId, bool], None] = lambda _party, _connected: None,
    ) -> None:
        self._new_id = new_id
        self._keepalive = keepalive_seconds
        self._counts = counts
        self._platform_of = platform_of
        self._changed = changed
        self._by_party: dict[PartyId, list[Link]] = {}
        self._held_back: dict[PartyId, deque[asyncio.Future[None]]] = {}
        self._all: set[Link] = set()
        self._emptied = asyncio.Event()
        self._draining = False

    def __len__(self) -> int:
        return len(self._all)

    def open(
        self, platform: str, parties: Sequence[PartyId], concurrency_max: int, agent: str, *, batches: bool = False
    ) -> Link:
        """Open a link of a platform's for these parties of its own.

        Raises:
            Unreachable: HUB_DRAINING, the hub is about to stop.
            Exhausted: TOO_MANY_LINKS, one of the parties has as many as it may.
        """
        if self._draining:
            raise Unreachable("HUB_DRAINING", "this hub process is about to stop; connect again")
        for party in parties:
            if len(self._by_party.get(party, ())) >= _LINKS_OF_PARTY_MAX:
                raise Exhausted("TOO_MANY_LINKS", f"a party has at most {_LINKS_OF_PARTY_MAX} links")
        link = Link(
            id=self._new_id(),
            platform=platform,
            parties=parties,
            concurrency_max=concurrency_max or _CONCURRENCY_DEFAULT,
            agent=agent,
            batches=batches,
            keepalive_seconds=self._keepalive,
            counts=self._counts,
            on_free=self._freed,
            on_close=self._forget,
        )
        self._all.add(link)
        for party in parties:
            links = self._by_party.setdefault(party, [])
            links.append(link)
            if len(links) == 1:
                self._changed(party, True)
        self._let_on(parties)
        _log.info("link_opened", extra={"link": link.id, "parties": " ".join(map(str, parties)), "agent": agent})
        return link

    def _freed(self, link: Link) -> None:
        if self._held_back:
            self._let_on(link.parties)

    def _forget(self, link: Link) -> None:
        self._all.discard(link)
        for party in link.parties:
            links = self._by_party[party]
            links.remove(link)
            if not links:
                del self._by_party[party]
                self._changed(party, False)
        self._let_on(link.parties)  # whoever is held back finds that there is no link left
        if not self._all:
            self._emptied.set()
        _log.info("link_closed", extra={"link": link.id})

    def connected(self, party: PartyId) -> bool:
        """Say whether the party has a link that takes requests or will."""
        links = self._by_party.get(party)
        if links is None:
            return False
        platform = self._platform_of(party)
        return any(link.usable and link.platform == platform for link in links)

    async def ask(self, party: PartyId, kind: str, request: Message, seconds: float, correlation_id: str) -> Message:
        """Ask over the party's link with the fewest open requests; wait for a free place when all are full.

        Raises:
            NotSentError: There is no link, or no link had a free place in time.
            LostError, SilentError, AnsweredBadlyError: As `Link.ask`.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        link = self._choose(party)
        while link is None:
            await self._hold_back(party, deadline)
            link = self._choose(party)
        left = deadline - asyncio.get_running_loop().time()
        return await link.ask(kind, request, left, correlation_id)

    def _choose(self, party: PartyId) -> Link | None:
        """Return the least busy link with a free place, None when all are full; raises NotSentError."""
        best: Link | None = None
        usable = False
        platform = self._platform_of(party)
        for link in self._by_party.get(party, ()):
            if link.platform != platform or not link.usable:
                continue
            usable = True
            if link.takes_requests and (best is None or link.in_flight < best.in_flight):
                best = link
        if not usable:
            raise NotSentError
        return best

    async def _hold_back(self, party: PartyId, deadline: float) -> None:
        waiting = self._held_back.setdefault(party, deque())
        if len(waiting) >= _HELD_BACK_MAX:
            raise NotSentError("PARTNER_BUSY")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._let_on((party,))  # the place goes to the next one
            elif turn in waiting:
                waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise NotSentError("PARTNER_BUSY") from None
            raise
        finally:
            if not waiting and self._held_back.get(party) is waiting:
                del self._held_back[party]

    def _let_on(self, parties: Sequence[PartyId]) -> None:
        """Give the place that became free to whoever has been held back longest; wake all when no link is left."""
        for party in parties:
            waiting = self._held_back.get(party)
            while waiting:
                turn = waiting.popleft()
                if turn.done():
                    continue
                turn.set_result(None)
                if self.connected(party):
                    break

    async def drain(self, grace_seconds: float) -> None:
        """Ask every partner to leave its links and refuse new ones; end what is still open after the grace time."""
        self._draining = True
        if not self._all:
            return
        self._emptied.clear()
        for link in list(self._all):
            link.drain(grace_seconds)
        try:
            async with asyncio.timeout(grace_seconds):
                await self._emptied.wait()
        except TimeoutError:
            for link in list(self._all):
                link.close(Unreachable("HUB_DRAINING", "this hub process is about to stop; connect again"))
