"""The connection in use: one channel, replaced without a gap when the certificate is renewed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from adapters.partner.channel import open_channel
from adapters.partner.credentials import Credentials
from adapters.partner.errors import Interrupted, Unauthenticated, Unreachable, translated

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
    """Makes stubs of the channel in use. Ask for a stub each time; one that is kept may outlive its channel.

    Attributes:
        credentials: Those in use.
        replaced: Called when others have taken their place, for those who hold a stream open.
    """

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.replaced: set[Callable[[], None]] = set()
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
        with self.translated():
            return await method(request, timeout=timeout)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise the typed error for calls made in the block, and say so when the certificate is at fault.

        Whose certificate has expired gets no connection, and nothing tells it why. And a stream that was opened with a
        certificate may outlive it: then it was interrupted, as the next is good.
        """
        shown = self.credentials
        try:
            with translated():
                yield
        except Unauthenticated as error:
            if shown is self.credentials:
                raise
            raise Interrupted("the certificate was renewed meanwhile") from error
        except Unreachable as error:
            expired = expiry(shown, error)
            if expired is None:
                raise
            raise expired from error

    def replace(self, credentials: Credentials) -> None:
        """Go on with other credentials on a new channel; the old one ends once its calls have."""
        old, self._channel = self._channel, open_channel(credentials)
        self.credentials = credentials
        self._stubs.clear()
        task = asyncio.create_task(old.close(grace=_GRACE_SECONDS))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        for tell in tuple(self.replaced):
            tell()

    async def close(self) -> None:
        """Cut every call and close."""
        for task in tuple(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._channel.close()


def expiry(shown: Credentials, error: Unreachable) -> Unauthenticated | None:
    """Return what is really wrong when no connection comes about because the certificate has expired."""
    end = shown.certificate.not_valid_after_utc
    if error.reason != error.code.name or datetime.now(UTC) < end:
        return None  # the hub itself has answered, or the certificate is good
    remedies = {
        "operator/root": "restart the hub, which makes another",
        "operator": "have `roamhub operator add` give another",
        "platform": "ask the hub's operator for another invitation, and join with it",
    }
    kind = shown.subject if shown.subject in remedies else shown.subject.partition("/")[0]
    remedy = remedies.get(kind, "get another")
    return Unauthenticated(
        f"the certificate expired on {end:%Y-%m-%d}: {remedy}",
        reason="CERTIFICATE_EXPIRED",
        metadata={"expire_time": end.strftime("%Y-%m-%dT%H:%M:%SZ")},
    )
