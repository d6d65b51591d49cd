"""Certificates: the first against an invitation, every other against the one before."""

import hashlib
from dataclasses import dataclass, replace

from hub.app.ports.trust import PLATFORM_URI, Certifier
from hub.app.ports.uow import UnitOfWork
from hub.app.trust.parties import Publish, save_party
from hub.domain.errors import Denied, Precondition
from hub.domain.ids import PartyId
from hub.domain.parties import PartyState
from hub.domain.trust import CERTIFICATES_MAX, CertificateRecord, Invitation, InvitationState, code_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A platform's certificate, and the parties it operates."""

    platform: str
    certificate: CertificateRecord
    parties: tuple[PartyId, ...]


def register(uow: UnitOfWork, *, code: str, csr_pem: bytes, certifier: Certifier, publish: Publish) -> Registered:
    """Burn an invitation's code for a certificate and make the platform's invited parties active.

    The very same request again gets the same certificate: its answer may have been lost on the way, and the
    certificate is of use to the holder of the key alone.

    Raises:
        Denied: No pending invitation has this code; why is not told.
        Invalid: The signing request is damaged or its key is weak; the code is not burnt.
    """
    invitation = uow.invitations.find_by_code(code_hash(code))
    if invitation is None:
        raise _refused()
    state = invitation.state(uow.now)
    if state is InvitationState.USED:
        certificate = _issued_before(uow, invitation, csr_pem)
    elif state is InvitationState.PENDING:
        certificate = _issue(uow, invitation.platform, csr_pem, certifier, invitation.id)
        uow.invitations.save(replace(invitation, used=uow.now))
        for party_id in invitation.parties:
            party = uow.parties.find(party_id)
            if party is not None and party.state is PartyState.PLANNED:
                save_party(uow, replace(party, state=PartyState.ACTIVE), publish)
    else:
        raise _refused()
    mine = sorted(party.id for party in uow.directory.parties.values() if party.platform == invitation.platform)
    return Registered(platform=invitation.platform, certificate=certificate, parties=tuple(mine))


def renew(uow: UnitOfWork, *, platform: str, csr_pem: bytes, certifier: Certifier) -> CertificateRecord:
    """Return the platform's next certificate.

    Raises:
        Invalid: The signing request is damaged or its key is weak.
        Precondition: The platform holds as many good certificates as it may.
    """
    good = [record for record in uow.certificates.unexpired([PLATFORM_URI + platform], uow.now) if not record.revoked]
    if len(good) >= CERTIFICATES_MAX:
        raise Precondition(
            "TOO_MANY_CERTIFICATES",
            f"the platform already holds {CERTIFICATES_MAX} good certificates",
            limit=str(CERTIFICATES_MAX),
        )
    return _issue(uow, platform, csr_pem, certifier)


def _issue(
    uow: UnitOfWork, platform: str, csr_pem: bytes, certifier: Certifier, invitation: str = ""
) -> CertificateRecord:
    issued = certifier.issue_platform(csr_pem, platform, uow.now)
    record = CertificateRecord(
        serial=issued.serial,
        subject=PLATFORM_URI + platform,
        created=uow.now,
        expires=issued.expire_time,
        renew=issued.renew_time,
        csr_hash=hashlib.sha256(csr_pem).digest(),
        chain_pem=issued.chain_pem,
        invitation=invitation,
    )
    uow.certificates.add(record)
    return record


def _issued_before(uow: UnitOfWork, invitation: Invitation, csr_pem: bytes) -> CertificateRecord:
    record = uow.certificates.of_invitation(invitation.id)
    repeated = record is not None and record.csr_hash == hashlib.sha256(csr_pem).digest()
    if record is None or not repeated or record.revoked is not None or uow.now >= invitation.expires:
        raise _refused()
    return record


def _refused() -> Denied:
    return Denied("INVITATION_REFUSED", "no invitation that can be used now has this code; ask the operator for one")


def record_own(uow: UnitOfWork, record: CertificateRecord) -> None:
    """Put a certificate that the hub made for itself or its operator on record, so that it can be revoked."""
    if uow.certificates.find(record.serial) is None:
        uow.certificates.add(record)
