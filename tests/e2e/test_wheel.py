"""The wheel: what is installed from it is all there, and works away from the source tree."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {"hub": "hub", "adapters": "adapters", "roamhub": "protos/roamhub"}
BUILD = "from setuptools import build_meta; import sys; build_meta.build_wheel(sys.argv[1])"
#: Starts what needs more than modules: migrations with Alembic's files, the tax table, servicers, the command line.
USE = """
import sys
from pathlib import Path
import hub.cli.app, hub.main
from hub.main.clearing import tax_tables
from hub.store.database import open_engine
from hub.store.schema import current_revision, newest_revision, upgrade
engine = open_engine("sqlite:///" + sys.argv[1])
upgrade(engine)
assert current_revision(engine) == newest_revision()
assert "default" in tax_tables("")
print(Path(hub.main.__file__).parents[2])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("hub", "adapters", "protos"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=source, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


@pytest.mark.parametrize("package", SOURCES)
def test_the_wheel_holds_every_file_of_the_source_tree(installed: Path, package: str) -> None:
    source = ROOT / SOURCES[package]
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    wanted = {path for path in wanted if "__pycache__" not in path.parts}
    found = {path.relative_to(installed / package) for path in (installed / package).rglob("*") if path.is_file()}
    # The other test runs what is installed, which leaves compiled files beside it.
    assert {path for path in found if "__pycache__" not in path.parts} == wanted


def test_what_the_wheel_installs_works(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "roamhub.db")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]) == installed
