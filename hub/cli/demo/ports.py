"""Ports for servers that are told a number, in processes that start later, or again."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def held_ports(count: int) -> Iterator[list[int]]:
    """Return free ports, which nobody else gets for as long as the block lasts.

    A port that was only looked at goes to the next who asks for any. These are bound all the while, do not listen, and
    are shared with whoever asks for them by number, as servers do. Only Linux shares them so; elsewhere they were free
    when they were looked at.
    """
    with ExitStack() as holding:
        held = [holding.enter_context(socket.socket()) for _ in range(count)]
        for each in held:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sys.platform == "linux":
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in held]
        if sys.platform != "linux":
            holding.close()
        yield ports
