"""SessionService."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from roamhub.v1 import session_object_pb2, session_pb2

from hub.app.ports.spine import Committer, Reads
from hub.app.sessions import SessionAddition, append_periods, get_session, put_sessions
from hub.domain.clock import Clock
from hub.domain.errors import Invalid, Stale
from hub.domain.ids import ObjectId
from hub.domain.sessions import ChargingSession, SessionState
from hub.rpc.calls import Call
from hub.rpc.enums import check_enums
from hub.rpc.paging import fitting, read_page
from hub.rpc.token_wire import time_of
from hub.rpc.wire import Reader, time_from_pb

_STATES = {int(state): state for state in SessionState}
_PERIODS_MAX = 10_000
#: What an addition replaces where it says it.
_TOTALS: tuple[Literal["kwh", "total_cost", "end_date_time"], ...] = ("kwh", "total_cost", "end_date_time")
_NEVER = datetime.max.replace(tzinfo=UTC)


class SessionServicer:
    """Implements `roamhub.v1.SessionService`."""

    def __init__(self, *, committer: Committer, reads: Reads, clock: Clock, clock_skew: timedelta) -> None:
        self._committer = committer
        self._reads = reads
        self._clock = clock
        self._clock_skew = clock_skew

    async def PutSession(self, request: session_pb2.PutSessionRequest, call: Call) -> session_pb2.PutSessionResponse:  # noqa: ARG002
        """Create or replace a session."""
        report = session_from_pb(request.session, latest=self._latest())
        changed = await self._committer.run_batched(put_sessions, report)
        return session_pb2.PutSessionResponse(changed=changed)

    async def AppendChargingPeriods(
        self,
        request: session_pb2.AppendChargingPeriodsRequest,
        call: Call,  # noqa: ARG002
    ) -> session_pb2.PutSessionResponse:
        """Append to a session; what is stored is read, extended and written in one transaction."""
        reader = Reader()
        key = ObjectId(
            reader.party("key", request.key.country_code, request.key.party_id), reader.id("key.id", request.key.id, 36)
        )
        latest = self._latest()
        time_of(reader, "last_updated", request.last_updated, latest)
        for position, period in enumerate(request.charging_periods):
            time_of(reader, f"charging_periods[{position}].start_date_time", period.start_date_time, latest)
        if request.HasField("end_date_time"):
            time_of(reader, "end_date_time", request.end_date_time, latest)
        reader.done()
        addition = SessionAddition(id=key, apply=lambda document: _extended(document, request))
        changed = await self._committer.run_batched(append_periods, addition)
        return session_pb2.PutSessionResponse(changed=changed)

    async def GetSession(self, request: session_pb2.GetSessionRequest, call: Call) -> session_object_pb2.Session:
        """Return one session of the caller's."""
        reader = Reader("key")
        party = reader.party("", request.key.country_code, request.key.party_id)
        key = ObjectId(party, reader.id("id", request.key.id, 36))
        reader.done()
        session = await self._reads.run(lambda uow: get_session(uow, call.caller, key))
        return session_object_pb2.Session.FromString(session.document)

    async def ListSessions(
        self, request: session_pb2.ListSessionsRequest, call: Call
    ) -> session_pb2.ListSessionsResponse:
        """List the caller's sessions."""
        page = read_page(request)
        reader = Reader()
        state = reader.one_of("status", request.status, _STATES, SessionState.ACTIVE) if request.status else None
        reader.done()
        cpo, session_id = page.key(int, str) or (0, "")
        parties = frozenset(call.caller.parties)
        found = await self._reads.run(lambda uow: uow.sessions.list(parties, state, (cpo, session_id), page.size + 1))
        shown = fitting(found, page.size, lambda each: len(each[1].document))
        return session_pb2.ListSessionsResponse(
            sessions=[session_object_pb2.Session.FromString(session.document) for _, session in shown],
            next_page_token=page.next_token(*shown[-1][0]) if len(found) > len(shown) else "",
        )

    def _latest(self) -> datetime:
        return self._clock() + self._clock_skew


