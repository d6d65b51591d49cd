"""CDR messages to the facts the hub reasons about."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Literal

from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import (
    cdr_object_pb2,
    cdr_pb2,
    common_pb2,
    location_object_pb2,
    session_object_pb2,
    tariff_object_pb2,
)

from hub.app.cdrs.submit import CdrSubmission
from hub.domain.cdrs.record import Cdr, ClaimedCost, PeriodSums
from hub.domain.clearing.items import TARIFF_KINDS
from hub.domain.ids import ObjectId, fold
from hub.domain.money import EXACT, OCPI_DECIMALS, round_half_away
from hub.domain.rating import RatablePeriod
from hub.domain.tariffs import GivenTariff
from hub.rpc.enums import check_enums
from hub.rpc.listing import ID_MAX as TARIFF_ID_MAX
from hub.rpc.meter_wire import signed_from_pb
from hub.rpc.period_wire import PERIODS_MAX, read_periods, refuse_periods
from hub.rpc.tariff_wire import read_tariff
from hub.rpc.wire import Reader

_ZERO = Decimal(0)
_LARGEST = Decimal(10) ** 12
#: What nearly every amount looks like: within all bounds, as can be told without arithmetic.
_PLAIN = re.compile(r"-?[0-9]{1,11}(\.[0-9]{1,4})?")
_add = EXACT.add
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_PERIODS = PeriodSums(count=0, first_start=_EPOCH, last_start=_EPOCH, energy=_ZERO, time=_ZERO)


def submission_from_pb(
    request: cdr_pb2.SubmitCdrRequest | cdr_pb2.StreamCdrsRequest, platform: str, path: str = ""
) -> CdrSubmission:
    """Read one submission.

    Raises:
        Invalid: With every field that breaks a rule.
    """
    reader = Reader(path)
    request_id = reader.request_id(request.request_id)
    cdr = _read(reader, request.cdr)
    replaces = request.replaces
    if replaces and fold(reader.id("replaces", replaces)) == cdr.id.folded:
        reader.refuse("replaces", "names another CDR than this one")
    reader.done()
    signed = signed_from_pb(request.cdr.signed_data) if request.cdr.HasField("signed_data") else None
    return CdrSubmission(platform=platform, request_id=request_id, cdr=cdr, replaces=replaces, signed=signed)


def cdr_from_document(document: bytes) -> Cdr:
    """Return a CDR on record; a field that broke a rule of today reads as if it said nothing."""
    return _read(Reader(), cdr_object_pb2.Cdr.FromString(document))


def _read(reader: Reader, cdr: cdr_object_pb2.Cdr) -> Cdr:
    token, place = cdr.cdr_token, cdr.cdr_location
    document = cdr.SerializeToString(deterministic=True)
    party = reader.party("cdr", cdr.country_code, cdr.party_id)
    start = reader.time("cdr.start_date_time", cdr.start_date_time)
    end = reader.time("cdr.end_date_time", cdr.end_date_time)
    reader.time("cdr.last_updated", cdr.last_updated)
    if cdr.HasField("total_parking_time"):
        _exact(reader, "cdr.total_parking_time", cdr.total_parking_time, least=_ZERO)
    if end < start:
        reader.refuse("cdr.end_date_time", "is not before start_date_time")
    if cdr.extensions:
        reader.extensions("cdr.extensions", cdr.extensions)
    if cdr.credit and not cdr.credit_reference_id:
        reader.refuse("cdr.credit_reference_id", "is required on a credit CDR")
    _check_enums(reader, cdr)
    if len(cdr.currency) != 3 or not (cdr.currency.isascii() and cdr.currency.isupper()):
        reader.refuse("cdr.currency", "is an ISO 4217 code of three capital letters")
    if not 2 <= len(place.country) <= 3 or not (place.country.isascii() and place.country.isupper()):
        reader.refuse("cdr.cdr_location.country", "is an ISO 3166-1 alpha-3 code in capital letters")
    sums, periods = _periods(reader, cdr)
    tariffs = _tariffs(reader, cdr)
    return Cdr(
        id=ObjectId(party, reader.id("cdr.id", cdr.id)),
        emsp=reader.party("cdr.cdr_token", token.country_code, token.party_id),
        token_uid=reader.id("cdr.cdr_token.uid", token.uid, 36),
        token_type=reader.optional_id("cdr.cdr_token.type", token.type, 36),
        contract_id=reader.id("cdr.cdr_token.contract_id", token.contract_id, 36),
        session_id=reader.optional_id("cdr.session_id", cdr.session_id, 36),
        authorization_reference=reader.optional_id("cdr.authorization_reference", cdr.authorization_reference, 36),
        location_id=reader.id("cdr.cdr_location.id", place.id, 36),
        evse_uid=reader.id("cdr.cdr_location.evse_uid", place.evse_uid, 36),
        connector_id=reader.id("cdr.cdr_location.connector_id", place.connector_id, 36),
        country=place.country,
        tariff_kind=_tariff_kind(cdr),
        start_time=start,
        end_time=end,
        currency=cdr.currency,
        total_cost=_exact(reader, "cdr.total_cost.before_taxes", cdr.total_cost.before_taxes),
        total_energy=_exact(reader, "cdr.total_energy", cdr.total_energy, least=_ZERO),
        total_time=_exact(reader, "cdr.total_time", cdr.total_time, least=_ZERO),
        periods=sums,
        credit=cdr.credit,
        credit_of=reader.optional_id("cdr.credit_reference_id", cdr.credit_reference_id) if cdr.credit else "",
        document=document,
        digest=sha256(document).digest(),
        tariffs=tariffs,
        tariff_ids=_named(tariffs, periods),
        ratable=periods,
        costs=tuple(_claimed(reader, cdr)),
    )


def _check_enums(reader: Reader, cdr: cdr_object_pb2.Cdr) -> None:
    """Refuse what enums do not define; the periods' and tariffs' are looked at with those."""
    place = cdr.cdr_location
    if cdr.auth_method not in _AUTH_METHODS:
        reader.unknown("cdr.auth_method", cdr.auth_method)
    if place.connector_format not in _FORMATS or place.connector_power_type not in _POWER_TYPES:
        check_enums(reader, place, "cdr.cdr_location.")


_AUTH_METHODS = frozenset(session_object_pb2.AuthMethod.values())
_FORMATS = frozenset(location_object_pb2.ConnectorFormat.values())
_POWER_TYPES = frozenset(location_object_pb2.PowerType.values())


def _exact(reader: Reader, field: str, number: PbDecimal, least: Decimal | None = None) -> Decimal:
    """Read an amount or volume that settlement adds up: at most four decimals (OCPI, types, number)."""
    value = reader.decimal(field, number)
    if _PLAIN.fullmatch(number.value) and (least is None or value >= least):
        return value
    if abs(value) >= _LARGEST:
        reader.refuse(field, f"is smaller than {_LARGEST}")
    elif value != round_half_away(value, OCPI_DECIMALS):
        reader.refuse(field, f"has at most {OCPI_DECIMALS} decimals")
    elif least is not None and value < least:
        reader.refuse(field, "is not negative")
    return value


def _periods(reader: Reader, cdr: cdr_object_pb2.Cdr) -> tuple[PeriodSums, tuple[RatablePeriod, ...]]:
    """Read the periods, and what the checks ask of all of them together."""
    if not 1 <= len(cdr.charging_periods) <= PERIODS_MAX:
        reader.refuse("cdr.charging_periods", f"holds 1 to {PERIODS_MAX} periods")
        return _NO_PERIODS, ()
    periods = read_periods(cdr.charging_periods)
    if periods is None:
        refuse_periods(reader, cdr.charging_periods, "cdr.charging_periods")
        return _NO_PERIODS, ()
    energy = hours = _ZERO
    try:
        for _, kwh, charging, parking, *_ in periods:
            energy = _add(energy, kwh) if kwh else energy
            hours = _add(hours, charging) if charging else hours
            hours = _add(hours, parking) if parking else hours
    except ArithmeticError:
        reader.refuse("cdr.charging_periods", "hold volumes of sensible size")
        return _NO_PERIODS, ()
    if not (energy.is_finite() and hours.is_finite()):
        refuse_periods(reader, cdr.charging_periods, "cdr.charging_periods")
        return _NO_PERIODS, ()
    starts = [period.start for period in periods]
    sums = PeriodSums(count=len(starts), first_start=min(starts), last_start=max(starts), energy=energy, time=hours)
    return sums, periods


def _claimed(reader: Reader, cdr: cdr_object_pb2.Cdr) -> Iterator[ClaimedCost]:
    """Yield what the CDR says of its costs."""
    if cdr.total_cost.after_taxes.value:
        yield _cost(reader, "total_cost", cdr.total_cost)
    for name in _PARTS:
        if cdr.HasField(name):
            yield _cost(reader, name, getattr(cdr, name))


def _cost(reader: Reader, name: str, price: common_pb2.Price) -> ClaimedCost:
    before, after = price.before_taxes, price.after_taxes
    return ClaimedCost(
        name,
        reader.decimal(f"cdr.{name}.before_taxes", before) if before.value else None,
        reader.decimal(f"cdr.{name}.after_taxes", after) if after.value else None,
    )


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


def _tariffs(reader: Reader, cdr: cdr_object_pb2.Cdr) -> tuple[GivenTariff, ...]:
    """Read the tariffs inside the CDR; an unreadable one is no reason to refuse it, as the published one rules."""
    found = []
    for position, tariff in enumerate(cdr.tariffs):
        known, given = _given(tariff.SerializeToString(deterministic=True))
        if not known:
            check_enums(reader, tariff, f"cdr.tariffs[{position}].")
        found.append(given)
    return tuple(found)


@lru_cache(maxsize=2_048)
def _given(document: bytes) -> tuple[bool, GivenTariff]:
    """Read a tariff, and say whether it is free of unknown enum values; remembered, as one comes with many CDRs."""
    message = tariff_object_pb2.Tariff.FromString(document)
    reader = Reader()
    check_enums(reader, message)
    return not reader.violations, read_tariff(document)


def _named(tariffs: Sequence[GivenTariff], periods: Sequence[RatablePeriod]) -> tuple[str, ...]:
    """Return the folded ids that can be tariffs' of those that are named, each once."""
    named = [given.id for given in tariffs] + [period.tariff_id for period in periods if period.tariff_id]
    return tuple(dict.fromkeys(fold(each) for each in named if each.isprintable() and 0 < len(each) <= TARIFF_ID_MAX))


def _tariff_kind(cdr: cdr_object_pb2.Cdr) -> str:
    """Return the type of the tariff applied; what OCPI leaves out counts as REGULAR."""
    if not cdr.tariffs or not cdr.tariffs[0].type:
        return "REGULAR"
    kind = _TARIFF_KINDS.get(cdr.tariffs[0].type, "REGULAR")
    return kind if kind in TARIFF_KINDS else "REGULAR"


_TARIFF_KINDS = {number: name.removeprefix("TARIFF_TYPE_") for name, number in tariff_object_pb2.TariffType.items()}
