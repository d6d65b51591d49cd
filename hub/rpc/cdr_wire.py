"""A CDR message to the facts the hub reasons about, with every field that breaks a rule."""

from datetime import timedelta
from hashlib import sha256

from roamhub.v1 import cdr_object_pb2, cdr_pb2, location_object_pb2, session_object_pb2

from hub.app.cdrs.submit import SKEW_MAX, CdrSubmission
from hub.domain.cdrs.record import Cdr
from hub.domain.ids import ObjectId, fold
from hub.rpc.cdr_parts import ZERO, read_amount, read_costs, read_reported, read_tariffs, tariffs_named
from hub.rpc.enums import check_enums
from hub.rpc.meter_wire import signed_from_pb
from hub.rpc.wire import DOCUMENT_BYTES_MAX, Reader, is_country, is_currency


def submission_from_pb(
    request: cdr_pb2.SubmitCdrRequest | cdr_pb2.StreamCdrsRequest, platform: str, skew_max: timedelta = SKEW_MAX
) -> CdrSubmission:
    """Read one submission of a platform whose clock may be ahead by `skew_max`.

    Raises:
        Invalid: With every field that breaks a rule.
    """
    reader = Reader()
    request_id = reader.request_id(request.request_id)
    cdr = _read(reader, request.cdr)
    replaces = request.replaces
    if replaces and fold(reader.id("replaces", replaces)) == cdr.id.folded:
        reader.refuse("replaces", "must name another CDR than this one")
    reader.done()
    if len(cdr.document) > DOCUMENT_BYTES_MAX:
        reader.refuse("cdr", f"must take at most {DOCUMENT_BYTES_MAX} bytes")
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
        read_amount(reader, "cdr.total_parking_time", cdr.total_parking_time, least=ZERO)
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
    if not is_currency(currency):
        reader.refuse("cdr.currency", "must be an ISO 4217 code of three capital letters")
    if not is_country(country):
        reader.refuse("cdr.cdr_location.country", "must be an ISO 3166-1 alpha-3 code in capital letters")
    sums, reported = read_reported(reader, cdr)
    tariffs, kind = read_tariffs(reader, cdr)
    ids = token.uid, token.contract_id, place.id, place.evse_uid, place.connector_id
    reader.ids(_IDS, ids, 36)
    token_uid, contract_id, location_id, evse_uid, connector_id = ids
    price = cdr.total_cost
    total_cost = read_amount(reader, "cdr.total_cost.before_taxes", price.before_taxes)
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
        total_energy=read_amount(reader, "cdr.total_energy", cdr.total_energy, least=ZERO),
        total_time=read_amount(reader, "cdr.total_time", cdr.total_time, least=ZERO),
        periods=sums,
        credit=credit,
        credit_of=credit_of,
        document=document,
        digest=sha256(document).digest(),
        tariffs=tariffs,
        tariff_ids=tariffs_named(tariffs, reported),
        reported=reported,
        costs=tuple(read_costs(reader, cdr, price, total_cost)),
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
    if cdr.auth_method not in AUTH_METHODS:
        reader.unknown("cdr.auth_method", cdr.auth_method)
    if place.connector_format not in CONNECTOR_FORMATS or place.connector_power_type not in POWER_TYPES:
        check_enums(reader, place, "cdr.cdr_location.")


AUTH_METHODS = frozenset(session_object_pb2.AuthMethod.values())
CONNECTOR_FORMATS = frozenset(location_object_pb2.ConnectorFormat.values())
POWER_TYPES = frozenset(location_object_pb2.PowerType.values())
