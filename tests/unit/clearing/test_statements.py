"""The statement: one content, one sequence of bytes; every figure follows from the lines, every line from the CDRs."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.agreements import Rounding
from hub.domain.canonical import MalformedDocument, dump
from hub.domain.clearing.items import ClearingItem
from hub.domain.statements import (
    BroughtForward,
    Held,
    WrongTotals,
    check_items,
    check_totals,
    make_manifest,
    parse_statement,
    statement_bytes,
)
from tests.unit.clearing.making import CPO, EMSP, item, items, statement

PLAIN = [item(1), item(2, country="BE", amount=7_0050), item(3).credited(cdr="NL-CPO/4")]


@given(items(8), st.sampled_from(Rounding), st.sampled_from(["EUR", "JPY"]))
def test_a_statement_reads_back_to_the_same_bytes(given: list[ClearingItem], how: Rounding, currency: str) -> None:
    made = statement([replace(each, currency=currency) for each in given], rounding=how, currency=currency)
    document = statement_bytes(made)
    assert parse_statement(document) == made
    check_totals(made)
    check_items(made, [replace(each, currency=currency) for each in given])


@given(items(8), st.randoms())
def test_the_same_manifest_makes_the_same_bytes_whatever_the_order(given: list[ClearingItem], random: Any) -> None:
    numbered = list(enumerate(given))
    random.shuffle(numbered)
    again = statement([each for _, each in sorted(numbered, key=lambda pair: pair[0])])
    shuffled = replace(again, lines=statement([each for _, each in numbered]).lines)
    assert statement_bytes(shuffled) == statement_bytes(statement(given))


def test_the_hash_seed_makes_no_difference() -> None:
    program = (
        "from tests.unit.clearing.test_statements import PLAIN, statement, statement_bytes;"
        "import hashlib; print(hashlib.sha256(statement_bytes(statement(PLAIN))).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_held_and_brought_forward_amounts_change_only_what_is_payable() -> None:
    made = statement(
        PLAIN,
        held=(Held(index=1, amount=100, reason="DISPUTE"),),
        brought_forward=(BroughtForward(statement="cd" * 32, amount=40, reason="DISPUTE_CLOSED"),),
    )
    plain = statement(PLAIN).totals
    assert (made.totals.gross, made.totals.payable) == (plain.gross, plain.gross - 60)
    assert parse_statement(statement_bytes(made)) == made
    check_totals(made)
    assert made.obligation.payable.minor == made.totals.payable
    assert (made.obligation.debtor, made.obligation.creditor) == (EMSP, CPO)


def changed(path: str, value: object) -> bytes:
    """Return the plain statement's bytes with one value changed."""
    document: Any = json.loads(statement_bytes(statement(PLAIN)))
    at = document
    *keys, last = (int(key) if key.isdigit() else key for key in path.split("."))
    for key in keys:
        at = at[key]
    assert at[last] != value
    at[last] = value
    return dump(document)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("lines.0.net", "7.02", "line 1 is not its exact sum"),
        ("lines.0.exact", "8.0000", "line 1 is not its exact sum"),
        ("lines.0.cdr_count", 2, "count other CDRs"),
        ("taxes.0.taxable", "7.02", "tax buckets"),
        ("taxes.0.tax", "1.46", "tax buckets"),
        ("taxes.0.rate", "20.00", "tax buckets"),
        ("totals.net", "7.02", "totals.net"),
        ("totals.tax", "0.00", "totals.tax"),
        ("totals.gross", "8.49", "totals.gross"),
        ("totals.held", "0.01", "totals.held"),
        ("totals.brought_forward", "0.01", "totals.brought_forward"),
        ("totals.payable", "0.00", "totals.payable"),
        ("tax_rows.0.rate", "20.00", "not among the tax rows"),
        ("manifest.count", 4, "count other CDRs"),
    ],
)
def test_a_changed_figure_is_found_from_the_statement_alone(path: str, value: object, says: str) -> None:
    with pytest.raises(WrongTotals, match=says):
        check_totals(parse_statement(changed(path, value)))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (PLAIN[:2], "manifest"),
        ([*PLAIN[:2], replace(PLAIN[2], amount=-1)], "line 2 does not follow"),
        ([PLAIN[0], replace(PLAIN[1], country="FR"), PLAIN[2]], "other lines"),
        ([*PLAIN[:2], replace(PLAIN[2], currency="JPY")], "another agreement or currency"),
        ([*PLAIN[:2], replace(PLAIN[2], agreement="agreements/other")], "another agreement or currency"),
        ([*PLAIN[:2], replace(PLAIN[2], creditor=EMSP, debtor=CPO)], "other parties"),
        ([*PLAIN[:2], replace(PLAIN[2], tax_date=PLAIN[2].tax_date.replace(year=1999))], "no tax rule"),
    ],
)
def test_other_cdrs_make_another_statement(given: list[ClearingItem], says: str) -> None:
    with pytest.raises(WrongTotals, match=says):
        check_items(statement(PLAIN), given)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", "roamhub.statement.v2"),
        ("currency", "eur"),
        ("currency", "JPY"),
        ("rounding.profile", "SOMETIMES"),
        ("rounding.mode", "HALF_EVEN"),
        ("before.size", 1),
        ("after.root", "AB" * 32),
        ("after.root", "ab"),
        ("period.start_time", "2026-08-31T22:00:00Z"),
        ("period.first_date", "2026-9-1"),
        ("creditor.party", "nl-cpo"),
        ("creditor.state", "NLD"),
        ("debtor.dealer", "yes"),
        ("lines.0.number", 2),
        ("lines.0.country", "ZZ"),
        ("lines.0.net", "7.0"),
        ("lines.0.net", 7),
        ("totals.payable", "+1.00"),
        ("tax_rows.0.category", "Q"),
        ("manifest.sha256", ""),
        ("tax_table", "x"),
        ("agreement.version", -1),
        ("agreement.name", "agreements/other"),
        ("period.name", "agreements/nl-cpo-de-msp/periods/2026-08"),
        ("name", "agreements/nl-cpo-de-msp/periods/2026-09/statements/usd"),
        ("period.start_time", "2026-09-30T22:00:00.000000Z"),
        ("period.first_date", "2026-07-01"),
        ("debtor.party", "NL-CPO"),
    ],
)
def test_a_malformed_statement_is_refused(path: str, value: object) -> None:
    with pytest.raises(MalformedDocument):
        parse_statement(changed(path, value))


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b"null"])
def test_other_documents_are_no_statement(damage: bytes) -> None:
    with pytest.raises(MalformedDocument):
        parse_statement(damage)


@given(st.integers(0, 3000), st.integers(0, 255))
def test_no_changed_byte_goes_unnoticed_or_unexplained(at: int, byte: int) -> None:
    document = bytearray(statement_bytes(statement(PLAIN)))
    at %= len(document)
    same = document[at] == byte
    document[at] = byte
    try:
        parsed = parse_statement(bytes(document))
    except MalformedDocument:
        assert not same
        return
    assert statement_bytes(parsed) == bytes(document)


def test_an_entry_stands_in_a_manifest_once() -> None:
    with pytest.raises(ValueError, match="once"):
        make_manifest([(1, bytes(32)), (1, bytes(32))])


def test_a_manifest_does_not_depend_on_the_order() -> None:
    entries = [(2, b"b" * 32), (1, b"a" * 32)]
    assert make_manifest(entries) == make_manifest(reversed(entries))
