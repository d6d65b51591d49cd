"""The demo, whole: what the first-time user sees."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, roamhub

DATA = Path(os.environ.get("ROAMHUB_DATA", ROOT.parent / "shared" / "data"))


def test_the_demo_settles_a_month_and_proves_it(tmp_path: Path) -> None:
    done = roamhub("demo", "--stations", "12", "--drives", "60", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    story = done.out
    for number in range(1, 11):
        assert re.search(rf"(?m)^{number}\. ", story), f"step {number} is missing"
    assert "C000001 again: the first receipt again" in story
    assert "CDR_CONFLICT" in story
    assert re.search(r"-2 bills it anew, in Wh: RETURNED\n +ENERGY_SUM_MISMATCH: Correct", story)
    assert "-3 takes its place: ACCEPTED" in story
    assert story.count("it agrees and acknowledges") == 2
    assert story.count("VERIFIED: ") == 3  # two bundles, and NOT VERIFIED
    assert "FAIL signature" in story
    assert "NOT VERIFIED: SIGNATURE_INVALID (exit code 15)" in story
    nets = [int(euros) * 100 + int(cents) for euros, cents in re.findall(r"(?m)^   NL-VLT +(\d+)\.(\d\d)  EUR$", story)]
    paid = [int(euros) * 100 + int(cents) for euros, cents in re.findall(r"-(\d+)\.(\d\d)  EUR$", story, re.MULTILINE)]
    assert nets[0] == sum(paid) > 0
    assert (tmp_path / "demo-out" / "transcript.txt").read_text() in story
    assert "Traceback" not in "".join(path.read_text() for path in (tmp_path / "demo-out").glob("*.log"))

    verified = roamhub("verify", "demo-out/bundle-DE-STR.zip", "--trust", "demo-out/roots.txt", "--json", cwd=tmp_path)
    assert verified.code == 0
    assert json.loads(verified.out)["verified"] is True


def test_the_demo_leaves_a_folder_alone_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("five years of work")
    done = roamhub("demo", "--out", "mine", cwd=tmp_path)
    assert (done.code, "choose another with --out" in done.err) == (2, True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.data
def test_the_demo_runs_on_real_tariffs_and_sessions(tmp_path: Path) -> None:
    source = DATA / "locations" / "ndw-nl-locations.jsonl.gz"
    if not source.exists():
        pytest.skip(f"{source} is absent: set ROAMHUB_DATA")
    unpacked = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import gzip, shutil, sys; shutil.copyfileobj(gzip.open({str(source)!r}), sys.stdout.buffer)",
        ],
        capture_output=True,
        check=True,
    ).stdout
    tariffs = str(DATA / "locations" / "ndw-nl-tariffs.jsonl.gz")
    some = tmp_path / "some.jsonl"
    some.write_bytes(b"\n".join(unpacked.splitlines()[:2000]))
    done = roamhub("demo", "--locations", some, "--tariffs", tariffs, "--drives", "40", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert "11527 tariffs, 2000 stations" in done.out
