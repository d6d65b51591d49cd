"""Verifying a bundle: what it accepts, and every kind of failure by what an attacker or an accident would do."""

import json
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.app import run as roamhub
from hub.crypto.keyring import sign_keyring
from hub.crypto.report import Failure, Outcome
from hub.crypto.verify import CHECK_COUNT, verify_bundle
from hub.domain.acknowledgements import Decision, Reason
from hub.domain.bundle import MalformedBundle, read_bundle, write_bundle
from hub.domain.clearing.items import ClearingItem
from hub.domain.ids import PartyId
from hub.domain.journal import EntryKind
from hub.domain.keyring import KeyringKey
from hub.domain.leaf import Leaf, Opening
from hub.domain.merkle import EMPTY_ROOT, leaf_hash
from hub.domain.statements import BroughtForward, Held, TreeHead, make_manifest, statement_bytes
from hub.domain.statements.compute import make_totals
from tests.unit.clearing.making import CPO, item, items
from tests.unit.proof.making import (
    KEY,
    MALLORY,
    NEXT_KEY,
    PARTNER,
    RING,
    ROOT,
    ROOTS,
    Case,
    publish,
    settle,
)

PLAIN = settle().bundle()
NEXT = KeyringKey(name=NEXT_KEY.name, public_key=NEXT_KEY.public_key, uses=RING.keys[0].uses)


def outcome(case: Case) -> Failure | None:
    return verify_bundle(case.bundle(), ROOTS).failure


def test_a_bundle_proves_what_it_says() -> None:
    report = verify_bundle(PLAIN, ROOTS)
    assert [check.outcome for check in report.checks] == [Outcome.PASSED] * 14
    assert report.exit_code == 0
    assert report.summary is not None
    assert (report.summary.payable, report.summary.cdrs) == ("23.43", 4)


def test_the_same_content_is_the_same_file() -> None:
    assert settle().bundle() == PLAIN


def test_no_personal_field_is_in_a_bundle() -> None:
    assert b"04A2B3C4" not in PLAIN


def test_a_period_without_a_cdr_has_a_statement_that_verifies() -> None:
    assert outcome(settle([])) is None


def test_a_period_that_begins_with_the_journal_verifies() -> None:
    assert outcome(settle(before=0)) is None


@pytest.mark.parametrize("data", [PLAIN, PLAIN[:-1], b""], ids=["whole", "cut off", "empty"])
def test_whoever_waits_is_told_of_every_check(data: bytes) -> None:
    told: list[int] = []
    checks = verify_bundle(data, ROOTS, made=told.append).checks
    assert told == [1] * CHECK_COUNT == [1] * len(checks)


def test_whoever_waits_is_told_of_the_checks_of_earlier_bundles_too() -> None:
    told: list[int] = []
    verify_bundle(PLAIN, ROOTS, earlier=[PLAIN], made=told.append)
    assert sum(told) == 2 * CHECK_COUNT


@given(items(6))
def test_any_cdrs_make_a_bundle_that_verifies(given: list[ClearingItem]) -> None:
    assert outcome(settle(given)) is None


@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255))
def test_no_byte_of_a_bundle_changes_unnoticed(at: int, flip: int) -> None:
    changed = bytearray(PLAIN)
    changed[at] ^= flip
    assert verify_bundle(bytes(changed), ROOTS).exit_code


@given(st.binary(max_size=200), st.integers(0, len(PLAIN)))
def test_any_bytes_are_a_bundle_or_refused(noise: bytes, keep: int) -> None:
    for data in (noise, PLAIN[:keep] + noise, noise + PLAIN[keep:]):
        if data != PLAIN:
            assert verify_bundle(data, ROOTS).failure is Failure.BUNDLE_MALFORMED


def other_key_signs(case: Case) -> None:
    case.signer = MALLORY


def other_key_signs_checkpoint(case: Case) -> None:
    case.checkpoint_signer = MALLORY


