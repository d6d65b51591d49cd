"""Proposing, accepting, amending and ending agreements, and saying why two parties do not roam.

Whoever is not a side of an agreement learns nothing of it: it reads the same as one that does not exist. Every change
of a version is a journal fact for the two sides alone.

What takes a `Change` raises NotFound for an agreement or version that is not the side's, Stale (ETAG_MISMATCH) where it
has changed since it was read, and Precondition where the rules of `hub.domain.agreements` do not let it.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.app.clearing import periods
from hub.app.directory import Directory, telling
from hub.app.ports.clearing import ClearingSettings
from hub.app.ports.uow import UnitOfWork
from hub.domain import agreements as rules
from hub.domain.agreements import Agreement, AgreementState, Pair, Refusal, Service, Terms
from hub.domain.cdrs.checks import Check
from hub.domain.errors import Conflict, Denied, Invalid, NotFound, Precondition, Stale, Violation, invalid
from hub.domain.ids import PartyId
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.parties import Role

#: Returns the serialised message of a version, the body of its journal facts.
Encode = Callable[[Agreement], bytes]

_OVER = (AgreementState.DECLINED, AgreementState.TERMINATED, AgreementState.SUPERSEDED)
_IN_FORCE = (AgreementState.ACTIVE, AgreementState.SUSPENDED)

#: How many versions one agreement may have: amendments are rare, and all of them are returned at once.
VERSIONS_MAX = 500
#: How many unknown checks a refusal names at most.
_TOLD_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that one side asks for.

    Attributes:
        party: The side that asks, which the caller operates.
        agreement_id: Which agreement.
        version: Which version; 0 where the change is not about one.
        etag: That of the agreement as the caller read it; empty for whatever it is now.
        note: What the side says about it.
    """

    party: PartyId
    agreement_id: str
    version: int = 0
    etag: str = ""
    note: str = ""


def propose(uow: UnitOfWork, pair: Pair, party: PartyId, terms: Terms, encode: Encode) -> Agreement:
    """Propose an agreement between two parties, in the name of one of them.

    Raises:
        Invalid: The terms cannot be.
        NotFound: The other party is unknown.
        Precondition: A party lacks its role.
        Conflict: The two have an agreement, or a proposal for one: amend or answer that.
    """
    cpo, emsp = pair
    if party not in pair:
        raise Denied("NOT_PERMITTED", "the caller may not do this, or not in the name of this party")
    if cpo == emsp:
        raise invalid("emsp", "must be another party than cpo")
    _require_possible(terms, uow.now)
    for each, role in ((cpo, Role.CPO), (emsp, Role.EMSP)):
        known = uow.directory.parties.get(each)
        if known is None:
            raise NotFound("PARTY_NOT_FOUND", f"there is no party {each}", party=str(each))
        if role not in known.roles:
            raise Precondition("ROLE_MISSING", f"{each} is no {role}", party=str(each), role=role)
    living = uow.agreements.living(cpo, emsp)
    if living:
        raise Conflict(
            "AGREEMENT_EXISTS",
            f"the two have {living[0].name}: amend it, or answer what is proposed",
            agreement=living[0].name,
        )
    made = rules.proposed(uow.new_id(), pair, party, terms, uow.now)
    return _store(uow, encode, made)


def amend(uow: UnitOfWork, change: Change, terms: Terms, encode: Encode) -> Agreement:
    """Propose new terms as the next version; the one in force stays until the other side accepts.

    A proposal that still waits is replaced: by its proposer who thought again, or by the other side's counter-proposal.

    Raises:
        Invalid: The terms cannot be.
        Precondition: The agreement is over, or a version that both have accepted waits for its start.
    """
    _require_possible(terms, uow.now)
    versions = _versions(uow, change)
    newest = versions[-1]
    if all(version.state in _OVER for version in versions):
        raise Precondition("AGREEMENT_OVER", "the agreement is over; propose a new one", agreement=newest.name)
    if newest.state is AgreementState.ACCEPTED:
        raise Precondition(
            "VERSION_ACCEPTED",
            f"version {newest.version} is accepted and waits for its start; amend it then",
            agreement=newest.name,
            version=str(newest.version),
        )
    if newest.version >= VERSIONS_MAX:
        raise Precondition(
            "TOO_MANY_VERSIONS",
            f"an agreement has at most {VERSIONS_MAX} versions; terminate it and propose a new one",
            agreement=newest.name,
        )
    replaced = [rules.superseded(newest, uow.now)] if newest.state is AgreementState.PROPOSED else []
    made = rules.next_version(newest, change.party, terms, uow.now)
    return _store(uow, encode, *replaced, made)


