"""Where a tariff that prices a dimension has no price for it: hours of the week, dates, powers."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

from hub.domain.rating.calendar import DAY_MINUTES
from hub.domain.rating.compile import ENERGY, PARKING, TIME, CompiledTariff
from hub.domain.rating.coverage import AXES, Box, Grid, box_of, grid_of, uncovered
from hub.domain.rating.exact import spoken, written
from hub.domain.rating.reasons import NAMES

_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHOWN = 8
_ZERO, _NO_TIME = Decimal(0), timedelta(0)
_MEASURED = {"least_current": "A", "most_current": "A", "least_power": "kW", "most_power": "kW"}


def find_gaps(compiled: CompiledTariff) -> Iterator[tuple[str, str, str]]:
    """Yield (code, field, message) for energy, charging time and parking time where they are priced at all."""
    for slot in (ENERGY, TIME, PARKING):
        entries = [(calendar, candidate) for calendar, its, candidate in compiled.candidates if its == slot]
        if not entries:
            continue
        grid = grid_of(entries)
        boxes = [box_of(calendar, candidate, grid) for calendar, candidate in entries]
        found = list(_calendar_gaps(NAMES[slot], grid, boxes))
        found += _other_gaps(NAMES[slot], grid, boxes, timeless=bool(found))
        if _needs_power(grid, boxes):
            found.append(
                (
                    "missing_power",
                    f"every price of {NAMES[slot]} asks for a current or power, which a CDR may not report",
                )
            )
        for code, message in found:
            yield code, "elements", message


def _calendar_gaps(name: str, grid: Grid, boxes: Sequence[Box]) -> Iterator[tuple[str, str]]:
    """Yield the times at which no element's clock and calendar hold."""
    whole = (1 << len(grid.minutes)) - 1
    spans: dict[tuple[date | None, date | None], dict[int, int]] = {}
    for index, atom in enumerate(grid.days):
        covered = 0
        for days, minutes, *_ in boxes:
            if days >> index & 1:
                covered |= minutes
        spans.setdefault((atom.start, atom.end), {})[atom.weekday] = whole & ~covered
    outside: list[str] = []
    windows: list[str] = []
    for (start, end), missing in spans.items():
        half_open = (start is None) != (end is None)
        if half_open and all(mask == whole for mask in missing.values()):
            outside.append(f"before {end}" if start is None else f"from {start} on")
        else:
            windows += _windows(missing, grid.minutes, _between(start, end))
    if outside:
        yield "gap_in_dates", f"{name} has no price {' and '.join(outside)}"
    if windows:
        more = f" and {len(windows) - _SHOWN} more times" if len(windows) > _SHOWN else ""
        yield "gap_in_week", f"{name} has no price {', '.join(windows[:_SHOWN])}{more}"


def _windows(missing: dict[int, int], minutes: Sequence[int], when: str) -> Iterator[str]:
    """Yield each span of the day that some days of the week leave without a price."""
    weekdays: dict[tuple[int, int], list[int]] = {}
    for weekday, mask in missing.items():
        for span in _runs(mask, minutes):
            weekdays.setdefault(span, []).append(weekday)
    for (start, end), days in weekdays.items():
        yield f"{_clock(start)}-{_clock(end)} {_days(sorted(days), len(missing))}{when}"


def _days(days: list[int], possible: int) -> str:
    if len(days) == possible:
        return "every day"
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        return f"{_DAY_NAMES[days[0]]} to {_DAY_NAMES[days[-1]]}"
    return " and ".join(_DAY_NAMES[day] for day in days)


def _between(start: date | None, end: date | None) -> str:
    if start is not None and end is not None and (end - start).days == 1:
        return f" on {start}"
    return (f" from {start}" if start is not None else "") + (f" until {end}" if end is not None else "")


def _runs(mask: int, minutes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield neighbouring atoms of the day in the mask as one span of minutes."""
    begin: int | None = None
    for index, minute in enumerate(minutes):
        if mask >> index & 1:
            begin = minute if begin is None else begin
        elif begin is not None:
            yield begin, minute
            begin = None
    if begin is not None:
        yield begin, DAY_MINUTES


def _other_gaps(name: str, grid: Grid, boxes: Sequence[Box], *, timeless: bool) -> Iterator[tuple[str, str]]:
    """Yield one gap in energy, duration, current or power; `timeless` leaves the calendar out, as it has gaps."""
    full = _possible(grid.full(), grid)
    if timeless:
        boxes = [(full[0], full[1], *box[2:]) for box in boxes]
    hole = uncovered(full, boxes)
    if hole is None:
        return
    narrowed = [
        (axis, mask, cuts)
        for axis, mask, cuts, whole in zip(AXES[2:], hole[2:], grid.thresholds, full[2:], strict=True)
        if mask != whole
    ]
    told = " and ".join(_told(axis, mask, cuts) for axis, mask, cuts in narrowed)
    code = "gap_in_power" if any(axis in _MEASURED for axis, _, _ in narrowed) else "gap_in_use"
    if told:
        yield code, f"{name} has no price {told}"


def _possible(full: Box, grid: Grid) -> Box:
    """Leave out what lies below zero: it cannot be, or is energy fed back."""
    masks = list(full)
    for axis, cuts in enumerate(grid.thresholds):
        below = sum(cut <= _ZERO if isinstance(cut, Decimal) else cut <= _NO_TIME for cut in cuts)
        masks[2 + axis] &= ~((1 << below) - 1)
    return tuple(masks)


def _needs_power(grid: Grid, boxes: Sequence[Box]) -> bool:
    """Say whether nothing prices a session whose current and power are not known, if that fails restrictions."""
    full = grid.full()
    if not any(grid.thresholds[2:]):
        return False
    return not any(box[4:] == full[4:] for box in boxes)


def _told(axis: str, mask: int, cuts: Sequence[Decimal | timedelta]) -> str:
    index = mask.bit_length() - 1
    low = cuts[index - 1] if index > 0 else None
    high = cuts[index] if index < len(cuts) else None
    what = "energy" if axis == "kwh" else axis.replace("_", " ")
    since = f" from {_bound(axis, low)}" if low is not None and low not in (_ZERO, _NO_TIME) else ""
    until = f" below {_bound(axis, high)}" if high is not None else ""
    return f"at {what}{since}{until}"


def _bound(axis: str, value: Decimal | timedelta) -> str:
    if isinstance(value, timedelta):
        return spoken(Decimal(value // timedelta(seconds=1)))
    return f"{written(value)} {_MEASURED.get(axis, 'kWh')}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
