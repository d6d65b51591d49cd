"""Submitting CDRs so that each arrives exactly once, whatever crashes in between; and looking them up again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from roamhub.v1.cdr_object_pb2 import Cdr
from roamhub.v1.cdr_pb2 import (
    BatchSubmitCdrsRequest,
    CdrOutcome,
    CdrRecord,
    CdrState,
    ListCdrsRequest,
    SubmitCdrRequest,
    SubmitCdrResponse,
)
from roamhub.v1.cdr_pb2_grpc import CdrServiceStub
from roamhub.v1.common_pb2 import ItemError, PartyKey

from adapters.partner.connection import Connection
from adapters.partner.errors import (
    OBJECT_BYTES_MAX,
    Exhausted,
    Interrupted,
    RoamhubError,
    TimedOut,
    TooLarge,
    Unreachable,
    from_item,
    to_item,
    too_large,
)
from adapters.partner.outbox import Outbox, State, Waiting
from adapters.partner.progress import Progress, unseen
from adapters.partner.retry import Backoff

T = TypeVar("T")

_BATCH_COUNT_MAX = 500
_BATCH_BYTES_MAX = 2 * 1024 * 1024
#: The outcome is unknown or the hub asks to wait: the same request id is sent again.
_PASSING = (Unreachable, TimedOut, Interrupted, Exhausted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What became of one CDR: exactly one of the two is set."""

    cdr: Cdr
    response: SubmitCdrResponse | None = None
    error: RoamhubError | None = None


