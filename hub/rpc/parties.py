"""PartyService: who takes part, and who can be reached now."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from roamhub.v1 import party_pb2 as pb

from hub.app.directory import Directory
from hub.app.ports.spine import Committer, Reads
from hub.app.ports.uow import UnitOfWork
from hub.app.quality import party_quality
from hub.app.trust.parties import existing_party, save_party
from hub.domain.errors import NotFound, Stale
from hub.domain.ids import PartyId
from hub.domain.parties import Caller, Party, Presence, is_endpoint
from hub.rpc.calls import Call
from hub.rpc.paging import read_page
from hub.rpc.party_wire import (
    PRESENCES,
    ROLES,
    etag_of,
    party_from_name,
    party_message,
    presence_of,
    publish_party,
)
from hub.rpc.quality_messages import quality_to_pb, read_quality_request
from hub.rpc.wire import Reader

#: What a party may say of itself.
_SAID = frozenset({"endpoint", "business_details", "extensions"})


class PartyServicer:
    """Answers PartyService.

    Args:
        committer: Where changes are written.
        reads: Where figures are read.
        directory: Returns the newest directory: every other read is answered from it.
        reachable: Says whether a party holds a link or its endpoint answers.
        named: Told of each party that names its endpoint, the same as before or another.
    """

    def __init__(
        self,
        *,
        committer: Committer,
        reads: Reads,
        directory: Callable[[], Directory],
        reachable: Callable[[PartyId], bool],
        named: Callable[[PartyId], None],
    ) -> None:
        self._named = named
        self._committer = committer
        self._reads = reads
        self._directory = directory
        self._reachable = reachable

    async def GetParty(self, request: pb.GetPartyRequest, call: Call) -> pb.Party:
        """Return one party."""
        party_id = party_from_name(request.name)
        party = self._directory().parties.get(party_id)
        if party is None:
            raise NotFound("PARTY_NOT_FOUND", "no such party takes part", party=str(party_id))
        return self._show(party, call.caller)

    async def ListParties(self, request: pb.ListPartiesRequest, call: Call) -> pb.ListPartiesResponse:
        """List parties by country and id."""
        page = read_page(request)
        reader = Reader()
        role = reader.one_of("role", request.role, ROLES, ROLES[1]) if request.role else None
        presence = reader.one_of("presence", request.presence, PRESENCES, PRESENCES[1]) if request.presence else None
        reader.done()
        key = page.key(str, str)
        after = PartyId(*key) if key else None
        shown: list[pb.Party] = []
        for party in self._sorted():
            if after is not None and party.id <= after:
                continue
            if role is not None and role not in party.roles:
                continue
            if presence is not None and self._presence(party) is not presence:
                continue
            if request.own and not _owns(call.caller, party):
                continue
            if len(shown) == page.size:
                last = shown[-1]
                token = page.next_token(last.country_code, last.party_id)
                return pb.ListPartiesResponse(parties=shown, next_page_token=token)
            shown.append(self._show(party, call.caller))
        return pb.ListPartiesResponse(parties=shown)

    async def GetPartyQuality(self, request: pb.GetPartyQualityRequest, call: Call) -> pb.PartyQuality:
        """Return how good what a party reports is."""
        party, counterparty, days = read_quality_request(request)
        found = await self._reads.run(lambda uow: party_quality(uow, call.caller, party, counterparty, days))
        return quality_to_pb(found)

    async def UpdateParty(self, request: pb.UpdatePartyRequest, call: Call) -> pb.Party:
        """Change what a party says of itself."""
        paths = _read_update(request)
        party_id = PartyId(request.party.country_code, request.party.party_id)
        updated = await self._committer.run(lambda uow: _update(uow, party_id, request.party, paths))
        if "endpoint" in paths:
            self._named(updated.id)
        return self._show(updated, call.caller)

    def _sorted(self) -> Iterable[Party]:
        parties = self._directory().parties
        return (parties[party] for party in sorted(parties))

    def _presence(self, party: Party) -> Presence:
        return presence_of(party, reachable=self._reachable(party.id))

    def _show(self, party: Party, caller: Caller) -> pb.Party:
        return party_message(party, self._presence(party), own=caller.operator or _owns(caller, party))


def _owns(caller: Caller, party: Party) -> bool:
    return not caller.operator and caller.platform == party.platform


def _read_update(request: pb.UpdatePartyRequest) -> frozenset[str]:
    party, reader = request.party, Reader()
    paths = frozenset(request.update_mask.paths) or frozenset(f.name for f, _ in party.ListFields()) & _SAID
    if unknown := sorted(paths - _SAID):
        reader.refuse("update_mask", f"must name {', '.join(sorted(_SAID))} only, and not {unknown[0][:40]}")
    if "endpoint" in paths and party.endpoint and not is_endpoint(party.endpoint):
        reader.refuse("party.endpoint", "must be host:port")
    if "business_details" in paths and party.HasField("business_details") and not party.business_details.name:
        reader.refuse("party.business_details.name", "is required")
    if "extensions" in paths:
        reader.extensions("party.extensions", party.extensions)
    reader.done()
    return paths


def _update(uow: UnitOfWork, party_id: PartyId, given: pb.Party, paths: frozenset[str]) -> Party:
    party = existing_party(uow, party_id)
    if given.etag and given.etag != etag_of(party):
        raise Stale("ETAG_MISMATCH", "the party has changed since it was read", etag=etag_of(party))
    said = pb.Party.FromString(party.document)
    if "extensions" in paths:
        said.extensions = given.extensions
    if "business_details" in paths:
        said.ClearField("business_details")
        if given.HasField("business_details"):
            said.business_details.CopyFrom(given.business_details)
    endpoint = given.endpoint if "endpoint" in paths else party.endpoint
    changed = replace(party, endpoint=endpoint, document=said.SerializeToString(deterministic=True))
    return save_party(uow, changed, publish_party)
