"""What terms are refused, and with which field."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.agreements import CheckAction, Service, violations_of
from tests.unit.agreements.making import NOW, terms

DAY = timedelta(days=1)


def test_ordinary_terms_break_no_rule() -> None:
    assert violations_of(terms(), NOW) == []


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("services", {"services": frozenset()}),
        ("services", {"services": frozenset({Service.REMOTE})}),
        ("currency_code", {"currency": "eur"}),
        ("currency_code", {"currency": "EURO"}),
        ("currency_code", {"currency": "ＥＵＲ"}),  # noqa: RUF001 - full-width letters are the point
        ("time_zone", {"time_zone": "Europe/Atlantis"}),
        ("time_zone", {"time_zone": "../../etc/passwd"}),
        ("time_zone", {"time_zone": "Europe"}),
        ("time_zone", {"time_zone": "europe/amsterdam"}),
        ("grace", {"grace": -DAY}),
        ("grace", {"grace": 93 * DAY}),
        ("grace", {"grace": timedelta(microseconds=1)}),
        ("dispute_window", {"dispute_window": 367 * DAY}),
        ("cdr_age_max", {"cdr_age_max": timedelta(0)}),
        ("return_window", {"return_window": timedelta(0)}),
        ("return_window", {"return_window": 367 * DAY}),
        ("review_window", {"review_window": timedelta(seconds=59)}),
        ("review_window", {"review_window": 93 * DAY}),
        ("price_tolerance", {"price_tolerance": Decimal("-0.01")}),
        ("price_tolerance", {"price_tolerance": Decimal("0.00001")}),
        ("price_tolerance", {"price_tolerance": Decimal("1E30")}),
        ("price_tolerance_relative", {"price_tolerance_relative": Decimal("1.01")}),
        ("price_tolerance_relative", {"price_tolerance_relative": Decimal("0.0000001")}),
        ("tax_profile", {"tax_profile": "a b"}),
        ("fee_profile", {"fee_profile": "x" * 65}),
        ("fx_profile", {"fx_profile": "ECB"}),
        ("pricing_policy", {"pricing_policy": "mine"}),
        ("checks", {"checks": {"no spaces": CheckAction.WARN}}),
        ("checks", {"checks": {f"check_{i}": CheckAction.WARN for i in range(201)}}),
        ("end_time", {"start": NOW + DAY, "end": NOW + DAY}),
        ("end_time", {"start": NOW - DAY, "end": NOW}),
    ],
)
def test_terms_that_cannot_be_name_their_field(field: str, changes: dict[str, Any]) -> None:
    assert [violation.field for violation in violations_of(terms(**changes), NOW)] == [f"terms.{field}"]


def test_all_broken_rules_are_told_at_once() -> None:
    broken = violations_of(terms(currency="", time_zone="", price_tolerance=Decimal(-1)), NOW)
    assert [violation.field for violation in broken] == [
        "terms.currency_code",
        "terms.time_zone",
        "terms.price_tolerance",
    ]


def test_numbers_with_trailing_zeros_are_counted_by_their_value() -> None:
    assert violations_of(terms(price_tolerance=Decimal("0.01000000")), NOW) == []