def other_root_signs(case: Case) -> None:
    case.roots = (MALLORY,)


def other_hub(case: Case) -> None:
    case.keyring = replace(RING, hub="other.example/clearing")


def key_ends_too_early(case: Case) -> None:
    case.keyring = RING.rotated(NEXT, at=case.issued)
    case.checkpoint_signer = NEXT_KEY


def key_revoked_before_issue(case: Case) -> None:
    case.keyring = RING.rotated(NEXT, at=case.issued + 1).revoked(KEY.name, at=case.issued)
    case.checkpoint_signer = NEXT_KEY


def checkpoint_by_a_revoked_key(case: Case) -> None:
    case.keyring = RING.revoked(KEY.name, at=1_000)


def another_statement_was_issued(case: Case) -> None:
    case.document = case.document.replace(b'"dealer":true', b'"dealer":false', 1)


def issue_entry_of_another_kind(case: Case) -> None:
    digest = case.journal.openings[case.issued]["statement"].value
    case.issued = case.journal.append(EntryKind.STATEMENT_ACKNOWLEDGED, {"statement": digest})


def cut_off_of_another_period(case: Case) -> None:
    case.journal.openings[case.statement.terms.period.end_index - 1] = {
        "period": Opening(salt=bytes(32), value=b"agreements/other/periods/2026-09")
    }


BOUNDARY = {"end_time": b"2026-09-30T22:00:00.000000Z", "tz_version": b"2026.1"}


@pytest.mark.parametrize("name", BOUNDARY)
def test_the_cut_off_shows_the_calendar_end_that_the_statement_names(name: str) -> None:
    case = settle(boundary=BOUNDARY)
    report = verify_bundle(case.bundle(), ROOTS)
    assert report.exit_code == 0
    assert next(check.detail for check in report.checks if check.name == "contents") == "4 CDRs opened"
    moved = {"end_time": b"2026-10-01T00:00:00.000000Z", "tz_version": b"2025.2"}
    assert outcome(settle(boundary={**BOUNDARY, name: moved[name]})) is Failure.LEAF_MISMATCH
    told = next(check.detail for check in verify_bundle(PLAIN, ROOTS).checks if check.name == "contents")
    assert told == "4 CDRs opened, the period's calendar end not shown"


def a_leaf_opens_to_another_cdr(case: Case) -> None:
    index, known = case.items[1]
    forged = replace(known, amount=known.amount + 1)
    salt = case.journal.openings[index]["settlement"].salt
    case.journal.openings[index] = {"settlement": Opening(salt=salt, value=forged.to_bytes())}


def a_cdr_is_left_out(case: Case) -> None:
    case.items = case.items[1:]


def restate(case: Case, **changes: object) -> None:
    """Let the hub itself issue a statement that says something else."""
    case.statement = replace(case.statement, **changes)  # type: ignore[arg-type]
    case.document = statement_bytes(case.statement)
    publish(case)


def wrong_totals(case: Case) -> None:
    restate(case, totals=replace(case.statement.totals, payable=1))


def wrong_lines(case: Case) -> None:
    line = case.statement.lines[0]
    other = replace(line, key=replace(line.key, country="AT"))
    restate(case, lines=(other, *case.statement.lines[1:]))


def a_cdr_stands_twice(case: Case) -> None:
    index = case.items[0][0] + 1
    twin = settle([item(1), item(1)], before=index - 1, between=0)
    case.journal, case.items, case.statement = twin.journal, twin.items, twin.statement
    case.document, case.issued = twin.document, twin.issued


def a_cdr_is_credited_twice(case: Case) -> None:
    charge = item(1)
    become(case, charge, charge.credited(cdr="NL-CPO/1-credit"), charge.credited(cdr="NL-CPO/1-CREDIT-2"))


