"""What the hub says of a field that it refuses."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "hub").rglob("*.py"))
SAYING = {"refuse", "invalid", "Violation"}
#: How the bare rule begins. Said of a field that breaks it, it is untrue: "kwh: is not negative".
BARE = tuple(
    f"{verb} "
    for verb in (
        *("is not", "is a", "is at", "is between", "is from", "is later", "is one", "is the text", "is unique"),
        *(
            "are at",
            "are numbers",
            "are public",
            "has at",
            "has 1",
            "have",
            "holds 1",
            "holds at",
            "names at",
            "names each",
        ),
        *("takes at", "does not", "do not", "goes", "lies in"),
    )
)


def _texts(call: ast.Call) -> Iterator[str]:
    for argument in (*call.args[1:], *(keyword.value for keyword in call.keywords if keyword.arg == "rule")):
        for node in ast.walk(argument):
            if isinstance(node, ast.JoinedStr):
                first = node.values[0]
                if isinstance(first, ast.Constant):
                    yield str(first.value)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_refused_field_is_told_what_it_must_be_and_never_the_bare_rule(module: Path) -> None:
    calls = (node for node in ast.walk(ast.parse(module.read_bytes())) if isinstance(node, ast.Call))
    saying = (call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) in SAYING)
    assert [text for call in saying for text in _texts(call) if text.startswith(BARE)] == []
