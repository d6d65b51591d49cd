"""One link: a stream that a partner opened, the requests open on it and the messages waiting to be sent."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from roamhub.v1 import link_pb2 as pb
from roamhub.v1 import partner_pb2

from hub.domain.errors import HubError, Unreachable
from hub.domain.ids import PartyId
from hub.routing.matching import Matcher, Miss
from hub.routing.outcomes import CODES, AnsweredBadlyError, Counts, LostError, NotSentError, SilentError, not_an_answer

_Waiter = asyncio.Future[Message]

_TOGETHER_MAX = 256
#: A hub that does something this share of the keepalive time late did not listen in between.
_HELD_UP_SHARE = 0.1


class Link:
    """Asks over one stream; the servicer moves messages in and out, and closes it when the stream is over.

    Attributes:
        id: The hub's id of the link.
        platform: Who opened it.
        parties: For whom it answers.
        concurrency_max: How many requests may be open on it.
        agent: What the partner's software calls itself.
    """

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the word of the contract
        platform: str,
        parties: Sequence[PartyId],
        concurrency_max: int,
        agent: str,
        batches: bool = False,
        keepalive_seconds: float,
        counts: Counts,
        on_free: Callable[["Link"], None] = lambda _link: None,
        on_close: Callable[["Link"], None] = lambda _link: None,
    ) -> None:
        self.id = id
        self.platform = platform
        self.parties = tuple(parties)
        self.concurrency_max = concurrency_max
        self.agent = agent
        self._batches = batches
        self._keepalive = keepalive_seconds
        self._counts = counts
        self._on_free = on_free
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._matcher: Matcher[_Waiter] = Matcher()
        self._outgoing: deque[pb.ConnectResponse | pb.LinkRequest] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._heard = self._loop.time()
        self._probe = self._loop.call_later(keepalive_seconds, self._look)
        self._draining = False
        self._closed = False
        self._failure: HubError | None = None
        welcome = pb.LinkWelcome(link_id=id, keepalive_interval=duration(keepalive_seconds))
        self._send(pb.ConnectResponse(welcome=welcome))

    @property
    def in_flight(self) -> int:
        """How many requests are open."""
        return len(self._matcher)

    @property
    def takes_requests(self) -> bool:
        """Whether a new request may be sent."""
        return not self._closed and not self._draining and len(self._matcher) < self.concurrency_max

    @property
    def usable(self) -> bool:
        """Whether the link will take requests, now or when it has answered some."""
        return not self._closed and not self._draining

    async def ask(self, kind: str, request: Message, seconds: float, correlation_id: str) -> Message:
        """Send a request and return the answer.

        Args:
            kind: The field of LinkRequest and LinkAnswer that it goes into.
            request: The message of that field.
            seconds: How long to wait.
            correlation_id: Joins the messages of one exchange.

        Raises:
            NotSentError: The link is closing.
            LostError: The link ended before an answer came.
            SilentError: No answer came in time.
            AnsweredBadlyError: The partner answered with an error, or with another kind of answer.
        """
        if not self.usable:
            raise NotSentError
        answer: _Waiter = self._loop.create_future()
        number = self._matcher.open(kind, answer)
        asked = pb.LinkRequest(
            id=number,
            timeout=duration(seconds),
            correlation_id=correlation_id,
            **{kind: request},  # type: ignore[arg-type]
        )
        self._send(asked)
        timer = self._loop.call_later(seconds, self._give_up, number)
        try:
            return await answer
        finally:
            timer.cancel()
            self._matcher.abandon(number)  # when the asker itself went away
            self._on_free(self)

    def _give_up(self, number: int) -> None:
        answer = self._matcher.abandon(number)
        if answer is not None and not answer.done():
            answer.set_exception(SilentError())

    def receive(self, message: pb.ConnectRequest) -> None:
        """Take a message of the partner's; whatever does not belong is dropped and counted."""
        self._heard = self._loop.time()
        match message.WhichOneof("message"):
            case "answer":
                self._match(message.answer)
            case "answers":
                for answer in message.answers.answers:
                    self._match(answer)
            case _:
                self._counts.garbage += 1

    def _match(self, answer: pb.LinkAnswer) -> None:
        found = self._matcher.answer(answer.id)
        if isinstance(found, Miss):
            self._counts.misses[found] += 1
            return
        asked, waiter = found
        if waiter.done():  # the asker went away a moment ago
            self._counts.misses[Miss.LATE] += 1
            return
        kind = answer.WhichOneof("answer")
        if kind == asked:
            waiter.set_result(getattr(answer, kind))
        elif kind == "error":
            code = CODES.get(answer.error.code)
            garbage = code is None or answer.error.code == 0
            self._counts.garbage += garbage
            waiter.set_exception(
                not_an_answer("an error with no such code")
                if code is None or garbage
                else AnsweredBadlyError(code, answer.error.reason[:100])
            )
        else:
            self._counts.garbage += 1
            waiter.set_exception(not_an_answer(f"{kind} to {asked}"))

    def _send(self, message: pb.ConnectResponse | pb.LinkRequest) -> None:
        self._outgoing.append(message)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def outgoing(self) -> pb.ConnectResponse | None:
        """Return the next message to send, when there is one; None when the link is over.

        Raises:
            Unreachable: LINK_SILENT, the partner has not answered a ping.
        """
        while not self._outgoing:
            if self._failure is not None:
                raise self._failure
            if self._closed:
                return None
            self._wake = self._loop.create_future()
            await self._wake
        first = self._outgoing.popleft()
        if isinstance(first, pb.ConnectResponse):
            return first
        if not (self._batches and self._outgoing and isinstance(self._outgoing[0], pb.LinkRequest)):
            return pb.ConnectResponse(request=first)
        # What has gathered while the last message was on its way goes as one.
        together = pb.ConnectResponse()
        requests = together.requests.requests
        requests.append(first)
        while self._outgoing and len(requests) < _TOGETHER_MAX:
            following = self._outgoing[0]
            if not isinstance(following, pb.LinkRequest):
                break
            requests.append(following)
            self._outgoing.popleft()
        return together

    def drain(self, grace_seconds: float) -> None:
        """Send no more requests, and ask the partner to open another link and to leave this one."""
        if not self._draining and not self._closed:
            self._draining = True
            self._send(pb.ConnectResponse(drain=pb.LinkDrain(grace_period=duration(grace_seconds))))

    def close(self, failure: HubError | None = None) -> None:
        """End the link; whoever waits for an answer learns that it was lost."""
        if self._closed:
            return
        self._closed = True
        self._failure = failure
        self._probe.cancel()
        waiters = self._matcher.close()
        self._counts.links_lost += bool(waiters)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(LostError())
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
        self._on_close(self)

    def _look(self) -> None:
        """Ask for life when the link was silent for the keepalive time, else look again when it could have been."""
        if self._closed:
            return
        silent = self._loop.time() - self._heard
        if silent < self._keepalive:
            self._probe = self._loop.call_later(self._keepalive - silent, self._look)
            return
        ping: _Waiter = self._loop.create_future()
        ping.add_done_callback(_taken)
        request = partner_pb2.PingRequest()
        request.send_time.GetCurrentTime()
        number = self._matcher.open("ping", ping)
        asked = pb.LinkRequest(id=number, timeout=duration(self._keepalive), ping=request)
        self._send(asked)
        due = self._loop.time() + self._keepalive
        self._probe = self._loop.call_at(due, self._judge, number, self._heard, due)

    def _judge(self, number: int, heard_before: float, due: float) -> None:
        """End the link when neither the ping was answered nor anything else heard.

        A hub that comes to this late was held up itself, and what the partner said meanwhile is still to be read: it
        asks once more.
        """
        self._matcher.abandon(number)
        held_up = self._loop.time() - due > self._keepalive * _HELD_UP_SHARE
        if self._heard == heard_before and not held_up:
            self.close(Unreachable("LINK_SILENT", "the link was silent and a ping stayed unanswered"))
        else:
            self._look()


def _taken(future: _Waiter) -> None:
    """Take a future's failure, so that asyncio does not complain that nobody did."""
    if not future.cancelled():
        future.exception()


def duration(seconds: float) -> Duration:
    """Return the message of a span, to the microsecond."""
    micros = max(0, round(seconds * 1_000_000))
    return Duration(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)
