"""Platforms and parties: who runs the software that calls, and in whose name it speaks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from hub.domain.ids import PartyId


class Role(StrEnum):
    """What a party does in the field (OCPI 2.3.0, types, Role)."""

    CPO = "CPO"
    EMSP = "EMSP"
    HUB = "HUB"
    NAP = "NAP"
    NSP = "NSP"
    OTHER = "OTHER"
    PTP = "PTP"
    SCSP = "SCSP"


class PartyState(StrEnum):
    """Whether a party takes part: PLANNED before its first call, SUSPENDED while the operator holds it back."""

    PLANNED = "PLANNED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class Presence(StrEnum):
    """Whether a party can be reached now (OCPI 2.3.0, mod_hub_client_info, ConnectionStatus)."""

    CONNECTED = "CONNECTED"
    OFFLINE = "OFFLINE"
    PLANNED = "PLANNED"
    SUSPENDED = "SUSPENDED"


_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")


def is_endpoint(text: str) -> bool:
    """Say whether the text is `host:port` with a name, an IPv4 or a bracketed IPv6 address, and a port from 1 on."""
    host, _, port = text.rpartition(":")
    return bool(_HOST.fullmatch(host)) and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A network that takes part.

    Attributes:
        number: The small integer that stands for the party in large tables; given once, never reused.
        platform: The platform that operates it.
        endpoint: Where the hub dials its PartnerService, `host:port`; empty when the partner opens links instead.
        document: The party's message as last published.
    """

    id: PartyId
    number: int
    roles: frozenset[Role]
    platform: str
    state: PartyState
    endpoint: str = ""
    document: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as the certificate says.

    Attributes:
        platform: The platform id of the certificate's SAN URI.
        operator: The hub's own operator, who alone may use AdminService.
        parties: The parties the platform operates, with their roles.
        serial: The certificate's serial number, in hexadecimal.
    """

    platform: str
    operator: bool = False
    parties: Mapping[PartyId, frozenset[Role]] = field(default_factory=lambda: MappingProxyType({}))
    serial: str = ""
