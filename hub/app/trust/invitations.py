"""Inviting platforms: one-time codes that are kept as hashes, expire, and burn on use."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from hub.app.ports.uow import UnitOfWork
from hub.app.trust.parties import Publish, save_party
from hub.domain.errors import Conflict, NotFound, Precondition, invalid
from hub.domain.ids import PartyId
from hub.domain.parties import Party, PartyState, Role
from hub.domain.trust import CODE_BYTES, Invitation, InvitationState, code_hash, make_code


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitedParty:
    """A party that a platform is invited to operate, and what it does."""

    id: PartyId
    roles: frozenset[Role]


def create_invitation(
    uow: UnitOfWork, *, platform: str, parties: Sequence[InvitedParty], ttl: timedelta, publish: Publish
) -> tuple[Invitation, str]:
    """Store an invitation and its parties, PLANNED where they are new; returns it with its one-time code.

    Raises:
        Invalid: No party is named, and the platform operates none.
        Conflict: Another platform operates one of the parties.
    """
    known = uow.directory.parties
    if not parties and all(party.platform != platform for party in known.values()):
        raise invalid("invitation.parties", "must name at least one party of a new platform")
    for invited in parties:
        party = known.get(invited.id)
        if party is None:
            party = Party(id=invited.id, number=0, roles=invited.roles, platform=platform, state=PartyState.PLANNED)
        elif party.platform != platform:
            raise Conflict("PARTY_TAKEN", f"another platform operates {invited.id}", party=str(invited.id))
        save_party(uow, replace(party, roles=invited.roles), publish)
    code = make_code(uow.entropy(CODE_BYTES))
    invitation = Invitation(
        id=uow.new_id(),
        code_hash=code_hash(code),
        platform=platform,
        parties=tuple(invited.id for invited in parties),
        created=uow.now,
        expires=uow.now + ttl,
    )
    uow.invitations.save(invitation)
    return invitation, code


def revoke_invitation(uow: UnitOfWork, invitation_id: str) -> Invitation:
    """Withdraw an invitation; one that is over already stays as it is.

    Raises:
        NotFound: There is no such invitation.
        Precondition: Somebody has registered with it.
    """
    invitation = uow.invitations.find(invitation_id)
    if invitation is None:
        raise NotFound("INVITATION_NOT_FOUND", "there is no such invitation")
    state = invitation.state(uow.now)
    if state is InvitationState.USED:
        raise Precondition("INVITATION_USED", "somebody has registered with it: revoke the certificate instead")
    if state is InvitationState.PENDING:
        invitation = replace(invitation, revoked=uow.now)
        uow.invitations.save(invitation)
    return invitation
