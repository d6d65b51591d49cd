"""What terms are possible at all, whatever the two sides might like."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from zoneinfo import available_timezones

from hub.domain.agreements.model import Service, Terms
from hub.domain.errors import Violation
from hub.domain.money import OCPI_DECIMALS
from hub.domain.rating.policy import POLICIES

_CURRENCY = re.compile(r"[A-Z]{3}")
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CHECK = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_CHECKS_MAX = 200
_TOLERANCE_MAX = Decimal(1_000_000)
_RELATIVE_DECIMALS = 6
_DURATIONS = {
    "grace": (timedelta(0), timedelta(days=92)),
    "dispute_window": (timedelta(0), timedelta(days=366)),
    "cdr_age_max": (timedelta(minutes=1), timedelta(days=3660)),
    "return_window": (timedelta(minutes=1), timedelta(days=366)),
    "review_window": (timedelta(minutes=1), timedelta(days=92)),
}


def violations_of(terms: Terms, now: datetime) -> list[Violation]:
    """Return every rule that the terms break, with the field's path in the contract, such as `terms.currency_code`."""
    return [Violation(field=f"terms.{field}", rule=rule) for field, rule in _broken(terms, now)]


def _broken(terms: Terms, now: datetime) -> Iterator[tuple[str, str]]:
    if Service.ROAMING not in terms.services:
        yield "services", "must include ROAMING, without which none of the others can be settled"
    if not _CURRENCY.fullmatch(terms.currency):
        yield "currency_code", "must be an ISO 4217 code, three capital letters such as EUR"
    if terms.time_zone not in _zones():
        yield "time_zone", "must be a zone of the IANA database, such as Europe/Amsterdam"
    yield from _broken_durations(terms)
    yield from _broken_tolerances(terms)
    yield from _broken_names(terms)
    if terms.end is not None and terms.end <= terms.start:
        yield "end_time", "must be later than start_time"
    elif terms.end is not None and terms.end <= now:
        yield "end_time", "must lie in the future"


def _broken_durations(terms: Terms) -> Iterator[tuple[str, str]]:
    for field, (least, most) in _DURATIONS.items():
        duration: timedelta = getattr(terms, field)
        if not least <= duration <= most:
            yield field, f"must be between {int(least.total_seconds())} and {int(most.total_seconds())} seconds"
        elif duration.microseconds:
            yield field, "must be a whole number of seconds"


def _broken_tolerances(terms: Terms) -> Iterator[tuple[str, str]]:
    if not 0 <= terms.price_tolerance <= _TOLERANCE_MAX:
        yield "price_tolerance", f"must be between 0 and {_TOLERANCE_MAX}"
    elif _decimals(terms.price_tolerance) > OCPI_DECIMALS:
        yield "price_tolerance", f"must have at most {OCPI_DECIMALS} decimals"
    if not 0 <= terms.price_tolerance_relative <= 1:
        yield "price_tolerance_relative", "must be between 0 and 1, a share: 0.01 is one percent"
    elif _decimals(terms.price_tolerance_relative) > _RELATIVE_DECIMALS:
        yield "price_tolerance_relative", f"must have at most {_RELATIVE_DECIMALS} decimals"


def _broken_names(terms: Terms) -> Iterator[tuple[str, str]]:
    for field in ("tax_profile", "fee_profile"):
        if not _PROFILE.fullmatch(getattr(terms, field)):
            yield field, "must be a name of at most 64 letters, digits, dots, underscores and hyphens"
    if terms.fx_profile != "NONE":
        yield "fx_profile", "must be NONE: no conversion is offered"
    if terms.pricing_policy not in POLICIES:
        yield "pricing_policy", f"must be one of {', '.join(sorted(POLICIES))}"
    if len(terms.checks) > _CHECKS_MAX:
        yield "checks", f"must have at most {_CHECKS_MAX} entries"
    elif any(not _CHECK.fullmatch(code) for code in terms.checks):
        yield "checks", "must have check codes as keys: at most 64 letters, digits and underscores"


def _decimals(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "parse_decimal lets no infinity through"
    return max(0, -exponent)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
