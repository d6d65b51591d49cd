"""What is checked about a charge."""

from decimal import Decimal

from hub.domain.cdrs.checks.codes import Check, Found
from hub.domain.cdrs.checks.known import Known
from hub.domain.cdrs.checks.late import check_late
from hub.domain.cdrs.checks.meter import check_meter
from hub.domain.cdrs.checks.neighbours import shared
from hub.domain.cdrs.checks.physics import check_physics
from hub.domain.cdrs.checks.price import check_price
from hub.domain.cdrs.record import Cdr
from hub.domain.ids import fold_uid
from hub.domain.money import EXACT

#: Sums of periods may differ from a total by rounding each of them to four decimals.
_ROUNDING = Decimal("0.0001")


def check_charge(cdr: Cdr, known: Known) -> Found:
    """Yield what is wrong with a charge."""
    yield from _driver(cdr, known)
    yield from _place(known)
    yield from _times(cdr, known)
    if known.period is not None:
        yield from check_late(cdr, known, known.period)
    yield from _sums(cdr)
    yield from check_physics(cdr, known)
    yield from check_meter(cdr, known)
    if known.neighbours is not None:
        yield from shared(known.neighbours, session=bool(cdr.session_id))
    if cdr.currency != known.currency:
        yield Check.CURRENCY_MISMATCH, "currency", "is not the agreement's currency"
    if known.price is not None:
        yield from check_price(cdr, known, known.price)


def _driver(cdr: Cdr, known: Known) -> Found:
    if cdr.authorization_reference:
        given = known.authorization
        if given is None:
            yield Check.AUTHORIZATION_UNKNOWN, "authorization_reference", "is no answer of this hub"
        elif (
            not given.allowed
            or given.cpo != cdr.id.party
            or given.emsp != cdr.emsp
            or given.token_uid != fold_uid(cdr.token_uid)
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
        elif session.emsp != cdr.emsp or session.token_uid != fold_uid(cdr.token_uid):
            yield Check.SESSION_MISMATCH, "session_id", "was charged with another token"


def _place(known: Known) -> Found:
    if not known.location:
        yield Check.LOCATION_UNKNOWN, "cdr_location.id", "is no location that the CPO published"
    elif known.evse is None:
        yield Check.EVSE_UNKNOWN, "cdr_location.evse_uid", "is no EVSE of this location"
    elif not known.evse.connector:
        yield Check.CONNECTOR_UNKNOWN, "cdr_location.connector_id", "is no connector of this EVSE"


def _times(cdr: Cdr, known: Known) -> Found:
    if cdr.periods.first_start < cdr.start_time or cdr.periods.last_start > cdr.end_time:
        yield Check.TIMES_DISORDERED, "charging_periods", "start before the session or after its end"
    if known.age_max is not None and known.now - cdr.end_time > known.age_max:
        yield Check.AGE_EXCEEDED, "end_date_time", "is longer ago than the agreement accepts"


def _sums(cdr: Cdr) -> Found:
    periods = cdr.periods
    if _differ(periods.energy, cdr.total_energy, periods.number):
        yield Check.ENERGY_SUM_MISMATCH, "total_energy", "is not the sum of the charging periods"
    if periods.time and _differ(periods.time, cdr.total_time, periods.number):
        yield Check.TIME_SUM_MISMATCH, "total_time", "is not the sum of the charging periods"


def _differ(one: Decimal, other: Decimal, count: int) -> bool:
    """Say whether a sum of so many rounded numbers is further from a total than their rounding explains."""
    return one != other and abs(EXACT.subtract(one, other)) > _ROUNDING * count
