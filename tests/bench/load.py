"""Driving a server: processes that serve, callers that keep a number of calls in flight, and ratios to print."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

ROOT = Path(__file__).parents[2]


@dataclass
class Served:
    """A server process: where it is, and the certificates to call it with."""

    process: "subprocess.Popen[str]"
    port: int
    ca: bytes
    callers: dict[str, tuple[bytes, bytes]]

    def channel(self, caller: str) -> grpc.aio.Channel:
        """Return a channel of its own connection."""
        key, chain = self.callers[caller]
        credentials = grpc.ssl_channel_credentials(self.ca, key, chain)
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 64 << 20)]
        return grpc.aio.secure_channel(f"127.0.0.1:{self.port}", credentials, options=options)

    def memory_mb(self) -> float:
        """Return the resident memory of the process, in megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def cpu_seconds(self) -> float:
        """Return the processor time the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100


@contextmanager
def serving(kind: str, folder: Path) -> Iterator[Served]:
    """Run one of the servers of `tests.bench.servers`."""
    command = [sys.executable, "-m", "tests.bench.servers", kind, str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        callers = {name: (key.encode(), chain.encode()) for name, (key, chain) in told["callers"].items()}
        yield Served(process, told["port"], told["ca"].encode(), callers)
    finally:
        process.stdin.close()
        process.wait(30)


def blank(size: int) -> bytes:
    """Return a message of about so many bytes for the bare server to parse and send back."""
    return BytesValue(value=bytes(size - 3)).SerializeToString()


#: One call; told its number.
Call = Callable[[int], Awaitable[Any]]


async def rate(call: Call, *, seconds: float = 3.0, in_flight: int = 64, first: int = 0) -> tuple[float, int]:
    """Keep so many calls in flight for a time; returns calls per second and the number of the next call."""
    number = first
    deadline = perf_counter() + seconds

    async def worker() -> None:
        nonlocal number
        while perf_counter() < deadline:
            mine, number = number, number + 1
            await call(mine)

    started = perf_counter()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return (number - first) / (perf_counter() - started), number


async def latency_ms(call: Call, *, calls: int = 300, first: int = 0) -> tuple[float, int]:
    """Make calls one after the other; returns the median in milliseconds and the number of the next call."""
    taken = []
    for number in range(first, first + calls):
        started = perf_counter()
        await call(number)
        taken.append((perf_counter() - started) * 1000)
    return median(taken), first + calls


def report(name: str, figure: str, ratio: float, wanted: str) -> None:
    """Print one line of a benchmark."""
    print(f"{name:<46} {figure:>22}   ratio {ratio:6.2f}   wanted {wanted}", flush=True)
