"""Which tariff, and which of its components, prices a period."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from hub.domain.errors import invalid
from hub.domain.ids import fold
from hub.domain.rating.breakdown import NoteCode
from hub.domain.rating.compile import Candidate, CompiledTariff, Row
from hub.domain.rating.session import RatablePeriod
from hub.domain.tariffs import Tariff

#: TariffTypes that price a session nobody chose a profile for, or paid on the spot.
_ORDINARY = {None, "REGULAR"}


@dataclass(slots=True)
class Moment:
    """The state of the session when a period begins, and the tariff it then has.

    `index` counts periods in the order of time. `local` is the local time where the tariff looks at the clock, and
    UTC where it does not; `row` are the components that may then apply, up to minute `row_end` of that day. `energy`
    is the kWh and `elapsed` the time up to then. `missing` collects the candidates that asked for a current or power
    the period does not have; `missing_satisfies` is what then becomes of their restriction.
    """

    period: RatablePeriod
    index: int
    compiled: CompiledTariff | None
    local: datetime
    row: Row
    row_end: int
    energy: Decimal
    elapsed: timedelta
    missing_satisfies: bool
    missing: list[Candidate]


def choose(candidates: Sequence[Candidate], moment: Moment) -> Candidate | None:
    """Return the first candidate whose restrictions all hold at that moment, None where none does."""
    for candidate in candidates:
        if candidate.free_of_state:
            return candidate
        verdict = holds(candidate, moment)
        if verdict is None:
            moment.missing.append(candidate)
            verdict = moment.missing_satisfies
        if verdict:
            return candidate
    return None


def holds(candidate: Candidate, moment: Moment) -> bool | None:
    """Say whether what depends on the session holds; None where a missing measurement leaves it open."""
    energy, elapsed = moment.energy, moment.elapsed
    if candidate.min_kwh is not None and energy < candidate.min_kwh:
        return False
    if candidate.max_kwh is not None and energy >= candidate.max_kwh:
        return False
    if candidate.min_duration is not None and elapsed < candidate.min_duration:
        return False
    if candidate.max_duration is not None and elapsed >= candidate.max_duration:
        return False
    return measured_holds(candidate, moment.period) if candidate.measured else True


def measured_holds(candidate: Candidate, period: RatablePeriod) -> bool | None:
    """Check current and power against the period's own minimum and maximum.

    The minimum must reach `min_*`, the maximum stay below `max_*`. Where that one is missing, another measurement can
    still refute (a maximum of 10 kW refutes `min_power` 20); it never confirms, so the answer is then None.
    """
    verdicts = measured_verdicts(candidate, period)
    if False in verdicts:
        return False
    return None if None in verdicts else True


#: The restrictions on what is measured, in the order of `measured_verdicts`.
MEASURED = ("min_current", "max_current", "min_power", "max_power")


def measured_verdicts(candidate: Candidate, period: RatablePeriod) -> tuple[bool | None, ...]:
    """Say of each restriction in `MEASURED` whether it holds; None where that is not known."""
    return (
        _reaches(candidate.min_current, period.min_current, (period.max_current,)),
        _stays_below(candidate.max_current, period.max_current, (period.min_current,)),
        _reaches(candidate.min_power, period.min_power, (period.average_power, period.max_power)),
        _stays_below(candidate.max_power, period.max_power, (period.average_power, period.min_power)),
    )


def _reaches(limit: Decimal | None, least: Decimal | None, others: tuple[Decimal | None, ...]) -> bool | None:
    if limit is None:
        return True
    if least is not None:
        return least >= limit
    return False if any(other is not None and other < limit for other in others) else None


def _stays_below(limit: Decimal | None, most: Decimal | None, others: tuple[Decimal | None, ...]) -> bool | None:
    if limit is None:
        return True
    if most is not None:
        return most < limit
    return False if any(other is not None and other >= limit for other in others) else None


class TariffChoice(NamedTuple):
    """The tariff that holds for the session, those a period may name instead, and what was odd about the choice.

    `by_id` is keyed by the folded id. `findings` are (code, message).
    """

    base: CompiledTariff
    by_id: dict[str, CompiledTariff]
    findings: tuple[tuple[NoteCode, str], ...] = ()


def of_connector(tariffs: Iterable[Tariff], start: datetime, currency: str) -> Tariff | None:
    """Return the one of a connector's tariffs that prices a session which names none; None where none was in force.

    One in the session's currency comes first, then one without a type or of type REGULAR before those for a charging
    profile or ad-hoc payment, then the one named first.
    """
    valid = [tariff for tariff in tariffs if tariff.valid_at(start)]
    return min(valid, key=lambda tariff: (tariff.currency != currency, _is_special(tariff)), default=None)


def _is_special(tariff: Tariff) -> bool:
    return tariff.type not in _ORDINARY


def choose_tariff(compiled: Sequence[CompiledTariff], start: datetime) -> TariffChoice:
    """Choose the tariff in force at the session's start; it holds to the end (Tariff, note on `start_date_time`).

    Among several, one without a type or of type REGULAR comes before those for a charging profile or ad-hoc payment.

    Raises:
        Invalid: There is no tariff.
    """
    if not compiled:
        raise invalid("tariffs", "must hold at least one tariff")
    if len(compiled) == 1:
        only = compiled[0]
        late = () if only.tariff.valid_at(start) else (_not_valid(only, start),)
        return TariffChoice(base=only, by_id={fold(only.tariff.id): only}, findings=late)
    findings: list[tuple[NoteCode, str]] = []
    valid = [entry for entry in compiled if entry.tariff.valid_at(start)]
    if not valid:
        findings.append(_not_valid(compiled[0], start))
    ranked = sorted(valid or compiled, key=lambda entry: _is_special(entry.tariff))
    by_id: dict[str, CompiledTariff] = {}
    for entry in (*ranked, *compiled):
        by_id.setdefault(fold(entry.tariff.id), entry)
    return TariffChoice(base=ranked[0], by_id=by_id, findings=tuple(findings))


def _not_valid(compiled: CompiledTariff, start: datetime) -> tuple[NoteCode, str]:
    message = f"tariff {compiled.tariff.id} was not in force at the start of the session, {start:%Y-%m-%dT%H:%M:%SZ}"
    return NoteCode.TARIFF_NOT_VALID_AT_START, message
