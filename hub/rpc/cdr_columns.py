"""Many CDR messages to the facts the hub reasons about, column by column.

Nearly all CDRs break no rule. So every rule is asked of a column of all of them, by functions that run in C, and the
facts are made of the columns: two thirds of the work of reading one after the other. What a rule may be broken by is
not told here; those messages are read one by one, which names field and rule, or finds that all is well after all.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import accumulate, chain, pairwise, repeat
from operator import gt
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1 import cdr_object_pb2, cdr_pb2, session_object_pb2

from hub.app.cdrs.submit import SKEW_MAX, CdrSubmission
from hub.domain.cdrs.periods import PeriodSums, ReportedPeriods
from hub.domain.cdrs.record import Cdr
from hub.domain.errors import HubError
from hub.domain.ids import ObjectId, read_party
from hub.rpc.cdr_parts import PLAIN_AMOUNT, read_costs, read_reported, read_tariffs, tariffs_named
from hub.rpc.cdr_wire import AUTH_METHODS, CONNECTOR_FORMATS, POWER_TYPES, submission_from_pb
from hub.rpc.period_wire import PERIODS_MAX, PLAIN_VOLUMES
from hub.rpc.wire import DOCUMENT_BYTES_MAX, LATEST, UUID, Reader, is_country, is_currency

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The least of the lengths that ids of a CDR may have, so that one look tells of all of them.
_ID_MAX = 36
_ENERGY, _TIME = session_object_pb2.CDR_DIMENSION_TYPE_ENERGY, session_object_pb2.CDR_DIMENSION_TYPE_TIME
#: From so many on, columns take less time than reading one by one.
_MANY = 6


class Unread(NamedTuple):
    """A submission as it came, the platform of its caller, and how far that one's clock may be ahead."""

    request: cdr_pb2.SubmitCdrRequest | cdr_pb2.StreamCdrsRequest
    platform: str
    skew_max: timedelta = SKEW_MAX


class _UnusualError(Exception):
    """Not all messages keep all rules in their plainest form."""


def read_submissions(unread: Sequence[Unread]) -> list[CdrSubmission | HubError]:
    """Read submissions; each is answered with what it says, or with the Invalid that refuses it."""
    usual = [place for place, each in enumerate(unread) if _is_usual(each.request)]
    read: list[CdrSubmission | None] = [None] * len(unread)
    if len(usual) >= _MANY:
        for place, submission in zip(usual, _together([unread[place] for place in usual]), strict=False):
            read[place] = submission
    return [submission or _alone(each) for submission, each in zip(read, unread, strict=True)]


def _alone(unread: Unread) -> CdrSubmission | HubError:
    try:
        return submission_from_pb(*unread)
    except HubError as refusal:
        return refusal


def _is_usual(request: cdr_pb2.SubmitCdrRequest | cdr_pb2.StreamCdrsRequest) -> bool:
    """Say whether a submission is of a charge, and of nothing that only some charges come with."""
    cdr = request.cdr
    return not (cdr.credit or cdr.extensions or request.replaces or cdr.HasField("signed_data"))


def _together(unread: Sequence[Unread]) -> list[CdrSubmission]:
    """Return what usual submissions say; nothing when one of them may break a rule."""
    request_ids = [each.request.request_id for each in unread]
    try:
        _require(all(map(UUID.fullmatch, request_ids)))
        cdrs = _cdrs([each.request.cdr for each in unread])
    except (_UnusualError, ArithmeticError, ValueError):
        return []
    return [
        CdrSubmission(each.platform, request_id.lower(), cdr, each.skew_max)
        for each, request_id, cdr in zip(unread, request_ids, cdrs, strict=True)
    ]


def _require(kept: bool) -> None:
    if not kept:
        raise _UnusualError


def _cdrs(cdrs: Sequence[cdr_object_pb2.Cdr]) -> list[Cdr]:
    """Return the facts of usual CDRs.

    Raises:
        ArithmeticError, ValueError, _UnusualError: One of them may break a rule.
    """
    # Whatever is asked of a message is made anew: asked once.
    tokens, places = [cdr.cdr_token for cdr in cdrs], [cdr.cdr_location for cdr in cdrs]
    documents = [cdr.SerializeToString(deterministic=True) for cdr in cdrs]
    _require(max(map(len, documents)) <= DOCUMENT_BYTES_MAX)
    starts, ends = _instants([cdr.start_date_time for cdr in cdrs]), _instants([cdr.end_date_time for cdr in cdrs])
    _require(not any(map(gt, starts, ends)))
    _instants([cdr.last_updated for cdr in cdrs])  # a rule asked, and no fact
    _volumes([cdr.total_parking_time.value for cdr in cdrs if cdr.HasField("total_parking_time")])
    _check_enums(cdrs, places)
    currencies, countries = [cdr.currency for cdr in cdrs], [place.country for place in places]
    _require(all(map(is_currency, set(currencies))) and all(map(is_country, set(countries))))
    prices = [cdr.total_cost for cdr in cdrs]
    totals = _amounts([price.before_taxes.value for price in prices])
    reader = Reader()
    tariffs = [read_tariffs(reader, cdr) for cdr in cdrs]
    costs = [tuple(read_costs(reader, *each)) for each in zip(cdrs, prices, totals, strict=True)]
    sums, reported = _reported(cdrs)
    _require(not reader.violations)
    ids = _ids(cdrs, tokens, places)
    cpos = map(read_party, [cdr.country_code for cdr in cdrs], [cdr.party_id for cdr in cdrs])
    emsps = map(read_party, [token.country_code for token in tokens], [token.party_id for token in tokens])
    columns: dict[str, Iterable[object]] = {
        **ids,
        "id": map(ObjectId, cpos, ids["id"]),
        "emsp": emsps,
        "country": countries,
        "tariff_kind": [kind for _, kind in tariffs],
        "start_time": starts,
        "end_time": ends,
        "currency": currencies,
        "total_cost": totals,
        "total_energy": _volumes([cdr.total_energy.value for cdr in cdrs]),
        "total_time": _volumes([cdr.total_time.value for cdr in cdrs]),
        "periods": sums,
        "credit": repeat(False),
        "credit_of": repeat(""),
        "document": documents,
        "digest": [sha256(document).digest() for document in documents],
        "meter": repeat(None),
        "tariffs": [given for given, _ in tariffs],
        "tariff_ids": [tariffs_named(given, each) for (given, _), each in zip(tariffs, reported, strict=True)],
        "reported": reported,
        "costs": costs,
    }
    # Not strict, as what is the same for all of them has no end.
    return list(map(Cdr._make, zip(*[columns[name] for name in Cdr._fields], strict=False)))


