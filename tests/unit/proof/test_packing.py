"""A bundle that somebody unpacked, changed and packed anew: refused, and told which of its files was changed."""

import io
import zipfile
from collections.abc import Mapping

import pytest

from hub.crypto.report import Failure, Outcome, Report
from hub.crypto.verify import verify_bundle
from tests.unit.proof.making import ROOTS, settle

with zipfile.ZipFile(io.BytesIO(settle().bundle())) as _archive:
    FILES = {name: _archive.read(name) for name in _archive.namelist()}


def packed(files: Mapping[str, bytes]) -> Report:
    """Verify files packed as any tool would."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return verify_bundle(written.getvalue(), ROOTS)


def told(report: Report) -> dict[str, str]:
    """Return what failed but the packing, and why."""
    assert report.exit_code == Failure.BUNDLE_MALFORMED, "it is none of the hub's, whatever else is wrong"
    return {c.name: c.detail for c in report.checks if c.outcome is Outcome.FAILED and c.name != "packing"}


def test_packing_anew_is_refused_even_if_nothing_was_changed() -> None:
    assert told(packed(FILES)) == {}


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("statement.dsse.json", "statement signature"),
        ("leaves.jsonl", "leaves contents"),
        ("proofs.json", "trees issued leaves"),
        ("checkpoint.txt", "checkpoint"),
        ("keyring.dsse.json", "keyring"),
        ("statement.csv", "renderings"),
        ("cdrs.csv", "renderings"),
        ("statement.html", "renderings"),
    ],
)
def test_the_check_that_a_changed_file_fails_is_told(name: str, checks: str) -> None:
    content = FILES[name]
    at = len(content) // 3
    found = told(packed({**FILES, name: content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]}))
    assert found.keys() & set(checks.split()), found
    if checks == "renderings":
        assert name in found["renderings"]


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("acknowledgements/")])
def test_a_missing_file_is_named(name: str) -> None:
    found = told(packed({each: content for each, content in FILES.items() if each != name}))
    assert found == {"bundle": f"{name} is missing"}


def test_a_file_too_many_is_named_and_so_is_one_that_was_damaged_in_place() -> None:
    assert told(packed({**FILES, "../notes": b""})) == {"bundle": "'../notes' is no file of a bundle"}
    data = bytearray(settle().bundle())
    data[data.index(FILES["cdrs.csv"][:40]) + 20] ^= 1
    assert "cdrs.csv" in told(verify_bundle(bytes(data), ROOTS))["bundle"]