def session_from_pb(
    session: session_object_pb2.Session, path: str = "session", latest: datetime = _NEVER
) -> ChargingSession:
    """Read a session.

    Args:
        session: The message.
        path: Where it stands in the request.
        latest: Neither report nor end nor period may be later: one from the future would shut out all that follow it.

    Raises:
        Invalid: With every field that breaks a rule.
    """
    reader = Reader(path)
    token = session.cdr_token
    start = reader.time("start_date_time", session.start_date_time)
    end = time_of(reader, "end_date_time", session.end_date_time, latest) if session.HasField("end_date_time") else None
    if end is not None and end < start:
        reader.refuse("end_date_time", "must not be before start_date_time")
    if reader.decimal("kwh", session.kwh) < 0:
        reader.refuse("kwh", "must not be negative")
    if len(session.charging_periods) > _PERIODS_MAX:
        reader.refuse("charging_periods", f"must have at most {_PERIODS_MAX} periods")
    previous = None
    for position, period in enumerate(session.charging_periods):
        started = time_of(reader, f"charging_periods[{position}].start_date_time", period.start_date_time, latest)
        if previous is not None and started < previous:
            reader.refuse(f"charging_periods[{position}].start_date_time", "must not be before the period ahead of it")
        previous = started
    for name in ("location_id", "evse_uid", "connector_id"):
        reader.id(name, getattr(session, name), 36)
    state = reader.one_of("status", session.status, _STATES, SessionState.ACTIVE)
    updated = time_of(reader, "last_updated", session.last_updated, latest)
    read = ChargingSession(
        id=ObjectId(reader.party("", session.country_code, session.party_id), reader.id("id", session.id, 36)),
        emsp=reader.party("cdr_token", token.country_code, token.party_id),
        token_uid=reader.id("cdr_token.uid", token.uid, 36),
        state=state,
        start_time=start,
        last_updated=updated,
        document=reader.document(session.SerializeToString(deterministic=True)),
        # One that is over and does not say since when was over when it was reported.
        end_time=(end or updated) if state is SessionState.COMPLETED else None,
        authorization_reference=reader.optional_id("authorization_reference", session.authorization_reference, 36),
    )
    reader.extensions("extensions", session.extensions)
    check_enums(reader, session)
    reader.done()
    return read


def _extended(document: bytes, addition: session_pb2.AppendChargingPeriodsRequest) -> ChargingSession:
    """Return the stored session with the addition; runs inside the committer's transaction."""
    session = session_object_pb2.Session.FromString(document)
    update_time = time_from_pb(addition.last_updated)
    if update_time <= time_from_pb(session.last_updated):
        if _says_it_already(session, addition):
            return session_from_pb(session)
        raise Stale("OUT_OF_DATE", "last_updated: the hub holds this report or a later one", field="last_updated")
    known = len(session.charging_periods)
    session.charging_periods.extend(addition.charging_periods)
    session.last_updated.CopyFrom(addition.last_updated)
    for name in _TOTALS:
        if addition.HasField(name):
            getattr(session, name).CopyFrom(getattr(addition, name))
    if addition.status:
        session.status = addition.status
    try:
        return session_from_pb(session)
    except Invalid as error:
        told = [replace(violation, field=_of_addition(violation.field, known)) for violation in error.violations]
        raise Invalid(told) from None


def _of_addition(field: str, known: int) -> str:
    """Return a path in a session as one in the addition that it was made with, after so many known periods."""
    path = field.removeprefix("session.")
    return re.sub(r"^charging_periods\[(\d+)\]", lambda found: f"charging_periods[{int(found[1]) - known}]", path)


def _says_it_already(session: session_object_pb2.Session, addition: session_pb2.AppendChargingPeriodsRequest) -> bool:
    """Say whether an addition is no news: sent again, or overtaken by an update that came with the same periods.

    Appending its periods twice would double the energy. One without periods is no news only when all it says holds.
    """
    if addition.charging_periods:
        known = {period.start_date_time.ToMicroseconds() for period in session.charging_periods}
        return all(period.start_date_time.ToMicroseconds() in known for period in addition.charging_periods)
    said = (name for name in _TOTALS if addition.HasField(name))
    return addition.status in (0, session.status) and all(getattr(session, n) == getattr(addition, n) for n in said)