def a_credit_gives_back_more_than_was_charged(case: Case) -> None:
    charge = item(1)
    become(case, charge, replace(charge.credited(cdr="NL-CPO/1-credit"), amount=-charge.amount - 1))


def a_credit_in_another_line(case: Case) -> None:
    charge = item(1)
    become(case, charge, replace(charge.credited(cdr="NL-CPO/1-credit"), country="BE"))


def a_credit_is_credited(case: Case) -> None:
    credit = item(1).credited(cdr="NL-CPO/1-credit")
    again = replace(credit, cdr="NL-CPO/2", amount=-credit.amount, energy=-credit.energy, credit_of=credit.cdr)
    become(case, item(1), credit, again)


def become(case: Case, *given: ClearingItem) -> None:
    """Let the hub have journalled and stated other CDRs."""
    other = settle(given)
    case.journal, case.items, case.statement = other.journal, other.items, other.statement
    case.document, case.issued = other.document, other.issued


def an_amount_is_brought_forward(case: Case) -> None:
    """The hub adds what it likes to what is payable, with totals that are right."""
    claimed = BroughtForward(statement="ab" * 32, amount=1_000_00, reason="DISPUTE_CLOSED")
    with_amounts(case, brought_forward=(claimed,))


def an_amount_is_held(case: Case) -> None:
    with_amounts(case, held=(Held(index=case.items[0][0], amount=7_00, reason="DISPUTE"),))


def with_amounts(case: Case, **changes: object) -> None:
    terms = replace(case.statement.terms, **changes)  # type: ignore[arg-type]
    restate(case, terms=terms, totals=make_totals(terms, case.statement.lines, case.statement.taxes))


def a_cdr_between_other_parties(case: Case) -> None:
    other_parties(case, case.items[0][0])


def a_cut_off_between_other_parties(case: Case) -> None:
    other_parties(case, case.statement.terms.period.end_index - 1)


def an_issue_told_to_other_parties(case: Case) -> None:
    other_parties(case, case.issued)


def other_parties(case: Case, index: int) -> None:
    """Let an entry have been recorded for somebody else, and all that rests on it follow."""
    leaf = Leaf.from_bytes(case.journal.leaves[index])
    case.journal.leaves[index] = replace(leaf, counterparty="FR-XYZ").to_bytes()
    if index == case.issued:
        return
    terms, end = case.statement.terms, case.statement.terms.period.end_index
    manifest = make_manifest((each, leaf_hash(case.journal.leaves[each])) for each, _ in case.items)
    restate(case, terms=replace(terms, after=case.journal.head(end)), manifest=manifest)


def one_party_answers_twice(case: Case) -> None:
    case.acknowledge(PARTNER)
    case.acknowledge(KEY, decision=Decision.REJECT, reasons=(Reason(code="PRICE", text=""),))


def roots_that_never_were(case: Case) -> None:
    terms = replace(case.statement.terms, before=TreeHead(size=5, root=bytes(32)))
    restate(case, terms=terms)


def an_earlier_tree_that_is_not_empty(case: Case) -> None:
    terms = case.statement.terms
    forged = replace(terms, period=replace(terms.period, first_index=0), before=TreeHead(size=0, root=bytes(32)))
    restate(case, terms=forged)


def a_cdr_of_an_earlier_period(case: Case) -> None:
    terms = case.statement.terms
    late = case.items[1][0]
    moved = replace(terms, period=replace(terms.period, first_index=late), before=case.journal.head(late))
    restate(case, terms=moved)


def acknowledged_by_a_stranger(case: Case) -> None:
    case.acknowledge(MALLORY)


def acknowledged_for_a_stranger(case: Case) -> None:
    case.acknowledge(PARTNER, party=PartyId(CPO.country_code, "XYZ"))


def acknowledged_by_the_wrong_side(case: Case) -> None:
    case.acknowledge(PARTNER, party=CPO)


def another_statement_acknowledged(case: Case) -> None:
    case.acknowledge(PARTNER, statement="ab" * 32)


