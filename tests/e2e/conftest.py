"""A hub in a process of its own, as an operator runs it."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.partner import party
from hub.cli.demo.ports import held_ports

ROOT = Path(__file__).parents[2]

#: The world of processes that tests start and kill: the same in each of them.
CPO, EMSP = party("NL-CRA"), party("DE-SHY")
RNG_SEED = 5
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class RunningHub:
    """A hub process, the folder it runs in, and its command line."""

    folder: Path
    config: Path
    listen: str
    process: "subprocess.Popen[str]"

    def roamhub(self, *arguments: str | Path) -> Done:
        """Run a command as a process of its own, as the hub's operator would."""
        return roamhub(*arguments, cwd=self.folder, config=self.config)


def roamhub(*arguments: str | Path, cwd: Path, config: Path | None = None) -> Done:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROAMHUB_")}
    if config is not None:
        environment["ROAMHUB_CONFIG"] = str(config)
    command = [str(Path(sys.executable).parent / "roamhub"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=600, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def running_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """Return a hub of this module alone; it is asked to stop at the end, and must."""
    folder = tmp_path_factory.mktemp("hub")
    with held_ports(3) as ports, hub_in(folder, *(f"127.0.0.1:{port}" for port in ports)) as hub:
        yield hub


@contextmanager
def hub_in(folder: Path, listen: str, register: str, metrics: str) -> Iterator[RunningHub]:
    """Run a hub on the folder's `data`, made when absent; it is asked to stop at the end, and must."""
    config = folder / "hub.toml"
    config.write_text(
        f'data_dir = "{folder / "data"}"\nlisten = "{listen}"\nregister_listen = "{register}"\n'
        f'metrics_listen = "{metrics}"\ndrain_seconds = 1\npartner_timeout_seconds = 60\n'
    )
    command = [str(Path(sys.executable).parent / "roamhub"), "serve", "--config", str(config)]
    with (folder / "hub.log").open("w") as log:
        process = subprocess.Popen(command, stderr=log, text=True, cwd=folder)
    try:
        wait_for(lambda: listens(listen, register), process)
        yield RunningHub(folder, config, listen, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, (folder / "hub.log").read_text()
    finally:
        process.kill()
        process.wait()


def listens(*addresses: str) -> bool:
    """Say whether somebody answers at each address: a hub opens its ports one after the other."""
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return False
    return True


def wait_for(
    condition: Callable[[], bool], process: "subprocess.Popen[str] | None" = None, seconds: float = 120
) -> None:
    """Wait until a condition holds, as long as the process lives, if one is given."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            pytest.fail(f"the process ended with {process.returncode} before it came about")
        if time.monotonic() > deadline:
            pytest.fail(f"it did not come about in {seconds} seconds")
        time.sleep(0.05)
