"""Tariff messages to what rating reads.

Odd tariffs pass: contradictory, unreachable and absurd ones can be rated and `hub.domain.rating.lint` finds them. What
could never be rated is refused: a price that is no number, a time of day that is none, a component without a type.
"""

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import tariff_object_pb2 as pb

from hub.app.tariffs import PublishedTariff
from hub.domain.clock import not_after
from hub.domain.errors import Invalid
from hub.domain.ids import ObjectId
from hub.domain.rating.checks import check_tariff
from hub.domain.tariffs import (
    UNRESTRICTED,
    Dimension,
    GivenTariff,
    OcpiVersion,
    PriceComponent,
    PriceLimit,
    ReservationRestriction,
    Restrictions,
    Tariff,
    TariffElement,
    TaxIncluded,
    Weekday,
)
from hub.rpc.listing import ID_MAX
from hub.rpc.wire import Reader, is_currency

T = TypeVar("T")

_ELEMENTS_MAX = 1_000
_COMPONENTS_MAX = 100
_TARIFFS_KEPT = 4_096

_DIMENSIONS: dict[int, Dimension] = {
    pb.TARIFF_DIMENSION_TYPE_ENERGY: Dimension.ENERGY,
    pb.TARIFF_DIMENSION_TYPE_FLAT: Dimension.FLAT,
    pb.TARIFF_DIMENSION_TYPE_PARKING_TIME: Dimension.PARKING_TIME,
    pb.TARIFF_DIMENSION_TYPE_TIME: Dimension.TIME,
}
_TAX_INCLUDED: dict[int, TaxIncluded] = {
    pb.TAX_INCLUDED_YES: TaxIncluded.YES,
    pb.TAX_INCLUDED_NO: TaxIncluded.NO,
    pb.TAX_INCLUDED_NOT_APPLICABLE: TaxIncluded.NOT_APPLICABLE,
}
_RESERVATIONS: dict[int, ReservationRestriction] = {
    pb.RESERVATION_RESTRICTION_TYPE_RESERVATION: ReservationRestriction.RESERVATION,
    pb.RESERVATION_RESTRICTION_TYPE_RESERVATION_EXPIRES: ReservationRestriction.RESERVATION_EXPIRES,
}
_TYPES: dict[int, str] = {number: name.removeprefix("TARIFF_TYPE_") for name, number in pb.TariffType.items() if number}
_DAYS: dict[int, Weekday] = {number: Weekday(number - 1) for number in pb.DayOfWeek.values() if number}


def published_from_pb(message: pb.Tariff, latest: datetime, path: str = "tariff") -> PublishedTariff:
    """Read a tariff to store.

    Args:
        message: The whole tariff.
        latest: The latest time that its owner's clock may show.
        path: Where it stands in the request.

    Raises:
        Invalid: With every field that breaks a rule.
    """
    reader = Reader(path)
    document = reader.document(message.SerializeToString(deterministic=True))
    tariff = _tariff(reader, message, document)
    assert tariff.party is not None
    assert tariff.last_updated is not None
    if tariff.last_updated > latest:
        reader.refuse("last_updated", not_after(latest))
    reader.done()
    return PublishedTariff(
        id=ObjectId(tariff.party, tariff.id),
        last_updated=tariff.last_updated,
        document=document,
        digest=blake2b(document, digest_size=16).digest(),
    )


def tariff_from_pb(message: pb.Tariff, version: OcpiVersion | None = None) -> Tariff:
    """Return a tariff as rating reads it.

    Args:
        message: The whole tariff.
        version: The OCPI version its owner follows; without one the fields show it (2.1.1 never shows).

    Raises:
        Invalid: With every field that breaks a rule.
    """
    reader = Reader("tariff")
    tariff = _tariff(reader, message, message.SerializeToString(deterministic=True), version)
    reader.done()
    return tariff


@lru_cache(maxsize=_TARIFFS_KEPT)
def tariff_from_document(document: bytes) -> Tariff:
    """Return a stored tariff as rating reads it; remembered, as one tariff prices many CDRs."""
    return tariff_from_pb(pb.Tariff.FromString(document))


@lru_cache(maxsize=_TARIFFS_KEPT)
def read_tariff(document: bytes) -> GivenTariff:
    """Return a tariff that somebody sent, or why it cannot be read; remembered likewise."""
    try:
        tariff = tariff_from_document(document)
    except Invalid as error:
        return GivenTariff(pb.Tariff.FromString(document).id, None, error.reason, error.message)
    return GivenTariff(tariff.id, tariff)


