"""The answer of the rating engine: totals, the lines they are made of, and what the reader should know.

Lines carry exact amounts; each total is the sum of its lines, rounded once to four decimals, a half away from zero.
A side of the tax is None where it cannot be known.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from hub.domain.tariffs import Dimension


class NoteCode(StrEnum):
    """Stable codes of what a reader of the result should know; part of the public contract, never reused."""

    CREDIT_CDR = "credit_cdr"
    DURATION_UNKNOWN = "duration_unknown"
    DISCHARGE_NOT_PRICED = "discharge_not_priced"
    LIMIT_WITHOUT_TAX = "limit_without_tax"
    LIMITS_CONTRADICT = "limits_contradict"
    MAX_PRICE_APPLIED = "max_price_applied"
    MIN_PRICE_APPLIED = "min_price_applied"
    MISSING_MEASUREMENT = "missing_measurement"
    MISSING_TIME = "missing_time"
    PERIOD_OUTSIDE_SESSION = "period_outside_session"
    PERIOD_SPANS_PRICE_CHANGE = "period_spans_price_change"
    PERIOD_WITHOUT_TARIFF = "period_without_tariff"
    PERIODS_ASSUMED = "periods_assumed"
    PERIODS_OUT_OF_ORDER = "periods_out_of_order"
    RESERVATION_OUTCOME_ASSUMED = "reservation_outcome_assumed"
    SEVERAL_FLATS = "several_flats"
    SEVERAL_TARIFFS = "several_tariffs"
    STEP_SIZE_LEFT_TO_PARKING = "step_size_left_to_parking"
    STEP_SIZE_ON_SWITCH = "step_size_on_switch"
    TARIFF_NOT_VALID_AT_START = "tariff_not_valid_at_start"
    TIME_ZONE_ASSUMED = "time_zone_assumed"
    UNKNOWN_COMPONENT = "unknown_component"
    UNKNOWN_TARIFF = "unknown_tariff"
    UNKNOWN_TAX = "unknown_tax"
    VOLUME_DIFFERS = "volume_differs"


class LineKind(StrEnum):
    """Why a line exists."""

    USAGE = "USAGE"  # a measured quantity under a price
    FREE = "FREE"  # a measured quantity that nothing prices
    STEP = "STEP"  # what step_size adds to the measured total
    FLAT = "FLAT"  # a fee, once
    LIMIT = "LIMIT"  # what the minimum or maximum price adds or takes


class CostGroup(StrEnum):
    """The `total_*_cost` a line counts in; LIMIT lines count in `total_cost` alone."""

    FIXED = "total_fixed_cost"
    ENERGY = "total_energy_cost"
    TIME = "total_time_cost"
    PARKING = "total_parking_cost"
    RESERVATION = "total_reservation_cost"
    LIMIT = "total_cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something the reader should know. `period` is the index in the order of time, None for the whole session."""

    code: NoteCode
    message: str
    period: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """An amount in the CDR's currency on both sides of the tax; None where that side is unknown."""

    before_taxes: Decimal | None
    after_taxes: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """An earlier element (from 0) with a price for the same thing, and its restriction that did not hold.

    `restriction` is its OCPI name; `text` says what was asked and what was measured.
    """

    element: int
    restriction: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One quantity under one price.

    `period` counts from 0 in the order of time; `start` is its beginning, aware UTC. `tariff`, `element` and
    `component` (from 0) name the component that priced it, None where none did. `quantity` is kWh for ENERGY,
    seconds for times (hours of four decimals are not exact) and 1 for fees. `unit_price` is per kWh, hour or fee as
    published, with or without tax as `tax_included` says. The amounts are exact, save that a division without end
    is cut at 20 decimals. `why` says it in words; `passed_over` are the elements that could have priced it before.
    """

    kind: LineKind
    group: CostGroup
    dimension: Dimension | None
    quantity: Decimal
    before_taxes: Decimal | None
    after_taxes: Decimal | None
    unit_price: Decimal | None = None
    vat: Decimal | None = None
    period: int | None = None
    start: datetime | None = None
    tariff: str | None = None
    element: int | None = None
    component: int | None = None
    step_size: int | None = None
    why: str = ""
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxLine:
    """The tax at one rate, in per cent, within the total cost; `vat` None where no tax applies.

    `limit` marks what a minimum or maximum price moved, which has no rate of its own. Rounded to four decimals so
    that the lines add up to exactly `after_taxes` - `before_taxes` of the total.
    """

    vat: Decimal | None
    base: Decimal
    amount: Decimal
    limit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """A total that was not a number of four decimals before it was rounded."""

    total: str
    side: str
    exact: Decimal
    rounded: Decimal


class Workings(Protocol):
    """How a result came about; written out when first read."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """What was billed and what was free, in the order of time."""
        ...

    @property
    def taxes(self) -> tuple[TaxLine, ...]:
        """The tax within the total cost by rate."""
        ...

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        """The totals that rounding changed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenWorkings:
    """Workings that were written out already."""

    lines: tuple[Line, ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    roundings: tuple[Rounding, ...] = ()


#: The workings of a result whose story nobody kept.
NO_WORKINGS = WrittenWorkings()


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedCdr:
    """What a session costs, in `currency`, under the policy of that name.

    Costs are None where that component does not occur. `total_energy` is kWh and `total_time` and
    `total_parking_time` are hours, as measured, to four decimals; step_size does not touch them.
    """

    currency: str
    policy: str
    total_cost: Price
    total_fixed_cost: Price | None
    total_energy_cost: Price | None
    total_time_cost: Price | None
    total_parking_cost: Price | None
    total_reservation_cost: Price | None
    total_energy: Decimal
    total_time: Decimal
    total_parking_time: Decimal
    notes: tuple[Note, ...]
    workings: Workings = field(default=NO_WORKINGS, compare=False, repr=False)

    @property
    def lines(self) -> tuple[Line, ...]:
        """What was billed and what was free, in the order of time."""
        return self.workings.lines

    @property
    def taxes(self) -> tuple[TaxLine, ...]:
        """The tax within `total_cost` by rate; none where it is unknown."""
        return self.workings.taxes

    @property
    def roundings(self) -> tuple[Rounding, ...]:
        """The totals that rounding changed."""
        return self.workings.roundings

    def has(self, code: NoteCode) -> bool:
        """Say whether a note of that code was made."""
        return any(note.code is code for note in self.notes)
