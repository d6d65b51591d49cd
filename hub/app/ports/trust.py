"""What trust needs from the rooms around it: a certifier, what its certificates say, and storage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub.domain.trust import CertificateRecord, Invitation

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

    def issue_operator(self, csr_pem: bytes, operator: str, now: datetime) -> Issued:
        """Return a client certificate that makes the key's bearer an operator of this name; raises as the other."""
        ...


class Invitations(Protocol):
    """Stored invitations; their ids sort by the time they were made."""

    def find(self, invitation_id: str) -> Invitation | None:
        """Return the invitation, or None."""
        ...

    def find_by_code(self, code_hash: bytes) -> Invitation | None:
        """Return the invitation whose code has this hash, whatever its state, or None."""
        ...

    def page(self, *, platform: str, before_id: str, limit: int) -> Sequence[Invitation]:
        """Return invitations made before the one named, newest first; "" means all of either."""
        ...

    def save(self, invitation: Invitation) -> None:
        """Insert an invitation, or replace what became of it."""
        ...


class Certificates(Protocol):
    """Stored certificates; a change of what is revoked makes the directory be read anew."""

    def find(self, serial: str) -> CertificateRecord | None:
        """Return the certificate, or None."""
        ...

    def of_invitation(self, invitation_id: str) -> CertificateRecord | None:
        """Return the certificate that was issued for an invitation, or None."""
        ...

    def unexpired(self, subjects: Sequence[str], now: datetime) -> Sequence[CertificateRecord]:
        """Return the certificates of these subjects that have not expired, revoked or not, newest first."""
        ...

    def unexpired_of_all(self, prefix: str, now: datetime) -> Sequence[CertificateRecord]:
        """Return those certificates that have not expired of all subjects that begin so, newest first."""
        ...

    def add(self, record: CertificateRecord) -> None:
        """Insert a certificate."""
        ...

    def revoke(self, serials: Sequence[str], now: datetime) -> None:
        """Mark certificates as revoked."""
        ...
