"""Which CDRs a caller lists: a partner those of its parties, an operator anybody's."""

from roamhub.v1 import cdr_pb2

from hub.app.ports.cdrs import CdrFilter, ReturnsFilter
from hub.domain.cdrs.record import CdrState
from hub.domain.cdrs.standing import WAITING
from hub.domain.ids import PartyId
from hub.rpc.calls import Call
from hub.rpc.policy import require_party
from hub.rpc.wire import Reader

#: What a list can be narrowed to: what statements say is not stored with CDRs.
_STATES: dict[int, CdrState] = {
    int(state): state for state in CdrState if state not in {CdrState.STATED, CdrState.SETTLED}
}


def list_from_pb(request: cdr_pb2.ListCdrsRequest, call: Call) -> CdrFilter:
    """Read which CDRs to list; raises Invalid, and Denied for a party that is not the partner's."""
    reader = Reader()
    parties, counterparty, state = _parties(reader, request, call), None, None
    if request.HasField("counterparty"):
        counterparty = reader.party("counterparty", request.counterparty.country_code, request.counterparty.party_id)
        if not request.HasField("party"):
            reader.refuse("counterparty", "may be given with party only")
    if request.state in {cdr_pb2.CDR_STATE_STATED, cdr_pb2.CDR_STATE_SETTLED}:
        reader.refuse("state", "follows from statements: list ACCEPTED, or the statement")
    elif request.state:
        state = reader.one_of("state", request.state, _STATES, CdrState.ACCEPTED)
    wanted = CdrFilter(
        parties=parties,
        counterparty=counterparty,
        state=state,
        end_time_from=reader.optional_time("end_time_from", request),
        end_time_before=reader.optional_time("end_time_before", request),
    )
    reader.done()
    return wanted


def returns_from_pb(request: cdr_pb2.ListReturnsRequest, call: Call) -> ReturnsFilter:
    """Read which waiting CDRs to list; raises Invalid, and Denied for a party that is not the partner's."""
    reader = Reader()
    parties = _parties(reader, request, call)
    state = CdrState(request.state) if request.state in {int(each) for each in WAITING} else None
    if state is None and request.state:
        reader.refuse("state", "must be RETURNED or QUARANTINED")
    wanted = ReturnsFilter(
        parties=parties,
        state=state,
        acting=request.own_turn,
        deadline_before=reader.optional_time("deadline_before", request),
    )
    reader.done()
    return wanted


def _parties(
    reader: Reader, request: cdr_pb2.ListCdrsRequest | cdr_pb2.ListReturnsRequest, call: Call
) -> frozenset[PartyId] | None:
    """Return whose CDRs to list; None for everybody's, which operators alone may."""
    if not request.HasField("party"):
        return None if call.caller.operator else frozenset(call.caller.parties)
    named = request.party.country_code, request.party.party_id
    return frozenset({reader.party("party", *named) if call.caller.operator else require_party(call.caller, *named)})
