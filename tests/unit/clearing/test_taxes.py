"""The decision table of taxes."""

import json
from datetime import date

import pytest

from hub.domain.canonical import MalformedDocument
from hub.domain.clearing.taxes import TaxRow, TaxRule, classify, dump_table, parse_table
from tests.unit.clearing.making import REVERSE_CHARGE, STANDARD_NL

EU = frozenset({"NL", "DE"})
ANY: frozenset[str] = frozenset()


def rule(row: TaxRow, **changes: object) -> TaxRule:
    facts: dict[str, object] = {"suppliers": ANY, "customers": ANY, "domestic": None, "dealer": None, "row": row}
    return TaxRule(**{**facts, **changes})  # type: ignore[arg-type]


DOCUMENT = dump_table(
    groups={"EU": EU},
    rules=[
        rule(STANDARD_NL, suppliers=frozenset({"NL"}), domestic=True),
        rule(REVERSE_CHARGE, suppliers=frozenset({"EU"}), customers=frozenset({"EU"}), domestic=False, dealer=True),
    ],
)


@pytest.mark.parametrize(
    ("supplier", "customer", "dealer", "category"),
    [
        ("NL", "NL", True, "S"),
        ("NL", "DE", True, "AE"),
        ("NL", "DE", False, None),
        ("NL", "CH", True, None),
        ("DE", "DE", True, None),
    ],
)
def test_states_and_dealer_decide(supplier: str, customer: str, dealer: bool, category: str | None) -> None:
    rows = parse_table(DOCUMENT).rows_for(supplier=supplier, customer=customer, dealer=dealer)
    row = classify(rows, date(2026, 9, 1))
    assert (row and row.category) == category


def test_the_tax_date_decides_between_rates() -> None:
    old = TaxRow(first_date=date(2000, 1, 1), end_date=date(2012, 10, 1), category="S", rate="19.00", note="")
    found = [classify((old, STANDARD_NL), day) for day in (date(2012, 9, 30), date(2012, 10, 1), date(1999, 1, 1))]
    assert found == [old, STANDARD_NL, None]


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": "21"},
        {"rate": "0.00"},
        {"category": "X"},
        {"category": "AE"},
        {"end_date": date(2012, 10, 1)},
    ],
)
def test_a_row_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    facts: dict[str, object] = {
        "first_date": date(2012, 10, 1),
        "end_date": None,
        "category": "S",
        "rate": "21.00",
        "note": "",
    }
    with pytest.raises(ValueError, match=r"tax r|rate|category"):
        TaxRow(**{**facts, **changes})  # type: ignore[arg-type]


def test_white_space_does_not_make_another_table() -> None:
    spread = json.dumps(json.loads(DOCUMENT), indent=2).encode()
    assert parse_table(spread) == parse_table(DOCUMENT)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"domestic":"YES"', '"domestic":"PERHAPS"'),
        ('"rate":"21.00"', '"rate":"21"'),
        ('"note":""', '"note":"","more":1'),
        ("roamhub.tax-table.v1", "roamhub.tax-table.v2"),
        ("{", ""),
        ('"rate":"21.00"', '"rate":"21.00","rate":"21.00"'),
    ],
)
def test_a_damaged_table_is_refused(was: str, becomes: str) -> None:
    with pytest.raises(MalformedDocument):
        parse_table(DOCUMENT.decode().replace(was, becomes, 1).encode())
