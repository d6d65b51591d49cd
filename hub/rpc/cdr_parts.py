"""Parts of a CDR message to facts, as read of one message at a time and of many together."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import cdr_object_pb2, common_pb2, tariff_object_pb2

from hub.domain.cdrs.periods import PeriodSums, ReportedPeriods
from hub.domain.cdrs.record import ClaimedCost
from hub.domain.clearing.items import TARIFF_KINDS
from hub.domain.money import OCPI_DECIMALS, round_half_away
from hub.domain.tariffs import GivenTariff
from hub.rpc.enums import check_enums
from hub.rpc.period_wire import PERIODS_MAX, folded_tariff_ids, read_periods, refuse_periods
from hub.rpc.tariff_wire import read_tariff
from hub.rpc.wire import Reader

ZERO = Decimal(0)
_LARGEST = Decimal(10) ** 12
#: What nearly every amount looks like: within all bounds, as can be told without arithmetic.
PLAIN_AMOUNT = re.compile(r"-?[0-9]{1,11}(\.[0-9]{1,4})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_PERIODS = PeriodSums(0, _EPOCH, _EPOCH, ZERO, ZERO), ReportedPeriods()


def read_amount(reader: Reader, field: str, number: PbDecimal, least: Decimal | None = None) -> Decimal:
    """Read an amount or volume that settlement adds up: at most four decimals (OCPI, types, number)."""
    text = number.value
    if PLAIN_AMOUNT.fullmatch(text) and (least is None or text[0] != "-"):
        return Decimal(text)
    value = reader.decimal(field, number)
    if abs(value) >= _LARGEST:
        reader.refuse(field, f"must be smaller than {_LARGEST}")
    elif value != round_half_away(value, OCPI_DECIMALS):
        reader.refuse(field, f"must have at most {OCPI_DECIMALS} decimals")
    elif least is not None and value < least:
        reader.refuse(field, "must not be negative")
    return value


def read_reported(reader: Reader, cdr: cdr_object_pb2.Cdr) -> tuple[PeriodSums, ReportedPeriods]:
    """Read the charging periods, and what the checks ask of all of them together."""
    periods = cdr.charging_periods
    if not 1 <= len(periods) <= PERIODS_MAX:
        reader.refuse("cdr.charging_periods", f"must hold 1 to {PERIODS_MAX} periods")
        return _NO_PERIODS
    reported = read_periods(periods)
    try:
        sums = reported.sums() if reported is not None else None
    except ArithmeticError:
        sums = None
    if reported is not None and sums is not None:
        return sums, reported
    before = len(reader.violations)
    refuse_periods(reader, periods, "cdr.charging_periods")
    if len(reader.violations) == before:
        reader.refuse("cdr.charging_periods", "must hold volumes of sensible size")
    return _NO_PERIODS


def read_costs(reader: Reader, cdr: cdr_object_pb2.Cdr, price: common_pb2.Price, total: Decimal) -> list[ClaimedCost]:
    """Return what a CDR says of its costs: of the total if it is stated after taxes too, and of the parts.

    Args:
        reader: Takes the violations.
        cdr: The CDR.
        price: Its total cost.
        total: The total cost before taxes, which is read already.
    """
    found = []
    if price.HasField("after_taxes"):
        after = _claimed(reader, "cdr.total_cost.after_taxes", price.after_taxes)
        if after is not None:
            found.append(ClaimedCost("total_cost", total if price.before_taxes.value else None, after))
    for name in _PARTS:
        if cdr.HasField(name):
            part: common_pb2.Price = getattr(cdr, name)
            before = _claimed(reader, f"cdr.{name}.before_taxes", part.before_taxes)
            found.append(ClaimedCost(name, before, _claimed(reader, f"cdr.{name}.after_taxes", part.after_taxes)))
    return found


def _claimed(reader: Reader, field: str, number: PbDecimal) -> Decimal | None:
    return reader.decimal(field, number) if number.value else None


_PARTS: tuple[
    Literal["total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_cost", "total_reservation_cost"],
    ...,
] = (
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)


def read_tariffs(reader: Reader, cdr: cdr_object_pb2.Cdr) -> tuple[tuple[GivenTariff, ...], str]:
    """Read the tariffs inside a CDR, and the type of the one applied, the first.

    An unreadable one is no reason to refuse the CDR, as the published one rules.
    """
    applied, found = _REGULAR, list[GivenTariff]()
    for position, tariff in enumerate(cdr.tariffs[:]):
        known, kind, given = _given(tariff.SerializeToString(deterministic=True))
        if not known:
            check_enums(reader, tariff, f"cdr.tariffs[{position}].")
        if not found:
            applied = kind
        found.append(given)
    return tuple(found), applied


@lru_cache(maxsize=2_048)
def _given(document: bytes) -> tuple[bool, str, GivenTariff]:
    """Read a tariff; remembered, as one comes with many CDRs.

    Returns:
        Whether it is free of unknown enum values, its type (what OCPI leaves out counts as REGULAR), and the tariff.
    """
    message = tariff_object_pb2.Tariff.FromString(document)
    reader = Reader()
    check_enums(reader, message)
    kind = _TARIFF_KINDS.get(message.type, _REGULAR)
    return not reader.violations, kind if kind in TARIFF_KINDS else _REGULAR, read_tariff(document)


_REGULAR = "REGULAR"
_TARIFF_KINDS = {number: name.removeprefix("TARIFF_TYPE_") for name, number in tariff_object_pb2.TariffType.items()}


def tariffs_named(tariffs: Sequence[GivenTariff], periods: ReportedPeriods) -> tuple[str, ...]:
    """Return the folded ids that can be tariffs' of those that a CDR or its periods name, each once."""
    return folded_tariff_ids((*(given.id for given in tariffs), *filter(None, periods.tariff_ids)))
