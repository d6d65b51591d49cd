"""`roamhub serve` as a process: no configuration needed, one log line when it serves, an orderly end."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

#: Ports that the system picks, so that tests may run beside each other and beside a hub of the machine's own.
_PORTS = {f"ROAMHUB_{name}": "127.0.0.1:0" for name in ("LISTEN", "REGISTER_LISTEN", "METRICS_LISTEN")}


class Served:
    """A `roamhub serve` in a folder of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROAMHUB_")}
        self.process = subprocess.Popen(
            [str(Path(sys.executable).parent / "roamhub"), "serve"],
            cwd=folder,
            env={**environment, **_PORTS, "ROAMHUB_LOG_FORMAT": "json", **settings},
            stderr=subprocess.PIPE,
            text=True,
        )

    def lines(self) -> Iterator[dict[str, Any]]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            yield json.loads(line)

    def until(self, event: str) -> dict[str, Any]:
        for line in self.lines():
            if line["event"] == event:
                return line
        pytest.fail(f"it ended with {self.process.wait()} and never said {event}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=120)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_with_no_configuration_it_makes_what_it_needs_serves_and_ends_when_told(
    tmp_path: Path, number: signal.Signals
) -> None:
    served = Served(tmp_path)
    serving = served.until("serving")
    assert serving["port"]
    assert serving["register_port"]
    assert serving["metrics_port"]
    data = tmp_path / "roamhub-data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    secrets = ("ca.key", "operator.pem", "server.pem", "dial.pem", "clearing/root.key", "clearing/signing-1.key")
    for name in (*secrets, "roamhub.db", "roamhub.db-wal"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600
    assert served.end(number) == 0


def test_a_second_start_finds_everything_as_it_was(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.until("serving")
    served.end()
    data = tmp_path / "roamhub-data"
    before = {path.name: path.read_bytes() for path in data.iterdir() if path.suffix in {".key", ".pem"}}
    served = Served(tmp_path)
    served.until("serving")
    assert served.end() == 0
    assert {name: (data / name).read_bytes() for name in before} == before


def test_a_database_file_is_served_by_one_process_and_the_next_says_so(tmp_path: Path) -> None:
    first = Served(tmp_path)
    first.until("serving")
    second = Served(tmp_path)
    _, told = second.process.communicate(timeout=120)
    assert second.process.returncode == 2
    assert "roamhub.db is served by another process" in told
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    third = Served(tmp_path)
    third.until("serving")
    assert third.end() == 0


def test_a_key_that_others_may_read_keeps_it_from_starting_and_it_says_why(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.until("serving")
    served.end()
    (tmp_path / "roamhub-data" / "ca.key").chmod(0o644)
    served = Served(tmp_path)
    assert served.process.stderr is not None
    said = served.process.stderr.read()
    assert served.process.wait(timeout=120) != 0
    assert "ca.key" in said
    assert "0600" in said
    assert "Traceback" not in said
    served.process.stderr.close()


@pytest.mark.parametrize("setting", ["listen", "register_listen", "metrics_listen"])
def test_an_address_that_is_taken_is_named_with_its_setting(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        served = Served(tmp_path, **{f"ROAMHUB_{setting.upper()}": address, "ROAMHUB_LOG_FORMAT": "console"})
        _, said = served.process.communicate(timeout=120)
    assert served.process.returncode == 2
    assert said.splitlines()[-1].startswith(f"roamhub: UNUSABLE: {setting}: {address}: ")
    assert "Traceback" not in said
    assert said.count("hub.main.hub stopped") == 1
