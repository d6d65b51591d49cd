"""What routing waits for is a matter of seconds: here they pass when they should."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

from tests.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"virtual": VirtualTimeLoop}
