"""The SDK's two examples, run as a reader would."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, RunningHub, wait_for

EXAMPLES = ROOT / "adapters/partner/examples"


def start(hub: RunningHub, name: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", f"adapters.partner.examples.{name}", f"{name}.json", f"{name}-data", *arguments]
    log = (hub.folder / f"{name}.log").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, text=True, cwd=hub.folder)
    log.close()
    return process


def test_a_driver_of_the_example_emsp_charges_at_the_example_cpo(running_hub: RunningHub) -> None:
    hub = running_hub
    hub.roamhub("partner", "invite", "emsp", "--party", "DE-XYZ:EMSP", "--out", "emsp.json")
    hub.roamhub("partner", "invite", "cpo", "--party", "NL-ABC:CPO", "--out", "cpo.json")
    emsp = start(hub, "emsp", "DE-XYZ")
    log = hub.folder / "emsp.log"
    try:
        wait_for(lambda: "ready" in log.read_text(), emsp)
        cpo = start(hub, "cpo", "NL-ABC", "DE-XYZ")
        assert cpo.wait(timeout=300) == 0, (hub.folder / "cpo.log").read_text()
        wait_for(lambda: "to pay" in log.read_text(), emsp)
    finally:
        emsp.terminate()
        emsp.wait(timeout=60)
    assert (hub.folder / "cpo.log").read_text().splitlines() == [
        "may charge: yes",
        "CDR CDR_STATE_ACCEPTED, journal index 0",
    ]
    assert log.read_text().splitlines() == [
        "ready",
        "agreed with NL-ABC",
        "allowed a driver to charge at NL-ABC",
        "to pay: 4.40 EUR for 11 kWh",
    ]


@pytest.mark.parametrize("name", ["cpo", "emsp"])
def test_an_example_fits_on_a_page(name: str) -> None:
    assert len(Path(EXAMPLES / f"{name}.py").read_text().splitlines()) < 80
