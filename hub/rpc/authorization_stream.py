"""Many authorizations on one stream: decided in chunks, relayed each for itself, answered in the order of readiness.

What arrives while one chunk is being made durable forms the next one, so that a question costs no message, no task and
no future of its own unless an eMSP must be asked.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from roamhub.v1 import authorization_pb2 as pb

from hub.app.authorization import Asked, Authorizer, Undecided
from hub.domain.authorizations import Authorization
from hub.domain.errors import HubError, invalid
from hub.rpc.calls import Call
from hub.rpc.policy import CPO, require_party

#: Questions of one stream that are unanswered at a time; the stream is read on when one is answered.
_OPEN_MAX = 1_024
_QUESTIONS_MAX = 256

#: The tag of a question, and what came of it.
Answered = tuple[int, Authorization | HubError]


class AuthorizationStream:
    """One stream of questions."""

    def __init__(
        self, *, authorizer: Authorizer, read: Callable[[pb.AuthorizeRequest, Call, str], Asked], call: Call
    ) -> None:
        self._authorizer = authorizer
        self._read = read
        self._call = call
        self._asked: deque[pb.TaggedQuestion] = deque()
        self._answered: list[Answered] = []
        self._relayed: set[asyncio.Task[None]] = set()
        self._open = 0
        self._place = asyncio.Event()
        self._news = asyncio.Event()
        self._failure: BaseException | None = None
        self._ended = False

    async def answers(self, requests: AsyncIterator[pb.StreamAuthorizeRequest]) -> AsyncIterator[Sequence[Answered]]:
        """Yield what is ready, until every question is answered.

        Raises:
            HubError: The stream of questions broke, or the storage failed.
        """
        reader = asyncio.create_task(self._take(requests))
        try:
            while True:
                self._news.clear()
                if self._asked:
                    await self._decide()
                ready, self._answered = self._answered, []
                if ready:
                    yield ready
                    self._open -= len(ready)
                    self._place.set()
                elif self._failure is not None:
                    raise self._failure
                elif self._ended and not self._asked and not self._relayed:
                    return
                elif not self._asked:
                    await self._news.wait()
        finally:
            for task in (reader, *self._relayed):
                task.cancel()

    async def _take(self, requests: AsyncIterator[pb.StreamAuthorizeRequest]) -> None:
        try:
            async for message in requests:
                if not 1 <= len(message.questions) <= _QUESTIONS_MAX:
                    raise invalid("questions", f"must hold 1 to {_QUESTIONS_MAX} questions")  # noqa: TRY301
                while self._open >= _OPEN_MAX:
                    self._place.clear()
                    await self._place.wait()
                self._open += len(message.questions)
                self._asked.extend(message.questions)
                self._news.set()
        except Exception as error:  # noqa: BLE001 - raised where the stream ends
            self._failure = error
        self._ended = True
        self._news.set()

    async def _decide(self) -> None:
        """Decide what has arrived, and send on what an eMSP must decide."""
        tags: list[int] = []
        asked: list[Asked] = []
        while self._asked and len(asked) < _QUESTIONS_MAX:
            message = self._asked.popleft()
            try:
                cpo = message.request.cpo
                require_party(self._call.caller, cpo.country_code, cpo.party_id, CPO)
                asked.append(self._read(message.request, self._call, "request"))
                tags.append(message.tag)
            except HubError as error:
                self._answered.append((message.tag, error))
        for tag, decided in zip(tags, await self._authorizer.decide(asked) if asked else (), strict=True):
            if isinstance(decided, Undecided):
                task = asyncio.create_task(self._relay(tag, decided))
                self._relayed.add(task)
            else:
                self._answered.append((tag, decided))

    async def _relay(self, tag: int, undecided: Undecided) -> None:
        try:
            answer = await self._authorizer.relay(
                undecided, seconds_left=self._call.seconds_left, correlation_id=self._call.correlation_id
            )
            self._answered.append((tag, answer))
        except HubError as error:
            self._answered.append((tag, error))
        except Exception as error:  # noqa: BLE001 - a fault of ours ends the stream with its incident id
            self._failure = error
        # Here and not in a callback, which might come after the stream has looked for the last time.
        task = asyncio.current_task()
        assert task is not None
        self._relayed.discard(task)
        self._news.set()
