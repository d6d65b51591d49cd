"""The page on the SDK: its code is code, and names what there is."""

import ast
import re
from pathlib import Path

import adapters.partner as sdk
from adapters.partner import errors

PAGE = (Path(__file__).parents[3] / "docs/partner-sdk.md").read_text()


def test_every_block_of_code_parses() -> None:
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```\n", PAGE)
    assert len(blocks) >= 4
    for block in blocks:
        compile(block, "docs/partner-sdk.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


def test_every_error_named_in_the_page_exists_and_the_other_way_round() -> None:
    table = PAGE.split("| Error | Means | Do |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([A-Z]\w+)`", table))
    there = {
        name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, errors.RoamhubError)
    }
    assert there - named == {"RoamhubError", "Interrupted", "Unimplemented"}
    assert named <= there
    assert set(sdk.__all__) >= {"Handler", "Partner", "party"}