def _ids(
    cdrs: Sequence[cdr_object_pb2.Cdr],
    tokens: Sequence[session_object_pb2.CdrToken],
    places: Sequence[cdr_object_pb2.CdrLocation],
) -> dict[str, list[str]]:
    """Return the columns of ids, those that are required and those that are not."""
    required = {
        "id": [cdr.id for cdr in cdrs],
        "token_uid": [token.uid for token in tokens],
        "contract_id": [token.contract_id for token in tokens],
        "location_id": [place.id for place in places],
        "evse_uid": [place.evse_uid for place in places],
        "connector_id": [place.connector_id for place in places],
    }
    optional = {
        "token_type": [token.type for token in tokens],
        "session_id": [cdr.session_id for cdr in cdrs],
        "authorization_reference": [cdr.authorization_reference for cdr in cdrs],
    }
    columns = required | optional
    _require(all(map(all, required.values())))
    texts = list(chain.from_iterable(columns.values()))
    _require(max(map(len, texts)) <= _ID_MAX and "".join(texts).isprintable())
    return columns


def _check_enums(cdrs: Sequence[cdr_object_pb2.Cdr], places: Sequence[cdr_object_pb2.CdrLocation]) -> None:
    _require(
        AUTH_METHODS.issuperset([cdr.auth_method for cdr in cdrs])
        and CONNECTOR_FORMATS.issuperset([place.connector_format for place in places])
        and POWER_TYPES.issuperset([place.connector_power_type for place in places])
    )


def _amounts(texts: Sequence[str]) -> list[Decimal]:
    _require(all(map(PLAIN_AMOUNT.fullmatch, texts)))
    return list(map(Decimal, texts))


def _volumes(texts: Sequence[str]) -> list[Decimal]:
    _require("-" not in "".join(texts))
    return _amounts(texts)


def _micros(stamps: Sequence[Timestamp]) -> list[int]:
    """Return microseconds since 1970; before that lies no fact of ours."""
    seconds, nanos = [stamp.seconds for stamp in stamps], [stamp.nanos for stamp in stamps]
    _require(min(seconds) > 0 and max(seconds) <= LATEST)
    if not any(nanos):
        return [second * 1_000_000 for second in seconds]
    _require(min(nanos) >= 0 and max(nanos) < 1_000_000_000)
    return [second * 1_000_000 + nano // 1000 for second, nano in zip(seconds, nanos, strict=True)]


def _instants(stamps: Sequence[Timestamp]) -> list[datetime]:
    return [_EPOCH + timedelta(0, 0, micros) for micros in _micros(stamps)]


def _reported(cdrs: Sequence[cdr_object_pb2.Cdr]) -> tuple[list[PeriodSums], list[ReportedPeriods]]:
    """Return the charging periods of each CDR, and what the checks ask of all of them together."""
    lists = [cdr.charging_periods[:] for cdr in cdrs]
    numbers = list(map(len, lists))
    _require(min(numbers) >= 1 and max(numbers) <= PERIODS_MAX)
    periods = list(chain.from_iterable(lists))
    dimensions = [period.dimensions[:] for period in periods]
    # A CPO's periods report the same dimensions in the same order, as one program wrote them.
    shape = [dimension.type for dimension in dimensions[0]]
    flat = list(chain.from_iterable(dimensions))
    alike = set(map(len, dimensions)) == {len(shape)} and [each.type for each in flat] == shape * len(periods)
    if not alike or len(set(shape)) < len(shape) or not {_ENERGY, _TIME}.issuperset(shape):
        reader = Reader()
        both = [read_reported(reader, cdr) for cdr in cdrs]
        _require(not reader.violations)
        return [sums for sums, _ in both], [reported for _, reported in both]
    texts = [each.volume.value for each in flat]
    _require(PLAIN_VOLUMES.fullmatch(" ".join(texts)) is not None)
    volumes = list(map(Decimal, texts))
    nothing = [None] * len(periods)
    columns = (
        _micros([period.start_date_time for period in periods]),
        volumes[shape.index(_ENERGY) :: len(shape)] if _ENERGY in shape else nothing,
        volumes[shape.index(_TIME) :: len(shape)] if _TIME in shape else nothing,
        nothing,
        [period.tariff_id for period in periods],
    )
    reported = [
        ReportedPeriods._make([tuple(column[first:last]) for column in columns])
        for first, last in pairwise(accumulate(numbers, initial=0))
    ]
    return [each.sums() for each in reported], reported
