"""The demo's forgery: the archive stays whole, and the signature gives it away."""

from hub.cli.demo.tampering import change_one_byte
from hub.crypto import dsse
from hub.crypto.report import Failure
from hub.crypto.verify import verify_bundle
from hub.domain.bundle import read_bundle
from tests.unit.proof.making import ROOTS, settle


def test_one_changed_byte_leaves_a_whole_archive_and_no_signature() -> None:
    bundle = settle().bundle()
    forged = change_one_byte(bundle)
    old, new = (dsse.parse(read_bundle(each)[0].statement, dsse.STATEMENT_TYPE).payload for each in (bundle, forged))
    assert sum(one != other for one, other in zip(old, new, strict=True)) == 1
    report = verify_bundle(forged, ROOTS)
    verdicts = {check.name: check.outcome for check in report.checks}
    assert (verdicts["bundle"], verdicts["statement"], verdicts["signature"]) == ("PASSED", "PASSED", "FAILED")
    assert report.exit_code == Failure.SIGNATURE_INVALID
