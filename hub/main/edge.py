"""The edge of one hub: who calls, and how often one may."""

from collections.abc import Callable
from time import monotonic

from hub.app.directory import Directory
from hub.config import Config
from hub.domain.clock import Clock, NewId
from hub.domain.rates import RateLimit
from hub.metrics import Metrics
from hub.rpc.edge import Edge
from hub.rpc.identity import CertificateIdentity

#: How fast one address may call without a certificate: registration is rare.
_STRANGER_CALLS_PER_SECOND = 5
_STRANGER_CALLS_BURST = 50


def make_edge(
    config: Config, *, directory: Callable[[], Directory], clock: Clock, new_id: NewId, metrics: Metrics
) -> Edge:
    """Return what every call passes on its way in and out."""
    partners = RateLimit(per_second=config.calls_per_second, burst=config.calls_burst)
    strangers = RateLimit(per_second=_STRANGER_CALLS_PER_SECOND, burst=_STRANGER_CALLS_BURST)
    return Edge(
        identify=CertificateIdentity(directory, clock),
        admit=lambda platform: partners.admit(platform, monotonic()),
        hold=lambda platform: partners.hold(platform, monotonic()),
        admit_stranger=lambda address: strangers.admit(address, monotonic()),
        observe=metrics.rpc,
        new_id=new_id,
        message_bytes_max=config.message_bytes_max,
    )
