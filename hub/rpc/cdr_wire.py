"""CDR messages to the facts the hub reasons about."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
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

from hub.app.cdrs.submit import SKEW_MAX, CdrSubmission
from hub.domain.cdrs.periods import PeriodSums, ReportedPeriods
from hub.domain.cdrs.record import Cdr, ClaimedCost
from hub.domain.clearing.items import TARIFF_KINDS
from hub.domain.ids import ObjectId, fold
from hub.domain.money import OCPI_DECIMALS, round_half_away
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
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_PERIODS = PeriodSums(0, _EPOCH, _EPOCH, _ZERO, _ZERO), ReportedPeriods()


def submission_from_pb(
    request: cdr_pb2.SubmitCdrRequest | cdr_pb2.StreamCdrsRequest,
    platform: str,
    path: str = "",
    skew_max: timedelta = SKEW_MAX,
) -> CdrSubmission:
    """Read one submission of a platform whose clock may be ahead by `skew_max`.

    Raises:
        Invalid: With every field that breaks a rule.
    """
    reader = Reader(path)
    request_id = reader.request_id(request.request_id)
    cdr = _read(reader, request.cdr)
    replaces = request.replaces
    if replaces and fold(reader.id("replaces", replaces)) == cdr.id.folded:
        reader.refuse("replaces", "must name another CDR than this one")
    reader.done()
    signed = signed_from_pb(request.cdr.signed_data) if request.cdr.HasField("signed_data") else None
    return CdrSubmission(
        platform=platform, request_id=request_id, cdr=cdr, replaces=replaces, signed=signed, skew_max=skew_max
    )


def cdr_from_document(document: bytes) -> Cdr:
    """Return a CDR on record; a field that broke a rule of today reads as if it said nothing."""
    return _read(Reader(), cdr_object_pb2.Cdr.FromString(document))


def _read(reader: Reader, cdr: cdr_object_pb2.Cdr) -> Cdr:
    # Whatever is asked of a message is made anew: asked once.
    token, place, currency, country = cdr.cdr_token, cdr.cdr_location, cdr.currency, cdr.cdr_location.country
    document = cdr.SerializeToString(deterministic=True)
    party = reader.party("cdr", cdr.country_code, cdr.party_id)
    start = reader.time("cdr.start_date_time", cdr.start_date_time)
    end = reader.time("cdr.end_date_time", cdr.end_date_time)
    reader.time("cdr.last_updated", cdr.last_updated)
    if cdr.HasField("total_parking_time"):
        _exact(reader, "cdr.total_parking_time", cdr.total_parking_time, least=_ZERO)
    if end < start:
        reader.refuse("cdr.end_date_time", "must not be before start_date_time")
    if extensions := cdr.extensions:
        reader.extensions("cdr.extensions", extensions)
    credit, credit_of = cdr.credit, ""
    if credit:
        credit_of = reader.optional_id("cdr.credit_reference_id", cdr.credit_reference_id)
        if not credit_of:
            reader.refuse("cdr.credit_reference_id", "is required on a credit CDR")
    _check_enums(reader, cdr, place)
    if len(currency) != 3 or not (currency.isascii() and currency.isupper()):
        reader.refuse("cdr.currency", "must be an ISO 4217 code of three capital letters")
    if not 2 <= len(country) <= 3 or not (country.isascii() and country.isupper()):
        reader.refuse("cdr.cdr_location.country", "must be an ISO 3166-1 alpha-3 code in capital letters")
    sums, reported = _periods(reader, cdr)
    tariffs, kind = _tariffs(reader, cdr)
    ids = token.uid, token.contract_id, place.id, place.evse_uid, place.connector_id
    reader.ids(_IDS, ids, 36)
    token_uid, contract_id, location_id, evse_uid, connector_id = ids
    price = cdr.total_cost
    total_cost = _exact(reader, "cdr.total_cost.before_taxes", price.before_taxes)
    return Cdr(
        id=ObjectId(party, reader.id("cdr.id", cdr.id)),
        emsp=reader.party("cdr.cdr_token", token.country_code, token.party_id),
        token_uid=token_uid,
        token_type=reader.optional_id("cdr.cdr_token.type", token.type, 36),
        contract_id=contract_id,
        session_id=reader.optional_id("cdr.session_id", cdr.session_id, 36),
        authorization_reference=reader.optional_id("cdr.authorization_reference", cdr.authorization_reference, 36),
        location_id=location_id,
        evse_uid=evse_uid,
        connector_id=connector_id,
        country=country,
        tariff_kind=kind,
        start_time=start,
        end_time=end,
        currency=currency,
        total_cost=total_cost,
        total_energy=_exact(reader, "cdr.total_energy", cdr.total_energy, least=_ZERO),
        total_time=_exact(reader, "cdr.total_time", cdr.total_time, least=_ZERO),
        periods=sums,
        credit=credit,
        credit_of=credit_of,
        document=document,
        digest=sha256(document).digest(),
        tariffs=tariffs,
        tariff_ids=_named(tariffs, reported),
        reported=reported,
        costs=(*_total(reader, price, total_cost), *_parts(reader, cdr)),
    )


_IDS = (
    "cdr.cdr_token.uid",
    "cdr.cdr_token.contract_id",
    "cdr.cdr_location.id",
    "cdr.cdr_location.evse_uid",
    "cdr.cdr_location.connector_id",
)


def _check_enums(reader: Reader, cdr: cdr_object_pb2.Cdr, place: cdr_object_pb2.CdrLocation) -> None:
    """Refuse what enums do not define; the periods' and tariffs' are looked at with those."""
    if cdr.auth_method not in _AUTH_METHODS:
        reader.unknown("cdr.auth_method", cdr.auth_method)
    if place.connector_format not in _FORMATS or place.connector_power_type not in _POWER_TYPES:
        check_enums(reader, place, "cdr.cdr_location.")


_AUTH_METHODS = frozenset(session_object_pb2.AuthMethod.values())
_FORMATS = frozenset(location_object_pb2.ConnectorFormat.values())
_POWER_TYPES = frozenset(location_object_pb2.PowerType.values())


def _exact(reader: Reader, field: str, number: PbDecimal, least: Decimal | None = None) -> Decimal:
    """Read an amount or volume that settlement adds up: at most four decimals (OCPI, types, number)."""
    text = number.value
    if _PLAIN.fullmatch(text) and (least is None or text[0] != "-"):
        return Decimal(text)
    value = reader.decimal(field, number)
    if abs(value) >= _LARGEST:
        reader.refuse(field, f"must be smaller than {_LARGEST}")
    elif value != round_half_away(value, OCPI_DECIMALS):
        reader.refuse(field, f"must have at most {OCPI_DECIMALS} decimals")
    elif least is not None and value < least:
        reader.refuse(field, "must not be negative")
    return value


def _periods(reader: Reader, cdr: cdr_object_pb2.Cdr) -> tuple[PeriodSums, ReportedPeriods]:
    """Read the periods, and what the checks ask of all of them together."""
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


def _total(reader: Reader, price: common_pb2.Price, before: Decimal) -> list[ClaimedCost]:
    """Return what the CDR says of its total cost, if it says it after taxes too; before taxes it is read already."""
    after = _amount(reader, "cdr.total_cost.after_taxes", price.after_taxes)
    return [ClaimedCost("total_cost", before if price.before_taxes.value else None, after)] if after is not None else []


def _parts(reader: Reader, cdr: cdr_object_pb2.Cdr) -> list[ClaimedCost]:
    """Return what the CDR says of the parts of its cost."""
    found = []
    for name in _PARTS:
        if cdr.HasField(name):
            price: common_pb2.Price = getattr(cdr, name)
            before = _amount(reader, f"cdr.{name}.before_taxes", price.before_taxes)
            found.append(ClaimedCost(name, before, _amount(reader, f"cdr.{name}.after_taxes", price.after_taxes)))
    return found


def _amount(reader: Reader, field: str, number: PbDecimal) -> Decimal | None:
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


def _tariffs(reader: Reader, cdr: cdr_object_pb2.Cdr) -> tuple[tuple[GivenTariff, ...], str]:
    """Read the tariffs inside the CDR, and the type of the one applied, the first.

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


def _named(tariffs: Sequence[GivenTariff], periods: ReportedPeriods) -> tuple[str, ...]:
    """Return the folded ids that can be tariffs' of those that are named, each once."""
    return _folded((*(given.id for given in tariffs), *filter(None, periods.tariff_ids)))


@lru_cache(maxsize=2_048)
def _folded(named: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fold(each) for each in named if each.isprintable() and 0 < len(each) <= TARIFF_ID_MAX))
