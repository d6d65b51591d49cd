"""What the demo prints: numbered steps, the commands it runs, and what came of them."""

import re
import time

#: UUIDs that the hub makes: their ends tell them apart, their beginnings are the time.
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{6}([0-9a-f]{6})")
#: How much shorter that makes a name.
_SHORTER = " " * 28


class Transcript:
    """Prints steps as they happen, and keeps them for transcript.txt."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._step = 0
        self._lines: list[str] = []

    def step(self, title: str) -> None:
        """Begin a step."""
        self._step += 1
        if self._step > 1:
            self.line()
        self._say(f"{self._step}. {title}  [{time.monotonic() - self._started:.1f} s]")

    def line(self, text: str = "") -> None:
        """Say one or more lines, indented."""
        lines = text.splitlines() or [""]
        if len(lines) > 1 and all(_UUID.search(each) for each in lines[1:]):
            lines[0] = lines[0].replace(_SHORTER, "", 1)  # the heading of a column of names
        for each in lines:
            self._say(f"   {each}".rstrip())

    def command(self, arguments: str) -> None:
        """Show a command that is about to run."""
        self._say(f"   $ roamhub {arguments}")

    def seconds(self) -> float:
        """Return how long it took so far."""
        return time.monotonic() - self._started

    def text(self) -> str:
        """Return all that was said."""
        return "\n".join(self._lines) + "\n"

    def _say(self, line: str) -> None:
        line = _UUID.sub(r"..\1", line)
        print(line, flush=True)
        self._lines.append(line)
