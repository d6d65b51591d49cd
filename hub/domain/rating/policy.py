"""Open points of the specification as named, dated settings; an agreement chooses a policy by name.

`docs/rating.md` gives each reading, the section it comes from and why it is the default. A published policy never
changes: a new reading is a new name, so that an old CDR re-rates to the same amount for ever.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from hub.domain.errors import invalid


class FlatRule(StrEnum):
    """Which FLAT components a session pays."""

    FIRST_ACTIVE = "FIRST_ACTIVE"
    EACH_COMPONENT = "EACH_COMPONENT"


class TimeStepRule(StrEnum):
    """Which of TIME and PARKING_TIME is rounded up to its step where both are priced."""

    PARKING_TAKES_IT = "PARKING_TAKES_IT"
    LAST_TIME_BASED = "LAST_TIME_BASED"
    EACH_DIMENSION = "EACH_DIMENSION"


class EqualTimes(StrEnum):
    """What `start_time` = `end_time` means."""

    WHOLE_DAY = "WHOLE_DAY"
    NEVER = "NEVER"


class EqualDates(StrEnum):
    """What `start_date` = `end_date` means; the end is exclusive."""

    NEVER = "NEVER"
    THAT_DAY = "THAT_DAY"


class MissingMeasurement(StrEnum):
    """What becomes of a restriction on current or power that was not measured."""

    SATISFIES = "SATISFIES"
    FAILS = "FAILS"


class LimitRule(StrEnum):
    """Whose minimum and maximum price bind a session that had several tariffs."""

    ALL_TARIFFS = "ALL_TARIFFS"
    FIRST_TARIFF = "FIRST_TARIFF"
    NONE = "NONE"


class LimitWithoutTax(StrEnum):
    """What a limit that names only one side of the tax does to the other side."""

    SCALE = "SCALE"
    LEAVE = "LEAVE"


class DischargedEnergy(StrEnum):
    """What a negative ENERGY volume (vehicle to grid) costs."""

    NOT_PRICED = "NOT_PRICED"
    NETTED = "NETTED"


class PeriodWithoutTariff(StrEnum):
    """What prices a period that names no tariff in a session whose other periods do."""

    INHERIT = "INHERIT"
    FREE = "FREE"


class MissingTime(StrEnum):
    """What is billed where TIME has a price but the period reports no time of any kind."""

    NOTHING = "NOTHING"
    PERIOD_LENGTH = "PERIOD_LENGTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingPolicy:
    """One complete reading of the specification.

    `sales_tax_countries` are ISO 3166-1 codes where a 2.3.0 price without a rate leaves the tax unknown instead of
    none. `tolerance` is how far a claimed cost may be from ours, in the CDR's currency, and still agree; an
    agreement may state another.
    """

    name: str
    flat: FlatRule = FlatRule.FIRST_ACTIVE
    time_step: TimeStepRule = TimeStepRule.PARKING_TAKES_IT
    equal_times: EqualTimes = EqualTimes.WHOLE_DAY
    equal_dates: EqualDates = EqualDates.NEVER
    missing_measurement: MissingMeasurement = MissingMeasurement.SATISFIES
    limits: LimitRule = LimitRule.ALL_TARIFFS
    limit_without_tax: LimitWithoutTax = LimitWithoutTax.SCALE
    discharged_energy: DischargedEnergy = DischargedEnergy.NOT_PRICED
    period_without_tariff: PeriodWithoutTariff = PeriodWithoutTariff.INHERIT
    missing_time: MissingTime = MissingTime.NOTHING
    snap_to_seconds: bool = True
    sales_tax_countries: frozenset[str] = frozenset({"CA", "US"})
    tolerance: Decimal = Decimal("0.01")


#: The default: what most implementations and the specification's worked examples agree on.
ROAMHUB_2026 = PricingPolicy(name="roamhub-2026")

#: The normative sentences and nothing beyond them, even where the result surprises.
LITERAL_2026 = PricingPolicy(
    name="ocpi-literal-2026",
    limit_without_tax=LimitWithoutTax.LEAVE,
    discharged_energy=DischargedEnergy.NETTED,
    period_without_tariff=PeriodWithoutTariff.FREE,
    tolerance=Decimal("0.0001"),
)

#: Reads what senders evidently mean: a date range of one day is that day, an unreported time is the period's length.
LENIENT_2026 = replace(
    ROAMHUB_2026,
    name="lenient-2026",
    equal_dates=EqualDates.THAT_DAY,
    missing_time=MissingTime.PERIOD_LENGTH,
    tolerance=Decimal("0.02"),
)

#: The other reading of "combined" in the step_size rule: whichever of TIME and PARKING_TIME came last is rounded up.
LAST_TIME_BASED_2026 = replace(ROAMHUB_2026, name="last-time-based-2026", time_step=TimeStepRule.LAST_TIME_BASED)

POLICIES = {policy.name: policy for policy in (ROAMHUB_2026, LITERAL_2026, LENIENT_2026, LAST_TIME_BASED_2026)}


def policy_named(name: str) -> PricingPolicy:
    """Return a published policy.

    Raises:
        Invalid: There is none of that name; the message lists those that exist.
    """
    try:
        return POLICIES[name]
    except KeyError:
        raise invalid("policy", f"must be one of {', '.join(sorted(POLICIES))}") from None
