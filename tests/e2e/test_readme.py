"""The README does what it says: every command in it is run, and prints what stands below it.

To write down what the commands print now: README_RECORD=1 pytest tests/e2e/test_readme.py
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.cli.demo.ports import held_ports
from tests.e2e.conftest import ROOT, listens, wait_for

README = ROOT / "README.md"
_BLOCK = re.compile(r"(?ms)^```console\n(.*?)^```\n")
#: What differs from run to run, and what stands for it in the comparison.
_VARYING = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"\b[0-9a-f]{40,64}\b", "DIGEST"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "INSTANT"),
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"\d{4}-\d\d\b", "MONTH"),
    (r"(localhost|127\.0\.0\.1):\d+", "ADDRESS"),
    (r"\d+ GiB", "GIB"),
    (r"\d+ bytes", "BYTES"),
    (r"within \d+ min", "within MINUTES"),
    (r"tzdata [\d.]+", "TZDATA"),
    (r"schema \d{4}", "SCHEMA"),
    (r" +", " "),
    # In the first hour of a month the CDR, of an hour ago, is of the month before, and late.
    (r"MONTH 1 0 [01] 11\.0000", "MONTH 1 0 LATE 11.0000"),
)


class Shell:
    """A reader's shell in an empty folder; commands share variables and background jobs."""

    def __init__(self, folder: Path, listen: str, register: str, metrics: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROAMHUB_")}
        # The reader has the default ports to himself; tests do not.
        kept |= {"ROAMHUB_LISTEN": listen, "ROAMHUB_REGISTER_LISTEN": register, "ROAMHUB_METRICS_LISTEN": metrics}
        kept["ROAMHUB_PARTNER_TIMEOUT_SECONDS"] = "60"  # and his machine is not as busy
        kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"
        self.folder = folder
        self.ports = listen, register, metrics
        self._output = (folder / ".output").open("w")
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=kept,
            start_new_session=True,
        )

    def run(self, command: str, number: int) -> str:
        """Run one line and return what it printed."""
        assert self._process.stdin is not None
        before = (self.folder / ".output").stat().st_size
        end = self.folder / f".end{number}"
        self._process.stdin.write(f"{command}\ntouch .end{number}\n")
        self._process.stdin.flush()
        self._wait(end.exists)
        if command.endswith("&"):
            log = self.folder / re.findall(r"> (\S+) &", command)[0]
            self._wait(lambda: listens(*self.ports) and log.exists() and log.stat().st_size > 0)
        return (self.folder / ".output").read_text()[before:]

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(timeout=60)
        if self._process.stdin:
            self._process.stdin.close()
        self._output.close()

    def _wait(self, condition: Callable[[], bool]) -> None:
        wait_for(condition, self._process)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    with held_ports(3) as ports:
        shell = Shell(tmp_path, *(f"127.0.0.1:{port}" for port in ports))
        yield shell
        shell.close()


def comparable(text: str) -> list[str]:
    for pattern, name in _VARYING:
        text = re.sub(pattern, name, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def steps(block: str) -> list[tuple[str, str]]:
    """Return each command of a block with what is to stand below it."""
    parts = re.split(r"(?m)^\$ (.*)\n", block)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_every_command_of_the_readme_prints_what_the_readme_says(shell: Shell) -> None:
    text, number, told = README.read_text(), 0, []
    recorded = text
    for block in _BLOCK.findall(text):
        anew = ""
        for command, expected in steps(block):
            number += 1
            printed = shell.run(command, number)
            deadline = time.monotonic() + 60
            # What an example in the background writes may need a moment more; all else is there at once.
            while command.startswith("cat ") and comparable(printed) != comparable(expected):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.5)
                number += 1
                printed = shell.run(command, number)
            anew += f"$ {command}\n{printed}"
            if comparable(printed) != comparable(expected):
                told.append(f"$ {command}\n{printed}")
        recorded = recorded.replace(block, anew, 1)
    if os.environ.get("README_RECORD"):
        recorded = re.sub(r"(localhost|127\.0\.0\.1):\d+", r"\1:7443", recorded)
        README.write_text(re.sub(r"[ \t]+\n", "\n", recorded))
        return
    assert not told, "the README says otherwise:\n" + "\n".join(told)


def test_the_readme_links_to_what_is_there() -> None:
    for path in re.findall(r"\]\(([^)#:]+)\)", README.read_text()):
        assert (ROOT / path).exists(), path
    assert shutil.which("bash"), "the tours are for a shell"
