"""What a plan of charging, or a session under way, would cost under the tariffs its CPO publishes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from hub.app.cdrs.offers import Offers
from hub.app.locations import get_location
from hub.app.ports.uow import UnitOfWork
from hub.app.sessions import get_session
from hub.domain.errors import NotFound, Precondition
from hub.domain.ids import ObjectId, PartyId
from hub.domain.locations import ConnectorKey, LocationRecord
from hub.domain.parties import Caller
from hub.domain.rating import (
    ROAMHUB_2026,
    Note,
    NoteCode,
    PricingPolicy,
    RatablePeriod,
    RatableSession,
    RatedCdr,
    policy_named,
    rate,
)
from hub.domain.rating.choose import of_connector
from hub.domain.rating.quote import ChargingPlan, quote
from hub.domain.sessions import ChargingSession
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a CPO last reported of a session, as far as it is priced.

    Attributes:
        connector: Where it charges, on a location of the session's CPO.
        end_time: Up to when the report goes.
        periods_assumed: The session came without charging periods; the one there is was made of its totals.
        tariff_ids: Folded ids of those that the periods name, each once.
    """

    connector: ConnectorKey
    currency: str
    start_time: datetime
    end_time: datetime
    periods: tuple[RatablePeriod, ...]
    periods_assumed: bool
    tariff_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """A session of the caller's, and how it goes on; as it is with nothing more to charge and no stay."""

    session: ObjectId
    energy_kwh: Decimal
    power_kw: Decimal | None
    duration: timedelta | None
    parking: timedelta

    @property
    def goes_on(self) -> bool:
        """Whether anything is to follow."""
        return bool(self.energy_kwh or self.duration or self.parking)


def quote_running(
    uow: UnitOfWork,
    caller: Caller,
    wanted: Continuation,
    read: Callable[[ChargingSession], Reported],
    read_tariff: Callable[[bytes], Tariff],
) -> RatedCdr:
    """Price a session as last reported, and what is to follow, by the tariffs that will price its CDR.

    Raises:
        NotFound: There is no such session of the caller's CPO or eMSP, or where it charges is not published.
        Precondition: No tariff of it was published when it began, or it is over and is to go on.
        Invalid: The session, the plan or a tariff cannot be rated.
    """
    session = get_session(uow, caller, wanted.session)
    if session.state.final and wanted.goes_on:
        raise Precondition("SESSION_COMPLETED", "the session is over and does not go on")
    reported = read(session)
    owner = session.id.party
    place = ObjectId(owner, reported.connector.evse.location)
    time_zone = uow.locations.time_zones([place]).get(place)
    if time_zone is None:
        raise NotFound("LOCATION_NOT_FOUND", "the location of the session is not published")
    tariffs = _tariffs_of(uow, reported, read_tariff)
    agreement = uow.directory.agreement_covering(owner, session.emsp, reported.start_time)
    policy = policy_named(agreement.terms.pricing_policy) if agreement is not None else ROAMHUB_2026
    so_far = RatableSession(
        start=reported.start_time,
        end=reported.end_time,
        time_zone=time_zone,
        currency=reported.currency,
        periods=reported.periods,
    )
    if wanted.goes_on:
        plan = ChargingPlan(
            start=so_far.end,
            time_zone=time_zone,
            energy_kwh=wanted.energy_kwh,
            power_kw=wanted.power_kw,
            duration=wanted.duration,
            parking=wanted.parking,
            so_far=so_far,
        )
        rated = quote(plan, tariffs, policy)
    else:
        rated = rate(so_far, tariffs, policy)
    if not reported.periods_assumed:
        return rated
    note = Note(code=NoteCode.PERIODS_ASSUMED, message="no charging periods were reported; the totals count as one")
    return replace(rated, notes=(*rated.notes, note))


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
    tariffs = _in_force(uow, owner, ids, request.start, read_tariff)
    plan = ChargingPlan(
        start=request.start,
        time_zone=terms.time_zone,
        energy_kwh=request.energy_kwh,
        power_kw=request.power_kw,
        duration=request.duration,
        parking=request.parking,
    )
    return quote(plan, tariffs, _policy(uow, caller, owner))


def _tariffs_of(uow: UnitOfWork, reported: Reported, read_tariff: Callable[[bytes], Tariff]) -> list[Tariff]:
    """Return the tariffs that the session names, or else the one that its connector had when it began.

    Raises:
        NotFound: It names none, and its EVSE or its connector is not published.
        Precondition: None was in force when it began.
    """
    connector, start = reported.connector, reported.start_time
    owner = connector.evse.party
    if reported.tariff_ids:
        return _in_force(uow, owner, reported.tariff_ids, start, read_tariff)
    evses = uow.locations.evses([connector.evse])
    evse = evses.get(connector.evse)
    if evse is None:
        raise NotFound("EVSE_NOT_FOUND", "the location has no such EVSE")
    offers = Offers(uow, [(reported, connector)], evses)
    if offers.of(reported) is None and connector.connector not in evse.connectors:
        raise NotFound("CONNECTOR_NOT_FOUND", "the EVSE has no such connector")
    published = _in_force(uow, owner, offers.tariff_ids(reported), start, read_tariff)
    chosen = of_connector(published, start, reported.currency)
    if chosen is None:
        raise _no_tariff()
    return [chosen]


def _in_force(
    uow: UnitOfWork, owner: PartyId, ids: Sequence[str], instant: datetime, read_tariff: Callable[[bytes], Tariff]
) -> list[Tariff]:
    """Return the tariffs published for an instant, in the order in which they are named; raises Precondition."""
    records = uow.tariffs.as_of([(ObjectId(owner, tariff_id), instant) for tariff_id in ids])
    if not records:
        raise _no_tariff()
    return [read_tariff(record.document) for record in sorted(records.values(), key=lambda each: _rank(each.id, ids))]


def _no_tariff() -> Precondition:
    return Precondition("NO_TARIFF", "no tariff is published for this connector that is in force at that time")


def _rank(tariff: ObjectId, ids: Sequence[str]) -> int:
    return [ObjectId(tariff.party, each).folded for each in ids].index(tariff.folded)


def _policy(uow: UnitOfWork, caller: Caller, cpo: PartyId) -> PricingPolicy:
    """Return the reading of the tariff rules that the caller has agreed on; the CPO's own quote is by the default."""
    for party in sorted(caller.parties):
        agreement = uow.directory.active_agreement(cpo, party, uow.now)
        if agreement is not None:
            return policy_named(agreement.terms.pricing_policy)
    return ROAMHUB_2026