def _tariff(reader: Reader, message: pb.Tariff, document: bytes, version: OcpiVersion | None = None) -> Tariff:
    if not is_currency(message.currency):
        reader.refuse("currency", "must be an ISO 4217 code of three capital letters")
    if not 1 <= len(message.elements) <= _ELEMENTS_MAX:
        reader.refuse("elements", f"must have 1 to {_ELEMENTS_MAX} entries")
    if (
        message.HasField("preauthorize_amount")
        and reader.decimal("preauthorize_amount", message.preauthorize_amount) < 0
    ):
        reader.refuse("preauthorize_amount", "must not be negative")
    reader.extensions("extensions", message.extensions)
    included = message.tax_included
    tariff = Tariff(
        id=reader.id("id", message.id, ID_MAX),
        currency=message.currency,
        elements=tuple(_element(reader, f"elements[{i}].", each) for i, each in enumerate(message.elements)),
        version=version or (OcpiVersion.V2_3_0 if included else OcpiVersion.V2_2_1),
        party=reader.party("", message.country_code, message.party_id),
        type=reader.one_of("type", message.type, _TYPES, "") if message.type else None,
        min_price=_limit(reader, "min_price", message.min_price) if message.HasField("min_price") else None,
        max_price=_limit(reader, "max_price", message.max_price) if message.HasField("max_price") else None,
        tax_included=reader.one_of("tax_included", included, _TAX_INCLUDED, TaxIncluded.NO) if included else None,
        start=_moment(reader, "start_date_time", message.start_date_time, present=message.HasField("start_date_time")),
        end=_moment(reader, "end_date_time", message.end_date_time, present=message.HasField("end_date_time")),
        last_updated=reader.time("last_updated", message.last_updated),
        document=document,
    )
    try:
        check_tariff(tariff)
    except Invalid as error:
        for violation in error.violations:
            reader.refuse(violation.field, violation.rule)
    return tariff


def _moment(reader: Reader, field: str, stamp: Timestamp, *, present: bool) -> datetime | None:
    return reader.time(field, stamp) if present else None


def _limit(reader: Reader, field: str, limit: pb.PriceLimit) -> PriceLimit:
    return PriceLimit(
        before_taxes=_number(reader, f"{field}.before_taxes", limit.before_taxes),
        after_taxes=_number(reader, f"{field}.after_taxes", limit.after_taxes),
    )


def _number(reader: Reader, field: str, number: PbDecimal) -> Decimal | None:
    return reader.decimal(field, number) if number.value else None


def _element(reader: Reader, path: str, message: pb.TariffElement) -> TariffElement:
    if not 1 <= len(message.price_components) <= _COMPONENTS_MAX:
        reader.refuse(path + "price_components", f"must have 1 to {_COMPONENTS_MAX} entries")
    restrictions = UNRESTRICTED
    if message.HasField("restrictions"):
        restrictions = _restrictions(reader, path + "restrictions.", message.restrictions)
    return TariffElement(
        components=tuple(
            _component(reader, f"{path}price_components[{i}].", each) for i, each in enumerate(message.price_components)
        ),
        restrictions=restrictions,
    )


def _component(reader: Reader, path: str, message: pb.PriceComponent) -> PriceComponent:
    return PriceComponent(
        dimension=reader.one_of(path + "type", message.type, _DIMENSIONS, Dimension.FLAT),
        price=reader.decimal(path + "price", message.price),
        vat=_number(reader, path + "vat", message.vat),
        step_size=message.step_size if message.HasField("step_size") else 1,
    )


def _restrictions(reader: Reader, path: str, message: pb.TariffRestrictions) -> Restrictions:
    def parsed(name: str, read: Callable[[str], T], rule: str) -> T | None:
        if not message.HasField(name):  # type: ignore[arg-type]
            return None
        try:
            return read(getattr(message, name))
        except ValueError:
            reader.refuse(path + name, rule)
            return None

    def seconds(name: str) -> int | None:
        value: int = getattr(message, name)
        if value < 0:
            reader.refuse(path + name, "must not be negative")
        return value if message.HasField(name) else None  # type: ignore[arg-type]

    def number(name: str) -> Decimal | None:
        return _number(reader, path + name, getattr(message, name))

    days = frozenset(
        reader.one_of(f"{path}day_of_week[{i}]", day, _DAYS, Weekday.MONDAY)
        for i, day in enumerate(message.day_of_week)
    )
    reservation = None
    if message.reservation:
        kinds = _RESERVATIONS
        reservation = reader.one_of(
            path + "reservation", message.reservation, kinds, ReservationRestriction.RESERVATION
        )
    return Restrictions(
        start_time=parsed("start_time", _time_of_day, "must be a time of day such as 08:30"),
        end_time=parsed("end_time", _time_of_day, "must be a time of day such as 08:30"),
        start_date=parsed("start_date", _day, "must be a date such as 2026-03-29"),
        end_date=parsed("end_date", _day, "must be a date such as 2026-03-29"),
        min_kwh=number("min_kwh"),
        max_kwh=number("max_kwh"),
        min_current=number("min_current"),
        max_current=number("max_current"),
        min_power=number("min_power"),
        max_power=number("max_power"),
        min_duration=seconds("min_duration"),
        max_duration=seconds("max_duration"),
        days=days or None,
        reservation=reservation,
    )


def _time_of_day(text: str) -> time:
    """Read `HH:MM`; 24:00, which some senders write for the end of a day, is midnight like 00:00."""
    if len(text) != 5 or text[2] != ":" or not (text[:2] + text[3:]).isdecimal() or not text.isascii():
        raise ValueError(text)
    return time() if text == "24:00" else time(int(text[:2]), int(text[3:]))


def _day(text: str) -> date:
    if len(text) != 10:
        raise ValueError(text)
    return date.fromisoformat(text)
