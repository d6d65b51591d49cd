"""Why a component priced a quantity, and why those before it did not; in words a helpdesk can read out."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from hub.domain.rating.breakdown import PassedOver
from hub.domain.rating.calendar import Calendar
from hub.domain.rating.choose import MEASURED, Moment, holds, measured_verdicts
from hub.domain.rating.compile import (
    ENERGY,
    EXPIRED_FLAT,
    EXPIRED_TIME,
    FLAT,
    PARKING,
    RESERVATION_FLAT,
    RESERVATION_TIME,
    TIME,
    Candidate,
)
from hub.domain.rating.exact import spoken, written

_TOLD = 3

#: What each slot is called.
NAMES = {
    ENERGY: "energy",
    TIME: "charging time",
    PARKING: "parking time",
    FLAT: "flat fee",
    RESERVATION_TIME: "reservation time",
    RESERVATION_FLAT: "reservation fee",
    EXPIRED_TIME: "time of an expired reservation",
    EXPIRED_FLAT: "fee for an expired reservation",
}


def passed_over(slot: int, chosen: Candidate | None, moment: Moment) -> tuple[PassedOver, ...]:
    """Return the elements that could have priced a slot at that moment but for a restriction, in their order."""
    if moment.compiled is None:
        return ()
    found = []
    for calendar, its_slot, candidate in moment.compiled.candidates:
        if candidate is chosen:
            break
        if its_slot == slot:
            refusal = _refusal(calendar, candidate, moment)
            if refusal is not None:
                found.append(PassedOver(element=candidate.element, restriction=refusal[0], text=refusal[1]))
    return tuple(found)


def why(slot: int, chosen: Candidate | None, moment: Moment, refused: tuple[PassedOver, ...]) -> str:
    """Say why a component priced a slot, or why nothing did."""
    name = NAMES[slot]
    if moment.compiled is None:
        return f"no tariff is named for this period, so its {name} is free"
    if chosen is None:
        if not refused:
            return f"the tariff has no price for {name}"
        return f"no element with a price for {name} applies: {_told(refused)}"
    number = chosen.element + 1
    if refused:
        return f"element {number} is the first that applies to {name}: {_told(refused)}"
    if chosen.free_of_state:
        return f"element {number} is the first with a price for {name}, and applies now"
    return f"element {number} is the first with a price for {name}, and its restrictions hold"


def _told(refused: tuple[PassedOver, ...]) -> str:
    """Name the last few, which are the nearest to applying in most tariffs."""
    told = [f"element {entry.element + 1} does not, {entry.text}" for entry in refused[-_TOLD:]]
    return "; ".join([f"{len(refused) - _TOLD} others do not", *told] if len(refused) > _TOLD else told)


def _refusal(calendar: Calendar, candidate: Candidate, moment: Moment) -> tuple[str, str] | None:
    local = moment.local
    day = local.toordinal()
    minute = local.hour * 60 + local.minute
    if not calendar.includes_day(day):
        return _refused_day(calendar, day, local)
    if not calendar.includes_minute(minute):
        clock = f"{_clock(calendar.start_minute)}-{_clock(calendar.end_minute)}"
        return "start_time", f"it is for {clock} and it was {local:%H:%M}"
    verdict = holds(candidate, moment)
    if verdict or (verdict is None and moment.missing_satisfies):
        return None
    energy, lasted = moment.energy, _length(moment.elapsed)
    if candidate.min_kwh is not None and energy < candidate.min_kwh:
        return "min_kwh", f"it begins at {written(candidate.min_kwh)} kWh and {written(energy)} kWh had been charged"
    if candidate.max_kwh is not None and energy >= candidate.max_kwh:
        return "max_kwh", f"it ends at {written(candidate.max_kwh)} kWh and {written(energy)} kWh had been charged"
    if candidate.min_duration is not None and moment.elapsed < candidate.min_duration:
        return "min_duration", f"it begins after {_length(candidate.min_duration)} and the session had lasted {lasted}"
    if candidate.max_duration is not None and moment.elapsed >= candidate.max_duration:
        return "max_duration", f"it ends after {_length(candidate.max_duration)} and the session had lasted {lasted}"
    return _refused_measurement(candidate, moment)


def _refused_day(calendar: Calendar, day: int, local: datetime) -> tuple[str, str]:
    if calendar.never:
        return "start_time", "its start and end times are the same"
    if calendar.start_day is not None and day < calendar.start_day:
        return "start_date", f"it begins on {date.fromordinal(calendar.start_day)} and it was {local:%Y-%m-%d}"
    if calendar.end_day is not None and day >= calendar.end_day:
        return "end_date", f"it ended before {date.fromordinal(calendar.end_day)} and it was {local:%Y-%m-%d}"
    return "day_of_week", f"it is not for a {local:%A}"


def _refused_measurement(candidate: Candidate, moment: Moment) -> tuple[str, str]:
    verdicts = dict(zip(MEASURED, measured_verdicts(candidate, moment.period), strict=True))
    name = next((name for name, holds in verdicts.items() if holds is False), None)
    if name is None:
        name = next(name for name, holds in verdicts.items() if holds is None)
        return name, f"its {name} could not be checked"
    unit = "A" if name.endswith("current") else "kW"
    limit: Decimal = getattr(candidate, name)
    measured: Decimal | None = getattr(moment.period, name)
    if measured is None:
        return name, f"its {name} is {written(limit)} {unit} and what else was measured rules that out"
    kind = "least" if name.startswith("min") else "most"
    return name, f"its {name} is {written(limit)} {unit} and the {kind} measured was {written(measured)} {unit}"


def _length(time: timedelta) -> str:
    return spoken(Decimal(time // timedelta(seconds=1)))


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
