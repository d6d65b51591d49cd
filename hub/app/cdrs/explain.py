"""Explaining the price of a CDR on record to those whom it concerns."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from hub.app.cdrs.reading import read_cdr
from hub.app.ports.uow import UnitOfWork
from hub.domain.cdrs.pricing import CdrPrice, price_cdr, tolerated
from hub.domain.cdrs.record import Cdr, CdrRecord
from hub.domain.errors import invalid
from hub.domain.ids import ObjectId, fold
from hub.domain.locations import ConnectorKey, EvseKey
from hub.domain.parties import Caller
from hub.domain.rating import POLICIES, ROAMHUB_2026, PricingPolicy
from hub.domain.tariffs import GivenTariff


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Our price of a CDR on record.

    Attributes:
        policy: By which the tariffs were read.
        time_zone: That of the published location; None where it is not published.
        tolerance: How far a cost may lie from ours, in the CDR's currency.
    """

    record: CdrRecord
    price: CdrPrice
    policy: PricingPolicy
    time_zone: str | None
    tolerance: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """What reads the messages on record."""

    cdr: Callable[[bytes], Cdr]
    tariff: Callable[[bytes], GivenTariff]


def explain_cdr(uow: UnitOfWork, caller: Caller, key: ObjectId, policy: str, readers: Readers) -> Explanation:
    """Rate a CDR again, by what was published when it was recorded.

    Args:
        uow: The transaction.
        caller: Who asks.
        key: Which CDR.
        policy: Name of a pricing policy; empty for that of the agreement.
        readers: What reads the messages on record.

    Raises:
        NotFound: There is none, or it is not the caller's to see.
        Invalid: There is no such policy.
    """
    if policy and policy not in POLICIES:
        raise invalid("pricing_policy", f"must be one of {', '.join(sorted(POLICIES))}")
    record = read_cdr(uow, caller, key)
    cdr = readers.cdr(record.document)
    agreement = uow.directory.agreement_covering(record.id.party, record.emsp, cdr.start_time)
    terms = agreement.terms if agreement is not None else None
    agreed = terms.pricing_policy if terms is not None else ROAMHUB_2026.name
    reading = POLICIES[policy or agreed]
    published = _published(uow, record, cdr, readers)
    location = ObjectId(record.id.party, cdr.location_id)
    time_zone = uow.locations.time_zones([location]).get(location)
    price = price_cdr(cdr, published, time_zone, reading)
    ours = price.rated.total_cost.before_taxes if price.rated is not None else None
    tolerance = reading.tolerance
    if terms is not None:
        tolerance = tolerated(ours or Decimal(0), terms.price_tolerance, terms.price_tolerance_relative)
    return Explanation(record=record, price=price, policy=reading, time_zone=time_zone, tolerance=tolerance)


def _published(uow: UnitOfWork, record: CdrRecord, cdr: Cdr, readers: Readers) -> dict[str, GivenTariff]:
    """Return the tariffs that the CDR names, or else its connector, as they were known when it was recorded."""
    owner, known, named = record.id.party, record.answer.recorded_time, cdr.tariff_ids
    if not named:
        evse = EvseKey(owner, fold(cdr.location_id), fold(cdr.evse_uid))
        connector = ConnectorKey(evse, fold(cdr.connector_id))
        offer = uow.locations.offer_as_known(connector, cdr.start_time, known)
        named = offer.tariff_ids if offer is not None else ()
    ids = [ObjectId(owner, folded) for folded in named]
    versions = uow.tariffs.as_known(ids, cdr.start_time, known)
    return {each.folded: readers.tariff(versions[each].document) for each in ids if each in versions}