def no_acknowledgement(case: Case) -> None:
    case.acknowledgements = (b"{}",)


ATTACKS: list[tuple[Callable[[Case], None], Failure]] = [
    (other_root_signs, Failure.KEYRING_UNTRUSTED),
    (other_key_signs, Failure.SIGNATURE_INVALID),
    (other_key_signs_checkpoint, Failure.CHECKPOINT_INVALID),
    (other_hub, Failure.CHECKPOINT_INVALID),
    (key_ends_too_early, Failure.KEY_NOT_VALID),
    (key_revoked_before_issue, Failure.KEY_NOT_VALID),
    (checkpoint_by_a_revoked_key, Failure.KEY_NOT_VALID),
    (another_statement_was_issued, Failure.LEAF_MISMATCH),
    (issue_entry_of_another_kind, Failure.LEAF_MISMATCH),
    (cut_off_of_another_period, Failure.LEAF_MISMATCH),
    (a_leaf_opens_to_another_cdr, Failure.LEAF_MISMATCH),
    (a_cdr_is_left_out, Failure.CDRS_DIFFER),
    (wrong_lines, Failure.CDRS_DIFFER),
    (a_cdr_stands_twice, Failure.CDRS_DIFFER),
    (a_cdr_is_credited_twice, Failure.CDRS_DIFFER),
    (a_credit_gives_back_more_than_was_charged, Failure.CDRS_DIFFER),
    (a_credit_in_another_line, Failure.CDRS_DIFFER),
    (a_credit_is_credited, Failure.CDRS_DIFFER),
    (a_cdr_between_other_parties, Failure.LEAF_MISMATCH),
    (a_cut_off_between_other_parties, Failure.LEAF_MISMATCH),
    (an_issue_told_to_other_parties, Failure.LEAF_MISMATCH),
    (wrong_totals, Failure.TOTALS_WRONG),
    (an_amount_is_brought_forward, Failure.TOTALS_WRONG),
    (an_amount_is_held, Failure.TOTALS_WRONG),
    (roots_that_never_were, Failure.TREE_INCONSISTENT),
    (an_earlier_tree_that_is_not_empty, Failure.TREE_INCONSISTENT),
    (a_cdr_of_an_earlier_period, Failure.OUTSIDE_PERIOD),
    (acknowledged_by_a_stranger, Failure.ACKNOWLEDGEMENT_INVALID),
    (acknowledged_for_a_stranger, Failure.ACKNOWLEDGEMENT_INVALID),
    (acknowledged_by_the_wrong_side, Failure.ACKNOWLEDGEMENT_INVALID),
    (another_statement_acknowledged, Failure.ACKNOWLEDGEMENT_INVALID),
    (one_party_answers_twice, Failure.ACKNOWLEDGEMENT_INVALID),
    (no_acknowledgement, Failure.ACKNOWLEDGEMENT_INVALID),
]


