"""Our price of a CDR beside the claimed one, as messages."""

from decimal import Decimal
from typing import Any

from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import cdr_object_pb2, cdr_pb2, common_pb2, tariff_object_pb2

from hub.app.cdrs.explain import Explanation
from hub.domain.cdrs.pricing import TariffSource, UsedTariff
from hub.domain.money import parse_decimal
from hub.domain.rating import Price, RatedCdr
from hub.domain.rating.claim import COST_FIELDS, VOLUME_FIELDS, Claim, Difference, compare
from hub.rpc.cdr_answers import record_to_pb
from hub.rpc.rating_wire import number_to_pb, price_to_pb, rated_to_pb

_SOURCES = {
    None: cdr_pb2.ExplainedTariff.SOURCE_UNSPECIFIED,
    TariffSource.PUBLISHED: cdr_pb2.ExplainedTariff.SOURCE_PUBLISHED,
    TariffSource.EMBEDDED: cdr_pb2.ExplainedTariff.SOURCE_EMBEDDED,
    TariffSource.CONNECTOR: cdr_pb2.ExplainedTariff.SOURCE_CONNECTOR,
}


def explanation_to_pb(explained: Explanation) -> cdr_pb2.ExplainCdrResponse:
    """Return the message of an explanation."""
    price = explained.price
    response = cdr_pb2.ExplainCdrResponse(
        record=record_to_pb(explained.record),
        unrated_reason=price.reason,
        unrated_message=price.message,
        tolerance=number_to_pb(explained.tolerance),
        tariffs=[_tariff(used) for used in price.tariffs],
        pricing_policy=explained.policy.name,
        time_zone=explained.time_zone or "",
    )
    claim = claim_from_pb(response.record.cdr)
    difference = None
    if price.rated is not None:
        response.rated.CopyFrom(rated_to_pb(price.rated))
        difference = compare(claim, price.rated, explained.tolerance)
        response.agrees = _total_agrees(difference, explained.tolerance)
    if price.expired is not None:
        response.rated_expired.CopyFrom(rated_to_pb(price.expired))
        other = compare(claim, price.expired, explained.tolerance)
        response.agrees = response.agrees or _total_agrees(other, explained.tolerance)
    response.costs.extend(_cost(name, claim, price.rated, difference, explained.tolerance) for name in COST_FIELDS)
    response.volumes.extend(_volume(name, claim, price.rated, difference) for name in VOLUME_FIELDS)
    return response


def claim_from_pb(cdr: cdr_object_pb2.Cdr) -> Claim:
    """Return what a CDR states of its totals."""
    totals: dict[str, Any] = {name: _price(getattr(cdr, name)) for name in COST_FIELDS}
    totals |= {name: _number(getattr(cdr, name)) for name in VOLUME_FIELDS}
    return Claim(**totals, credit=cdr.credit)


def _price(price: common_pb2.Price) -> Price | None:
    before, after = _number(price.before_taxes), _number(price.after_taxes)
    return None if before is None and after is None else Price(before_taxes=before, after_taxes=after)


def _number(number: PbDecimal) -> Decimal | None:
    try:
        return parse_decimal(number.value) if number.value else None
    except ValueError:
        return None


def _total_agrees(difference: Difference, tolerance: Decimal) -> bool:
    """Say whether the total before taxes agrees, or after taxes where that side alone is known."""
    total = difference.costs["total_cost"]
    side = None
    if total is not None:
        side = total.before_taxes if total.before_taxes is not None else total.after_taxes
    return side is not None and abs(side) <= tolerance


def _cost(
    name: str, claim: Claim, rated: RatedCdr | None, difference: Difference | None, tolerance: Decimal
) -> cdr_pb2.CostComparison:
    made = cdr_pb2.CostComparison(total=name, claimed=price_to_pb(getattr(claim, name)))
    if rated is not None and difference is not None:
        ours: Price | None = getattr(rated, name)
        off = difference.costs[name]
        sides = (off.before_taxes, off.after_taxes) if off is not None else ()
        made.agrees = all(side is None or abs(side) <= tolerance for side in sides)
        if ours is not None:
            made.rated.CopyFrom(price_to_pb(ours))
        if off is not None:
            made.difference.CopyFrom(price_to_pb(off))
    return made


def _volume(name: str, claim: Claim, rated: RatedCdr | None, difference: Difference | None) -> cdr_pb2.VolumeComparison:
    return cdr_pb2.VolumeComparison(
        total=name,
        claimed=number_to_pb(getattr(claim, name)),
        rated=number_to_pb(getattr(rated, name)) if rated is not None else None,
        difference=number_to_pb(difference.volumes[name]) if difference is not None else None,
    )


def _tariff(used: UsedTariff) -> cdr_pb2.ExplainedTariff:
    tariff = used.tariff
    return cdr_pb2.ExplainedTariff(
        field=used.field,
        tariff_id=used.id,
        source=_SOURCES[used.source],
        tariff=None if tariff is None else tariff_object_pb2.Tariff.FromString(tariff.document),
        differs=used.differs,
    )
