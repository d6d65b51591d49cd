"""Opening ports: gRPC servers behind TLS, with their limits, and the metrics beside them."""

import asyncio
from collections.abc import Sequence

import grpc

from hub.config import Config, ConfigError
from hub.crypto.ca import KeyPair
from hub.main.services import Service
from hub.metrics import Metrics, MetricsServer
from hub.rpc.edge import Edge

#: Calls that one connection may have open.
_STREAMS_MAX = 2_000
#: Calls that have come and wait for the event loop to take them: above this gRPC drops some, with no status that says
#: so, and above twice as many all. Its own 1,000 and 3,000 are less than one partner may have open.
_PENDING_MAX = 16_384
#: What holds on the port that anybody reaches: a code and a signing request, in bytes, are all there is to send.
_FOR_STRANGERS = [("grpc.max_receive_message_length", 128 * 1024)]
#: gRPC keeps sizes in 31 bits.
_BYTES_MOST = 2**31 - 1
#: How long a peer may take to answer a ping, or to shake hands, in milliseconds.
_ANSWER_MS = 10_000


def credentials(pair: KeyPair, client_ca: bytes | None = None) -> grpc.ServerCredentials:
    """Return TLS with the server's pair; with a client CA, clients must show a certificate of it."""
    return grpc.ssl_server_credentials([(pair.key_pem, pair.chain_pem)], client_ca, client_ca is not None)


def make_server(config: Config, edge: Edge, services: Sequence[Service], *, strangers: bool = False) -> grpc.aio.Server:
    """Return a server that answers these services, also to strangers; it has no port yet and is not started."""
    server = grpc.aio.server(options=[*_options(config), *(_FOR_STRANGERS if strangers else _for_partners(config))])
    server.add_generic_rpc_handlers((edge.handlers(services),))
    return server


class Ports:
    """The gRPC ports of one hub, opened one by one and drained together."""

    def __init__(self, config: Config, edge: Edge) -> None:
        self._config = config
        self._edge = edge
        self._servers: list[grpc.aio.Server] = []

    async def open(self, setting: str, services: Sequence[Service], tls: grpc.ServerCredentials) -> int:
        """Answer these services at the address that a setting names; returns the port.

        Raises:
            ConfigError: The address cannot be listened on.
        """
        address = getattr(self._config, setting)
        server = make_server(self._config, self._edge, services, strangers=setting == "register_listen")
        try:
            port = server.add_secure_port(address, tls)
        except RuntimeError:
            raise _taken(setting, address) from None
        await server.start()
        self._servers.append(server)
        return port

    async def drain(self, seconds: float) -> None:
        """Take no new calls, and give those in flight so long to finish."""
        await asyncio.gather(*(server.stop(seconds) for server in self._servers))


def serve_metrics(config: Config, metrics: Metrics) -> MetricsServer:
    """Serve the metrics at the address in the settings.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    try:
        return MetricsServer(metrics, config.metrics_listen)
    except OSError as error:
        raise _taken("metrics_listen", config.metrics_listen, error.strerror) from None


def _taken(setting: str, address: str, why: str | None = None) -> ConfigError:
    return ConfigError(f"{setting}: {address}: {why or 'cannot be listened on'}; does another hub run here?")


def _for_partners(config: Config) -> list[tuple[str, int]]:
    """Return what holds on a port that only partners and operators reach."""
    return [
        # The edge refuses what is too large, and says so precisely; gRPC what need not even be taken in.
        ("grpc.max_receive_message_length", min(2 * config.message_bytes_max, _BYTES_MOST)),
        ("grpc.server.max_pending_requests", _PENDING_MAX),
        ("grpc.server.max_pending_requests_hard_limit", 2 * _PENDING_MAX),
        # With it gRPC counts calls that are over and not yet cleared away as open, and resets what a client opens in
        # their place: of ten thousand calls at once seven thousand failed. It guards against strangers that open and
        # reset calls.
        ("grpc.http.overload_protection", 0),
    ]


def _options(config: Config) -> list[tuple[str, int]]:
    keepalive = config.keepalive_seconds * 1000
    return [
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
