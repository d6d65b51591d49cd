"""Opening a port: gRPC servers behind TLS, with their limits."""

from collections.abc import Sequence

import grpc

from hub.config import Config
from hub.crypto.ca import KeyPair
from hub.main.services import Service
from hub.rpc.edge import Edge

#: Calls that one connection may have open.
_STREAMS_MAX = 2_000
#: How long a peer may take to answer a ping, or to shake hands, in milliseconds.
_ANSWER_MS = 10_000


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
    keepalive = config.keepalive_seconds * 1000
    return [
        ("grpc.max_receive_message_length", config.message_bytes_max),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", _STREAMS_MAX),
        # A peer that is gone without a word is found out by a ping, whether or not it has calls open.
        ("grpc.keepalive_time_ms", keepalive),
        ("grpc.keepalive_timeout_ms", min(keepalive, _ANSWER_MS)),
        # gRPC waits for a ping's answer by this one, and not by the one above when that is shorter (seen in 1.85).
        ("grpc.http2.ping_timeout_ms", min(keepalive, _ANSWER_MS)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # Partners may ping us as often; more is taken for an attack and ends the connection.
        ("grpc.http2.min_ping_interval_without_data_ms", min(keepalive, _ANSWER_MS)),
        ("grpc.server_handshake_timeout_ms", min(keepalive, _ANSWER_MS)),
        ("grpc.so_reuseport", 0),
    ]
