"""What the store itself reads in a CDR's message, of CDRs that were recorded before."""

from decimal import Decimal

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1 import cdr_object_pb2

from hub.domain.cdrs.spans import Span, span_of
from hub.domain.ids import read_party


def read_span(document: bytes) -> Span | None:
    """Return the span of a charge by its message; None when it can be none that the hub takes in today."""
    try:
        return _read(cdr_object_pb2.Cdr.FromString(document))
    except (DecodeError, ValueError, ArithmeticError):
        return None


def _read(cdr: cdr_object_pb2.Cdr) -> Span:
    token, place = cdr.cdr_token, cdr.cdr_location
    return span_of(
        read_party(cdr.country_code, cdr.party_id),
        read_party(token.country_code, token.party_id),
        token_uid=token.uid,
        evse=f"{place.id}\0{place.evse_uid}",
        session_id=cdr.session_id,
        energy=Decimal(cdr.total_energy.value or 0),
        start=_micros(cdr.start_date_time),
        end=_micros(cdr.end_date_time),
    )


def read_after_taxes(document: bytes) -> Decimal | None:
    """Return the total cost after taxes that a CDR's message states, or None."""
    try:
        stated = cdr_object_pb2.Cdr.FromString(document).total_cost.after_taxes.value
        return Decimal(stated) if stated else None
    except (DecodeError, ArithmeticError):
        return None


def _micros(stamp: Timestamp) -> int:
    return stamp.seconds * 1_000_000 + stamp.nanos // 1_000
