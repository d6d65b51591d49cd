"""Every verdict of the shared set, and every file of it without a crash."""

import json
from typing import Any

import pytest

from hub.cli.app import run
from hub.domain.meter.documents import read_documents
from hub.domain.meter.model import MeterDocument
from tests.unit.meter.making import DATA, shared, verdicts

pytestmark = pytest.mark.data

#: Their words for ours: a signature that only lenient readers accept is accepted here as well.
_WORDS = {"valid-if-lenient-DER": "valid", "parse-error": "malformed"}


def _expected() -> list[Any]:
    path = DATA / "meter/verdicts.json"
    if not path.exists():
        return [pytest.param("", [], marks=pytest.mark.skip(reason=f"no shared data at {path}: set ROAMHUB_DATA"))]
    files: dict[str, list[dict[str, Any]]] = {}
    for document in json.loads(path.read_text())["documents"]:
        files.setdefault(document["file"], []).append(document)
    return [pytest.param(file, documents, id=file) for file, documents in files.items()]


def _carried_keys(content: bytes) -> list[str]:
    entries = [each for each in read_documents(content) if isinstance(each, MeterDocument)]
    return sorted({each.carried_key for each in entries if each.carried_key})


@pytest.mark.parametrize(("file", "expected"), _expected())
def test_the_shared_verdicts_are_ours(file: str, expected: list[dict[str, Any]]) -> None:
    content = shared(file).read_bytes()
    for keys in ([], _carried_keys(content)):
        found = verdicts(content, *keys)
        for document in expected:
            verdict = found[document.get("value_index", 0)]
            assert verdict.format == document["format"]
            assert verdict.algorithm == document.get("algorithm", verdict.algorithm)
            assert verdict.signature == _WORDS.get(document["signature"], document["signature"])
            if keys and "accept_for_billing" in document:
                assert verdict.billable == document["accept_for_billing"], verdict
            assert keys or not verdict.billable


def test_all_files_have_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    files = [path for path in sorted(shared().rglob("*")) if path.suffix in {".xml", ".pcdf", ".metra", ".txt"}]
    assert len(files) >= 35
    for path in files:
        assert run(["meter", "verify", str(path), "--json"]) in {1, 2}
        found = json.loads(capsys.readouterr().out)
        assert [each["index"] for each in found] == list(range(len(found)))


def test_the_energy_is_the_one_that_upstream_shows() -> None:
    shown = {
        "safe/xml/VW_OCMF_load.xml": "1.101",
        "safe/xml/test_ocmf_keba_kcp30.xml": "0.0001",
        "safe/pcdf/valid.pcdf": "3.276",
        "safe/xml/test_mennekes_full.xml": "0.1419",
        "safe/hummel.xml": "1.0451",
        "pyocmf/other_examples/working_ocmf.xml": "17.796",
    }
    for file, energy in shown.items():
        content = shared(file).read_bytes()
        found = verdicts(content, *_carried_keys(content))
        assert [str(verdict.energy_kwh) for verdict in found] == [energy] * len(found), file


def test_a_wrong_key_makes_mennekes_invalid() -> None:
    other = _carried_keys(shared("safe/xml/test_mennekes_full.xml").read_bytes())
    found = verdicts(shared("safe/Mennekes/de.xml").read_bytes(), *other)
    assert [(each.signature, each.reasons[0]) for each in found] == [("invalid", "signed_by_another_key")] * 2
