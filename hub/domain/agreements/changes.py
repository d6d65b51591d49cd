"""How a version changes its state. Every function returns the version after the change and touches nothing else.

```
            accept, start has come          terminate, end has come
 PROPOSED ---------------------> ACTIVE ----------------------------> TERMINATED
   |   |  accept    start comes  |    ^
   |   +---------> ACCEPTED -----+    | resume by all who suspended
   | decline                     v    |
   +--------> DECLINED         SUSPENDED
```

A version in force becomes SUPERSEDED when a later one takes over, a proposal when another replaces it. A change that
has happened already returns the version as it is, so that a retry after a lost answer is harmless.
"""

from dataclasses import replace
from datetime import datetime

from hub.domain.agreements.model import Agreement, AgreementState, Pair, Terms
from hub.domain.errors import Precondition
from hub.domain.ids import PartyId

_IN_FORCE = (AgreementState.ACTIVE, AgreementState.SUSPENDED)


def proposed(agreement_id: str, pair: Pair, proposer: PartyId, terms: Terms, at: datetime) -> Agreement:
    """Return version 1, which the proposer has accepted by proposing it."""
    return Agreement(
        id=agreement_id,
        version=1,
        cpo=pair[0],
        emsp=pair[1],
        state=AgreementState.PROPOSED,
        terms=terms,
        proposer=proposer,
        created=at,
        changed=at,
    )


def next_version(newest: Agreement, proposer: PartyId, terms: Terms, at: datetime) -> Agreement:
    """Return the version after the newest one, proposed with these terms."""
    first = proposed(newest.id, newest.pair, proposer, terms, at)
    return replace(first, version=newest.version + 1)


def accept(version: Agreement, party: PartyId, at: datetime, before: Agreement | None) -> Agreement:
    """Accept a proposal.

    Args:
        version: The version proposed.
        party: Who accepts.
        at: When.
        before: The version in force, which this one follows; None for a first one.

    Raises:
        Precondition: It waits for the other side, or for nobody, or its validity is over.
    """
    if version.state in (AgreementState.ACCEPTED, *_IN_FORCE) and party != version.proposer:
        return version
    if version.state is not AgreementState.PROPOSED:
        raise _wrong_state(version, "accepted")
    if party == version.proposer:
        raise Precondition(
            "PROPOSER_HAS_ACCEPTED",
            "the proposer has accepted by proposing; the other side's answer is awaited",
            agreement=version.name,
        )
    if version.terms.end is not None and version.terms.end <= at:
        raise Precondition("VALIDITY_ENDED", "the terms' validity is over", agreement=version.name)
    if version.terms.start > at:
        return replace(version, state=AgreementState.ACCEPTED, changed=at)
    return _into_force(version, at, before)


def _into_force(version: Agreement, at: datetime, before: Agreement | None) -> Agreement:
    # Whoever holds the agreement back does so under the new terms as well.
    suspended_by = frozenset[PartyId]() if before is None else before.suspended_by
    return replace(
        version,
        state=AgreementState.SUSPENDED if suspended_by else AgreementState.ACTIVE,
        suspended_by=suspended_by,
        changed=at,
        since=_since(version, before),
    )


def superseded(version: Agreement, at: datetime) -> Agreement:
    """Return the version as another has taken its place."""
    return replace(version, state=AgreementState.SUPERSEDED, changed=at)


def decline(version: Agreement, note: str, at: datetime) -> Agreement:
    """Decline a proposal; the proposer may do so too and thereby withdraws it.

    Raises:
        Precondition: The version is no proposal.
    """
    if version.state is AgreementState.DECLINED:
        return version
    if version.state is not AgreementState.PROPOSED:
        raise _wrong_state(version, "declined")
    return replace(version, state=AgreementState.DECLINED, note=note, changed=at)


def suspend(version: Agreement, party: PartyId, note: str, at: datetime) -> Agreement:
    """Hold back a version in force: nobody roams under it until each side that suspended has resumed.

    Raises:
        Precondition: The version is not in force.
    """
    if version.state not in _IN_FORCE:
        raise _wrong_state(version, "suspended")
    if party in version.suspended_by:
        return version
    return replace(
        version, state=AgreementState.SUSPENDED, suspended_by=version.suspended_by | {party}, note=note, changed=at
    )


def resume(version: Agreement, party: PartyId, at: datetime) -> Agreement:
    """Take back one's own suspension.

    Raises:
        Precondition: The version is not in force, or only the other side holds it back.
    """
    if version.state is AgreementState.ACTIVE:
        return version
    if version.state is not AgreementState.SUSPENDED:
        raise _wrong_state(version, "resumed")
    if party not in version.suspended_by:
        raise Precondition("SUSPENDED_BY_OTHER_SIDE", "only the side that suspended can resume", agreement=version.name)
    left = version.suspended_by - {party}
    state = AgreementState.SUSPENDED if left else AgreementState.ACTIVE
    return replace(version, state=state, suspended_by=left, note=version.note if left else "", changed=at)


def terminate(version: Agreement, note: str, at: datetime) -> Agreement:
    """End a version that has been agreed, for good; a proposal on its way is declined with it.

    Raises:
        Precondition: The version is over in another way.
    """
    if version.state is AgreementState.TERMINATED:
        return version
    if version.state is AgreementState.PROPOSED:
        return decline(version, note, at)
    if version.state not in (*_IN_FORCE, AgreementState.ACCEPTED):
        raise _wrong_state(version, "terminated")
    return replace(version, state=AgreementState.TERMINATED, note=note, changed=at, ended=at)


def as_time_passes(version: Agreement, at: datetime, before: Agreement | None) -> Agreement:
    """Return the version as the passing of time alone leaves it: its start or its end may have come.

    `before` is the version in force that an ACCEPTED one follows.
    """
    end = version.terms.end
    if end is not None and end <= at:
        if version.state is AgreementState.PROPOSED:
            return decline(version, "the proposed validity ended", at)
        if version.state in (*_IN_FORCE, AgreementState.ACCEPTED):
            return replace(terminate(version, "the validity ended", at), ended=end)
    if version.state is AgreementState.ACCEPTED and version.terms.start <= at:
        return _into_force(version, at, before)
    return version


def _since(version: Agreement, before: Agreement | None) -> datetime:
    # Both sides accepted the start; where it lies in the past, what began since then is covered too.
    return version.terms.start if before is None or before.since is None else before.since


def _wrong_state(version: Agreement, change: str) -> Precondition:
    return Precondition(
        "AGREEMENT_STATE",
        f"version {version.version} is {version.state} and cannot be {change}",
        agreement=version.name,
        version=str(version.version),
        state=version.state,
    )
