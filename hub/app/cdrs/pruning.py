"""Forgetting what charges occupied so long ago that no CDR that is still taken can meet it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import CheckAction, Terms
from hub.domain.cdrs.checks import Check
from hub.domain.ids import PartyId

#: A CDR that is just young enough may be of a session that began long before its end, or be sent in the place of a
#: returned one, whose age counts.
MARGIN = timedelta(days=90)


def bounds(uow: UnitOfWork) -> Mapping[PartyId, datetime]:
    """Return, for each party, up to when what its tokens and EVSEs were occupied by may be forgotten.

    A party that has an agreement under which CDRs of any age are taken is left out: nothing of it may be forgotten.
    One without any agreement takes part in no new CDR; what is usual holds for it, as it may come to an agreement.
    """
    directory = uow.directory
    oldest: dict[PartyId, timedelta | None] = dict.fromkeys(directory.parties, Terms(currency="EUR").cdr_age_max)
    for versions in (directory.upcoming, directory.standing, directory.over):
        for agreement in versions.values():
            age = _age_max(agreement.terms)
            for party in agreement.pair:
                known = oldest.get(party, age)
                oldest[party] = None if known is None or age is None else max(known, age)
    return {party: uow.now - age - MARGIN for party, age in oldest.items() if age is not None}


def _age_max(terms: Terms) -> timedelta | None:
    """Return how old a session's end may be, None for any age: what is held or warned of is accepted in the end."""
    action = terms.checks.get(Check.AGE_EXCEEDED, CheckAction.RETURN)
    return terms.cdr_age_max if action is CheckAction.RETURN else None


def anything_old(uow: UnitOfWork) -> bool:
    """Say whether there is anything to forget: ask before `forget_old`, which takes a transaction."""
    return any(uow.spans.has_before(party, instant) for party, instant in bounds(uow).items())


def forget_old(uow: UnitOfWork, limit: int = 1_000) -> int:
    """Forget what is too old to matter; returns how many rows, at most `limit`: others have to write as well.

    Safe to run twice, and to be stopped at any time.
    """
    removed = 0
    for party, instant in bounds(uow).items():
        if removed < limit and uow.spans.has_before(party, instant):
            removed += uow.spans.remove_before(party, instant, limit - removed)
    return removed
