"""Registering the public keys of meters, cutting them short, and listing them.

Each change is a fact of the registry that every partner of the CPO sees: keys are swapped in the open.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from hub.app.ports.meter import MeterKeyFilter
from hub.app.ports.uow import UnitOfWork
from hub.app.visibility import shown_owners
from hub.domain.errors import HubError, NotFound
from hub.domain.ids import PartyId
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.meter.keys import KeyClaim, MeterKey, register
from hub.domain.parties import Caller

#: Returns the serialised message of a key, the body of its journal facts.
Encode = Callable[[MeterKey], bytes]


class Registered(NamedTuple):
    """A key as it is registered, and whether it was not before."""

    key: MeterKey
    changed: bool


def register_keys(uow: UnitOfWork, claims: Sequence[KeyClaim], *, encode: Encode) -> list[Registered | HubError]:
    """Register keys.

    Returns:
        For each how it is registered, or the error that refuses it: NotFound for an EVSE that is not published,
        Conflict for a key that is registered otherwise, Precondition for too many.
    """
    evses = {claim.evse for claim in claims}
    published = uow.locations.evses(evses)
    known = uow.meter_keys.of_evses(evses)
    answers: list[Registered | HubError] = []
    for claim in claims:
        if published.get(claim.evse) is None:
            answers.append(NotFound("EVSE_NOT_FOUND", "there is no such EVSE: publish its location first"))
            continue
        others = known.setdefault(claim.evse, [])
        try:
            key = register(claim, others, uow.new_id(), uow.now)
        except HubError as refusal:
            answers.append(refusal)
            continue
        changed = key not in others
        if changed:
            others.append(key)
            uow.meter_keys.add(key)
            _announce(uow, key, encode)
        answers.append(Registered(key, changed))
    return answers


def revoke_key(
    uow: UnitOfWork, party: PartyId, key_id: str, *, end: datetime | None, reason: str, encode: Encode
) -> MeterKey:
    """Cut a key's validity short, to the present instant where no other is given; returns it as it is now.

    Raises:
        NotFound: The party has registered no such key.
        Precondition: Its validity ends before that.
    """
    key = uow.meter_keys.get(party, key_id)
    if key is None:
        raise NotFound("METER_KEY_NOT_FOUND", "there is no such key")
    until = key.claim.valid_until
    if end is None and until is not None and until <= uow.now:
        return key
    ended = key.ended(end or uow.now, uow.now, reason)
    if ended is not key:
        uow.meter_keys.end(ended)
        _announce(uow, ended, encode)
    return ended


def _announce(uow: UnitOfWork, key: MeterKey, encode: Encode) -> None:
    party = key.claim.party
    fact = Fact(kind=EntryKind.METER_KEY, owner=party, subject=f"{party}/{key.id}", body=encode(key))
    uow.journal.append(Stream.REGISTRY, fact)


def list_keys(
    uow: UnitOfWork,
    caller: Caller,
    wanted: MeterKeyFilter,
    *,
    party: PartyId | None,
    after: tuple[PartyId, str] | None,
    limit: int,
) -> list[MeterKey]:
    """Return the keys of EVSEs whose locations the caller may see, by owner and registration.

    Args:
        uow: The transaction.
        caller: Who asks.
        wanted: Which of an owner's.
        party: Only this owner's; None for all.
        after: Only those that stand after this owner's registration; None for the first page.
        limit: How many at most.
    """
    found: list[MeterKey] = []
    for owner in shown_owners(uow.directory, caller, [party] if party else ()):
        if len(found) == limit:
            break
        if after is not None and owner < after[0]:
            continue
        start = after[1] if after is not None and owner == after[0] else ""
        found += uow.meter_keys.page(owner, wanted, after=start, limit=limit - len(found))
    return found
