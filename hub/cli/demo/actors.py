"""The processes of the demo: the hub, simulated partners, and single commands; every one ends when the demo does."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hub.cli.failures import Exit, Failure

_STOP_SECONDS = 15.0


def environment(config: Path) -> dict[str, str]:
    """Return this process's environment with the demo's settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROAMHUB_")}
    return kept | {"ROAMHUB_CONFIG": str(config), "PYTHONUNBUFFERED": "1"}


class Actor:
    """A process that runs until it is stopped; its standard error goes to a log file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str], *, config: Path, log: Path) -> "Actor":
        """Start `python -m ...`."""
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                env=environment(config),
                limit=1024 * 1024,
            )
        return cls(name, process, log)

    async def order(self, what: str) -> list[dict[str, Any]]:
        """Give an order and return what the partner told until it was done."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what}).encode() + b"\n")
        await self._process.stdin.drain()
        return await self.hear("done")

    async def hear(self, event: str, seconds: float = 300.0) -> list[dict[str, Any]]:
        """Return what the partner tells, up to and with this event."""
        assert self._process.stdout is not None
        told: list[dict[str, Any]] = []
        while not told or told[-1]["event"] != event:
            async with asyncio.timeout(seconds):
                line = await self._process.stdout.readline()
            if not line:
                raise Failure(f"{self.name} has ended; {self.log} says why", code=Exit.DEFECT)
            told.append(json.loads(line))
        return told

    async def stop(self) -> int:
        """Ask the process to end, and make it end."""
        if self._process.returncode is None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.terminate()
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        return await self._process.wait()

    @property
    def ended(self) -> bool:
        """Return whether the process has ended."""
        return self._process.returncode is not None


async def roamhub(*arguments: str, config: Path) -> tuple[int, str, str]:
    """Run one `roamhub` command as an operator would; returns exit code, output and errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hub.cli",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(config),
    )
    try:
        out, error = await process.communicate()
    finally:
        if process.returncode is None:  # cancelled
            process.kill()
            await process.wait()
    return process.returncode or 0, out.decode(), error.decode()
