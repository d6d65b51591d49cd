"""Invitations and certificates: how a platform comes to be trusted, and stops being."""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub.domain.ids import PartyId

#: A platform id is a DNS label, as it is one in the platform's certificate.
_PLATFORM = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")

#: Unpredictable bytes in a code: nobody guesses 160 bits, so a plain hash keeps it.
CODE_BYTES = 20

TTL_DEFAULT = timedelta(days=7)
TTL_LEAST = timedelta(minutes=1)
TTL_MOST = timedelta(days=30)

#: Good certificates that one platform may hold: its nodes and their renewals, and no more.
CERTIFICATES_MAX = 20


def is_platform_id(text: str) -> bool:
    """Say whether the text can be a platform's id: 1 to 40 lower-case letters, digits and inner hyphens."""
    return _PLATFORM.fullmatch(text) is not None


def make_code(chance: bytes) -> str:
    """Return a one-time code of `CODE_BYTES` unpredictable bytes: eight groups of four letters and digits."""
    text = base64.b32encode(chance).decode()
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def code_hash(code: str) -> bytes:
    """Return what is stored of a code; case, spaces and hyphens do not matter."""
    plain = "".join(code.split()).replace("-", "").upper()
    return hashlib.sha256(b"roamhub invitation\0" + plain.encode()).digest()


class InvitationState(StrEnum):
    """What has become of an invitation."""

    PENDING = "PENDING"
    USED = "USED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A platform invited to register.

    Attributes:
        id: UUID version 7, so that ids sort by the time they were made.
        code_hash: All that is kept of the one-time code.
        parties: Those that become active with the registration.
    """

    id: str
    code_hash: bytes
    platform: str
    parties: tuple[PartyId, ...]
    created: datetime
    expires: datetime
    used: datetime | None = None
    revoked: datetime | None = None

    def state(self, now: datetime) -> InvitationState:
        """Return what has become of it by now."""
        if self.used is not None:
            return InvitationState.USED
        if self.revoked is not None:
            return InvitationState.REVOKED
        return InvitationState.PENDING if now < self.expires else InvitationState.EXPIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """A certificate that the hub has issued.

    Attributes:
        serial: Its serial number in lower-case hexadecimal.
        subject: The URI in it that says what it stands for.
        csr_hash: SHA-256 of the request it answers; empty for the hub's own.
        chain_pem: The certificate itself, which is no secret.
        invitation: Id of the invitation it was issued for; empty for a renewal.
    """

    serial: str
    subject: str
    created: datetime
    expires: datetime
    renew: datetime
    csr_hash: bytes = b""
    chain_pem: bytes = b""
    invitation: str = ""
    revoked: datetime | None = None
