"""The connection to the hub: mutual TLS, kept alive, with automatic repetition of what may be repeated."""

import json

import grpc

from adapters.partner.credentials import Credentials

#: Largest message either way, in bytes; the hub's own limit is no larger by default.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024

_RETRY = {
    "maxAttempts": 4,
    "initialBackoff": "0.2s",
    "maxBackoff": "3s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
#: Asking twice whether a driver may charge, or telling a station twice to start, is the caller's decision.
_NEVER_REPEATED = ("roamhub.v1.AuthorizationService", "roamhub.v1.CommandService", "roamhub.v1.LinkService")

_SERVICE_CONFIG = {
    "methodConfig": [
        {"name": [{"service": service} for service in _NEVER_REPEATED]},
        {"name": [{}], "retryPolicy": _RETRY},
    ]
}

OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.enable_retries", 1),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # without it gRPC waits a minute for the answer to a ping
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    # Whatever its name says, gRPC gives every attempt to connect this long, and mutual TLS is several round trips.
    ("grpc.min_reconnect_backoff_ms", 20_000),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    # Two platforms in one process must not share a connection, whose certificate says who calls.
    ("grpc.use_local_subchannel_pool", 1),
)


def open_channel(credentials: Credentials) -> grpc.aio.Channel:
    """Return a channel to the hub's mutual-TLS port; it connects when first used."""
    return grpc.aio.secure_channel(credentials.hub, tls(credentials), options=OPTIONS)


def tls(credentials: Credentials) -> grpc.ChannelCredentials:
    """Return the TLS side of the credentials."""
    return grpc.ssl_channel_credentials(
        root_certificates=credentials.authority_pem,
        private_key=credentials.key_pem,
        certificate_chain=credentials.certificate_pem,
    )
