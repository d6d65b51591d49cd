"""The two servers a benchmark compares, each a process of its own over mutual TLS: a bare echo, and the hub.

Run as `python -m tests.bench.servers echo|hub FOLDER`; prints one JSON line when it serves, and ends with its parent.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop
from google.protobuf.wrappers_pb2 import BytesValue

from hub.collector import collect_less, keep_what_is
from hub.config import Config
from hub.crypto.ca import CertificateAuthority, operator_pair, server_pair
from hub.domain.agreements import CheckAction
from hub.domain.cdrs.checks import PRICE_CHECKS
from hub.domain.parties import Role
from hub.main import Hub, system_clock
from tests.support import add_partner, agree

#: Who takes part in every benchmark.
CPO, EMSP = "NL-CPO", "DE-MSP"
#: An eMSP whose agreement wants no price checked.
UNRATED = "DE-OFF"


async def serve_echo(folder: Path) -> None:
    """Serve `/bench/Echo`: a message is parsed and sent back, and nothing else is done."""
    authority = CertificateAuthority.open(folder, system_clock())
    pair = server_pair(authority, folder, ["localhost", "127.0.0.1"], system_clock())
    operator = operator_pair(authority, folder, system_clock())

    async def echo(request: BytesValue, context: Any) -> BytesValue:
        return request

    handler: Any = grpc.unary_unary_rpc_method_handler(echo, BytesValue.FromString, BytesValue.SerializeToString)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 << 20)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench", {"Echo": handler}),))
    credentials = grpc.ssl_server_credentials([(pair.key_pem, pair.chain_pem)], authority.ca_pem, True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    announce(port, authority.ca_pem, {"echo": (operator.key_pem, operator.chain_pem)})
    await parent_ends()
    await server.stop(0)


async def serve_hub(folder: Path) -> None:
    """Serve a whole hub with one CPO and two eMSPs that roam, as `roamhub serve` does."""
    collect_less()
    hub = Hub(
        Config(
            data_dir=folder,
            listen="127.0.0.1:0",
            register_listen="127.0.0.1:0",
            metrics_listen="",
            log_level="WARNING",
            message_bytes_max=64 << 20,
            calls_per_second=1_000_000,
            calls_burst=1_000_000,
        )
    )
    await hub.start()
    cpo = await add_partner(hub, [CPO], [Role.CPO], "cpo")
    emsp = await add_partner(hub, [EMSP], [Role.EMSP], "emsp")
    await agree(hub, cpo.party, emsp.party)
    other = await add_partner(hub, [UNRATED], [Role.EMSP], "unrated")
    await agree(hub, cpo.party, other.party, checks={str(code): CheckAction.ACCEPT for code in PRICE_CHECKS})
    callers = {each.platform: (each.key_pem, each.chain_pem) for each in (cpo, emsp, other)}
    keep_what_is()
    announce(hub.port, hub.ca.ca_pem, callers | {"operator": (hub.operator.key_pem, hub.operator.chain_pem)})
    await parent_ends()
    await hub.stop()


def announce(port: int, ca_pem: bytes, callers: dict[str, tuple[bytes, bytes]]) -> None:
    """Tell the parent process where and as whom to call."""
    pairs = {name: [key.decode(), chain.decode()] for name, (key, chain) in callers.items()}
    print(json.dumps({"port": port, "ca": ca_pem.decode(), "callers": pairs}), flush=True)


async def parent_ends() -> None:
    """Return when standard input closes."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    kind, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    (asyncio.run if kind == "echo" else uvloop.run)({"echo": serve_echo, "hub": serve_hub}[kind](folder))
