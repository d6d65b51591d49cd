"""The quality of what a party reports, on the wire."""

from fractions import Fraction
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import party_pb2 as pb

from hub.app.quality import DAYS, PartyQuality
from hub.domain.ids import PartyId
from hub.domain.quality import Component, components, scarce, score, to_text
from hub.rpc.party_wire import party_from_name
from hub.rpc.wire import Reader, party_to_pb, time_to_pb

_DAYS_MAX = 366


def read_quality_request(request: pb.GetPartyQualityRequest) -> tuple[PartyId, PartyId | None, int]:
    """Return the party, the counterparty and the number of days.

    Raises:
        Invalid: A field breaks a rule.
    """
    party = party_from_name(request.name)
    reader, counterparty = Reader(), None
    if request.HasField("counterparty"):
        given = request.counterparty
        counterparty = reader.party("counterparty", given.country_code, given.party_id)
    if not 0 <= request.days <= _DAYS_MAX:
        reader.refuse("days", f"must be from 1 to {_DAYS_MAX}, or 0 for {DAYS}")
    reader.done()
    return party, counterparty, request.days or DAYS


def quality_to_pb(found: PartyQuality) -> pb.PartyQuality:
    """Return the message of figures, with the score that they make."""
    figures = found.figures
    parts = components(figures)
    total = score(parts)
    made = pb.PartyQuality(
        name=found.party.name,
        counterparty=party_to_pb(found.counterparty),
        start_time=time_to_pb(found.start),
        end_time=time_to_pb(found.end),
        score=None if total is None else _decimal(total, 1),
        scarce=scarce(figures),
        components=[_component(part) for part in parts],
        charge_count=figures.charges,
        accepted_at_once_count=figures.accepted_at_once,
        warned_count=figures.warned,
        accepted_later_count=figures.accepted_later,
        returned_count=figures.returned,
        quarantined_count=figures.quarantined,
        resubmitted_count=figures.resubmitted,
        withdrawn_count=figures.withdrawn,
        credit_count=figures.credits,
        lateness_median=_minutes(figures.lateness_at(50)),
        lateness_p90=_minutes(figures.lateness_at(90)),
        session_count=figures.sessions,
        session_without_cdr_count=figures.sessions_open,
        cdr_without_session_count=figures.cdrs_open,
        authorization_without_session_count=figures.authorizations_open,
        relayed_count=figures.asked,
        answered_count=figures.answered,
    )
    for check in figures.checks:
        made.checks.add(code=check.code, warning_count=check.warnings, error_count=check.errors)
    return made


def _component(part: Component) -> pb.PartyQuality.Component:
    kind: Any = int(part.kind)
    return pb.PartyQuality.Component(
        kind=kind,
        points=_decimal(part.points, 2),
        weight=part.weight,
        good=_decimal(part.good, 0 if part.good.denominator == 1 else 1),
        total=part.total,
    )


def _decimal(value: Fraction, decimals: int) -> PbDecimal:
    return PbDecimal(value=to_text(value, decimals))


def _minutes(minutes: int | None) -> Duration | None:
    return None if minutes is None else Duration(seconds=60 * minutes)
