"""The page on the architecture names files, and what is in them; both must be there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:hub|protos|adapters|tests|docs)/[\w/.]+)`", PAGE)))
STEPS = re.findall(r"^\| \d+ \| `([\w/.]+)` `(\w+)` \|", PAGE, re.MULTILINE)
PACKAGES = sorted(path.parent.name for path in (ROOT / "hub").glob("*/__init__.py"))


@pytest.mark.parametrize("path", PATHS)
def test_what_the_page_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("path", "name"), STEPS)
def test_each_step_of_the_walks_is_where_the_page_says(path: str, name: str) -> None:
    defined = rf"^\s*(?:class|def|async def) {name}\b|^{name}(?:: .*)? = "
    assert re.search(defined, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_both_walks_are_there_without_a_gap() -> None:
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    assert numbers == [*range(1, 13), *range(1, 21)]
    assert len(STEPS) == len(numbers)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_is_described(package: str) -> None:
    assert f"| `hub/{package}` |" in PAGE


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([\w.-]+\.md)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
