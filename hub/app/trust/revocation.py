"""Shutting out: certificates and whole platforms. Takes effect on the next call, as the directory names the revoked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hub.app.ports.trust import PLATFORM_URI
from hub.app.ports.uow import UnitOfWork
from hub.app.trust.parties import Publish, save_party
from hub.domain.errors import NotFound, Precondition
from hub.domain.parties import Party, PartyState
from hub.domain.trust import CertificateRecord, InvitationState

#: Invitations of one platform that are looked through to withdraw the pending ones.
_INVITATIONS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform as the operator sees it."""

    id: str
    parties: tuple[Party, ...]
    certificate_count: int
    certificate_expires: datetime | None


def revoke_certificate(uow: UnitOfWork, serial: str, *, own: str) -> CertificateRecord:
    """Revoke one certificate; revoking it again changes nothing.

    Args:
        uow: The unit of work.
        serial: Of the certificate to revoke, in hexadecimal.
        own: Of the operator's certificate that makes the call.

    Raises:
        NotFound: The hub has issued no such certificate.
        Precondition: It is the caller's own: the operator would be shut out.
    """
    record = uow.certificates.find(serial)
    if record is None:
        raise NotFound("CERTIFICATE_NOT_FOUND", "the hub has issued no such certificate")
    if serial == own:
        raise Precondition("OWN_CERTIFICATE", "this is the certificate that makes the call")
    if record.revoked is None:
        uow.certificates.revoke([serial], uow.now)
        record = replace(record, revoked=uow.now)
    return record


def revoke_platform(uow: UnitOfWork, platform: str, publish: Publish) -> Platform:
    """Revoke a platform's certificates, withdraw its invitations and suspend its active parties.

    Raises:
        NotFound: No party is operated by such a platform.
    """
    find_platforms(uow, [platform])
    records = uow.certificates.unexpired([PLATFORM_URI + platform], uow.now)
    uow.certificates.revoke([record.serial for record in records if record.revoked is None], uow.now)
    for invitation in uow.invitations.page(platform=platform, before_id="", limit=_INVITATIONS_MAX):
        if invitation.state(uow.now) is InvitationState.PENDING:
            uow.invitations.save(replace(invitation, revoked=uow.now))
    for party in list(uow.directory.parties.values()):
        if party.platform == platform and party.state is PartyState.ACTIVE:
            save_party(uow, replace(party, state=PartyState.SUSPENDED), publish)
    return find_platforms(uow, [platform])[0]


def find_platforms(uow: UnitOfWork, ids: Sequence[str]) -> list[Platform]:
    """Return platforms with their parties and good certificates; raises NotFound."""
    parties: dict[str, list[Party]] = {platform: [] for platform in ids}
    for party in uow.directory.parties.values():
        if party.platform in parties:
            parties[party.platform].append(party)
    good: dict[str, list[CertificateRecord]] = {platform: [] for platform in ids}
    for record in uow.certificates.unexpired([PLATFORM_URI + platform for platform in ids], uow.now):
        if record.revoked is None:
            good[record.subject.removeprefix(PLATFORM_URI)].append(record)
    found = []
    for platform in ids:
        if not parties[platform]:
            raise NotFound("PLATFORM_NOT_FOUND", "there is no such platform")
        found.append(
            Platform(
                id=platform,
                parties=tuple(sorted(parties[platform], key=lambda party: party.id)),
                certificate_count=len(good[platform]),
                certificate_expires=max((record.expires for record in good[platform]), default=None),
            )
        )
    return found