def accept(uow: UnitOfWork, change: Change, encode: Encode, settings: ClearingSettings) -> Agreement:
    """Accept a proposed version; it is in force from its start, and the one before is superseded then.

    An agreement that comes into force has its first settlement period from that moment.
    """
    versions = _versions(uow, change)
    version = _version(versions, change)
    before = next((v for v in versions if v.state in _IN_FORCE), None)
    accepted = rules.accept(version, change.party, uow.now, before)
    if accepted is version:
        return version
    replaces = before is not None and accepted.state in _IN_FORCE
    replaced = [rules.superseded(before, uow.now)] if before is not None and replaces else []
    _store(uow, encode, *replaced, accepted)
    if accepted.state in _IN_FORCE:
        periods.open_for(uow, settings, accepted)
    return accepted


def decline(uow: UnitOfWork, change: Change, encode: Encode) -> Agreement:
    """Decline a proposed version, or withdraw one's own."""
    version = _version(_versions(uow, change), change)
    return _store_changed(uow, encode, version, rules.decline(version, change.note, uow.now))


def suspend(uow: UnitOfWork, change: Change, encode: Encode) -> Agreement:
    """Hold back the version in force."""
    version = _in_force(_versions(uow, change))
    return _store_changed(uow, encode, version, rules.suspend(version, change.party, change.note, uow.now))


def resume(uow: UnitOfWork, change: Change, encode: Encode) -> Agreement:
    """Take back one's own suspension."""
    version = _in_force(_versions(uow, change))
    return _store_changed(uow, encode, version, rules.resume(version, change.party, uow.now))


def terminate(uow: UnitOfWork, change: Change, encode: Encode) -> Agreement:
    """End an agreement for good, with whatever is on its way."""
    versions = _versions(uow, change)
    agreed = [v for v in versions if v.state in (*_IN_FORCE, AgreementState.ACCEPTED)]
    if not agreed:
        over = telling_of(versions)
        if over.state is AgreementState.TERMINATED:
            return over
        raise Precondition(
            "AGREEMENT_STATE",
            f"version {over.version} is {over.state} and cannot be terminated",
            agreement=over.name,
            version=str(over.version),
            state=over.state,
        )
    living = [v for v in versions if v.state not in _OVER]
    ended = {v.version: rules.terminate(v, change.note, uow.now) for v in living}
    _store(uow, encode, *ended.values())
    return ended[agreed[0].version]


def get(uow: UnitOfWork, parties: Collection[PartyId], agreement_id: str, version: int = 0) -> Agreement:
    """Return one version of an agreement of these parties; 0 is the one that says how it stands; raises NotFound."""
    versions = _of(uow, parties, agreement_id)
    if not version:
        return telling_of(versions)
    if version > len(versions):
        raise _not_found()
    return versions[version - 1]


def versions_of(uow: UnitOfWork, parties: Collection[PartyId], agreement_id: str) -> Sequence[Agreement]:
    """Return every version of an agreement of these parties, the newest one first; raises NotFound."""
    return _of(uow, parties, agreement_id)[::-1]


def explain(
    directory: Directory, pair: Pair, service: Service, now: datetime
) -> tuple[Agreement | None, Refusal | None]:
    """Return the version that allows the service, or the refusal that names the clause which does not."""
    cpo, emsp = pair
    no = directory.why_not(cpo, emsp, service, now)
    return (directory.active_agreement(cpo, emsp, now), None) if no is None else (no.agreement, no)


def next_due(directory: Directory) -> datetime | None:
    """Return the first instant at which time alone changes an agreement, which may have passed; None for never."""
    starts = [a.terms.start for a in directory.upcoming.values()]
    ends = [a.terms.end for a in _watched(directory) if a.terms.end is not None]
    return min(starts + ends, default=None)


