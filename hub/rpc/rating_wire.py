"""Rated sessions to messages."""

from decimal import Decimal

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
        total_cost=_price(rated.total_cost),
        total_fixed_cost=_price(rated.total_fixed_cost),
        total_energy_cost=_price(rated.total_energy_cost),
        total_time_cost=_price(rated.total_time_cost),
        total_parking_cost=_price(rated.total_parking_cost),
        total_reservation_cost=_price(rated.total_reservation_cost),
        total_energy=_number(rated.total_energy),
        total_time=_number(rated.total_time),
        total_parking_time=_number(rated.total_parking_time),
        lines=[_line(line) for line in rated.lines],
        notes=[pb.RatingNote(code=note.code, message=note.message, period=note.period) for note in rated.notes],
    )


def _line(line: Line) -> pb.RatedLine:
    return pb.RatedLine(
        kind=_KINDS[line.kind],
        total=line.group,
        dimension=_DIMENSIONS[line.dimension],
        quantity=_number(line.quantity),
        unit_price=_number(line.unit_price),
        vat=_number(line.vat),
        before_taxes=_number(line.before_taxes),
        after_taxes=_number(line.after_taxes),
        period=line.period,
        period_start_time=None if line.start is None else time_to_pb(line.start),
        tariff_id=line.tariff or "",
        element=line.element,
        component=line.component,
        explanation=line.why,
    )


def _price(price: Price | None) -> common_pb2.Price | None:
    if price is None:
        return None
    return common_pb2.Price(before_taxes=_number(price.before_taxes), after_taxes=_number(price.after_taxes))


def _number(value: Decimal | None) -> PbDecimal | None:
    """Return plain digits, never an exponent."""
    return None if value is None else PbDecimal(value=f"{value:f}")
