from pathlib import Path

import pytest

from tests.unit.partner.fake_hub import FakeHub


@pytest.fixture
def fake_hub(tmp_path: Path) -> FakeHub:
    return FakeHub(tmp_path / "hub")