def follow_clock(uow: UnitOfWork, encode: Encode, settings: ClearingSettings) -> int:
    """Bring into force what has started and end what has run out; returns how many agreements. Safe to run twice.

    What comes into force has a settlement period from that moment.
    """
    directory, seen, changes = uow.directory, set[Pair](), list[Agreement]()
    for version in _watched(directory):
        before = _before(directory, version)
        after = rules.as_time_passes(version, uow.now, before)
        if after is version or version.pair in seen:
            continue
        seen.add(version.pair)
        if before is not None and after.state in _IN_FORCE:
            # The version that goes may have come to its own end.
            ended = rules.as_time_passes(before, uow.now, None)
            changes.append(rules.superseded(before, uow.now) if ended is before else ended)
        changes.append(after)
    if changes:
        _store(uow, encode, *changes)
    for begun in (each for each in changes if each.state in _IN_FORCE):
        periods.open_for(uow, settings, begun)
    return len(seen)


def _watched(directory: Directory) -> list[Agreement]:
    # What comes into force goes first, as it decides what becomes of the version before.
    coming = list(directory.upcoming.values())
    held = [a for a in directory.standing.values() if a.state in (*_IN_FORCE, AgreementState.PROPOSED)]
    return coming + held


def _before(directory: Directory, version: Agreement) -> Agreement | None:
    standing = directory.standing.get(version.pair)
    if standing is None or standing.state not in _IN_FORCE or standing.version == version.version:
        return None
    return standing


def require_known(terms: Terms, settings: ClearingSettings) -> None:
    """Refuse terms that name what this hub does not have: a slip would go unnoticed until a CDR or a period shows it.

    Raises:
        Invalid: A check or the tax table is none of this hub's.
    """
    violations = [
        Violation(field=f"terms.checks[{code[:64]!r}]", rule="must be the code of a check, such as PRICE_MISMATCH")
        for code in sorted(set(terms.checks).difference(Check))[:_TOLD_MAX]
    ]
    if settings.tax_tables(terms.tax_profile) is None:
        violations.append(Violation(field="terms.tax_profile", rule="must be a tax table of this hub, such as default"))
    if violations:
        raise Invalid(violations)


def _require_possible(terms: Terms, now: datetime) -> None:
    violations = rules.violations_of(terms, now)
    if violations:
        raise Invalid(violations)


def _not_found() -> NotFound:
    return NotFound("AGREEMENT_NOT_FOUND", "there is no such agreement of the caller's")


def _of(uow: UnitOfWork, parties: Collection[PartyId], agreement_id: str) -> Sequence[Agreement]:
    versions = uow.agreements.versions(agreement_id)
    if not versions or not {versions[0].cpo, versions[0].emsp} & set(parties):
        raise _not_found()
    return versions


def _versions(uow: UnitOfWork, change: Change) -> Sequence[Agreement]:
    versions = _of(uow, (change.party,), change.agreement_id)
    if change.etag and change.etag not in {version.etag for version in versions if version.state not in _OVER}:
        raise Stale("ETAG_MISMATCH", "the agreement has changed since it was read", agreement=versions[0].name)
    return versions


def _version(versions: Sequence[Agreement], change: Change) -> Agreement:
    if change.version > len(versions):
        raise _not_found()
    return versions[change.version - 1]


def telling_of(versions: Sequence[Agreement]) -> Agreement:
    """Return the version that says how an agreement stands."""
    return max(versions, key=telling)


def _in_force(versions: Sequence[Agreement]) -> Agreement:
    return next((v for v in versions if v.state in _IN_FORCE), telling_of(versions))


def _store_changed(uow: UnitOfWork, encode: Encode, before: Agreement, after: Agreement) -> Agreement:
    return before if after is before else _store(uow, encode, after)


def _store(uow: UnitOfWork, encode: Encode, *agreements: Agreement) -> Agreement:
    """Store versions in this order, with a fact for each; returns the last one."""
    uow.agreements.save(*agreements)
    for agreement in agreements:
        fact = Fact(
            kind=EntryKind.AGREEMENT,
            owner=agreement.cpo,
            counterparty=agreement.emsp,
            subject=agreement.name,
            body=encode(agreement),
            private=True,
        )
        uow.journal.append(Stream.REGISTRY, fact)
    return agreements[-1]
