"""Client streams in chunks: what arrives while one chunk is being committed forms the next."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _End:
    """The stream has ended, with what it failed of."""

    failure: Exception | None


async def chunks(items: AsyncIterator[T], most: int) -> AsyncGenerator[list[T], None]:
    """Yield what has arrived: at least one item, at most `most`, in order.

    At most two chunks are received ahead; then the sender waits. What fails the stream is raised after the items
    before it have been yielded. A caller that stops early closes the generator (`contextlib.aclosing`).
    """
    waiting: asyncio.Queue[T | _End] = asyncio.Queue(maxsize=2 * most)

    async def receive() -> None:
        failure = None
        try:
            async for item in items:
                await waiting.put(item)
        except Exception as error:  # noqa: BLE001 - raised again where the items are taken
            failure = error
        await waiting.put(_End(failure))

    # A task that is cancelled while the queue is full must not wait for room: nobody takes anything any more.
    receiver = asyncio.create_task(receive())
    try:
        end: _End | None = None
        while end is None:
            chunk: list[T] = []
            while end is None and len(chunk) < most and not (chunk and waiting.empty()):
                item = await waiting.get()
                if isinstance(item, _End):
                    end = item
                else:
                    chunk.append(item)
            if chunk:
                yield chunk
        if end.failure is not None:
            raise end.failure
    finally:
        receiver.cancel()
