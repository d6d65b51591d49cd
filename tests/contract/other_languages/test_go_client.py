"""The contract from another language: a client generated from `protos/` alone, in Go, against a running hub."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from roamhub.v1 import admin_pb2, admin_pb2_grpc, party_pb2

from hub.domain.ids import PartyId
from hub.domain.parties import Role
from hub.main import Hub
from tests.conftest import PartnerFactory
from tests.rpc.partners import held_link, says_yes
from tests.support import agree

HERE = Path(__file__).parent / "go"
PROTOS = Path(__file__).parents[3] / "protos"
MODULE = "roamhub.test/client"
PLUGINS = {
    "go": "google.golang.org/protobuf/cmd/protoc-gen-go",
    "go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
}
BUILD_SECONDS_MAX = 1_200
#: Where there is no network some machines say so at once, and others never.
FETCH_SECONDS_MAX = 120


@pytest.fixture(scope="session")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the client, generated from the contract and built; skips where Go or its modules cannot be had."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed: the client in another language was not tried")
    folder = tmp_path_factory.mktemp("go")
    for source in HERE.iterdir():
        shutil.copy(source, folder)
    try:
        fetched = _run(folder, "go", "mod", "download", seconds=FETCH_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the client's Go modules cannot be fetched within {FETCH_SECONDS_MAX} seconds")
    if fetched.returncode != 0:
        pytest.skip(
            f"the client's Go modules cannot be fetched: {(fetched.stderr.strip() or 'no word').splitlines()[-1]}"
        )
    _generate(folder)
    built = _run(folder, "go", "build", "-o", "client", ".")
    assert built.returncode == 0, built.stderr
    return folder / "client"


def _run(folder: Path, *command: str, seconds: float = BUILD_SECONDS_MAX) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
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
    assert subprocess.run([go_client, "-help"], capture_output=True, check=False, timeout=120).returncode == 0


async def test_a_back_end_in_go_registers_publishes_authorizes_and_submits_a_cdr(
    hub: Hub, partner: PartnerFactory, operator_channel: grpc.aio.Channel, go_client: Path, tmp_path: Path
) -> None:
    emsp = await partner("NL-EMS", roles=(Role.EMSP,))
    request = admin_pb2.CreateInvitationRequest()
    request.invitation.platform_id = "gopher"
    request.invitation.parties.add(country_code="NL", party_id="ABC", roles=[party_pb2.PARTY_ROLE_CPO])
    invited = await admin_pb2_grpc.AdminServiceStub(operator_channel).CreateInvitation(request)
    await agree(hub, PartyId("NL", "ABC"), emsp.party)
    ca = tmp_path / "ca.pem"
    ca.write_text(invited.ca_pem, encoding="utf-8")
    options = {
        "register": invited.register_endpoint,
        "ca": str(ca),
        "code": invited.code,
        "token": "04A1B2C3",
        "emsp": "NL-EMS",
        "location": "LOC-1",
    }
    async with held_link(emsp, says_yes):
        process = await asyncio.create_subprocess_exec(
            go_client,
            *(f"-{name}={value}" for name, value in options.items()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()
    said = json.loads(out)
    assert said["platform"] == "platforms/gopher"
    assert said["allowed"] == "ALLOWED_TYPE_ALLOWED"
    assert said["reference"]
    assert (said["state"], said["findings"]) == ("CDR_STATE_ACCEPTED", [])
    assert said["again"] == said["index"], "the same submission has the same receipt"
    assert said["conflict"] == "AlreadyExists"
