"""What is asked about CDRs that were not accepted at once."""

from roamhub.v1 import cdr_pb2

from hub.app.cdrs.standings import Decision, Review, Withdrawal
from hub.domain.cdrs.record import CdrRecord
from hub.domain.ids import ObjectId
from hub.rpc.agreement_messages import note_from_pb
from hub.rpc.wire import Reader, micros_of

_DECISIONS: dict[int, Decision] = {
    cdr_pb2.CDR_DECISION_ACCEPT: Decision.ACCEPT,
    cdr_pb2.CDR_DECISION_RETURN: Decision.RETURN,
}


def key_from_pb(reader: Reader, request: cdr_pb2.ReviewCdrRequest | cdr_pb2.WithdrawCdrRequest) -> ObjectId:
    """Read the key of a CDR."""
    party = reader.party("key", request.key.country_code, request.key.party_id)
    return ObjectId(party, reader.id("key.id", request.key.id))


def review_from_pb(request: cdr_pb2.ReviewCdrRequest, platform: str) -> Review:
    """Read a decision; raises Invalid."""
    reader = Reader()
    review = Review(
        platform=platform,
        request_id=reader.request_id(request.request_id),
        cdr=key_from_pb(reader, request),
        emsp=reader.party("emsp", request.emsp.country_code, request.emsp.party_id),
        decision=reader.one_of("decision", request.decision, _DECISIONS, Decision.RETURN),
        note=note_from_pb(request.note),
    )
    reader.done()
    return review


def withdrawal_from_pb(request: cdr_pb2.WithdrawCdrRequest, platform: str) -> Withdrawal:
    """Read a withdrawal; raises Invalid."""
    reader = Reader()
    withdrawal = Withdrawal(
        platform=platform,
        request_id=reader.request_id(request.request_id),
        cdr=key_from_pb(reader, request),
        note=note_from_pb(request.note),
    )
    reader.done()
    return withdrawal


def place_of(record: CdrRecord) -> tuple[int, int]:
    """Return where a record stands in the queue: its deadline in microseconds, and the index of what happened last."""
    assert record.answer.deadline is not None, "it waits for somebody"
    return micros_of(record.answer.deadline), record.last_index
