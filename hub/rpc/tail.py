"""The tail of the journal: the newest entries in memory, shared by everybody who watches.

The committer's groups arrive here after their commit. A watcher that has read up to now waits for the next ones; one
that is further behind than the tail reaches reads from storage. In a process beside others the tail learns of their
commits by looking at the head every so often.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from hub.domain.journal import Entry, Stream

#: Entries of one stream kept in memory, and how many bytes of facts these may hold: a report on a thousand EVSEs is
#: a hundred times as long as a session.
KEPT = 8_192
KEPT_BYTES = 24 * 1024 * 1024


class JournalTail:
    """Holds the newest entries and wakes those who wait; used from the event loop only."""

    def __init__(self, *, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._bytes = dict.fromkeys(Stream, 0)
        self._heads = dict.fromkeys(Stream, 0)
        self._entries: dict[Stream, deque[Entry]] = {stream: deque() for stream in Stream}
        self._news: dict[Stream, asyncio.Event] = {stream: asyncio.Event() for stream in Stream}
        self._stopping = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether the hub is shutting down: watchers end so that their partners reconnect elsewhere."""
        return self._stopping.is_set()

    def head(self, stream: Stream) -> int:
        """Return the number of entries known to be committed."""
        return self._heads[stream]

    def publish(self, entries: Sequence[Entry]) -> None:
        """Take in the entries of one committed group and wake the watchers."""
        for entry in entries:
            kept = self._entries[entry.stream]
            if kept and entry.index != kept[-1].index + 1:
                # Another process committed in between: what is kept must stay without gaps.
                kept.clear()
                self._bytes[entry.stream] = 0
            kept.append(entry)
            self._bytes[entry.stream] += len(entry.fact.body)
            while len(kept) > self._kept or (self._bytes[entry.stream] > self._kept_bytes and len(kept) > 1):
                self._bytes[entry.stream] -= len(kept.popleft().fact.body)
            self._heads[entry.stream] = max(self._heads[entry.stream], entry.index + 1)
        for stream in {entry.stream for entry in entries}:
            self._wake(stream)

    def advance(self, heads: dict[Stream, int]) -> None:
        """Learn how far the streams have grown, whoever wrote to them."""
        for stream, head in heads.items():
            if head > self._heads[stream]:
                self._heads[stream] = head
                self._wake(stream)

    def _wake(self, stream: Stream) -> None:
        news, self._news[stream] = self._news[stream], asyncio.Event()
        news.set()

    def after(self, stream: Stream, index: int, limit: int) -> list[Entry] | None:
        """Return entries after an index, at most `limit`; None when they are no longer, or not yet, in memory."""
        kept = self._entries[stream]
        if not kept or index + 1 < kept[0].index or kept[-1].index + 1 < self._heads[stream]:
            return None
        start = index + 1 - kept[0].index
        return [kept[i] for i in range(start, min(start + limit, len(kept)))]

    async def wait(self, stream: Stream, index: int, seconds: float) -> bool:
        """Wait until there is an entry after an index, or the hub stops; False when the time ran out first."""
        if self._heads[stream] > index + 1 or self.stopping:
            return True
        news = self._news[stream]
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """Wake every watcher for the last time."""
        self._stopping.set()
        for stream in Stream:
            self._wake(stream)
