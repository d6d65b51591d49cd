"""CdrService."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import partial

from roamhub.v1 import cdr_pb2, common_pb2

from hub.app.cdrs import standings
from hub.app.cdrs.explain import Readers, explain_cdr
from hub.app.cdrs.reading import read_cdr
from hub.app.cdrs.submit import SKEW_MAX, CdrSubmission, submit_cdrs
from hub.app.cdrs.tariffs import TariffReader
from hub.app.ports.spine import Committer, Reads
from hub.domain.cdrs.record import CdrAnswer, CdrRecord
from hub.domain.errors import HubError
from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import Stream
from hub.rpc.calls import Call
from hub.rpc.cdr_answers import answer_to_pb, record_to_pb
from hub.rpc.cdr_columns import Unread, read_submissions
from hub.rpc.cdr_explained import explanation_to_pb
from hub.rpc.cdr_lists import list_from_pb, returns_from_pb
from hub.rpc.cdr_returns import place_of, review_from_pb, withdrawal_from_pb
from hub.rpc.cdr_wire import cdr_from_document, submission_from_pb
from hub.rpc.chunks import chunks
from hub.rpc.journal import require_index
from hub.rpc.meter_evidence import MeterExaminer
from hub.rpc.paging import fitting, read_page
from hub.rpc.policy import CPO, require_party
from hub.rpc.status import to_item_error
from hub.rpc.tail import JournalTail
from hub.rpc.tariff_wire import read_tariff
from hub.rpc.wire import Reader

BATCH_MAX = 1_000
#: CDRs of one stream that are handed to the committer together, at most.
_CHUNK = 256
_PAGE = 200
_PROGRESS_SECONDS = 15.0
_REST_SECONDS = 0.01

#: One object, as the committer runs what waits for the same use case together.
submit = partial(submit_cdrs, reader=TariffReader(read_tariff))
_READERS = Readers(cdr=cdr_from_document, tariff=read_tariff)


class CdrServicer:
    """Implements `roamhub.v1.CdrService`."""

    def __init__(
        self,
        *,
        committer: Committer,
        reads: Reads,
        tail: JournalTail,
        meters: MeterExaminer,
        clock_skew: timedelta = SKEW_MAX,
    ) -> None:
        self._clock_skew = clock_skew
        self._committer = committer
        self._meters = meters
        self._reads = reads
        self._tail = tail

    async def SubmitCdr(self, request: cdr_pb2.SubmitCdrRequest, call: Call) -> cdr_pb2.SubmitCdrResponse:
        """Submit one CDR."""
        unread = self._unread(request, call)
        if not request.cdr.HasField("signed_data"):
            return answer_to_pb(await self._committer.run_unread(submit, unread, read_submissions))
        (submission,) = await self._meters.examine([submission_from_pb(*unread)])
        return answer_to_pb(await self._committer.run_batched(submit, submission))

    async def BatchSubmitCdrs(
        self, request: cdr_pb2.BatchSubmitCdrsRequest, call: Call
    ) -> cdr_pb2.BatchSubmitCdrsResponse:
        """Submit up to 1,000 CDRs, each answered for itself."""
        if not 1 <= len(request.requests) <= BATCH_MAX:
            reader = Reader()
            reader.refuse("requests", f"must hold 1 to {BATCH_MAX} submissions")
            reader.done()
        return cdr_pb2.BatchSubmitCdrsResponse(outcomes=await self._submit(request.requests, call))

    async def StreamCdrs(
        self, requests: AsyncIterator[cdr_pb2.StreamCdrsRequest], call: Call
    ) -> AsyncIterator[cdr_pb2.StreamCdrsResponse]:
        """Submit a stream: what arrives while one chunk is being committed forms the next."""
        first_index = 0
        async with aclosing(chunks(requests, _CHUNK)) as arriving:
            async for chunk in arriving:
                outcomes = await self._submit(chunk, call)
                yield cdr_pb2.StreamCdrsResponse(first_index=first_index, outcomes=outcomes)
                first_index += len(chunk)

    async def _submit(
        self, requests: Sequence[cdr_pb2.SubmitCdrRequest | cdr_pb2.StreamCdrsRequest], call: Call
    ) -> list[cdr_pb2.CdrOutcome]:
        read = self._read(requests, call)
        good = [submission for submission in read if isinstance(submission, CdrSubmission)]
        if any(submission.signed is not None for submission in good):
            good = await self._meters.examine(good)
        answers = iter(await self._committer.run_many(submit, good) if good else ())
        return [_outcome(next(answers) if isinstance(each, CdrSubmission) else each) for each in read]

    def _unread(self, request: cdr_pb2.SubmitCdrRequest | cdr_pb2.StreamCdrsRequest, call: Call) -> Unread:
        return Unread(request, call.caller.platform, self._clock_skew)

    def _read(
        self, requests: Sequence[cdr_pb2.SubmitCdrRequest | cdr_pb2.StreamCdrsRequest], call: Call
    ) -> list[CdrSubmission | HubError]:
        """Read what is the caller's to submit; the rest is denied before it is looked at any further."""
        owners = [(request.cdr.country_code, request.cdr.party_id) for request in requests]
        denied = {owner: _denied(call, *owner) for owner in set(owners)}
        refused = [denied[owner] for owner in owners]
        allowed = [request for request, refusal in zip(requests, refused, strict=True) if refusal is None]
        read = iter(read_submissions([self._unread(request, call) for request in allowed]))
        return [refusal or next(read) for refusal in refused]

    async def GetCdr(self, request: cdr_pb2.GetCdrRequest, call: Call) -> cdr_pb2.CdrRecord:
        """Return one CDR that the caller may see."""
        key = _read_key(request.key)
        return record_to_pb(await self._reads.run(lambda uow: read_cdr(uow, call.caller, key)))

    async def ExplainCdr(self, request: cdr_pb2.ExplainCdrRequest, call: Call) -> cdr_pb2.ExplainCdrResponse:
        """Explain the price of one CDR that the caller may see."""
        key, policy = _read_key(request.key), request.pricing_policy
        explained = await self._reads.run(lambda uow: explain_cdr(uow, call.caller, key, policy, _READERS))
        return explanation_to_pb(explained)

    async def ListCdrs(self, request: cdr_pb2.ListCdrsRequest, call: Call) -> cdr_pb2.ListCdrsResponse:
        """List the CDRs that the caller may see in the order of the clearing journal."""
        wanted = list_from_pb(request, call)
        page = read_page(request)
        (after,) = page.key(int) or (-1,)
        records = await self._reads.run(lambda uow: uow.cdrs.list(wanted, after, page.size + 1))
        shown = _fitting(records, page.size)
        last = records[len(shown) - 1] if len(records) > len(shown) else None
        return cdr_pb2.ListCdrsResponse(
            cdrs=shown, next_page_token=page.next_token(last.answer.receipt.index) if last is not None else ""
        )

    async def ListReturns(self, request: cdr_pb2.ListReturnsRequest, call: Call) -> cdr_pb2.ListReturnsResponse:
        """List what waits for one of the two sides."""
        wanted = returns_from_pb(request, call)
        page = read_page(request)
        after = page.key(int, int)
        records = await self._reads.run(lambda uow: uow.cdrs.returns(wanted, after, page.size + 1))
        shown = _fitting(records, page.size)
        last = records[len(shown) - 1] if len(records) > len(shown) else None
        return cdr_pb2.ListReturnsResponse(
            cdrs=shown, next_page_token=page.next_token(*place_of(last)) if last is not None else ""
        )

    async def ReviewCdr(self, request: cdr_pb2.ReviewCdrRequest, call: Call) -> cdr_pb2.CdrRecord:
        """Decide on a quarantined CDR."""
        given = review_from_pb(request, call.caller.platform)
        return record_to_pb(await self._committer.run(lambda uow: standings.review(uow, given)))

    async def WithdrawCdr(self, request: cdr_pb2.WithdrawCdrRequest, call: Call) -> cdr_pb2.CdrRecord:
        """Withdraw a CDR that was returned or quarantined."""
        given = withdrawal_from_pb(request, call.caller.platform)
        return record_to_pb(await self._committer.run(lambda uow: standings.withdraw(uow, given)))

    async def WatchCdrs(
        self, request: cdr_pb2.WatchCdrsRequest, call: Call
    ) -> AsyncIterator[cdr_pb2.WatchCdrsResponse]:
        """Stream the caller's CDRs from an index on."""
        if request.after_index < -1:
            reader = Reader()
            reader.refuse("after_index", "must be -1 or an index")
            reader.done()
        index = request.after_index
        await require_index(self._reads, self._tail, Stream.CLEARING, index)
        while not self._tail.stopping:
            head = self._tail.head(Stream.CLEARING)
            records = await self._newer(frozenset(call.caller.parties), index) if head > index + 1 else []
            if records or head > index + 1:
                shown = _fitting(records, _PAGE)
                # More may follow a full page, or one cut short; else all up to the head has been seen.
                more = len(records) == _PAGE or len(shown) < len(records)
                last = records[len(shown) - 1].last_index if shown else -1
                index = last if more else max(head - 1, last)
                yield cdr_pb2.WatchCdrsResponse(cdrs=shown, next_after_index=index)
                await asyncio.sleep(0 if more else _REST_SECONDS)
            elif not await self._tail.wait(Stream.CLEARING, index, _PROGRESS_SECONDS):
                yield cdr_pb2.WatchCdrsResponse(next_after_index=index)

    async def _newer(self, parties: frozenset[PartyId], index: int) -> Sequence[CdrRecord]:
        return await self._reads.run(lambda uow: uow.cdrs.changes(parties, index, _PAGE))


def _denied(call: Call, country_code: str, party_id: str) -> HubError | None:
    try:
        require_party(call.caller, country_code, party_id, CPO)
    except HubError as refusal:
        return refusal
    return None


def _fitting(records: Sequence[CdrRecord], size: int) -> Sequence[cdr_pb2.CdrRecord]:
    """Return the messages of the first records that fit into one response, with all that the hub says of them."""
    near = fitting(records, size, lambda record: len(record.document))
    return fitting([record_to_pb(record) for record in near], size, cdr_pb2.CdrRecord.ByteSize)


def _outcome(answer: CdrAnswer | HubError) -> cdr_pb2.CdrOutcome:
    if isinstance(answer, HubError):
        return cdr_pb2.CdrOutcome(error=to_item_error(answer))
    return cdr_pb2.CdrOutcome(response=answer_to_pb(answer))


def _read_key(key: common_pb2.ObjectKey) -> ObjectId:
    """Read the key of a CDR; raises Invalid."""
    reader = Reader("key")
    read = ObjectId(reader.party("", key.country_code, key.party_id), reader.id("id", key.id))
    reader.done()
    return read
