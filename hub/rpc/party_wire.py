"""Parties, between the domain and the contract."""

import hashlib
import re

from roamhub.v1 import party_pb2 as pb

from hub.domain.errors import invalid
from hub.domain.ids import PartyId
from hub.domain.parties import Party, PartyState, Presence, Role

_ROLES: "dict[Role, pb.PartyRole.ValueType]" = {role: pb.PartyRole.Value(f"PARTY_ROLE_{role}") for role in Role}
ROLES: dict[int, Role] = {number: role for role, number in _ROLES.items()}

_PRESENCES: "dict[Presence, pb.Presence.ValueType]" = {
    presence: pb.Presence.Value(f"PRESENCE_{presence}") for presence in Presence
}
PRESENCES: dict[int, Presence] = {number: presence for presence, number in _PRESENCES.items()}

_PARTY_NAME = re.compile(r"parties/([a-z]{2})-([a-z0-9]{3})")


def party_from_name(name: str, field: str = "name") -> PartyId:
    """Return the party of a resource name such as `parties/nl-abc`; raises Invalid."""
    found = _PARTY_NAME.fullmatch(name)
    if found is None:
        raise invalid(field, "must be a name such as parties/nl-abc")
    return PartyId(*found.groups())


def presence_of(party: Party, *, reachable: bool) -> Presence:
    """Return whether a party can be reached, given whether it holds a link or its endpoint answers."""
    if party.state is PartyState.PLANNED:
        return Presence.PLANNED
    if party.state is PartyState.SUSPENDED:
        return Presence.SUSPENDED
    return Presence.CONNECTED if reachable else Presence.OFFLINE


def etag_of(party: Party) -> str:
    """Return what changes with all that a party says of itself."""
    said = f"{party.endpoint}\0".encode() + party.document
    return hashlib.sha256(said).hexdigest()[:16]


def party_message(party: Party, presence: Presence | None, *, own: bool) -> pb.Party:
    """Return a party as its own platform and operators see it, or as the others do.

    Args:
        party: The party.
        presence: None where the state alone does not tell it.
        own: Whether to show its platform, endpoint and etag.
    """
    said = pb.Party.FromString(party.document)
    message = pb.Party(
        name=party.id.name,
        country_code=party.id.country_code,
        party_id=party.id.party_id,
        roles=sorted(_ROLES[role] for role in party.roles),
        presence=pb.PRESENCE_UNSPECIFIED if presence is None else _PRESENCES[presence],
        extensions=said.extensions,
    )
    if said.HasField("business_details"):
        message.business_details.CopyFrom(said.business_details)
    if own:
        message.platform = f"platforms/{party.platform}"
        message.endpoint = party.endpoint
        message.etag = etag_of(party)
    return message


def publish_party(party: Party) -> bytes:
    """Return the body of a party's journal entry: what others may see, with the presence that its state tells."""
    held = {PartyState.PLANNED: Presence.PLANNED, PartyState.SUSPENDED: Presence.SUSPENDED}
    return party_message(party, held.get(party.state), own=False).SerializeToString()
