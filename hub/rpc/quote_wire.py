"""Plans of charging, and sessions under way, to what is priced."""

from datetime import datetime, timedelta
from decimal import Decimal

from google.protobuf.duration_pb2 import Duration
from roamhub.v1 import session_object_pb2, tariff_pb2

from hub.app.quotes import ConnectorTerms, Continuation, QuoteRequest, Reported
from hub.domain.errors import NotFound, Precondition
from hub.domain.ids import fold
from hub.domain.locations import ConnectorKey, EvseKey, LocationRecord
from hub.domain.money import parse_decimal
from hub.domain.rating import RatablePeriod
from hub.domain.sessions import ChargingSession
from hub.rpc.listing import ID_MAX, read_key
from hub.rpc.location_wire import record_to_pb
from hub.rpc.period_wire import folded_tariff_ids, read_periods
from hub.rpc.wire import Reader, time_from_pb

_SPAN_SECONDS_MAX = 31 * 86_400
_HOUR = Decimal(3600)
_FOUR = Decimal("0.0001")


def read_quote(request: tariff_pb2.QuoteSessionRequest) -> QuoteRequest:
    """Read a plan; raises Invalid."""
    reader = Reader()
    evse, connector = request.evse_uid, request.connector_id
    wanted = QuoteRequest(
        location=read_key(reader, "location", request.location),
        terms=lambda record: _terms(record, evse, connector),
        tariff_id=reader.id("tariff_id", request.tariff_id, ID_MAX) if request.tariff_id else None,
        start=reader.time("start_time", request.start_time),
        energy_kwh=reader.decimal("energy_kwh", request.energy_kwh),
        power_kw=reader.decimal("power_kw", request.power_kw) if request.HasField("power_kw") else None,
        duration=_span(reader, "duration", request.duration) if request.HasField("duration") else None,
        parking=_span(reader, "parking", request.parking),
    )
    reader.id("evse_uid", evse, ID_MAX)
    reader.id("connector_id", connector, ID_MAX)
    reader.done()
    return wanted


def _span(reader: Reader, field: str, span: Duration) -> timedelta:
    if not 0 <= span.seconds <= _SPAN_SECONDS_MAX or not 0 <= span.nanos < 1_000_000_000:
        reader.refuse(field, "must be from 0 to 31 days")
        return timedelta(0)
    return timedelta(seconds=span.seconds)


def _terms(record: LocationRecord, evse_uid: str, connector_id: str) -> ConnectorTerms:
    """Return what a location says about one of its connectors; raises NotFound."""
    location = record_to_pb(record)
    evse = next((each for each in location.evses if fold(each.uid) == fold(evse_uid)), None)
    if evse is None:
        raise NotFound("EVSE_NOT_FOUND", "the location has no such EVSE")
    connector = next((each for each in evse.connectors if fold(each.id) == fold(connector_id)), None)
    if connector is None:
        raise NotFound("CONNECTOR_NOT_FOUND", "the EVSE has no such connector")
    return ConnectorTerms(time_zone=location.time_zone, tariff_ids=list(connector.tariff_ids))


def read_continuation(request: tariff_pb2.QuoteSessionRequest) -> Continuation:
    """Read how a session goes on; raises Invalid."""
    reader = Reader()
    for field in ("location", "start_time"):
        if request.HasField(field):
            reader.refuse(field, "must be absent: the session has its own")
    for field in ("evse_uid", "connector_id", "tariff_id"):
        if getattr(request, field):
            reader.refuse(field, "must be absent: the session has its own")
    wanted = Continuation(
        session=read_key(reader, "session", request.session),
        energy_kwh=reader.decimal("energy_kwh", request.energy_kwh, required=False),
        power_kw=reader.decimal("power_kw", request.power_kw) if request.HasField("power_kw") else None,
        duration=_span(reader, "duration", request.duration) if request.HasField("duration") else None,
        parking=_span(reader, "parking", request.parking),
    )
    reader.done()
    return wanted


def reported_from_pb(session: ChargingSession) -> Reported:
    """Return what was last reported of a session, as it is priced; raises Precondition where that cannot be."""
    message = session_object_pb2.Session.FromString(session.document)
    reported = read_periods(message.charging_periods)
    if reported is None:
        raise Precondition("SESSION_UNREADABLE", "the charging periods of the session hold what cannot be read")
    periods = reported.ratable()
    end = time_from_pb(message.end_date_time) if message.HasField("end_date_time") else session.last_updated
    end = max([end, session.start_time, *(period.start for period in periods)])
    assumed = not periods
    if assumed:
        periods = (_whole(session.start_time, end, parse_decimal(message.kwh.value)),)
    return Reported(
        connector=ConnectorKey(
            EvseKey(session.id.party, fold(message.location_id), fold(message.evse_uid)), fold(message.connector_id)
        ),
        currency=message.currency,
        start_time=session.start_time,
        end_time=end,
        periods=periods,
        periods_assumed=assumed,
        tariff_ids=folded_tariff_ids(reported.tariff_ids),
    )


def _whole(start: datetime, end: datetime, kwh: Decimal) -> RatablePeriod:
    """Return a session's totals as its only period; all its time counts as charging."""
    seconds = Decimal((end - start) // timedelta(seconds=1))
    return RatablePeriod(start=start, energy_kwh=kwh, time_hours=(seconds / _HOUR).quantize(_FOUR))