class Cdrs:
    """Submits the CDRs of one outbox, and lists what is on record."""

    def __init__(self, connection: Connection, outbox: Outbox, backoff: Backoff | None = None) -> None:
        self._connection = connection
        self._outbox = outbox
        self._backoff = backoff or Backoff()
        self._sending = asyncio.Lock()
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbox")

    async def submit(self, cdr: Cdr, *, replaces: str = "") -> SubmitCdrResponse:
        """Submit one CDR: on disk first, then sent until the hub has answered.

        Submitting the same CDR again returns the first answer, without asking the hub.

        Args:
            cdr: The CDR.
            replaces: The id of the CPO's returned CDR whose place it takes.

        Returns:
            The hub's answer: accepted, quarantined or returned, the receipt, and what its checks found.

        Raises:
            RoamhubError: The hub refused the CDR, and holds nothing of it.
            ValueError: It was submitted before, and not to replace that one.
        """
        (submission,) = await self._submit([cdr], replaces, unseen)
        if submission.response is None:
            assert submission.error is not None
            raise submission.error
        return submission.response

    async def submit_all(self, cdrs: Iterable[Cdr], progress: Progress = unseen) -> list[Submission]:
        """Submit CDRs and return what became of each, in order.

        Args:
            cdrs: All of them are on disk before the first is sent.
            progress: Told how many more have their answer.

        Raises:
            RoamhubError: The hub refused the caller rather than a CDR; those without an answer stay in the outbox.
        """
        return await self._submit(list(cdrs), "", progress)

    async def _submit(self, wanted: list[Cdr], replaces: str, progress: Progress) -> list[Submission]:
        numbers = await self._on_disk(lambda: self._outbox.put(wanted, replaces))
        await self.flush(progress)
        results = await self._on_disk(lambda: [self._outbox.result(number) for number in numbers])
        return [_submission(cdr, *result) for cdr, result in zip(wanted, results, strict=True)]

    async def flush(self, progress: Progress = unseen) -> int:
        """Send whatever has no answer yet, such as what an earlier run left; call it at start.

        Returns:
            How many CDRs got their answer, whichever it is.

        Raises:
            RoamhubError: As `submit_all`.
        """
        done = last = 0
        # One sender at a time: a CDR that enters while a batch is out goes with the next one.
        async with self._sending:
            while waiting := await self._on_disk(lambda after=last: self._next(after)):  # type: ignore[misc]
                outcomes = await self._send(waiting)
                answers = [_answer(w.number, outcome) for w, outcome in zip(waiting, outcomes, strict=True)]
                await self._on_disk(lambda answers=answers: self._outbox.settle(answers))  # type: ignore[misc]
                last = waiting[-1].number
                done += len(waiting)
                progress(len(waiting))
        return done

    async def recorded(
        self,
        *,
        party: PartyKey | None = None,
        counterparty: PartyKey | None = None,
        state: CdrState.ValueType | None = None,
        ended_from: datetime | None = None,
        ended_before: datetime | None = None,
    ) -> AsyncIterator[CdrRecord]:
        """Yield the CDRs that the hub has on record for this platform, as its CPO or its eMSP, in the journal's order.

        Args:
            party: Only those of this party, one of the platform's own; None: of all of them.
            counterparty: Only those with this party on the other side; goes with `party`.
            state: Only those in this state, such as CDR_STATE_ACCEPTED; None: all.
            ended_from: Only those whose session ended then or later; an aware time.
            ended_before: Only those whose session ended earlier.

        Raises:
            Invalid: `counterparty` without `party`, or a state that is not listed by.
            RoamhubError: The hub refused.
        """
        request = ListCdrsRequest(party=party, counterparty=counterparty)
        if state is not None:
            request.state = state
        if ended_from is not None:
            request.end_time_from.FromDatetime(ended_from)
        if ended_before is not None:
            request.end_time_before.FromDatetime(ended_before)
        while True:
            page = await self._connection.call(self._connection.stub(CdrServiceStub).ListCdrs, request)
            for record in page.cdrs:
                yield record
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def close(self) -> None:
        """Stop the thread that writes; the outbox stays open."""
        self._disk.shutdown()

    def _next(self, after: int) -> list[Waiting]:
        """Return the next batch: so many CDRs that the hub takes them in one message."""
        waiting = self._outbox.pending(_BATCH_COUNT_MAX, after=after)
        size = 0
        for count, item in enumerate(waiting):
            size += item.cdr.ByteSize() + 64
            if size > _BATCH_BYTES_MAX and count:
                return waiting[:count]
        return waiting

    async def _send(self, waiting: list[Waiting]) -> list[CdrOutcome]:
        """Send one batch until the hub has answered it, in parts where it is too large as a whole.

        A CDR that is too large alone is answered here: sent again and again it would hold up all that come after it.
        """
        if len(waiting) == 1 and (size := waiting[0].cdr.ByteSize()) > OBJECT_BYTES_MAX:
            return [CdrOutcome(error=to_item(too_large(size)))]
        try:
            return await self._send_whole(waiting)
        except TooLarge as refusal:
            if len(waiting) == 1:
                return [CdrOutcome(error=to_item(refusal))]
        half = len(waiting) // 2
        return [*await self._send(waiting[:half]), *await self._send(waiting[half:])]

    async def _send_whole(self, waiting: list[Waiting]) -> list[CdrOutcome]:
        request = BatchSubmitCdrsRequest(
            requests=[
                SubmitCdrRequest(request_id=item.request_id, cdr=item.cdr, replaces=item.replaces) for item in waiting
            ]
        )
        response = await until_answered(
            self._backoff,
            lambda: self._connection.call(self._connection.stub(CdrServiceStub).BatchSubmitCdrs, request, timeout=60),
        )
        return list(response.outcomes)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)


async def until_answered(backoff: Backoff, call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that carries a request id until the hub has answered it.

    Raises:
        RoamhubError: The answer, when it is a refusal.
    """
    for wait in backoff.waits():
        try:
            return await call()
        except TooLarge:
            raise
        except _PASSING:
            await asyncio.sleep(wait)
    raise AssertionError("the waits have no end")


def _answer(number: int, outcome: CdrOutcome) -> tuple[int, State, bytes]:
    if outcome.HasField("error"):
        return number, "refused", outcome.error.SerializeToString()
    return number, "answered", outcome.response.SerializeToString()


def _submission(cdr: Cdr, state: State, answer: bytes) -> Submission:
    if state == "answered":
        return Submission(cdr=cdr, response=SubmitCdrResponse.FromString(answer))
    return Submission(cdr=cdr, error=from_item(ItemError.FromString(answer)))