@pytest.mark.parametrize(("attack", "failure"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
def test_every_attack_is_named_for_what_it_is(attack: Callable[[Case], None], failure: Failure) -> None:
    case = settle()
    attack(case)
    assert outcome(case) is failure


def test_a_credit_of_an_earlier_statements_cdr_verifies() -> None:
    assert outcome(settle([item(1).credited(cdr="NL-CPO/1-credit")])) is None


def test_a_credit_may_spell_the_id_of_its_charge_in_its_own_way() -> None:
    charge = item(1, cdr="NL-CPO/abc")
    credit = replace(charge.credited(cdr="NL-CPO/abc-credit"), credit_of="NL-CPO/ABC")
    assert outcome(settle([charge, credit])) is None


def test_two_ids_that_the_hub_tells_apart_are_two_cdrs() -> None:
    assert outcome(settle([item(cdr="NL-CPO/stra\u00dfe"), item(cdr="NL-CPO/strasse")])) is None


def test_acknowledgements_of_the_party_and_of_the_hub_count() -> None:
    case = settle()
    case.acknowledge(PARTNER)
    case.acknowledge(KEY, party=CPO)
    report = verify_bundle(case.bundle(), ROOTS)
    assert report.exit_code == 0
    assert report.checks[-1].detail == "DE-MSP ACCEPT, signed by the party; NL-CPO ACCEPT, attested by the hub"


def test_an_old_acknowledgement_counts_after_rotation_and_not_after_revocation() -> None:
    case = settle()
    case.acknowledge(KEY)
    case.checkpoint_signer = NEXT_KEY
    later = case.issued + 1
    case.keyring = RING.rotated(NEXT, at=later)
    assert outcome(case) is None
    case.keyring = case.keyring.revoked(KEY.name, at=later)
    assert outcome(case) is Failure.ACKNOWLEDGEMENT_INVALID


def test_an_old_statement_verifies_after_rotation_and_even_after_revocation() -> None:
    case = settle()
    case.checkpoint_signer = NEXT_KEY
    later = case.issued + 1
    for keyring in (
        RING.rotated(NEXT, at=later),
        RING.rotated(NEXT, at=later).revoked(KEY.name, at=later),
    ):
        case.keyring = keyring
        assert outcome(case) is None


def test_a_newer_keyring_brings_the_revocation_to_an_old_bundle() -> None:
    revoked = RING.revoked(KEY.name, at=1)
    report = verify_bundle(PLAIN, ROOTS, newer_keyring=sign_keyring(revoked, [ROOT]))
    assert report.failure is Failure.KEY_NOT_VALID
    older = replace(RING, version=0, keys=())
    assert verify_bundle(PLAIN, ROOTS, newer_keyring=sign_keyring(older, [ROOT])).exit_code == 0
    for wrong in (b"", sign_keyring(replace(RING, hub="other"), [ROOT])):
        assert verify_bundle(PLAIN, ROOTS, newer_keyring=wrong).failure is Failure.KEYRING_UNTRUSTED


def rewritten(**files: bytes) -> bytes:
    parts, renderings = read_bundle(PLAIN)
    changes = {name: content for name, content in files.items() if name in {"statement", "checkpoint", "keyring"}}
    shown = {name: files.get(name.replace(".", "_"), content) for name, content in renderings.items()}
    return write_bundle(replace(parts, **changes), shown)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("files", "failure"),
    [
        ({"statement": b"{}"}, Failure.STATEMENT_MALFORMED),
        ({"checkpoint": b"{}"}, Failure.CHECKPOINT_INVALID),
        ({"keyring": b"{}"}, Failure.KEYRING_UNTRUSTED),
        ({"statement_csv": b""}, Failure.RENDERING_DIFFERS),
        ({"cdrs_csv": b""}, Failure.RENDERING_DIFFERS),
        ({"statement_html": b"<p>You owe us more"}, Failure.RENDERING_DIFFERS),
    ],
)
def test_every_file_of_a_bundle_is_checked(files: dict[str, bytes], failure: Failure) -> None:
    assert verify_bundle(rewritten(**files), ROOTS).failure is failure


def test_a_leaf_that_is_not_in_the_journal_proves_nothing() -> None:
    parts, renderings = read_bundle(PLAIN)
    first, *rest = parts.leaves
    foreign = replace(first, preimage=settle([item(9)]).parts().leaves[0].preimage)
    forged_issue = replace(parts.proofs, issued=replace(parts.proofs.issued, preimage=foreign.preimage))
    cut_proof = replace(parts.proofs, leaves=parts.proofs.leaves[:-1])
    for changed in (
        replace(parts, leaves=(foreign, *rest)),
        replace(parts, leaves=()),
        replace(parts, proofs=forged_issue),
        replace(parts, proofs=cut_proof),
    ):
        assert verify_bundle(write_bundle(changed, renderings), ROOTS).failure is Failure.NOT_IN_JOURNAL


def test_a_leaf_shows_its_settlement_and_is_a_leaf() -> None:
    parts, renderings = read_bundle(PLAIN)
    hidden = replace(parts.leaves[0], openings={})
    changed = replace(parts, leaves=(hidden, *parts.leaves[1:]))
    assert verify_bundle(write_bundle(changed, renderings), ROOTS).failure is Failure.LEAF_MISMATCH


def test_a_statement_issued_before_its_period_ended_proves_nothing() -> None:
    case = settle([], issue=False)
    terms = case.statement.terms
    publish(case, after=0)
    early = case.issued
    end = case.journal.append(EntryKind.CUT_OFF, {"period": terms.period.name.encode()}) + 1
    period = replace(terms.period, end_index=end)
    case.statement = replace(case.statement, terms=replace(terms, period=period, after=case.journal.head(end)))
    # The hub would have to know the digest before the tree: forge the entry and the tree that holds it.
    case.document = statement_bytes(case.statement)
    forged = case.parts()
    issued = replace(forged.proofs.issued, index=early)
    report = verify_bundle(
        write_bundle(replace(forged, proofs=replace(forged.proofs, issued=issued)), case.renderings()), ROOTS
    )
    assert report.failure is Failure.LEAF_MISMATCH


def test_what_rests_on_a_failure_is_skipped_and_the_rest_still_checked() -> None:
    report = verify_bundle(rewritten(keyring=b"{}"), ROOTS)
    found = {check.name: check.outcome for check in report.checks}
    assert (found["signature"], found["issued"]) == (Outcome.SKIPPED, Outcome.SKIPPED)
    assert (found["totals"], found["cdrs"]) == (Outcome.PASSED, Outcome.PASSED)


def zipped(change: Callable[[zipfile.ZipFile], None]) -> bytes:
    written = BytesIO(PLAIN)
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(written, "a") as archive:
        change(archive)
    return written.getvalue()


def without(name: str) -> bytes:
    written = BytesIO()
    with zipfile.ZipFile(BytesIO(PLAIN)) as old, zipfile.ZipFile(written, "w") as new:
        for entry in old.infolist():
            if entry.filename != name:
                new.writestr(entry, old.read(entry))
    return written.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:-1],
        PLAIN + b"x",
        b"x" + PLAIN,
        zipped(lambda archive: archive.writestr("more.txt", "x")),
        zipped(lambda archive: archive.writestr("statement.csv", "x")),
        zipped(lambda archive: archive.writestr("zeros", bytes(10**6), zipfile.ZIP_DEFLATED)),
        without("proofs.json"),
        without("statement.html"),
    ],
)
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedBundle):
        read_bundle(data)


