"""Which conditions a tariff's elements cover: boxes on the axes that restrictions speak of.

An element is a box: on each axis (day, minute, energy, duration, currents, powers) a set of the atoms that the
thresholds of all elements cut the axis into. Asking whether boxes cover a box finds unreachable elements and gaps.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from hub.domain.rating.calendar import DAY_MINUTES, Calendar
from hub.domain.rating.compile import Candidate

#: Names of the axes, in the order of a box's masks.
AXES = ("day", "minute", "kwh", "duration", "least_current", "most_current", "least_power", "most_power")

_Number = Decimal | timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAtom:
    """Days that no restriction tells apart: one day of the week between two dates; None is an open end."""

    start: date | None
    end: date | None
    weekday: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The atoms of every axis. `minutes` and the thresholds are the points where an atom begins; the first is open."""

    days: tuple[DayAtom, ...]
    minutes: tuple[int, ...]
    thresholds: tuple[tuple[_Number, ...], ...]

    def full(self) -> tuple[int, ...]:
        """Return the box that holds everything."""
        counts = [len(self.days), len(self.minutes), *(len(axis) + 1 for axis in self.thresholds)]
        return tuple((1 << count) - 1 for count in counts)


Box = tuple[int, ...]


def grid_of(entries: Sequence[tuple[Calendar, Candidate]]) -> Grid:
    """Cut every axis where an element's restrictions begin or end."""
    edges = sorted(
        {edge for calendar, _ in entries for edge in (calendar.start_day, calendar.end_day) if edge is not None}
    )
    minutes = {0}
    for calendar, _ in entries:
        minutes |= {calendar.start_minute % DAY_MINUTES, calendar.end_minute % DAY_MINUTES}
    axes: list[set[_Number]] = [set() for _ in AXES[2:]]
    for _, candidate in entries:
        for cuts, (low, high) in zip(axes, _bounds(candidate), strict=True):
            cuts |= {bound for bound in (low, high) if bound is not None}
    return Grid(
        days=tuple(_day_atoms(edges)),
        minutes=tuple(sorted(minutes)),
        thresholds=tuple(tuple(sorted(cuts)) for cuts in axes),
    )


def _day_atoms(edges: list[int]) -> Iterable[DayAtom]:
    bounds: list[int | None] = [None, *edges, None]
    for start, end in pairwise(bounds):
        length = 7 if start is None or end is None else end - start
        first = 1 if start is None else start
        for weekday in sorted({(first + offset + 6) % 7 for offset in range(min(length, 7))}):
            yield DayAtom(
                start=None if start is None else date.fromordinal(start),
                end=None if end is None else date.fromordinal(end),
                weekday=weekday,
            )


def _bounds(candidate: Candidate) -> tuple[tuple[_Number | None, _Number | None], ...]:
    """Return, per numeric axis, the least (inclusive) and the bound (exclusive) that a candidate asks for."""
    return (
        (candidate.min_kwh, candidate.max_kwh),
        (candidate.min_duration, candidate.max_duration),
        (candidate.min_current, None),
        (None, candidate.max_current),
        (candidate.min_power, None),
        (None, candidate.max_power),
    )


def box_of(calendar: Calendar, candidate: Candidate, grid: Grid) -> Box:
    """Return the box of an element; a mask of 0 on any axis means that it can never hold."""
    days = 0
    for index, atom in enumerate(grid.days):
        probe = _day_in(atom)
        if calendar.includes_day(probe):
            days |= 1 << index
    minutes = sum(1 << i for i, minute in enumerate(grid.minutes) if calendar.includes_minute(minute))
    masks = [days, minutes]
    for cuts, (low, high) in zip(grid.thresholds, _bounds(candidate), strict=True):
        # Atom 0 lies below the first cut, atom i begins at cut i - 1.
        first = 0 if low is None else bisect_left(cuts, low) + 1
        last = len(cuts) + 1 if high is None else bisect_left(cuts, high) + 1
        masks.append(((1 << last) - 1) & ~((1 << first) - 1))
    return tuple(masks)


def _day_in(atom: DayAtom) -> int:
    """Return a day of the atom, as a proleptic number."""
    if atom.start is not None:
        start = atom.start.toordinal()
        return start + (atom.weekday - (start + 6)) % 7
    end = atom.end.toordinal() if atom.end is not None else date(2000, 1, 3).toordinal()
    return end - 7 + (atom.weekday - (end - 7 + 6)) % 7


def uncovered(target: Box, boxes: Sequence[Box]) -> Box | None:
    """Return a part of the target that no box covers, as one atom per axis looked at; None where there is none.

    Axes that need not be looked at keep the target's whole mask.
    """
    if any(mask == 0 for mask in target):
        return None
    useful = [box for box in boxes if all(mask & wanted for mask, wanted in zip(box, target, strict=True))]
    known: set[tuple[int, frozenset[int]]] = set()
    return _hole(target, useful, 0, frozenset(range(len(useful))), known)


def _hole(
    target: Box, boxes: Sequence[Box], axis: int, active: frozenset[int], known: set[tuple[int, frozenset[int]]]
) -> Box | None:
    if not active:
        return target
    if axis == len(target) or (axis, active) in known:
        return None
    if any(
        all(not wanted & ~mask for mask, wanted in zip(boxes[i][axis:], target[axis:], strict=True)) for i in active
    ):
        return None
    left = target[axis]
    while left:
        bit = left & -left
        left ^= bit
        inside = frozenset(index for index in active if boxes[index][axis] & bit)
        narrowed = (*target[:axis], bit, *target[axis + 1 :])
        hole = _hole(narrowed, boxes, axis + 1, inside, known)
        if hole is not None:
            return hole
    known.add((axis, active))
    return None
