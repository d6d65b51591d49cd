"""CDR messages to the facts the hub reasons about."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, reduce
from hashlib import sha256

from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import cdr_object_pb2, cdr_pb2, location_object_pb2, session_object_pb2, tariff_object_pb2

from hub.app.cdrs.submit import CdrSubmission
from hub.domain.cdrs.record import Cdr, PeriodSums
from hub.domain.clearing.items import TARIFF_KINDS
from hub.domain.ids import ObjectId, fold
from hub.domain.money import EXACT, OCPI_DECIMALS, round_half_away
from hub.rpc.enums import check_enums
from hub.rpc.meter_wire import signed_from_pb
from hub.rpc.wire import Reader, time_from_seconds

_ENERGY = session_object_pb2.CDR_DIMENSION_TYPE_ENERGY
_HOURS = frozenset({session_object_pb2.CDR_DIMENSION_TYPE_TIME, session_object_pb2.CDR_DIMENSION_TYPE_PARKING_TIME})
#: What else a dimension may be; with these two the loop over periods costs nothing more for what is common.
_NO_SUMS = frozenset(session_object_pb2.CdrDimensionType.values()) - _HOURS - {_ENERGY}
_ZERO = Decimal(0)
_LARGEST = Decimal(10) ** 12
_PERIODS_MAX = 10_000
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
        periods=_periods(reader, cdr),
        credit=cdr.credit,
        credit_of=reader.optional_id("cdr.credit_reference_id", cdr.credit_reference_id) if cdr.credit else "",
        document=document,
        digest=sha256(document).digest(),
    )


def _check_enums(reader: Reader, cdr: cdr_object_pb2.Cdr) -> None:
    """Refuse what enums do not define; the periods' are looked at with the periods."""
    place = cdr.cdr_location
    if cdr.auth_method not in _AUTH_METHODS:
        reader.unknown("cdr.auth_method", cdr.auth_method)
    if place.connector_format not in _FORMATS or place.connector_power_type not in _POWER_TYPES:
        check_enums(reader, place, "cdr.cdr_location.")
    for position, tariff in enumerate(cdr.tariffs):
        if not _has_known_enums(tariff.SerializeToString()):
            check_enums(reader, tariff, f"cdr.tariffs[{position}].")


@lru_cache(maxsize=512)
def _has_known_enums(tariff: bytes) -> bool:
    """Say whether a tariff is free of unknown enum values; remembered, as one tariff comes with many CDRs."""
    reader = Reader()
    check_enums(reader, tariff_object_pb2.Tariff.FromString(tariff))
    return not reader.violations


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


def _periods(reader: Reader, cdr: cdr_object_pb2.Cdr) -> PeriodSums:
    """Read what the checks ask of the periods; the hot loop of every CDR, so paths are only made for a refusal."""
    starts: list[tuple[int, int]] = []
    energy: list[str] = []
    hours: list[str] = []
    known = True
    for period in cdr.charging_periods:
        stamp = period.start_date_time
        starts.append((stamp.seconds, stamp.nanos))
        for dimension in period.dimensions:
            kind = dimension.type
            if kind == _ENERGY:
                energy.append(dimension.volume.value)
            elif kind in _HOURS:
                hours.append(dimension.volume.value)
            elif kind not in _NO_SUMS:
                known = False
    try:
        sums = reduce(_add, map(Decimal, energy), _ZERO), reduce(_add, map(Decimal, hours), _ZERO)
        known = (
            known and 1 <= len(starts) <= _PERIODS_MAX and min(starts) > (0, 0) and all(map(Decimal.is_finite, sums))
        )
        if known:
            return PeriodSums(
                count=len(starts),
                first_start=time_from_seconds(*min(starts)),
                last_start=time_from_seconds(*max(starts)),
                energy=sums[0],
                time=sums[1],
            )
    except (ArithmeticError, ValueError):
        pass  # told precisely below
    _refuse_periods(reader, cdr)
    return _NO_PERIODS


def _refuse_periods(reader: Reader, cdr: cdr_object_pb2.Cdr) -> None:
    """Say which periods break which rule."""
    if not 1 <= len(cdr.charging_periods) <= _PERIODS_MAX:
        reader.refuse("cdr.charging_periods", f"holds 1 to {_PERIODS_MAX} periods")
        return
    for position, period in enumerate(cdr.charging_periods):
        path = f"cdr.charging_periods[{position}]"
        reader.time(f"{path}.start_date_time", period.start_date_time)
        for place, dimension in enumerate(period.dimensions):
            if dimension.type == _ENERGY or dimension.type in _HOURS:
                reader.decimal(f"{path}.dimensions[{place}].volume", dimension.volume)
            elif dimension.type not in _NO_SUMS:
                reader.unknown(f"{path}.dimensions[{place}].type", dimension.type)


def _tariff_kind(cdr: cdr_object_pb2.Cdr) -> str:
    """Return the type of the tariff applied; what OCPI leaves out counts as REGULAR."""
    if not cdr.tariffs or not cdr.tariffs[0].type:
        return "REGULAR"
    kind = _TARIFF_KINDS.get(cdr.tariffs[0].type, "REGULAR")
    return kind if kind in TARIFF_KINDS else "REGULAR"


_TARIFF_KINDS = {number: name.removeprefix("TARIFF_TYPE_") for name, number in tariff_object_pb2.TariffType.items()}
