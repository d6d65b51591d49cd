"""Rate limits: how fast one caller may send (the generic cell rate algorithm, GCRA).

Pure but for the state it holds: seconds are passed in, of whatever monotonic clock.
"""

from dataclasses import dataclass, field

from hub.domain.errors import Exhausted

#: Callers remembered at once; those who may send a full burst again need no memory.
_REMEMBERED = 10_000


@dataclass(slots=True, kw_only=True)
class RateLimit:
    """Admits each caller at a steady rate, and a burst after a rest.

    Attributes:
        per_second: Calls per second that a caller may keep up.
        burst: Calls that it may make at once after it has rested.
    """

    per_second: float
    burst: int
    # When each caller will have used up no more than the steady rate: the theoretical arrival time of GCRA.
    _due: dict[str, float] = field(default_factory=dict)

    def admit(self, caller: str, now: float) -> None:
        """Count one call.

        Args:
            caller: Whose calls are counted together.
            now: Seconds of a monotonic clock.

        Raises:
            Exhausted: The caller sends faster than it may; the metadata say when to try again.
        """
        ahead = self._ahead(caller, now)
        # A billionth of a second forgives what floating point loses on large clocks.
        if ahead > 1e-9:
            raise Exhausted(
                "RATE_LIMITED",
                f"more calls than {self.per_second:g} a second; wait {ahead:.3f} s",
                per_second=f"{self.per_second:g}",
                retry_after_seconds=f"{ahead:.3f}",
            )
        self._count(caller, now)

    def hold(self, caller: str, now: float) -> float:
        """Count one message of a stream, and return for how many seconds it has to wait: its sender then waits too.

        Args:
            caller: As of `admit`: calls and messages are counted together.
            now: Seconds of a monotonic clock.
        """
        ahead = self._ahead(caller, now)
        self._count(caller, now)
        return max(ahead, 0.0)

    def _ahead(self, caller: str, now: float) -> float:
        """Return by how many seconds one more call would come too early; negative when it would not."""
        return max(self._due.get(caller, now) - now, 0.0) - (self.burst - 1) / self.per_second

    def _count(self, caller: str, now: float) -> None:
        if caller not in self._due and len(self._due) >= _REMEMBERED:
            self._forget(now)
        self._due[caller] = max(self._due.get(caller, now), now) + 1 / self.per_second

    def _forget(self, now: float) -> None:
        """Drop callers that have rested; if there are none, all: strangers must not fill the memory."""
        self._due = {caller: due for caller, due in self._due.items() if due > now}
        if len(self._due) >= _REMEMBERED:
            self._due.clear()
