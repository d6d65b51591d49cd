"""Parties: what they say of themselves, and the state the operator holds them in."""

from collections.abc import Callable
from dataclasses import replace

from hub.app.ports.uow import UnitOfWork
from hub.domain.errors import NotFound, Precondition
from hub.domain.ids import PartyId
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.parties import Party, PartyState

#: Serialises a party as the others may see it: the body of its journal entry.
Publish = Callable[[Party], bytes]


def existing_party(uow: UnitOfWork, party_id: PartyId) -> Party:
    """Return the party; raises NotFound."""
    party = uow.parties.find(party_id)
    if party is None:
        raise NotFound("PARTY_NOT_FOUND", "no such party takes part", party=str(party_id))
    return party


def save_party(uow: UnitOfWork, party: Party, publish: Publish) -> Party:
    """Store a party and say so in the registry journal, unless it stands like this already."""
    if party.number and uow.parties.find(party.id) == party:
        return party
    saved = uow.parties.save(party)
    uow.journal.append(
        Stream.REGISTRY, Fact(kind=EntryKind.PARTY, owner=saved.id, subject=saved.id.name, body=publish(saved))
    )
    return saved


def suspend_party(uow: UnitOfWork, party_id: PartyId, publish: Publish) -> Party:
    """Hold a party back; suspending it again changes nothing.

    Raises:
        NotFound: There is no such party.
        Precondition: It has not registered yet.
    """
    party = existing_party(uow, party_id)
    if party.state is PartyState.PLANNED:
        raise Precondition("PARTY_NOT_ACTIVE", "the party has not registered yet: withdraw its invitation instead")
    return save_party(uow, replace(party, state=PartyState.SUSPENDED), publish)


def resume_party(uow: UnitOfWork, party_id: PartyId, publish: Publish) -> Party:
    """Let a suspended party take part again.

    Raises:
        NotFound: There is no such party.
        Precondition: It is not suspended.
    """
    party = existing_party(uow, party_id)
    if party.state is not PartyState.SUSPENDED:
        raise Precondition("PARTY_NOT_SUSPENDED", "the party is not suspended")
    return save_party(uow, replace(party, state=PartyState.ACTIVE), publish)
