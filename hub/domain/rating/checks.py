"""What makes a tariff or session unusable for rating: numbers and times that cannot be meant."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from hub.domain.errors import Invalid, Violation, invalid
from hub.domain.rating.exact import LARGEST_NUMBER, LOWEST_NUMBER, usable
from hub.domain.rating.session import RatablePeriod, RatableSession
from hub.domain.tariffs import PriceComponent, Tariff

_LARGEST_VAT = 1000
_LARGEST_STEP = 10**9
_FIRST_YEAR, _LAST_YEAR = 1900, 9000
_ZERO = Decimal(0)
_NO_OFFSET = timedelta(0)
_NUMBER = "must be a finite number of sensible size"


def check_tariff(tariff: Tariff) -> None:
    """Accept the tariff or refuse it with every field that cannot be used.

    Raises:
        Invalid: A number is not finite or absurd, a step_size is negative, or a tax is not within 0..1000 %.
    """
    for name, instant in (("start_date_time", tariff.start), ("end_date_time", tariff.end)):
        if instant is not None:
            check_instant(name, instant)
    violations = list(_violations(tariff))
    if violations:
        raise Invalid(violations)


def _violations(tariff: Tariff) -> Iterable[Violation]:
    for name, limit in (("min_price", tariff.min_price), ("max_price", tariff.max_price)):
        if limit is not None and not (usable(limit.before_taxes) and usable(limit.after_taxes)):
            yield Violation(field=name, rule=_NUMBER)
    for index, element in enumerate(tariff.elements):
        path = f"elements[{index}]"
        for number, component in enumerate(element.components):
            yield from _component_violations(f"{path}.price_components[{number}]", component)
        for name in ("min_kwh", "max_kwh", "min_current", "max_current", "min_power", "max_power"):
            if not usable(getattr(element.restrictions, name)):
                yield Violation(field=f"{path}.restrictions.{name}", rule=_NUMBER)


def _component_violations(path: str, component: PriceComponent) -> Iterable[Violation]:
    if not usable(component.price):
        yield Violation(field=f"{path}.price", rule=_NUMBER)
    if component.vat is not None and not (component.vat.is_finite() and 0 <= component.vat <= _LARGEST_VAT):
        yield Violation(field=f"{path}.vat", rule="must be a percentage from 0 to 1000")
    if not 0 <= component.step_size <= _LARGEST_STEP:
        yield Violation(field=f"{path}.step_size", rule="must be a number of Wh or seconds from 0 to 1000000000")


def check_session(session: RatableSession, currencies: Iterable[str]) -> None:
    """Accept the session or refuse it with the first field that cannot be used; `currencies` are its tariffs'.

    Raises:
        Invalid: A time is not UTC or absurd, the end lies before the start, a currency differs, a volume is not
            finite, absurd, or a negative time.
    """
    check_instant("start", session.start)
    check_instant("end", session.end)
    if session.end < session.start:
        raise invalid("end", "must not be before the start")
    for currency in currencies:
        if currency != session.currency and currency.upper() != session.currency.upper():
            raise invalid("tariffs", f"are in {currency}, the session is in {session.currency}")
    for index, period in enumerate(session.periods):
        check_instant("charging_periods.start_date_time", period.start)
        try:
            usable_period = _is_usable(period)
        except InvalidOperation:
            # A NaN is neither less nor more than anything.
            usable_period = False
        if not usable_period:
            rule = "must hold finite numbers of sensible size, and no negative times"
            raise invalid(f"charging_periods[{index}].dimensions", rule)


def check_instant(name: str, instant: datetime) -> None:
    """Accept an instant in UTC of a sensible year.

    Raises:
        Invalid: It is none.
    """
    if instant.tzinfo is not UTC and instant.utcoffset() != _NO_OFFSET:
        raise invalid(name, "must be an aware time in UTC")
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise invalid(name, f"must lie between the years {_FIRST_YEAR} and {_LAST_YEAR}")


def _is_usable(period: RatablePeriod) -> bool:
    for hours in (period.time_hours, period.parking_hours, period.reservation_hours):
        if hours is not None and not _ZERO <= hours < LARGEST_NUMBER:
            return False
    for number in (
        period.energy_kwh,
        period.min_current,
        period.max_current,
        period.min_power,
        period.max_power,
        period.average_power,
    ):
        if number is not None and not LOWEST_NUMBER < number < LARGEST_NUMBER:
            return False
    return True
