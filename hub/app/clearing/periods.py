"""Opening, cutting off and reading settlement periods."""

from collections.abc import Iterator, Sequence
from itertools import islice

from hub.app.clearing.facts import no_period, require_period_name, state_fact
from hub.app.ports.clearing import ClearingSettings
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement, AgreementState
from hub.domain.clearing.periods import Period, PeriodState, Terms, open_first, open_next, renamed
from hub.domain.errors import Stale
from hub.domain.journal import EntryKind
from hub.domain.parties import Caller
from hub.domain.statements.document import time_text

#: Under these, CDRs keep coming.
_LIVING = (AgreementState.ACTIVE, AgreementState.SUSPENDED)


def get(uow: UnitOfWork, caller: Caller, name: str) -> Period:
    """Return a period that the caller may see.

    Raises:
        Invalid: The name can be none.
        NotFound: There is none, or it is not the caller's.
    """
    period = uow.clearing.period(require_period_name(name))
    if period is None or not may_see(caller, period):
        raise no_period()
    return period


def may_see(caller: Caller, period: Period) -> bool:
    """Say whether the caller is an operator, or a side of the period."""
    return caller.operator or period.creditor in caller.parties or period.debtor in caller.parties


def require(uow: UnitOfWork, name: str, etag: str) -> Period:
    """Return a period that is to be changed.

    Raises:
        Invalid: The name can be none.
        NotFound: There is none.
        Stale: It has changed since it was read.
    """
    period = uow.clearing.period(require_period_name(name))
    if period is None:
        raise no_period()
    if etag and etag != etag_of(period):
        raise Stale("ETAG_MISMATCH", "the period has changed since it was read", period=name)
    return period


def etag_of(period: Period) -> str:
    """Return what changes whenever the period does."""
    return f"{period.revision}"


def due(uow: UnitOfWork) -> bool:
    """Say whether a period is to be opened or cut off: ask before `follow_clock`, which takes a transaction."""
    return bool(uow.clearing.due(uow.now)) or any(_missing(uow))


def follow_clock(uow: UnitOfWork, settings: ClearingSettings, limit: int = 100) -> int:
    """Cut off periods whose calendar end has come, however long ago, and open those that are missing.

    Returns how many of both, at most `limit` of each: others have to write as well, so call again. Safe to run twice.
    """
    ended = uow.clearing.due(uow.now)[:limit]
    for name in ended:
        cut_off(uow, settings, name)
    missing = list(islice(_missing(uow), limit))
    for agreement, last in missing:
        _open(uow, settings, agreement, last)
    return len(ended) + len(missing)


def open_for(uow: UnitOfWork, settings: ClearingSettings, agreement: Agreement) -> None:
    """Open the period of an agreement that has just come into force, in the same transaction; not a second one.

    The directory does not tell of it before the commit, so the agreement itself says that it needs one.
    """
    last = uow.clearing.last_period(agreement.name)
    if last is None or last.state is not PeriodState.OPEN:
        _open(uow, settings, agreement, last)


def _missing(uow: UnitOfWork) -> Iterator[tuple[Agreement, Period | None]]:
    """Yield the agreements that need a period and have no open one, each with its last one."""
    open_already = uow.clearing.open_agreements()
    for agreement in _agreements(uow):
        if agreement.name in open_already:
            continue
        last = uow.clearing.last_period(agreement.name)
        first_index = last.end_index if last is not None and last.end_index is not None else 0
        if agreement.state in _LIVING or uow.clearing.has_cdr(agreement.name, agreement.cpo, first_index):
            yield agreement, last


def cut_off(uow: UnitOfWork, settings: ClearingSettings, name: str, etag: str = "") -> Period:
    """Cut an open period off with an entry in the journal, and open the next one while CDRs keep coming.

    Raises:
        Precondition: PERIOD_STATE.
        NotFound, Stale: See `require`.
    """
    period = require(uow, name, etag)
    # The state is asked before anything is appended: a refusal leaves no trace.
    period.cut_off(index=period.first_index, now=uow.now)
    fields = {
        "period": period.name.encode(),
        "end_time": time_text(period.end_time).encode(),
        "tz_version": period.tz_version.encode(),
    }
    receipt = state_fact(
        uow,
        EntryKind.CUT_OFF,
        creditor=period.creditor,
        debtor=period.debtor,
        subject=period.name,
        fields=fields,
    )
    ended = period.cut_off(index=receipt.index, now=uow.now)
    uow.clearing.save_period(ended)
    agreement = next((each for each in _agreements(uow) if each.name == period.agreement), None)
    if agreement is not None and agreement.state in _LIVING:
        _open(uow, settings, agreement, ended)
    return ended


def terms_of(uow: UnitOfWork, period: Period) -> Agreement:
    """Return the version of its agreement that a period is settled by."""
    versions: Sequence[Agreement] = uow.agreements.versions(period.agreement.removeprefix("agreements/"))
    return versions[period.agreement_version - 1]


def _agreements(uow: UnitOfWork) -> Iterator[Agreement]:
    """Yield the agreements there are or were, each by the version that says how it stands."""
    seen: set[str] = set()
    for versions in (uow.directory.standing, uow.directory.over):
        for agreement in versions.values():
            if agreement.name not in seen:
                seen.add(agreement.name)
                yield agreement


def _open(uow: UnitOfWork, settings: ClearingSettings, agreement: Agreement, last: Period | None) -> None:
    terms = Terms(
        agreement=agreement.name,
        agreement_version=agreement.version,
        creditor=agreement.cpo,
        debtor=agreement.emsp,
        cycle=agreement.terms.cycle,
        time_zone=agreement.terms.time_zone,
        tz_version=settings.tz_version,
    )
    opened = open_first(terms, index=0, now=uow.now) if last is None else open_next(last, terms, now=uow.now)
    # A window comes again when the cycle was amended and amended back within it.
    while uow.clearing.period(opened.name) is not None:
        opened = renamed(opened)
    uow.clearing.save_period(opened)
