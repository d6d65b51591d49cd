"""Reasons are public words: each is explained, and the page lists them all."""

from pathlib import Path

from hub.domain.meter.model import EXPLANATIONS, Reason

PAGE = Path(__file__).parents[3] / "docs/meter.md"


def test_every_reason_is_explained_and_documented() -> None:
    assert list(EXPLANATIONS) == list(Reason)
    page = PAGE.read_text()
    for reason, explanation in EXPLANATIONS.items():
        assert f"| `{reason}` | {explanation} |" in page
