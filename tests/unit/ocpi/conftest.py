"""What the codec's tests share: the real data, and how two JSON values are the same to OCPI."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.ocpi.codec import Json, Number

DATA = Path(os.environ.get("ROAMHUB_DATA", Path(__file__).parents[3] / "../shared/data"))
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")


@pytest.fixture(scope="session")
def data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"no shared data at {DATA}: set ROAMHUB_DATA")
    return DATA


def _same(value: Json) -> Json:
    """Drop what OCPI takes for absent, write whole numbers and times one way, keep every other number's text."""
    match value:
        case dict():
            return {name: _same(item) for name, item in sorted(value.items()) if item is not None and item != []}
        case list():
            return [_same(item) for item in value]
        case int() if value is not True and value is not False:
            return Number(str(value))
        case str() if _TIME.fullmatch(value):
            return datetime.fromisoformat(value.removesuffix("Z")).replace(tzinfo=UTC).isoformat()
        case _:
            return value


@pytest.fixture(scope="session")
def same() -> Callable[[Json], Json]:
    return _same
