"""What a tariff says: elements of price components, each under its restrictions (OCPI module Tariffs).

One set of types for OCPI 2.1.1, 2.2.1 and 2.3.0: `Tariff.version` keeps which text the sender followed, because an
absent tax means different things (2.1.1: unknown; 2.2.1: none; 2.3.0: see `tax_included`). Nothing here is judged:
contradictory, unreachable and absurd tariffs are representable, `hub.domain.rating.lint` finds them.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import NamedTuple

from hub.domain.ids import ObjectId, PartyId


class OcpiVersion(StrEnum):
    """The version of OCPI whose rules a tariff or CDR was written under."""

    V2_1_1 = "2.1.1"
    V2_2_1 = "2.2.1"
    V2_3_0 = "2.3.0"


class Dimension(StrEnum):
    """What a component prices (TariffDimensionType): kWh, hours charging, hours parked, or the session itself."""

    ENERGY = "ENERGY"
    FLAT = "FLAT"
    PARKING_TIME = "PARKING_TIME"
    TIME = "TIME"


class TaxIncluded(StrEnum):
    """Whether the prices and limits of a 2.3.0 tariff contain the taxes (TaxIncluded)."""

    YES = "YES"
    NO = "NO"
    NOT_APPLICABLE = "N/A"


class ReservationRestriction(StrEnum):
    """Says that an element prices a reservation, or one that ran out unused (ReservationRestrictionType)."""

    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


class Weekday(IntEnum):
    """Days of the week, numbered as `datetime.weekday` does."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLimit:
    """The least or most a session costs, in the tariff's currency; either side may be open.

    2.2.1 calls the sides `excl_vat` and `incl_vat`, 2.3.0 `before_taxes` and `after_taxes`.
    """

    before_taxes: Decimal | None = None
    after_taxes: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceComponent:
    """The price of one dimension.

    `price` is per kWh, per hour, or once (FLAT), in the tariff's currency; with or without taxes as
    `Tariff.tax_included` says. `vat` is a percentage: 21 means 21 %; None where the sender gave none, which differs
    from 0. `step_size` is in Wh for ENERGY and in seconds for times; 0 means that nothing is rounded up.
    """

    dimension: Dimension
    price: Decimal
    vat: Decimal | None = None
    step_size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """When an element applies: all that is set must hold. Lower bounds include, upper bounds exclude.

    Times and dates are local to the charging location. Energies are kWh, powers kW, currents A summed over the
    phases, durations whole seconds. `days` None means every day; an empty set (only unknown day names were given)
    means never.
    """

    start_time: time | None = None
    end_time: time | None = None
    start_date: date | None = None
    end_date: date | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    days: frozenset[Weekday] | None = None
    reservation: ReservationRestriction | None = None


#: The restrictions of an element that always applies.
UNRESTRICTED = Restrictions()


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffElement:
    """Components that share restrictions.

    `unknown_types` keeps the types of components that OCPI does not know; they price nothing and are reported.
    """

    components: tuple[PriceComponent, ...]
    restrictions: Restrictions = UNRESTRICTED
    unknown_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """A tariff as its CPO published it.

    `start` and `end` bound its validity, aware UTC, end exclusive; either may be open. `party` is None in 2.1.1,
    where a tariff does not name its owner. `type` is OCPI's open enum TariffType (`REGULAR`, `AD_HOC_PAYMENT`, ...).
    `document` is the sender's message, opaque here; it takes no part in equality, so that equal content compiles once.
    """

    id: str
    currency: str
    elements: tuple[TariffElement, ...]
    version: OcpiVersion = OcpiVersion.V2_2_1
    party: PartyId | None = None
    type: str | None = None
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    tax_included: TaxIncluded | None = None
    start: datetime | None = None
    end: datetime | None = None
    last_updated: datetime | None = field(default=None, compare=False)
    document: bytes = field(default=b"", compare=False, repr=False)
    _hash: int = field(default=0, init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        """Hash the content once and remember it: a tariff is looked up for every CDR it prices."""
        if self._hash == 0:
            content = (self.id, self.currency, self.elements, self.version, self.party, self.min_price, self.max_price)
            object.__setattr__(self, "_hash", hash((content, self.tax_included, self.start, self.end)) or 1)
        return self._hash

    def valid_at(self, instant: datetime) -> bool:
        """Say whether the tariff is in force at an aware instant."""
        return (self.start is None or self.start <= instant) and (self.end is None or instant < self.end)


class GivenTariff(NamedTuple):
    """A tariff that somebody sent, by its id as sent: what rating reads in it, or by which reason it cannot be read."""

    id: str
    tariff: Tariff | None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTariff:
    """What the hub holds of a tariff, as far as a new version is compared with.

    Attributes:
        last_updated: Of the newest version's message.
        digest: What tells its message from another, 16 bytes.
        valid_from: Since when it is in force, or since when the tariff has been removed.
        removed: The tariff has ended.
        recorded: When the hub learned of it; None of what is only about to be recorded.
    """

    last_updated: datetime
    digest: bytes
    valid_from: datetime
    removed: bool = False
    recorded: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffVersion:
    """A version to record: what it is compared by, and the owner's message; none when it is the tariff's end."""

    id: ObjectId
    held: HeldTariff
    document: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffRecord:
    """A version on record: the owner's message, since when it is in force, and when the hub learned of it."""

    id: ObjectId
    document: bytes
    valid_from: datetime
    recorded: datetime
