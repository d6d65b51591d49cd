"""A hub that was away when a period ended: its next start cuts the period off, with no one asking."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.cli.demo.ports import held_ports
from tests.e2e.conftest import listens, roamhub, wait_for

HOUR_MICROS = int(timedelta(hours=1) / timedelta(microseconds=1))


@contextmanager
def serving(config: Path, *addresses: str) -> Iterator[None]:
    """Run a hub; it ends without a chance to tidy up."""
    command = [str(Path(sys.executable).parent / "roamhub"), "serve", "--config", str(config)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROAMHUB_")}
    with (config.parent / "hub.log").open("a") as log:
        process = subprocess.Popen(command, stderr=log, text=True, cwd=config.parent, env=environment)
    try:
        wait_for(lambda: listens(*addresses), process)
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture
def ports() -> Iterator[list[int]]:
    with held_ports(2) as ports:
        yield ports


def test_a_period_that_ended_while_the_hub_was_away_is_cut_off_by_its_next_start(
    tmp_path: Path, ports: list[int]
) -> None:
    listen, register = (f"127.0.0.1:{port}" for port in ports)
    config = tmp_path / "hub.toml"
    config.write_text(f'listen = "{listen}"\nregister_listen = "{register}"\nmetrics_listen = ""\n')

    def run(*arguments: str) -> Any:
        done = roamhub(*arguments, "--json", cwd=tmp_path, config=config)
        assert done.code == 0, done.err
        return done.json()

    def periods(count: int) -> list[dict[str, Any]]:
        """Wait until there are so many periods, and return them, the oldest first."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            nonlocal found
            found = run("period", "list")
            return len(found) == count

        wait_for(there)
        return found

    with serving(config, listen, register):
        for platform, party in (("volt", "NL-VLT:CPO"), ("green", "DE-GRN:EMSP")):
            run("partner", "invite", platform, "--party", party, "--out", f"{platform}.json")
            run("partner", "register", f"{platform}.json", "--as", platform)
        sides = ("--cpo", "NL-VLT", "--emsp", "DE-GRN")
        agreement = run("agreement", "propose", *sides, "--as", "volt", "--cycle", "hourly")
        run("agreement", "accept", agreement["name"], "--as", "green")
        (before,) = periods(1)
    # Time passes: the same as if the period had begun and ended some hours earlier.
    with closing(sqlite3.connect(tmp_path / "roamhub-data" / "roamhub.db")) as database, database:
        shift = (5 * HOUR_MICROS, 5 * HOUR_MICROS)
        database.execute(
            "UPDATE period SET start_time = start_time - ?, end_time = end_time - ?, name = name || '-ago'", shift
        )
    with serving(config, listen, register):
        ended, now = periods(2)
        assert (ended["name"], ended["state"], now["state"]) == (f"{before['name']}-ago", "STATE_CUT_OFF", "STATE_OPEN")
        assert now["first_index"] == ended["end_index"] == "1"
        assert now["end_time"] > ended["end_time"]
