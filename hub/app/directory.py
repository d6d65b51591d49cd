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
        operated: For each platform all the parties it operates, whatever their state.
        roaming: For each party those with which it has an ACTIVE agreement; ask `partners_of`.
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
    operated: Mapping[str, tuple[PartyId, ...]] = field(default_factory=dict)
    roaming: Mapping[PartyId, frozenset[PartyId]] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()
    # What `partners_of` has answered; filled as platforms are asked about.
    _seen: dict[str, frozenset[PartyId]] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        return cls().followed_by(version=version, parties=parties, agreements=agreements, revoked=revoked)

    def followed_by(
        self, *, version: int, parties: Iterable[Party], agreements: Iterable[Agreement], revoked: Iterable[str]
    ) -> "Directory":
        """Return the directory after changes, without looking at each of the agreements that stayed as they were.

        Args:
            version: That of the directory returned.
            parties: All parties.
            agreements: All versions, superseded ones aside, of those pairs of which any version has changed.
            revoked: All revoked serial numbers.
        """
        everyone = {party.id: party for party in parties}
        by_platform: dict[str, dict[PartyId, frozenset[Role]]] = {}
        operated: dict[str, list[PartyId]] = {}
        for party in everyone.values():
            operated.setdefault(party.platform, []).append(party.id)
            if party.state is PartyState.ACTIVE:
                by_platform.setdefault(party.platform, {})[party.id] = party.roles
        changed = sorted(agreements, key=telling)
        # Copying a map of thousands costs microseconds, filling one anew milliseconds.
        active, upcoming, over = dict(self.agreements), dict(self.upcoming), dict(self.over)
        for agreement in changed:
            for kept in (active, upcoming, over):
                kept.pop(agreement.pair, None)
        for agreement in changed:
            kind = {_S.ACTIVE: active, _S.ACCEPTED: upcoming, _S.TERMINATED: over}.get(agreement.state)
            if kind is not None:
                kind[agreement.pair] = agreement
        return Directory(
            version=version,
            parties=everyone,
            by_number={party.number: party for party in everyone.values()},
            by_platform=by_platform,
            operated={platform: tuple(ids) for platform, ids in operated.items()},
            agreements=active,
            upcoming=upcoming,
            standing=dict(self.standing) | {a.pair: a for a in changed},
            over=over,
            roaming=_roaming(self.roaming, {a.pair for a in changed}, active),
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
        return next((version for version in self.versions(cpo, emsp) if version.covers(start)), None)

    def versions(self, cpo: PartyId, emsp: PartyId) -> Iterable[Agreement]:
        """Return the versions that may cover a session between the two; the first that does counts."""
        found = (kept.get((cpo, emsp)) for kept in (self.upcoming, self.standing, self.over))
        return [version for version in found if version is not None]

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
        seen = self._seen.get(platform)
        if seen is None:
            own = self.operated.get(platform, ())
            seen = self._seen[platform] = frozenset(own).union(*(self.roaming.get(party, ()) for party in own))
        return seen


_S = AgreementState

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


def _roaming(
    before: Mapping[PartyId, frozenset[PartyId]], pairs: Iterable[Pair], active: Mapping[Pair, Agreement]
) -> Mapping[PartyId, frozenset[PartyId]]:
    """Return with whom each party roams, after the agreements of these pairs have changed."""
    touched: dict[PartyId, set[PartyId]] = {}
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            partners = touched.get(one)
            if partners is None:
                partners = touched[one] = set(before.get(one, ()))
            # A party may be CPO to another and eMSP to it as well.
            if (one, other) in active or (other, one) in active:
                partners.add(other)
            else:
                partners.discard(other)
    return dict(before) | {party: frozenset(partners) for party, partners in touched.items()}
