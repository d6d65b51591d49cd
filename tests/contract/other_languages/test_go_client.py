"""The contract from another language: a client generated from `protos/` alone, in Go, against a running hub."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "go"
PROTOS = Path(__file__).parents[3] / "protos"
MODULE = "roamhub.test/client"
PLUGINS = {
    "go": "google.golang.org/protobuf/cmd/protoc-gen-go",
    "go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
}
BUILD_SECONDS_MAX = 300


@pytest.fixture(scope="session")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the client, generated from the contract and built; skips where Go or its modules cannot be had."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed: the client in another language was not tried")
    folder = tmp_path_factory.mktemp("go")
    for source in HERE.iterdir():
        shutil.copy(source, folder)
    fetched = _run(folder, "go", "mod", "download")
    if fetched.returncode != 0:
        pytest.skip(f"the client's Go modules cannot be fetched: {fetched.stderr.strip().splitlines()[-1]}")
    _generate(folder)
    built = _run(folder, "go", "build", "-o", "client", ".")
    assert built.returncode == 0, built.stderr
    return folder / "client"


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False
    )


def _generate(folder: Path) -> None:
    """Generate the contract and the google messages it imports, all from `protos/`: nothing else is needed."""
    packages = {"roamhub/v1": "roamhubv1", "google/api": "googleapi", "google/type": "googletype"}
    roots = {"roamhub/v1": PROTOS, "google/api": PROTOS / "third_party", "google/type": PROTOS / "third_party"}
    files = {
        str(path.relative_to(roots[name])): f"{MODULE}/{package};{package}"
        for name, package in packages.items()
        for path in sorted((roots[name] / name).glob("*.proto"))
    }
    mapping = ",".join(f"M{name}={package}" for name, package in files.items())
    plugins = []
    for name, package in PLUGINS.items():
        built = _run(folder, "go", "build", "-o", f"protoc-gen-{name}", package)
        assert built.returncode == 0, built.stderr
        plugins.append(f"--plugin=protoc-gen-{name}={folder / f'protoc-gen-{name}'}")
    outputs = [f"--{name}_{what}" for name in PLUGINS for what in (f"out={folder}", f"opt=module={MODULE},{mapping}")]
    includes = [f"-I{PROTOS}", f"-I{PROTOS / 'third_party'}"]
    made = _run(folder, sys.executable, "-m", "grpc_tools.protoc", *includes, *plugins, *outputs, *files)
    assert made.returncode == 0, made.stderr


def test_the_contract_generates_and_builds_in_go(go_client: Path) -> None:
    assert subprocess.run([go_client, "-help"], capture_output=True, check=False, timeout=10).returncode == 0
