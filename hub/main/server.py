"""Opening a port: gRPC servers behind TLS, with their limits."""

from collections.abc import Sequence

import grpc

from hub.config import Config
from hub.crypto.ca import KeyPair
from hub.main.services import Service
from hub.rpc.edge import Edge


def credentials(pair: KeyPair, client_ca: bytes | None = None) -> grpc.ServerCredentials:
    """Return TLS with the server's pair; with a client CA, clients must show a certificate of it."""
    return grpc.ssl_server_credentials([(pair.key_pem, pair.chain_pem)], client_ca, client_ca is not None)


def make_server(config: Config, edge: Edge, services: Sequence[Service]) -> grpc.aio.Server:
    """Return a server that answers these services; it has no port yet and is not started."""
    server = grpc.aio.server(options=_options(config))
    for descriptor, servicer in services:
        server.add_generic_rpc_handlers((edge.handlers(descriptor, servicer),))
    return server


def _options(config: Config) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.message_bytes_max),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]
