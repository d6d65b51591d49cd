"""The page on errors has every reason that the hub gives, under its status, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from hub.rpc.status import CODES, DOMAIN

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
REASON = re.compile(r"[A-Z]+(_[A-Z]+)+")
STATUS = {kind.__name__: code.name for kind, code in CODES.items()}
#: What makes a refusal of an agreement or a deadline, which becomes a Precondition.
OTHERS = {"Refusal", "_by_terms", "_passed"}


def said() -> Iterator[tuple[str, str]]:
    """Yield status and reason of each row of the page."""
    for section in PAGE.split("\n## ")[1:]:
        for line in section.splitlines():
            if line.startswith("| `"):
                yield from (
                    (section.partition(":")[0], reason) for reason in re.findall(r"`(\w+)`", line.split("|")[1])
                )


def given() -> Iterator[tuple[str, str]]:
    """Yield status and reason of each error that the hub's code makes."""
    yield STATUS["Invalid"], "INVALID_FIELD"
    for path in sorted((ROOT / "hub").rglob("*.py")):
        if "cli" in path.parts:
            continue  # its failures are those of the command line, and carry on what the hub says
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield from of_call(node)
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_BY_STATE":
                yield from ((STATUS["Precondition"], reason) for reason in reasons(node.value))


def of_call(node: ast.Call) -> Iterator[tuple[str, str]]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in STATUS and name not in OTHERS:
        return
    # The reason is the first argument, or named; of _by_terms the second.
    places = [*node.args[: 2 if name == "_by_terms" else 1], *(k.value for k in node.keywords if k.arg == "reason")]
    for place in places:
        for reason in reasons(place):
            yield STATUS.get(name, STATUS["Precondition"]), reason


def reasons(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and REASON.fullmatch(each.value):
            yield each.value


def test_every_reason_stands_in_the_page_and_no_other() -> None:
    assert sorted(set(said())) == sorted(set(given()))


def test_no_reason_stands_twice_under_a_status() -> None:
    rows = list(said())
    assert len(rows) == len(set(rows))


def test_every_status_has_its_section() -> None:
    headings = re.findall(r"^## (\w+):", PAGE, re.MULTILINE)
    assert sorted(headings) == sorted([*STATUS.values(), "INTERNAL"])


def test_the_domain_is_the_one_that_errors_have() -> None:
    assert f"its `domain` is `{DOMAIN}`" in PAGE
