"""CDRs that were not accepted at once: what waits for whom, and what each side does about it."""

import uuid
from collections.abc import AsyncIterator
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1.cdr_pb2 import (
    CdrDecision,
    CdrRecord,
    CdrState,
    ListReturnsRequest,
    ReviewCdrRequest,
    WithdrawCdrRequest,
)
from roamhub.v1.cdr_pb2_grpc import CdrServiceStub
from roamhub.v1.common_pb2 import ObjectKey, PartyKey

from adapters.partner.cdrs import until_answered
from adapters.partner.connection import Connection
from adapters.partner.retry import Backoff


class Returns:
    """The queue of returned and quarantined CDRs, and the two decisions about them."""

    def __init__(self, connection: Connection, backoff: Backoff | None = None) -> None:
        self._connection = connection
        self._backoff = backoff or Backoff()

    async def waiting(
        self,
        *,
        party: PartyKey | None = None,
        state: CdrState.ValueType | None = None,
        own_turn: bool = True,
        deadline_before: datetime | None = None,
    ) -> AsyncIterator[CdrRecord]:
        """Yield the CDRs that wait for somebody, the earliest deadline first.

        Args:
            party: Only those of this party; None: of all that this platform operates.
            state: CDR_STATE_RETURNED or CDR_STATE_QUARANTINED; None: both.
            own_turn: Only those on which this side has to act: a CPO on what was returned, an eMSP on what is
                quarantined.
            deadline_before: Only those with an earlier deadline.

        Raises:
            RoamhubError: The hub refused.
        """
        request = ListReturnsRequest(party=party, own_turn=own_turn)
        if state is not None:
            request.state = state
        if deadline_before is not None:
            request.deadline_before.CopyFrom(_stamp(deadline_before))
        while True:
            page = await self._connection.call(self._connection.stub(CdrServiceStub).ListReturns, request)
            for record in page.cdrs:
                yield record
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def review(self, cdr: CdrRecord, decision: CdrDecision.ValueType, *, note: str = "") -> CdrRecord:
        """Decide, as the eMSP that would pay, on a quarantined CDR; asked until the hub has answered.

        Args:
            cdr: The CDR, as `waiting` or `partner.journal.cdrs` gave it.
            decision: CDR_DECISION_ACCEPT or CDR_DECISION_RETURN.
            note: Why, for people; both sides read it.

        Returns:
            The CDR as it stands then.

        Raises:
            Precondition: `CDR_STATE`, it has been decided on or withdrawn; `REVIEW_DEADLINE_PASSED`.
            RoamhubError: The hub refused.
        """
        request = ReviewCdrRequest(
            request_id=str(uuid.uuid4()), key=_key(cdr), emsp=cdr.emsp, decision=decision, note=note
        )
        return await until_answered(
            self._backoff,
            lambda: self._connection.call(self._connection.stub(CdrServiceStub).ReviewCdr, request),
        )

    async def withdraw(self, cdr: CdrRecord, *, note: str = "") -> CdrRecord:
        """Take back, as its CPO, a returned or quarantined CDR; asked until the hub has answered.

        Raises:
            Precondition: `CDR_STATE`, it is in another state.
            RoamhubError: The hub refused.
        """
        request = WithdrawCdrRequest(request_id=str(uuid.uuid4()), key=_key(cdr), note=note)
        return await until_answered(
            self._backoff,
            lambda: self._connection.call(self._connection.stub(CdrServiceStub).WithdrawCdr, request),
        )


def _key(record: CdrRecord) -> ObjectKey:
    cdr = record.cdr
    return ObjectKey(country_code=cdr.country_code, party_id=cdr.party_id, id=cdr.id)


def _stamp(instant: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(instant)
    return made
