"""What a plan of charging would cost at a connector, under the tariffs its CPO publishes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from hub.app.locations import get_location
from hub.app.ports.uow import UnitOfWork
from hub.domain.errors import Precondition
from hub.domain.ids import ObjectId, PartyId
from hub.domain.locations import LocationRecord
from hub.domain.parties import Caller
from hub.domain.rating import ROAMHUB_2026, PricingPolicy, RatedCdr, policy_named
from hub.domain.rating.quote import ChargingPlan, quote
from hub.domain.tariffs import Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorTerms:
    """What a location says about pricing at one of its connectors: its IANA zone, and the ids of the tariffs."""

    time_zone: str
    tariff_ids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRequest:
    """A plan for a location of the caller's, or of a partner's.

    Attributes:
        terms: Reads what the location says about the connector; raises NotFound where there is none.
        tariff_id: Price by this tariff; None for those that the connector names.
        energy_kwh: To be charged.
        power_kw: How fast, or None.
        duration: How long charging takes, or None.
        parking: How long the vehicle stays afterwards.
    """

    location: ObjectId
    terms: Callable[[LocationRecord], ConnectorTerms]
    tariff_id: str | None
    start: datetime
    energy_kwh: Decimal
    power_kw: Decimal | None
    duration: timedelta | None
    parking: timedelta


def quote_session(
    uow: UnitOfWork, caller: Caller, request: QuoteRequest, read_tariff: Callable[[bytes], Tariff]
) -> RatedCdr:
    """Price a plan.

    Raises:
        NotFound: There is no such location or connector that the caller may see.
        Precondition: No tariff is published for the connector that is in force when charging begins.
        Invalid: The plan, or a tariff, cannot be rated.
    """
    terms = request.terms(get_location(uow, caller, request.location))
    owner = request.location.party
    ids = terms.tariff_ids if request.tariff_id is None else [request.tariff_id]
    records = uow.tariffs.as_of([(ObjectId(owner, tariff_id), request.start) for tariff_id in ids])
    if not records:
        raise Precondition("NO_TARIFF", "no tariff is published for this connector that is in force at that time")
    plan = ChargingPlan(
        start=request.start,
        time_zone=terms.time_zone,
        energy_kwh=request.energy_kwh,
        power_kw=request.power_kw,
        duration=request.duration,
        parking=request.parking,
    )
    # In the order in which the connector names them.
    tariffs = [
        read_tariff(record.document) for record in sorted(records.values(), key=lambda each: _rank(each.id, ids))
    ]
    return quote(plan, tariffs, _policy(uow, caller, owner))


def _rank(tariff: ObjectId, ids: Sequence[str]) -> int:
    return [ObjectId(tariff.party, each).folded for each in ids].index(tariff.folded)


def _policy(uow: UnitOfWork, caller: Caller, cpo: PartyId) -> PricingPolicy:
    """Return the reading of the tariff rules that the caller has agreed on; the CPO's own quote is by the default."""
    for party in sorted(caller.parties):
        agreement = uow.directory.active_agreement(cpo, party, uow.now)
        if agreement is not None:
            return policy_named(agreement.terms.pricing_policy)
    return ROAMHUB_2026
