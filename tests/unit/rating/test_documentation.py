"""docs/rating.md names every policy, setting, note and lint code."""

from dataclasses import fields
from pathlib import Path

import pytest

from hub.domain.errors import Invalid
from hub.domain.rating import POLICIES, NoteCode, PricingPolicy, policy_named
from hub.domain.rating.lint import CODES, Severity

PAGE = (Path(__file__).parents[3] / "docs" / "rating.md").read_text()


@pytest.mark.parametrize("name", [*POLICIES, *NoteCode, *CODES])
def test_the_page_explains(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("setting", [field.name for field in fields(PricingPolicy) if field.name != "name"])
def test_the_page_explains_each_setting_and_its_default(setting: str) -> None:
    # Some notes have the name of a setting; the table of settings comes first.
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{setting}` |"))
    default = getattr(policy_named("roamhub-2026"), setting)
    shown = row.split("|")[2]
    if isinstance(default, bool):
        assert shown.strip() == ("yes" if default else "no")
    elif isinstance(default, frozenset):
        assert shown.strip() == ", ".join(sorted(default))
    else:
        assert str(default) in shown


@pytest.mark.parametrize("severity", list(Severity))
def test_the_page_lists_the_lint_codes_by_severity(severity: Severity) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {severity} |")]
    assert {code for code in CODES if f"`{code}`" in row} == {c for c, its in CODES.items() if its is severity}


def test_an_unknown_policy_is_refused_with_those_that_exist() -> None:
    with pytest.raises(Invalid, match="roamhub-2026"):
        policy_named("cheapest")


def test_a_policy_is_found_by_its_own_name() -> None:
    assert all(policy_named(name).name == name for name in POLICIES)
