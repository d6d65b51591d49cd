"""What the hub knew that bears on a CDR. The checks look at this; they never look anything up."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from hub.domain.agreements import Cycle
from hub.domain.cdrs.pricing import CdrPrice
from hub.domain.ids import ObjectId, PartyId


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAuthorization:
    """An answer the hub gave: to whom, for which token, and whether it allowed."""

    cpo: PartyId
    emsp: PartyId
    token_uid: str
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSession:
    """A session the hub carried: whose token it was charged with."""

    emsp: PartyId
    token_uid: str


class KnownEvse(NamedTuple):
    """A published EVSE: whether it has the connector that the CDR names, and that one's power.

    `power` is in watts and of when the session began; None where that is not known.
    """

    connector: bool
    power: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOriginal:
    """The CDR that a credit credits, as it was accepted; amounts in ten-thousandths.

    `after_taxes` is its total cost as stated, in major units; None where it states none.
    """

    emsp: PartyId
    currency: str
    amount: int
    energy: int
    credit: bool
    credited: bool
    after_taxes: Decimal | None = None


class KnownPeriod(NamedTuple):
    """The open settlement period of the agreement, one that follows a cut-off."""

    start_time: datetime
    first_date: date
    cycle: Cycle
    time_zone: str


class KnownProven(NamedTuple):
    """A CDR that the same signed meter values came with, and that is settled or may yet be."""

    id: ObjectId
    emsp: PartyId


class KnownNeighbours(NamedTuple):
    """Accepted charges that overlap on the token, that overlap on the EVSE, and that are the same session.

    Of each the id of one, empty when it is not between the same two parties; None when there is none.
    """

    token: str | None
    evse: str | None
    twin: str | None


class Known(NamedTuple):
    """What the hub knows that bears on one CDR; None means it does not know the thing.

    Attributes:
        now: The instant of receipt.
        token: Whether the eMSP published the token.
        location: Whether the CPO published the location.
        currency: The agreement's currency.
        age_max: How old a session's end may be; None for no limit.
        period: The open settlement period; None before the agreement's first cut-off.
        price: Our own price of a charge; None where the agreement wants none.
        price_tolerance: How far a cost may lie from ours, in the CDR's currency.
        price_tolerance_relative: The same as a share of ours; the larger of the two counts.
        proven: What the CDR's signed meter values stand for already; None for nothing.
        neighbours: What the charge shares with others; None for nothing.
        backdated: Folded ids of tariffs with other prices for the session than the hub had been told by its end.
    """

    now: datetime
    authorization: KnownAuthorization | None
    token: bool
    session: KnownSession | None
    location: bool
    evse: KnownEvse | None
    original: KnownOriginal | None
    currency: str
    age_max: timedelta | None
    period: KnownPeriod | None
    price: CdrPrice | None = None
    price_tolerance: Decimal = Decimal(0)
    price_tolerance_relative: Decimal = Decimal(0)
    proven: KnownProven | None = None
    neighbours: KnownNeighbours | None = None
    backdated: frozenset[str] = frozenset()
