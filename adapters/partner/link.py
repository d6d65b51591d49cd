"""Holding a link: the partner opens one stream to the hub and answers the hub's requests on it. No inbound port.

A link that breaks is opened again after a short random wait that grows. A link that the hub drains is replaced at once
by another; what it was asked is answered before it is left. So is one whose certificate was renewed. A party that the
hub's operator suspends has its link ended; it is asked for again until the party may have it back.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

import grpc
from roamhub.v1.common_pb2 import PartyKey
from roamhub.v1.link_pb2 import ConnectRequest, ConnectResponse, LinkAnswer, LinkAnswers, LinkHello, LinkRequest
from roamhub.v1.link_pb2_grpc import LinkServiceStub

from adapters.partner.connection import Connection
from adapters.partner.errors import (
    Defect,
    Denied,
    Exhausted,
    Interrupted,
    RoamhubError,
    TimedOut,
    Unimplemented,
    Unreachable,
    to_item,
)
from adapters.partner.handler import Answers, Handler
from adapters.partner.retry import Backoff

_log = logging.getLogger(__name__)

_PASSING = (Unreachable, Interrupted, TimedOut, Exhausted, Defect)
_WELCOME_SECONDS = 10.0
#: Answers in one message at most (LinkAnswers).
_TOGETHER_MAX = 256


class Link:
    """A link held for as long as the block of `async with` lasts, whatever happens to single streams.

    Attributes:
        connected: Set while a stream stands.
    """

    def __init__(
        self,
        connection: Connection,
        handler: Handler,
        parties: Sequence[PartyKey],
        *,
        concurrency_max: int = 1000,
        agent: str = "roamhub-partner",
        backoff: Backoff | None = None,
    ) -> None:
        self._connection = connection
        self._answers = Answers(handler)
        self._hello = LinkHello(parties=parties, concurrency_max=concurrency_max, agent=agent, batches=True)
        self._backoff = backoff or Backoff()
        self._streams: set[_Stream] = set()
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._hold())
        self._connection.replaced.add(self._move)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def wait(self) -> None:
        """Wait until the link can be held no longer; raises the RoamhubError with which the hub refused it.

        That is one which the hub never gave, or one whose certificate is not good any more.
        """
        if self._task is not None:
            await asyncio.shield(self._task)

    async def close(self) -> None:
        """Answer what was asked, then leave."""
        self._connection.replaced.discard(self._move)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, RoamhubError):
                await self._task
        for stream in tuple(self._streams):
            await stream.leave()
        self.connected.clear()

    def _move(self) -> None:
        """Hold the link on the connection that has just taken the place of the last one."""
        for stream in tuple(self._streams):
            stream.move()

    async def _hold(self) -> None:
        waits = self._backoff.waits()
        welcomed = False
        moved: _Stream | None = None
        while True:
            stream = _Stream(self._connection, self._answers, self._hello, self.connected)
            self._streams.add(stream)
            stream.task.add_done_callback(lambda _, stream=stream: self._streams.discard(stream))  # type: ignore[misc]
            if moved is not None:
                await stream.settled.wait()
                if stream.welcomed:
                    moved.finish()
                    moved = None
            await stream.over.wait()
            welcomed = welcomed or stream.welcomed
            if stream.drained or stream.moved:
                moved = stream if stream.moved else moved
                waits = self._backoff.waits()
                continue
            self.connected.clear()
            error = stream.error
            # Who had a link and may not have it now is suspended, which the operator may take back at any time.
            passing = (*_PASSING, Denied) if welcomed else _PASSING
            if error is not None and not isinstance(error, passing):
                raise error
            if stream.welcomed:
                waits = self._backoff.waits()
            wait = next(waits)
            _log.info("link lost", extra={"reason": error.reason if error else "ENDED", "wait_seconds": round(wait, 3)})
            await asyncio.sleep(wait)


class _Stream:
    """One stream of a link.

    Attributes:
        over: Set when the stream serves no more, or another is to take its place: it has ended, or the hub drains it,
            or its connection was replaced.
        settled: Set when the hub has accepted it, and when it has ended.
        drained: The hub asked for another link.
        moved: Its connection was replaced; it serves until another stream does.
        welcomed: The hub accepted it.
        error: What it ended with.
    """

    def __init__(self, connection: Connection, answers: Answers, hello: LinkHello, connected: asyncio.Event) -> None:
        self._answers = answers
        self._hello = hello
        self._connected = connected
        self._writing = asyncio.Lock()
        self._ready: list[LinkAnswer] = []
        self._open: set[asyncio.Task[None]] = set()
        self._silence_seconds: float | None = _WELCOME_SECONDS
        self._connection = connection
        self._call = connection.stub(LinkServiceStub).Connect()
        self.over = asyncio.Event()
        self.settled = asyncio.Event()
        self.drained = self.welcomed = self.moved = False
        self.error: RoamhubError | None = None
        self.task = asyncio.create_task(self._run())

    def move(self) -> None:
        """Have another stream opened, and serve until it stands."""
        if self.welcomed and not self.over.is_set():
            self.moved = True
            self.over.set()

    def finish(self) -> None:
        """Answer what is open, then close this half."""
        self._leaving = asyncio.create_task(self._finish())

    async def leave(self) -> None:
        """Answer what is open, close this half and wait for the hub's."""
        await asyncio.gather(*self._open, return_exceptions=True)
        with suppress(Exception):
            await self._call.done_writing()
            async with asyncio.timeout(1):
                await self.task
        self._call.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def _run(self) -> None:
        try:
            with self._connection.translated():
                await self._write(ConnectRequest(hello=self._hello))
                await self._read()
        except RoamhubError as error:
            self.error = error
        except asyncio.InvalidStateError:
            self.error = Interrupted("the stream was closed")
        except TimeoutError:
            self.error = Unreachable("the hub has fallen silent")
        finally:
            self.over.set()
            self.settled.set()
            for task in self._open:
                task.cancel()
            self._call.cancel()

    async def _read(self) -> None:
        while True:
            async with asyncio.timeout(self._silence_seconds):
                message = await self._call.read()
            if not isinstance(message, ConnectResponse):
                return  # gRPC's mark of an end without error
            match message.WhichOneof("message"):
                case "request":
                    self._take(message.request)
                case "requests":
                    for request in message.requests.requests:
                        self._take(request)
                case "welcome":
                    self.welcomed = True
                    self.settled.set()
                    interval = message.welcome.keepalive_interval
                    self._silence_seconds = 3 * (interval.seconds + interval.nanos / 1e9) or None
                    self._connected.set()
                    _log.info("link stands", extra={"link_id": message.welcome.link_id})
                case "drain":
                    self.drained = True
                    self.over.set()
                    self.finish()
                case None:
                    pass  # a message of a later release

    async def _finish(self) -> None:
        while self._open:
            await asyncio.wait(self._open)
        with suppress(grpc.RpcError, asyncio.InvalidStateError):  # it has ended meanwhile
            await self._call.done_writing()

    def _take(self, request: LinkRequest) -> None:
        task = asyncio.create_task(self._answer(request))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _answer(self, request: LinkRequest) -> None:
        answer = LinkAnswer(id=request.id)
        kind = request.WhichOneof("request")
        if kind is None:
            answer.error.CopyFrom(to_item(Unimplemented("this release of the SDK does not know the request")))
        else:
            try:
                seconds = request.timeout.seconds + request.timeout.nanos / 1e9
                result = await self._answers.answer(getattr(request, kind), seconds or None, request.correlation_id)
                getattr(answer, kind).CopyFrom(result)
            except RoamhubError as error:
                answer.error.CopyFrom(to_item(error))
        with suppress(grpc.RpcError, asyncio.InvalidStateError):  # the stream has ended; the hub asks elsewhere
            await self._send(answer)

    async def _send(self, answer: LinkAnswer) -> None:
        """Send an answer together with what else has become ready while the last message was on its way."""
        self._ready.append(answer)
        async with self._writing:
            if not self._ready:
                return  # sent by whoever wrote before
            together, self._ready = self._ready[:_TOGETHER_MAX], self._ready[_TOGETHER_MAX:]
            if len(together) == 1:
                await self._call.write(ConnectRequest(answer=together[0]))
            else:
                await self._call.write(ConnectRequest(answers=LinkAnswers(answers=together)))

    async def _write(self, message: ConnectRequest) -> None:
        async with self._writing:
            await self._call.write(message)
