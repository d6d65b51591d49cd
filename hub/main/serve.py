"""Running a hub until it is told to stop."""

import asyncio
import signal

from hub.collector import keep_what_is
from hub.config import Config
from hub.main.hub import Hub


async def serve(config: Config) -> None:
    """Run one hub until SIGTERM or SIGINT, then drain it; a second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    hub = Hub(config)
    await hub.start()
    keep_what_is()
    try:
        await stop.wait()
        for number in signals:
            loop.remove_signal_handler(number)
    finally:
        await hub.stop()
