"""The connection in use: one channel, replaced without a gap when the certificate is renewed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from adapters.partner.channel import open_channel
from adapters.partner.credentials import Credentials
from adapters.partner.errors import translated

T = TypeVar("T")
Request_contra = TypeVar("Request_contra", bound=Message, contravariant=True)
Response_co = TypeVar("Response_co", bound=Message, covariant=True)

#: Calls in flight on a replaced channel may take so long; streams are cut then and resume on the new one.
_GRACE_SECONDS = 30.0


class Method(Protocol[Request_contra, Response_co]):
    """A unary RPC of a stub."""

    def __call__(self, request: Request_contra, *, timeout: float | None = None) -> Awaitable[Response_co]:
        """Start the call."""
        ...


class Connection:
    """Makes stubs of the channel in use. Ask for a stub each time; one that is kept may outlive its channel."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self._channel = open_channel(credentials)
        self._stubs: dict[Any, Any] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def stub(self, make: Callable[[grpc.aio.Channel], T]) -> T:
        """Return a service's stub, such as `connection.stub(CdrServiceStub)`."""
        stub: T | None = self._stubs.get(make)
        if stub is None:
            stub = self._stubs[make] = make(self._channel)
        return stub

    async def call(
        self,
        method: Method[Request_contra, Response_co],
        request: Request_contra,
        *,
        timeout: float = 30.0,  # noqa: ASYNC109 - a deadline, which the hub honours too
    ) -> Response_co:
        """Make one unary call.

        Args:
            method: Of a stub, such as `connection.stub(CdrServiceStub).GetCdr`.
            request: Its request.
            timeout: The call's deadline in seconds, which the hub honours too.

        Raises:
            RoamhubError: The call did not succeed.
        """
        with translated():
            return await method(request, timeout=timeout)

    def replace(self, credentials: Credentials) -> None:
        """Go on with other credentials on a new channel; the old one ends once its calls have."""
        old, self._channel = self._channel, open_channel(credentials)
        self.credentials = credentials
        self._stubs.clear()
        task = asyncio.create_task(old.close(grace=_GRACE_SECONDS))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Cut every call and close."""
        for task in tuple(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._channel.close()
