"""The checks a CDR passes, each with a public code. They are listed, with what to do about them, in docs/cdr-checks.md.

A check looks at the CDR and at what the hub knew (`Known`); it never looks anything up. What a finding leads to is the
agreement's to say, check by check: nothing, a warning, or the CDR's return.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from hub.domain.agreements import CheckAction
from hub.domain.cdrs.record import Cdr, Finding, Severity
from hub.domain.ids import PartyId, fold
from hub.domain.money import EXACT


class Check(StrEnum):
    """The code of each check."""

    AUTHORIZATION_UNKNOWN = "AUTHORIZATION_UNKNOWN"
    AUTHORIZATION_MISMATCH = "AUTHORIZATION_MISMATCH"
    TOKEN_UNKNOWN = "TOKEN_UNKNOWN"  # noqa: S105 - a code
    SESSION_UNKNOWN = "SESSION_UNKNOWN"
    SESSION_MISMATCH = "SESSION_MISMATCH"
    LOCATION_UNKNOWN = "LOCATION_UNKNOWN"
    EVSE_UNKNOWN = "EVSE_UNKNOWN"
    CONNECTOR_UNKNOWN = "CONNECTOR_UNKNOWN"
    TIMES_DISORDERED = "TIMES_DISORDERED"
    AGE_EXCEEDED = "AGE_EXCEEDED"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    ENERGY_SUM_MISMATCH = "ENERGY_SUM_MISMATCH"
    TIME_SUM_MISMATCH = "TIME_SUM_MISMATCH"
    CREDIT_ORIGINAL_UNKNOWN = "CREDIT_ORIGINAL_UNKNOWN"
    CREDIT_REPEATED = "CREDIT_REPEATED"
    CREDIT_NOT_FULL = "CREDIT_NOT_FULL"
    CREDIT_MISMATCH = "CREDIT_MISMATCH"


#: What happens when the agreement says nothing.
DEFAULT_ACTIONS: Mapping[Check, CheckAction] = {
    **dict.fromkeys(Check, CheckAction.RETURN),
    # OCPI leaves session_id out of most CDRs, and clocks of chargers drift within a period.
    Check.SESSION_UNKNOWN: CheckAction.WARN,
    Check.TIME_SUM_MISMATCH: CheckAction.WARN,
    Check.CONNECTOR_UNKNOWN: CheckAction.WARN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAuthorization:
    """An answer the hub gave: to whom, for which token, and whether it allowed."""

    cpo: PartyId
    emsp: PartyId
    token_uid: str
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSession:
    """A session the hub carried: whose token it was charged with."""

    emsp: PartyId
    token_uid: str


class KnownEvse(NamedTuple):
    """A published EVSE, by the ids of its connectors (folded)."""

    connector_ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOriginal:
    """The CDR that a credit credits, as it was accepted; amounts in ten-thousandths."""

    emsp: PartyId
    currency: str
    amount: int
    energy: int
    credit: bool
    credited: bool


class Known(NamedTuple):
    """What the hub knows that bears on one CDR; None means it does not know the thing.

    Attributes:
        now: The instant of receipt.
        token: Whether the eMSP published the token.
        location: Whether the CPO published the location.
        currency: The agreement's currency.
        age_max: How old a session's end may be; None for no limit.
    """

    now: datetime
    authorization: KnownAuthorization | None
    token: bool
    session: KnownSession | None
    location: bool
    evse: KnownEvse | None
    original: KnownOriginal | None
    currency: str
    age_max: timedelta | None


#: Sums of periods may differ from a total by rounding each of them to four decimals.
_ROUNDING = Decimal("0.0001")
_E4 = 10_000


def examine(cdr: Cdr, known: Known, actions: Mapping[str, CheckAction]) -> tuple[Finding, ...]:
    """Run every check.

    Args:
        cdr: The CDR.
        known: What the hub knows.
        actions: The agreement's action by check code; the default stands for those it leaves out.

    Returns:
        What was found, in the order of the checks; errors are those that lead to the CDR's return.
    """
    findings = []
    for check, field, message in _found(cdr, known):
        action = actions.get(check) or DEFAULT_ACTIONS[check]
        if action is not CheckAction.ACCEPT:
            severity = Severity.WARNING if action is CheckAction.WARN else Severity.ERROR
            findings.append(Finding(code=check, severity=severity, field=field, message=message))
    return tuple(findings)


_Found = Iterator[tuple[Check, str, str]]


def _found(cdr: Cdr, known: Known) -> _Found:
    if cdr.credit:
        # A credit undoes what was accepted; where and when that was has been checked then.
        yield from _credit(cdr, known)
        return
    yield from _driver(cdr, known)
    yield from _place(cdr, known)
    yield from _times(cdr, known)
    yield from _sums(cdr)
    if cdr.currency != known.currency:
        yield Check.CURRENCY_MISMATCH, "currency", "is not the agreement's currency"


def _driver(cdr: Cdr, known: Known) -> _Found:
    if cdr.authorization_reference:
        given = known.authorization
        if given is None:
            yield Check.AUTHORIZATION_UNKNOWN, "authorization_reference", "is no answer of this hub"
        elif (
            not given.allowed
            or given.cpo != cdr.id.party
            or given.emsp != cdr.emsp
            or given.token_uid != fold(cdr.token_uid)
        ):
            yield Check.AUTHORIZATION_MISMATCH, "authorization_reference", "did not allow this token at this CPO"
    elif not known.token:
        yield (
            Check.TOKEN_UNKNOWN,
            "cdr_token.uid",
            "was not published by its eMSP, and no authorization is quoted",
        )
    if cdr.session_id:
        session = known.session
        if session is None:
            yield Check.SESSION_UNKNOWN, "session_id", "is no session that the CPO reported"
        elif session.emsp != cdr.emsp or session.token_uid != fold(cdr.token_uid):
            yield Check.SESSION_MISMATCH, "session_id", "was charged with another token"


def _place(cdr: Cdr, known: Known) -> _Found:
    if not known.location:
        yield Check.LOCATION_UNKNOWN, "cdr_location.id", "is no location that the CPO published"
    elif known.evse is None:
        yield Check.EVSE_UNKNOWN, "cdr_location.evse_uid", "is no EVSE of this location"
    elif fold(cdr.connector_id) not in known.evse.connector_ids:
        yield Check.CONNECTOR_UNKNOWN, "cdr_location.connector_id", "is no connector of this EVSE"


def _times(cdr: Cdr, known: Known) -> _Found:
    if cdr.periods.first_start < cdr.start_time or cdr.periods.last_start > cdr.end_time:
        yield Check.TIMES_DISORDERED, "charging_periods", "start before the session or after its end"
    if known.age_max is not None and known.now - cdr.end_time > known.age_max:
        yield Check.AGE_EXCEEDED, "end_date_time", "is longer ago than the agreement accepts"


def _sums(cdr: Cdr) -> _Found:
    allowed = _ROUNDING * cdr.periods.count
    if abs(EXACT.subtract(cdr.periods.energy, cdr.total_energy)) > allowed:
        yield Check.ENERGY_SUM_MISMATCH, "total_energy", "is not the sum of the charging periods"
    if cdr.periods.time and abs(EXACT.subtract(cdr.periods.time, cdr.total_time)) > allowed:
        yield Check.TIME_SUM_MISMATCH, "total_time", "is not the sum of the charging periods"


def _credit(cdr: Cdr, known: Known) -> _Found:
    original = known.original
    if original is None or original.credit:
        yield (
            Check.CREDIT_ORIGINAL_UNKNOWN,
            "credit_reference_id",
            "is no CDR of this CPO that can be credited",
        )
        return
    if original.credited:
        yield Check.CREDIT_REPEATED, "credit_reference_id", "has been credited already"
    if original.emsp != cdr.emsp or original.currency != cdr.currency:
        yield Check.CREDIT_MISMATCH, "credit_reference_id", "was for another eMSP or in another currency"
    if int(cdr.total_cost * _E4) != -original.amount:
        yield Check.CREDIT_NOT_FULL, "total_cost", "is not the original's total cost negated"
    if int(cdr.total_energy * _E4) != original.energy:
        yield Check.CREDIT_MISMATCH, "total_energy", "is not the original's; a credit negates the total cost alone"
