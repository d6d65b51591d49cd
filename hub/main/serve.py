"""Running a hub until it is told to stop."""

import asyncio
import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from hub.collector import keep_what_is
from hub.config import Config, ConfigError
from hub.crypto.files import private_folder
from hub.main.hub import Hub


async def serve(config: Config) -> None:
    """Run one hub until SIGTERM or SIGINT, then drain it; a second signal ends the process at once.

    Raises:
        ConfigError: A setting cannot be, or another process serves the same SQLite database.
    """
    with _alone(config):
        await _serve(config)


async def _serve(config: Config) -> None:
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


@contextmanager
def _alone(config: Config) -> Iterator[None]:
    """Hold the lock of a SQLite database, which ends with the process however that ends.

    Processes that share one database share their news only by looking for them, and each knows only its own links:
    that is what PostgreSQL is offered for.
    """
    url = make_url(config.database())
    if url.get_backend_name() != "sqlite" or not url.database:
        yield
        return
    private_folder(config.data_dir)
    with Path(f"{url.database}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"database_url: {url.database} is served by another process; several can share a PostgreSQL database"
            ) from None
        yield