def test_a_bundle_takes_a_bounded_number_of_acknowledgements() -> None:
    parts, renderings = read_bundle(PLAIN)
    with pytest.raises(ValueError, match="99"):
        write_bundle(replace(parts, acknowledgements=(b"{}",) * 100), renderings)


def test_the_page_escapes_what_partners_chose_and_shows_the_digest() -> None:
    case = settle()
    hostile = replace(case.statement.terms, agreement="agreements/<script>alert(1)</script>")
    lines = case.statement.lines
    case.statement = replace(case.statement, terms=hostile, lines=lines)
    page = case.renderings()["statement.html"].decode()
    assert "<script>" not in page
    report = verify_bundle(PLAIN, ROOTS)
    assert report.summary is not None
    assert report.summary.digest in read_bundle(PLAIN)[1]["statement.html"].decode()


def test_no_spreadsheet_takes_a_cdr_id_for_a_formula() -> None:
    case = settle([item(1, cdr="=HYPERLINK(1)")])
    assert b",'=HYPERLINK(1)," in case.renderings()["cdrs.csv"]
    assert outcome(case) is None


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def runs(data: bytes, *options: str, trust: str | None = None) -> tuple[int, str]:
        (tmp_path / "bundle.zip").write_bytes(data)
        (tmp_path / "roots.txt").write_text(ROOTS.to_text() if trust is None else trust)
        code = roamhub(["verify", str(tmp_path / "bundle.zip"), "--trust", str(tmp_path / "roots.txt"), *options])
        return code, capsys.readouterr().out

    return runs


