"""An event loop whose time passes only when nobody has anything to do: a span of waiting takes no time, and is exact.

For tests of what waits and touches no network and no thread. However slow or busy the machine is, what is due earlier
happens earlier, and nothing happens late.
"""

import asyncio
import selectors

#: How long the real world may take to have something for a loop that waits for it.
_STUCK_SECONDS = 30.0
#: What one turn of the loop takes.
_TURN_SECONDS = 1e-6


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs on a time of its own, in seconds."""

    def __init__(self) -> None:
        self._now = 1_000.0
        super().__init__(_SkippingSelector(self))

    def time(self) -> float:
        return self._now

    def pass_at_once(self, seconds: float) -> None:
        """Let time pass in which this process does nothing at all, as when the machine holds it up."""
        self._now += seconds


class _SkippingSelector(selectors.DefaultSelector):
    """Lets the time pass for which its loop would wait."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.pass_at_once(_TURN_SECONDS)
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            ready = super().select(_STUCK_SECONDS)
            assert ready, "everything waits, and nothing will ever happen"
            return ready
        self._loop.pass_at_once(timeout)
        return []
