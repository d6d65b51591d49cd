"""Generates the Python code of the contract beside its `.proto` files.

`protos/roamhub` only: the `google.*` messages come from installed packages, their `.proto` files in `third_party` serve
as imports. A file with no service gets messages and stubs, a file with services also gets `_pb2_grpc`. Output depends on
nothing but the sources and the locked tools, so `--check` can compare it byte for byte with what is committed.

Usage: generate.py [--check]. Exit code 1: protoc failed, or `--check` found a difference (each is listed).
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "roamhub"
GENERATED = "*_pb2*.py*"
_SERVICE = re.compile(r"^service\s+\w+", re.MULTILINE)


def generate(out: Path) -> None:
    """Write the generated modules of every `.proto` below `roamhub` into `out`, keeping its folders."""
    sources = sorted(PACKAGE.rglob("*.proto"))
    with_services = [path for path in sources if _SERVICE.search(path.read_text(encoding="utf-8"))]
    _protoc(sources, f"--python_out={out}", f"--mypy_out=quiet:{out}")
    _protoc(with_services, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}")


def _protoc(sources: list[Path], *outputs: str) -> None:
    if not sources:
        return
    tools = Path(sys.executable).parent
    includes = (ROOT, ROOT / "third_party", Path(grpc_tools.__file__).parent / "_proto")
    command = [
        "protoc",
        *(f"--proto_path={path}" for path in includes),
        *(f"--plugin={name}={tools / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")),
        *outputs,
        *(str(path.relative_to(ROOT)) for path in sources),
    ]
    if protoc.main(command) != 0:
        sys.exit(1)


def _modules(folder: Path) -> dict[Path, bytes]:
    """Return the generated modules below `folder` by their relative path."""
    found = (path for path in folder.rglob(GENERATED) if "__pycache__" not in path.parts)
    return {path.relative_to(folder): path.read_bytes() for path in found}


def main() -> None:
    """Generate, or with `--check` compare, the code of the contract."""
    parser = argparse.ArgumentParser(description="Generate the Python code of the contract.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the committed code differs")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        wanted = _modules(Path(folder) / PACKAGE.name)
    found = _modules(PACKAGE)
    differing = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    for path in differing:
        if check:
            print(f"differs from its source: protos/roamhub/{path}", file=sys.stderr)
        elif path in wanted:
            (PACKAGE / path).write_bytes(wanted[path])
        else:
            (PACKAGE / path).unlink()
    if check and differing:
        sys.exit("run `make generate`")


if __name__ == "__main__":
    main()