def test_the_command_says_who_owes_what(run: Run) -> None:
    code, text = run(PLAIN)
    assert code == 0
    assert "VERIFIED: DE-MSP owes NL-CPO 23.43 EUR for 4 CDRs" in text


def test_what_was_credited_beyond_the_charges_is_owed_the_other_way_round(run: Run) -> None:
    case = settle([item(1), item(2, amount=20_0000).credited(cdr="NL-CPO/2-credit")])
    code, text = run(case.bundle())
    assert code == 0
    assert "VERIFIED: NL-CPO owes DE-MSP " in text
    assert "owes DE-MSP -" not in text


def test_nothing_in_a_bundle_paints_over_the_verdict(run: Run) -> None:
    case = settle(
        [item(1), item(1, cdr="NL-CPO/\x1b[1A\r\u202eVERIFIED"), item(2, cdr="NL-CPO/\x1b[1A\r\u202eVERIFIED")]
    )
    code, text = run(case.bundle())
    assert code == Failure.CDRS_DIFFER
    assert all(each.isprintable() for each in text.splitlines())
    assert "NL-CPO/\\x1b[1A\\r\\u202eVERIFIED is stated twice" in text
    assert text.splitlines()[-1] == "NOT VERIFIED: CDRS_DIFFER (exit code 22)"


def test_the_command_prints_json_for_machines(run: Run) -> None:
    code, text = run(PLAIN, "--json")
    document = json.loads(text)
    assert (code, document["verified"], document["failure"]) == (0, True, None)
    assert document["statement"]["payable"] == "23.43"
    code, text = run(PLAIN[:-1], "--json")
    document = json.loads(text)
    assert (code, document["verified"], document["failure"]) == (12, False, "BUNDLE_MALFORMED")


def test_the_command_names_the_failure(run: Run) -> None:
    changed = bytearray(PLAIN)
    changed[Random(1).randrange(len(changed))] ^= 1
    code, text = run(bytes(changed))
    assert code == Failure.BUNDLE_MALFORMED
    assert "NOT VERIFIED: BUNDLE_MALFORMED (exit code 12)" in text


def test_the_command_wants_readable_files(run: Run, tmp_path: Path) -> None:
    assert run(PLAIN, trust="nothing")[0] == Failure.ROOTS_UNUSABLE
    assert run(PLAIN, "--keyring", str(tmp_path / "none"))[0] == Failure.UNREADABLE
    newer = tmp_path / "keyring"
    newer.write_bytes(sign_keyring(RING.revoked(KEY.name, at=0), [ROOT]))
    assert run(PLAIN, "--keyring", str(newer))[0] == Failure.KEY_NOT_VALID


def test_no_exit_code_is_used_twice_or_taken_by_the_shell() -> None:
    assert [int(failure) for failure in Failure] == list(range(10, 26))
    assert {failure for _, failure in ATTACKS} | {
        Failure.UNREADABLE,
        Failure.ROOTS_UNUSABLE,
        Failure.BUNDLE_MALFORMED,
        Failure.STATEMENT_MALFORMED,
        Failure.NOT_IN_JOURNAL,
        Failure.RENDERING_DIFFERS,
    } == set(Failure)


def test_every_exit_code_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs/proof.md").read_text()
    for failure in Failure:
        assert f"| {int(failure)} | {failure.name} |" in page


def test_a_root_of_nothing_is_the_empty_tree() -> None:
    assert settle(before=0).statement.terms.before == TreeHead(size=0, root=EMPTY_ROOT)
