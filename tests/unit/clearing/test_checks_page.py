"""The page on CDR checks says what the code does."""

import re
from pathlib import Path

from hub.domain.agreements import CheckAction
from hub.domain.cdrs.checks import DEFAULT_ACTIONS, FIX_HINTS, Check

PAGE = (Path(__file__).parents[3] / "docs" / "cdr-checks.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z_]+)` \| ([A-Z]+) \| (.+) \| (.+) \|$", re.MULTILINE)


def test_every_check_stands_on_the_page_once_in_order_and_with_its_default_action() -> None:
    listed = [(code, action) for code, action, _, _ in ROW.findall(PAGE)]
    assert listed == [(str(check), str(DEFAULT_ACTIONS[check])) for check in Check]


def test_every_action_is_explained() -> None:
    explained = re.findall(r"^\| ([A-Z]+) \| (?:accepted|quarantined|returned)", PAGE, re.MULTILINE)
    assert explained == [str(action) for action in CheckAction]


def test_every_check_has_its_hint_and_the_page_says_the_same() -> None:
    assert {code: remedy.replace("`", "") for code, _, _, remedy in ROW.findall(PAGE)} == FIX_HINTS


def test_every_check_says_what_to_do() -> None:
    for code, _, found, remedy in ROW.findall(PAGE):
        assert len(found) > 20, code
        assert remedy.endswith("."), code
