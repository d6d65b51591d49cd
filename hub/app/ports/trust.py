"""What trust needs from the rooms around it: a certifier, and what its certificates say."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

#: SAN URI of a partner's certificate is this and the platform's id; of an operator's, the other and a name.
PLATFORM_URI = "roamhub://platform/"
OPERATOR_URI = "roamhub://operator/"

#: SAN URI of the certificate that the hub shows to the partners it dials. They must insist on it: every other partner
#: holds a certificate of the same CA.
HUB_URI = "roamhub://hub"


def platform_host(platform: str) -> str:
    """Return the DNS name in a platform's certificate: what the hub expects of the server at a partner's endpoint.

    It is no name of the public DNS. The endpoint may be any address; the certificate proves whose it is.
    """
    return f"{platform}.platforms.roamhub.internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate just issued.

    Attributes:
        chain_pem: The certificate, then those that lead to the hub's CA certificate, which is not among them.
        serial: Its serial number, in hexadecimal.
        expire_time: From when on it admits nobody.
        renew_time: From when on its bearer should ask for the next one.
    """

    chain_pem: bytes
    serial: str
    expire_time: datetime
    renew_time: datetime


class Certifier(Protocol):
    """Issues certificates in the hub's name."""

    @property
    def ca_pem(self) -> bytes:
        """The certificate of the hub's CA: what a partner trusts."""
        ...

    def issue_platform(self, csr_pem: bytes, platform: str, now: datetime) -> Issued:
        """Return a client certificate for the key of a certificate signing request.

        Only the key of the request counts; the name in the certificate is the given platform's.

        Raises:
            Invalid: It is no request, its signature is wrong, or its key is too weak or of a kind TLS peers refuse.
        """
        ...
