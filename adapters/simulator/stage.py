"""How a simulated partner hears what to do and tells what it did: JSON lines on standard input and output."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any


async def orders() -> AsyncIterator[dict[str, Any]]:
    """Yield orders, such as `{"do": "publish"}`, until standard input ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            yield json.loads(line)
    finally:
        transport.close()


def tell(event: str, **facts: object) -> None:
    """Tell what happened."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()
