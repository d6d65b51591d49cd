"""The directory: who takes part and who roams with whom, held in memory as one immutable snapshot.

Every transaction works with the snapshot that is current for it: the committer compares the stored version with the
one it holds before it runs anything, and reads the directory anew when another transaction, in whatever process,
changed it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hub.domain.agreements import (
    Agreement,
    AgreementState,
    Pair,
    Refusal,
    Service,
    refusal,
    refusal_without_agreement,
)
from hub.domain.ids import PartyId
from hub.domain.parties import Party, PartyState, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """One version of what the stored directory says; made by `of`.

    Attributes:
        version: Counts the changes; equal versions mean equal content.
        parties: Every party by id.
        by_number: Every party by the number that stands for it in large tables.
        by_platform: For each platform the active parties it operates, with their roles: in whose name it may call.
        agreements: By (CPO, eMSP) the version that is ACTIVE. Its validity may have ended a moment ago:
            ask `active_agreement`, which looks at the clock.
        upcoming: By (CPO, eMSP) the version that both have accepted and that waits for its start.
        standing: By (CPO, eMSP) the version that says best how they stand, whatever its state: to explain refusals.
        over: By (CPO, eMSP) the version that was terminated last.
        visible: For each platform the parties whose objects it may see; ask `partners_of`.
        revoked: Serial numbers (hexadecimal) of certificates that no longer admit their bearer.
    """

    version: int = 0
    parties: Mapping[PartyId, Party] = field(default_factory=dict)
    by_number: Mapping[int, Party] = field(default_factory=dict)
    by_platform: Mapping[str, Mapping[PartyId, frozenset[Role]]] = field(default_factory=dict)
    agreements: Mapping[Pair, Agreement] = field(default_factory=dict)
    upcoming: Mapping[Pair, Agreement] = field(default_factory=dict)
    standing: Mapping[Pair, Agreement] = field(default_factory=dict)
    over: Mapping[Pair, Agreement] = field(default_factory=dict)
    visible: Mapping[str, frozenset[PartyId]] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        *,
        version: int,
        parties: Iterable[Party],
        agreements: Iterable[Agreement] = (),
        revoked: Iterable[str] = (),
    ) -> "Directory":
        """Return the directory, indexed in every way that is asked for; superseded agreements may be left out."""
        everyone = {party.id: party for party in parties}
        by_platform: dict[str, dict[PartyId, frozenset[Role]]] = {}
        for party in everyone.values():
            if party.state is PartyState.ACTIVE:
                by_platform.setdefault(party.platform, {})[party.id] = party.roles
        every = sorted(agreements, key=telling)
        active = {a.pair: a for a in every if a.state is AgreementState.ACTIVE}
        return cls(
            version=version,
            parties=everyone,
            by_number={party.number: party for party in everyone.values()},
            by_platform=by_platform,
            agreements=active,
            upcoming={a.pair: a for a in every if a.state is AgreementState.ACCEPTED},
            standing={a.pair: a for a in every},
            over={a.pair: a for a in every if a.state is AgreementState.TERMINATED},
            visible=_visible(everyone, active),
            revoked=frozenset(revoked),
        )

    def active_agreement(self, cpo: PartyId, emsp: PartyId, now: datetime) -> Agreement | None:
        """Return the version under which the two roam at that instant, or None."""
        if self._suspended(cpo, emsp):
            return None
        pair = cpo, emsp
        coming = self.upcoming.get(pair)
        if coming is not None and coming.in_force(now):
            # An accepted amendment takes over on its instant; the stored states follow a moment later.
            standing = self.standing[pair]
            return None if standing.state is AgreementState.SUSPENDED else coming
        active = self.agreements.get(pair)
        return active if active is not None and active.in_force(now) else None

    def agreement_covering(self, cpo: PartyId, emsp: PartyId, start: datetime) -> Agreement | None:
        """Return the version by whose terms a session that began at `start` is checked and settled, or None.

        What began under an agreement is settled under it: a suspension or termination since then does not matter,
        and after an amendment the version in force now counts.
        """
        pair = cpo, emsp
        for version in (self.upcoming.get(pair), self.standing.get(pair), self.over.get(pair)):
            if version is not None and version.covers(start):
                return version
        return None

    def why_not(self, cpo: PartyId, emsp: PartyId, service: Service, now: datetime) -> Refusal | None:
        """Return which agreement and clause forbids the service between the two at that instant, or None."""
        standing = self.active_agreement(cpo, emsp, now) or self.standing.get((cpo, emsp))
        if standing is None:
            return refusal_without_agreement()  # whether or not there is such a party, and whatever its state
        if self._suspended(cpo, emsp):
            message = "the operator has suspended one of the two parties"
            return Refusal(reason="PARTY_SUSPENDED", message=message, agreement=standing)
        return refusal(standing, service, now)

    def _suspended(self, *parties: PartyId) -> bool:
        found = (self.parties.get(party) for party in parties)
        return any(party is not None and party.state is PartyState.SUSPENDED for party in found)

    def partners_of(self, platform: str) -> frozenset[PartyId]:
        """Return the parties whose objects the platform may see: its own, and those with an ACTIVE agreement."""
        return self.visible.get(platform, frozenset())


#: The later a state stands here, the more it says about how a pair stands.
_TELLING = (
    AgreementState.SUPERSEDED,
    AgreementState.DECLINED,
    AgreementState.TERMINATED,
    AgreementState.PROPOSED,
    AgreementState.ACCEPTED,
    AgreementState.SUSPENDED,
    AgreementState.ACTIVE,
)


def telling(agreement: Agreement) -> tuple[int, datetime, int]:
    """Return the key by which the version that says most about how a pair stands sorts last."""
    return _TELLING.index(agreement.state), agreement.changed, agreement.version


def _visible(parties: Mapping[PartyId, Party], active: Mapping[Pair, Agreement]) -> Mapping[str, frozenset[PartyId]]:
    seen: dict[str, set[PartyId]] = {}
    for party in parties.values():
        seen.setdefault(party.platform, set()).add(party.id)
    for one, other in active:
        seen[parties[one].platform].add(other)
        seen[parties[other].platform].add(one)
    return {platform: frozenset(ids) for platform, ids in seen.items()}
