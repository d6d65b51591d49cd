"""LinkService: a partner's stream, moved in and out of the rooms behind it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Protocol

from roamhub.v1 import link_pb2 as pb

from hub.domain.errors import HubError, TimedOut, invalid
from hub.domain.ids import PartyId
from hub.rpc.calls import Call
from hub.rpc.policy import require_party
from hub.rpc.wire import Reader

_HELLO_SECONDS = 10.0
_CONCURRENCY_MAX = 10_000
_PARTIES_MAX = 1_000
_AGENT_MAX = 100


class OpenLink(Protocol):
    """One open link."""

    def receive(self, message: pb.ConnectRequest) -> None:
        """Take a message of the partner's."""
        ...

    async def outgoing(self) -> pb.ConnectResponse | None:
        """Return the next message for the partner; None when the link is over."""
        ...

    def close(self, failure: HubError | None = None) -> None:
        """End the link."""
        ...


class LinkHost(Protocol):
    """Where links are kept."""

    def open(
        self, platform: str, parties: Sequence[PartyId], concurrency_max: int, agent: str, *, batches: bool
    ) -> OpenLink:
        """Open a link of a platform's for these parties of its own."""
        ...


class LinkServicer:
    """Answers LinkService."""

    def __init__(self, *, links: LinkHost) -> None:
        self._links = links

    async def Connect(
        self, requests: AsyncIterator[pb.ConnectRequest], call: Call
    ) -> AsyncIterator[pb.ConnectResponse]:
        """Serve one link until either side ends it."""
        parties, hello = await _read_hello(requests, call)
        link = self._links.open(
            call.caller.platform, parties, hello.concurrency_max, hello.agent, batches=hello.batches
        )
        reader = asyncio.create_task(_pump(requests, link))
        try:
            while (message := await link.outgoing()) is not None:
                yield message
        finally:
            link.close()
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader


async def _read_hello(requests: AsyncIterator[pb.ConnectRequest], call: Call) -> tuple[list[PartyId], pb.LinkHello]:
    try:
        async with asyncio.timeout(_HELLO_SECONDS):
            first = await anext(requests, None)
    except TimeoutError:
        raise TimedOut("HELLO_MISSING", "a link begins with `hello`, sent at once") from None
    if first is None or first.WhichOneof("message") != "hello":
        raise invalid("hello", "must be the first message of a link")
    hello = first.hello
    reader = Reader("hello")
    if not hello.parties:
        reader.refuse("parties", "must name at least one party")
    if len(hello.parties) > _PARTIES_MAX:
        reader.refuse("parties", f"must name at most {_PARTIES_MAX} parties")
    if not 0 <= hello.concurrency_max <= _CONCURRENCY_MAX:
        reader.refuse("concurrency_max", f"must be between 0 and {_CONCURRENCY_MAX}")
    if len(hello.agent) > _AGENT_MAX or not (hello.agent.isprintable()):
        reader.refuse("agent", f"must have at most {_AGENT_MAX} printable characters")
    reader.done()
    parties = [require_party(call.caller, each.country_code, each.party_id) for each in hello.parties]
    return list(dict.fromkeys(parties)), hello


async def _pump(requests: AsyncIterator[pb.ConnectRequest], link: OpenLink) -> None:
    """Hand the partner's messages to the link until the partner closes its half or the stream breaks."""
    failure: HubError | None = None
    try:
        async for message in requests:
            link.receive(message)
    except HubError as error:
        failure = error
    finally:
        link.close(failure)
