"""Rated sessions to messages."""

from decimal import Decimal
from typing import overload

from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import common_pb2, tariff_object_pb2
from roamhub.v1 import rating_object_pb2 as pb

from hub.domain.rating import Line, LineKind, Price, RatedCdr
from hub.domain.tariffs import Dimension
from hub.rpc.wire import time_to_pb

_KINDS = {
    LineKind.USAGE: pb.RatedLine.KIND_USAGE,
    LineKind.FREE: pb.RatedLine.KIND_FREE,
    LineKind.STEP: pb.RatedLine.KIND_STEP,
    LineKind.FLAT: pb.RatedLine.KIND_FLAT,
    LineKind.LIMIT: pb.RatedLine.KIND_LIMIT,
}
_DIMENSIONS = {
    None: tariff_object_pb2.TARIFF_DIMENSION_TYPE_UNSPECIFIED,
    Dimension.ENERGY: tariff_object_pb2.TARIFF_DIMENSION_TYPE_ENERGY,
    Dimension.FLAT: tariff_object_pb2.TARIFF_DIMENSION_TYPE_FLAT,
    Dimension.PARKING_TIME: tariff_object_pb2.TARIFF_DIMENSION_TYPE_PARKING_TIME,
    Dimension.TIME: tariff_object_pb2.TARIFF_DIMENSION_TYPE_TIME,
}


def rated_to_pb(rated: RatedCdr) -> pb.RatedSession:
    """Return the message of a rated session, its lines included."""
    return pb.RatedSession(
        currency_code=rated.currency,
        total_cost=price_to_pb(rated.total_cost),
        total_fixed_cost=price_to_pb(rated.total_fixed_cost),
        total_energy_cost=price_to_pb(rated.total_energy_cost),
        total_time_cost=price_to_pb(rated.total_time_cost),
        total_parking_cost=price_to_pb(rated.total_parking_cost),
        total_reservation_cost=price_to_pb(rated.total_reservation_cost),
        total_energy=number_to_pb(rated.total_energy),
        total_time=number_to_pb(rated.total_time),
        total_parking_time=number_to_pb(rated.total_parking_time),
        lines=[_line(line) for line in rated.lines],
        notes=[pb.RatingNote(code=note.code, message=note.message, period=note.period) for note in rated.notes],
        taxes=[
            pb.RatedTax(
                vat=number_to_pb(tax.vat), base=number_to_pb(tax.base), amount=number_to_pb(tax.amount), limit=tax.limit
            )
            for tax in rated.taxes
        ],
        roundings=[
            pb.RatedRounding(
                total=each.total,
                side=each.side,
                exact=number_to_pb(each.exact),
                rounded=number_to_pb(each.rounded),
            )
            for each in rated.roundings
        ],
        pricing_policy=rated.policy,
    )


def _line(line: Line) -> pb.RatedLine:
    return pb.RatedLine(
        kind=_KINDS[line.kind],
        total=line.group,
        dimension=_DIMENSIONS[line.dimension],
        quantity=number_to_pb(line.quantity),
        unit_price=number_to_pb(line.unit_price),
        vat=number_to_pb(line.vat),
        before_taxes=number_to_pb(line.before_taxes),
        after_taxes=number_to_pb(line.after_taxes),
        period=line.period,
        period_start_time=None if line.start is None else time_to_pb(line.start),
        tariff_id=line.tariff or "",
        element=line.element,
        component=line.component,
        explanation=line.why,
        step_size=line.step_size,
        passed_over=[
            pb.PassedOverElement(element=each.element, restriction=each.restriction, explanation=each.text)
            for each in line.passed_over
        ],
    )


@overload
def price_to_pb(price: Price) -> common_pb2.Price: ...


@overload
def price_to_pb(price: None) -> None: ...


def price_to_pb(price: Price | None) -> common_pb2.Price | None:
    """Return the message of an amount on both sides of the tax; None stays None, an absent field."""
    if price is None:
        return None
    return common_pb2.Price(before_taxes=number_to_pb(price.before_taxes), after_taxes=number_to_pb(price.after_taxes))


def number_to_pb(value: Decimal | None) -> PbDecimal | None:
    """Return plain digits, never an exponent."""
    return None if value is None else PbDecimal(value=f"{value:f}")
