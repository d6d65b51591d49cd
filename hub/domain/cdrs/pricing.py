"""What a CDR costs by our own reading: which tariffs rule it, and what the rating engine makes of them.

The published tariff rules, as it was when the session began; the one inside the CDR only where the hub knows none. So
nobody can bill by a tariff that was never published, and a version that came after the session in place of another is
told (`TARIFF_BACKDATED`). A CDR that names no tariff is priced by the one that its
connector named when the session began. Rated in the zone of the published location.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from hub.domain.cdrs.periods import total
from hub.domain.cdrs.record import Cdr
from hub.domain.errors import HubError
from hub.domain.ids import fold
from hub.domain.rating import (
    CompiledTariff,
    NoteCode,
    PricingPolicy,
    RatablePeriod,
    RatableSession,
    RatedCdr,
    compile_tariff,
    rate,
)
from hub.domain.rating.choose import of_connector
from hub.domain.rating.exact import CONTEXT, LARGEST_NUMBER
from hub.domain.rating.policy import MissingTime, TimeStepRule
from hub.domain.tariffs import GivenTariff, Tariff

_ZERO, _ONE, _HOUR = Decimal(0), Decimal(1), Decimal(3600)
#: Adding up two periods costs what it saves.
_FEW = 3


class TariffSource(StrEnum):
    """Where a tariff that prices a CDR is from."""

    PUBLISHED = "PUBLISHED"
    EMBEDDED = "EMBEDDED"
    CONNECTOR = "CONNECTOR"


class UsedTariff(NamedTuple):
    """A tariff that a CDR names, or where it names none its connector.

    Attributes:
        id: As the CDR spells it; of the connector's, as published.
        field: Where the CDR names it, such as `tariffs[0].id`; for the connector's, where it names the connector.
        source: Which of these priced the CDR; None where there is none.
        tariff: What priced it.
        differs: The CDR holds the tariff with other prices than the published ones, or unreadable.
        unreadable: Why the one inside the CDR cannot be read, where the published one counts; else empty.
    """

    id: str
    field: str
    source: TariffSource | None
    tariff: Tariff | None
    differs: bool = False
    unreadable: str = ""


class Unpriced(StrEnum):
    """Why there is no price; where the rating engine refuses, its own reason stands instead."""

    NO_TARIFF = "NO_TARIFF"
    TARIFF_MISSING = "TARIFF_MISSING"
    TIME_ZONE_UNKNOWN = "TIME_ZONE_UNKNOWN"


class CdrPrice(NamedTuple):
    """Our price of a CDR, or why there is none.

    Attributes:
        tariffs: Those that the CDR names, in the order in which it does.
        rated: Our totals; None where the CDR could not be priced.
        expired: The same if the reservation, of which nothing followed, had run out: OCPI does not say which it was.
        reason: Why it could not be priced, a code of `Unpriced` or of the engine's refusal; empty where it could.
        message: The reason in words.
    """

    tariffs: tuple[UsedTariff, ...]
    rated: RatedCdr | None
    expired: RatedCdr | None = None
    reason: str = ""
    message: str = ""


def price_cdr(
    cdr: Cdr,
    published: Mapping[str, GivenTariff],
    time_zone: str | None,
    policy: PricingPolicy,
    *,
    costs_only: bool = False,
) -> CdrPrice:
    """Price a charge.

    Args:
        cdr: The CDR.
        published: The tariffs that its CPO had published when the session began, by folded id: those that the CDR
            names, or where it names none its connector.
        time_zone: That of the published location; None where the hub does not know it.
        policy: How the tariffs are read.
        costs_only: Nobody will read the lines, notes and volumes, so periods may be added up first.
    """
    named = tuple(_named(cdr, published) if cdr.tariff_ids or cdr.tariffs else _offered(cdr, published))
    if not named:
        return CdrPrice(
            named, None, None, Unpriced.NO_TARIFF, "the CDR names no tariff, and its connector had none in force"
        )
    tariffs = []
    for used in named:
        if used.tariff is None:
            return CdrPrice(named, None, None, *_why_missing(cdr, used))
        tariffs.append(used.tariff)
    try:
        compiled = [compile_tariff(tariff, policy) for tariff in tariffs]
        if time_zone is None and any(each.static_row is None for each in compiled):
            message = "a price depends on the local time, and the time zone of the location is not known"
            return CdrPrice(named, None, None, Unpriced.TIME_ZONE_UNKNOWN, message)
        session = RatableSession(
            start=cdr.start_time,
            end=cdr.end_time,
            time_zone=time_zone or "UTC",
            currency=cdr.currency,
            periods=_as_one(cdr, compiled, policy) if costs_only else cdr.reported.ratable(),
        )
        rated = rate(session, compiled, policy)
        expired = None
        if rated.notes and rated.has(NoteCode.RESERVATION_OUTCOME_ASSUMED):
            expired = rate(_run_out(session), compiled, policy)
    except HubError as error:
        return CdrPrice(named, None, None, error.reason, error.message)
    return CdrPrice(named, rated, expired)


def _as_one(cdr: Cdr, compiled: Sequence[CompiledTariff], policy: PricingPolicy) -> tuple[RatablePeriod, ...]:
    """Return the periods added up to one where no price depends on when or how fast anything was charged.

    The costs are the same: steps and fees are of the whole session, and times are whole seconds before they are added.
    Whatever is odd about the periods stays, so that the engine sees it.
    """
    reported = cdr.reported
    ordinary = policy.snap_to_seconds and policy.missing_time is MissingTime.NOTHING
    # Which of charging and parking came last is lost in the sum.
    ordinary = ordinary and policy.time_step is not TimeStepRule.LAST_TIME_BASED
    inside = cdr.start_time <= cdr.periods.first_start and cdr.periods.last_start <= cdr.end_time
    if len(reported.starts) < _FEW or len(compiled) != 1 or not (ordinary and inside and _is_flat(compiled[0])):
        return reported.ratable()
    energies, times, parkings = reported.energies, reported.times, reported.parkings()
    if any(reported.reservations()) or min(filter(None, (*energies, *times, *parkings)), default=_ZERO) < 0:
        return reported.ratable()
    energy, charging, parking = total(energies, CONTEXT), _seconds(times), _seconds(parkings)
    if max(energy, charging, parking) >= LARGEST_NUMBER:
        return reported.ratable()
    whole = RatablePeriod(
        start=cdr.start_time,
        energy_kwh=energy,
        time_hours=CONTEXT.divide(charging, _HOUR) if charging else None,
        parking_hours=CONTEXT.divide(parking, _HOUR) if parking else None,
    )
    return (whole,)


def _seconds(times: Iterable[Decimal | None]) -> Decimal:
    """Add up hours as whole seconds, each rounded for itself."""
    whole = (CONTEXT.multiply(hours, _HOUR).quantize(_ONE, ROUND_HALF_UP, CONTEXT) for hours in times if hours)
    return total(whole, CONTEXT)


@lru_cache(maxsize=4_096)
def _is_flat(compiled: CompiledTariff) -> bool:
    """Say whether each dimension has one price, whatever the clock, the energy, the time and the power."""
    row = compiled.static_row
    return row is not None and not compiled.changes and all(not slot or slot[0].free_of_state for slot in row)


def _run_out(session: RatableSession) -> RatableSession:
    return RatableSession(
        start=session.start,
        end=session.end,
        time_zone=session.time_zone,
        currency=session.currency,
        periods=session.periods,
        reservation_expired=True,
    )


def _offered(cdr: Cdr, published: Mapping[str, GivenTariff]) -> list[UsedTariff]:
    """Return the tariff of its connector that prices a CDR which names none, if there is one.

    What costs nothing by no tariff is free, whatever others pay.
    """
    if not published or not cdr.total_cost:
        return []
    readable = [given.tariff for given in published.values() if given.tariff is not None]
    chosen = of_connector(readable, cdr.start_time, cdr.currency)
    return [] if chosen is None else [UsedTariff(chosen.id, _CONNECTOR, TariffSource.CONNECTOR, chosen)]


_CONNECTOR = "cdr_location.connector_id"


def _named(cdr: Cdr, published: Mapping[str, GivenTariff]) -> list[UsedTariff]:
    found: list[UsedTariff] = []
    inside: set[str] = set()
    for position, given in enumerate(cdr.tariffs):
        folded = fold(given.id)
        known = published.get(folded)
        if known is None:
            source = None if given.tariff is None else TariffSource.EMBEDDED
            found.append(UsedTariff(given.id, f"tariffs[{position}].id", source, given.tariff))
        elif folded not in inside:
            differs = known.tariff is not given.tariff and not _same_prices(known.tariff, given.tariff)
            field = f"tariffs[{position}].id"
            found.append(UsedTariff(given.id, field, TariffSource.PUBLISHED, known.tariff, differs, given.message))
        inside.add(folded)
    if len(inside) < len(cdr.tariff_ids):
        found += [
            _named_by_period(cdr, folded, published.get(folded)) for folded in cdr.tariff_ids if folded not in inside
        ]
    return found


def _named_by_period(cdr: Cdr, folded: str, known: GivenTariff | None) -> UsedTariff:
    position, spelt = next(
        (position, tariff_id)
        for position, tariff_id in enumerate(cdr.reported.tariff_ids)
        if tariff_id and fold(tariff_id) == folded
    )
    field = f"charging_periods[{position}].tariff_id"
    if known is None:
        return UsedTariff(spelt, field, None, None)
    return UsedTariff(spelt, field, TariffSource.PUBLISHED, known.tariff)


def _why_missing(cdr: Cdr, used: UsedTariff) -> tuple[str, str]:
    given = next((each for each in cdr.tariffs if each.id == used.id and each.reason), None)
    if given is not None:
        return given.reason, f"tariff {used.id} cannot be read: {given.message}"
    return Unpriced.TARIFF_MISSING, f"tariff {used.id} is neither published nor in the CDR"


@lru_cache(maxsize=4_096)
def _same_prices(published: Tariff | None, given: Tariff | None) -> bool:
    """Say whether two versions of a tariff cost the same, whatever else they say."""
    if published is None or given is None:
        return False
    return all(getattr(published, name) == getattr(given, name) for name in _PRICES)


_PRICES = ("currency", "elements", "min_price", "max_price", "tax_included")


def tolerated(ours: Decimal, tolerance: Decimal, relative: Decimal) -> Decimal:
    """Return how far a claimed amount may lie from ours: the larger of an amount and a share of ours."""
    return max(tolerance, relative * abs(ours)) if relative else tolerance
