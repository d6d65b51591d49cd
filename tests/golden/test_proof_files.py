"""Statement and bundle, byte for byte: what was issued once verifies forever, and is made the same way again.

`python -m tests.golden.test_proof_files` writes the files anew; a difference is a new format, never an accident.
"""

from pathlib import Path

from hub.crypto.signing import Roots
from hub.crypto.verify import verify_bundle
from tests.unit.proof.making import KEY, PARTNER, ROOTS, settle

FILES = Path(__file__).parent / "proof"


def made() -> dict[str, bytes]:
    case = settle()
    case.acknowledge(PARTNER)
    case.acknowledge(KEY, party=case.statement.terms.creditor.party)
    return {
        "statement.json": case.document,
        "statement.html": case.renderings()["statement.html"],
        "bundle.zip": case.bundle(),
        "roots.txt": ROOTS.to_text().encode(),
    }


def test_the_files_are_made_as_ever() -> None:
    for name, content in made().items():
        assert content == (FILES / name).read_bytes(), name


def test_the_kept_bundle_verifies() -> None:
    roots = Roots.from_text((FILES / "roots.txt").read_text())
    report = verify_bundle((FILES / "bundle.zip").read_bytes(), roots)
    assert report.exit_code == 0, report.checks


if __name__ == "__main__":
    for name, content in made().items():
        (FILES / name).write_bytes(content)
