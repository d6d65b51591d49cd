"""Bundles held against earlier ones of the hub: what only both together show."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hub.cli.app import run as roamhub
from hub.crypto.report import Check, Failure, Outcome
from hub.crypto.verify import verify_bundle
from hub.domain.keyring import Keyring
from hub.domain.statements import StatementTerms, statement_bytes
from tests.unit.clearing.making import item
from tests.unit.proof.making import KEY, MALLORY, RING, ROOTS, Case, publish, settle

SEPTEMBER = settle()
OCTOBER = settle(
    [item(11), item(12), item(2, country="BE", amount=7_0050).credited(cdr="NL-CPO/2-credit")], follows=SEPTEMBER
)


def last_check(case: Case, *earlier: bytes) -> Check:
    return verify_bundle(case.bundle(), ROOTS, earlier=earlier).checks[-1]


def test_a_period_that_follows_another_joins_it() -> None:
    check = last_check(OCTOBER, SEPTEMBER.bundle())
    end = SEPTEMBER.statement.terms.after.size
    assert (check.name, check.outcome) == ("earlier", Outcome.PASSED)
    assert check.detail == f"1 other; one ends at entry {end}, where this begins"


def test_a_statement_exported_twice_is_one_statement() -> None:
    later = settle()
    later.journal = OCTOBER.journal
    assert later.bundle() != SEPTEMBER.bundle()
    assert last_check(OCTOBER, SEPTEMBER.bundle(), later.bundle(), OCTOBER.bundle()).detail.startswith("1 other")


def test_the_order_of_earlier_bundles_makes_no_difference() -> None:
    assert last_check(SEPTEMBER, OCTOBER.bundle()).outcome is Outcome.PASSED


def test_bundles_that_do_not_join_are_told_so() -> None:
    between = settle([item(20)], follows=SEPTEMBER)
    far = settle([item(30)], follows=between, month=november)
    begins = far.statement.terms.before.size
    check = last_check(far, SEPTEMBER.bundle())
    assert (check.outcome, check.detail) == (
        Outcome.PASSED,
        f"1 other; none ends at entry {begins}, where this begins",
    )


def november(base: StatementTerms) -> StatementTerms:
    name = base.period.name.replace("2026-09", "2026-11")
    return replace(base, name=f"{name}/statements/eur", period=replace(base.period, name=name))


def a_journal_written_anew() -> Case:
    other = settle([item(1), item(2), item(3), item(4)])
    return settle([item(11)], follows=other)


def another_version_of_the_statement() -> Case:
    case = settle()
    terms = replace(case.statement.terms, agreement_version=2)
    case.statement = replace(case.statement, terms=terms)
    case.document = statement_bytes(case.statement)
    # Into the same journal, after the first version.
    publish(case)
    return case


def a_cdr_stated_again() -> Case:
    return settle([item(1)], follows=SEPTEMBER)


def a_charge_credited_again() -> Case:
    return settle([item(1).credited(cdr="NL-CPO/another-credit")], follows=SEPTEMBER)


def a_credit_of_another_amount() -> Case:
    credit = item(2, country="BE", amount=7_0050).credited(cdr="NL-CPO/2-credit")
    return settle([replace(credit, amount=credit.amount + 1)], follows=SEPTEMBER)


def another_hub() -> Case:
    case = settle([item(11)], follows=SEPTEMBER)
    case.statement = replace(case.statement, terms=replace(case.statement.terms, hub="other.example/clearing"))
    case.document = statement_bytes(case.statement)
    case.keyring = Keyring(hub="other.example/clearing", version=1, keys=RING.keys)
    case.origin = "other.example/clearing"
    publish(case)
    return case


def an_overlapping_period() -> Case:
    case = settle([item(11)], follows=SEPTEMBER)
    terms, first = case.statement.terms, SEPTEMBER.statement.terms.after.size - 1
    moved = replace(terms, period=replace(terms.period, first_index=first), before=case.journal.head(first))
    case.statement = replace(case.statement, terms=moved)
    case.document = statement_bytes(case.statement)
    publish(case)
    return case


def a_period_told_in_two_ways() -> Case:
    return settle([item(11, currency="CHF")], follows=SEPTEMBER, month=lambda base: base, currency="CHF")


ATTACKS: list[tuple[Callable[[], Case], Failure]] = [
    (a_journal_written_anew, Failure.TREE_INCONSISTENT),
    (another_version_of_the_statement, Failure.CDRS_DIFFER),
    (a_cdr_stated_again, Failure.CDRS_DIFFER),
    (a_charge_credited_again, Failure.CDRS_DIFFER),
    (a_credit_of_another_amount, Failure.CDRS_DIFFER),
    (another_hub, Failure.CHECKPOINT_INVALID),
    (an_overlapping_period, Failure.OUTSIDE_PERIOD),
    (a_period_told_in_two_ways, Failure.OUTSIDE_PERIOD),
]


@pytest.mark.parametrize(("attack", "failure"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
def test_what_is_sound_alone_is_seen_through_beside_an_earlier_bundle(
    attack: Callable[[], Case], failure: Failure
) -> None:
    case = attack()
    assert verify_bundle(case.bundle(), ROOTS).failure is None
    check = last_check(case, SEPTEMBER.bundle())
    assert (check.name, check.failure) == ("earlier", failure), check.detail


def test_an_earlier_bundle_that_fails_is_named() -> None:
    forged = settle()
    forged.signer = MALLORY
    check = last_check(OCTOBER, SEPTEMBER.bundle(), forged.bundle())
    assert (check.failure, check.detail) == (
        Failure.SIGNATURE_INVALID,
        "earlier bundle 2: signature: no key of the keyring signed this statement",
    )


def test_a_bundle_that_fails_is_held_against_nothing() -> None:
    case = settle([item(11)], follows=SEPTEMBER)
    case.keyring = RING.revoked(KEY.name, at=0)
    check = last_check(case, SEPTEMBER.bundle())
    assert (check.outcome, check.detail) == (Outcome.SKIPPED, "rests on trees, issued")


def test_the_command_takes_many_earlier_bundles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "roots.txt").write_text(ROOTS.to_text())
    (tmp_path / "new.zip").write_bytes(a_cdr_stated_again().bundle())
    (tmp_path / "old.zip").write_bytes(SEPTEMBER.bundle())
    earlier = [*("--earlier", str(tmp_path / "old.zip")), *("--earlier", str(tmp_path / "old.zip"))]
    code = roamhub(["verify", str(tmp_path / "new.zip"), "--trust", str(tmp_path / "roots.txt"), *earlier])
    assert code == Failure.CDRS_DIFFER
    assert "NL-CPO/1 is stated twice" in capsys.readouterr().out
    missing = ["--earlier", str(tmp_path / "none.zip")]
    code = roamhub(["verify", str(tmp_path / "new.zip"), "--trust", str(tmp_path / "roots.txt"), *missing])
    assert code == Failure.UNREADABLE
