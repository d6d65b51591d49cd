"""One platform at the hub: everything a back end does with it, under one name."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message
from roamhub.v1.common_pb2 import PartyKey

from adapters.partner.cdrs import Cdrs
from adapters.partner.connection import Connection, Method
from adapters.partner.credentials import Store
from adapters.partner.handler import Handler
from adapters.partner.journal import Journal
from adapters.partner.link import Link
from adapters.partner.outbox import Outbox
from adapters.partner.publish import Publisher
from adapters.partner.registration import Invitation, join, keep_fresh
from adapters.partner.returns import Returns
from adapters.partner.server import PartnerServer

T = TypeVar("T")
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


class Partner:
    """A platform's connection to the hub, for as long as the block of `async with` lasts.

    Attributes:
        connection: The channel in use; the certificate is renewed in time behind its back.
        publish: Locations, tariffs, tokens and EVSE states in bulk.
        cdrs: Submits CDRs so that each arrives exactly once.
        returns: What waits for whom of the CDRs that were not accepted at once.
        journal: Follows what happens.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare to connect with the certificate in a folder that `register` made.

        Raises:
            StoreError: The folder holds no certificate.
        """
        self._store = Store(folder)
        self._credentials = self._store.load()
        self._outbox = Outbox(folder / "outbox.db")
        self._renewal: asyncio.Task[None] | None = None

    @classmethod
    async def join(cls, folder: Path, invitation: Path | Invitation) -> Self:
        """Register with an invitation unless the folder holds a certificate that came of it; then as the constructor.

        Another invitation replaces the certificate, as when that has expired or was revoked; all else in the folder
        stays.

        Raises:
            StoreError: The folder is another platform's.
            RoamhubError: The hub refused the first invitation, or cannot be reached.
        """
        await join(invitation, Store(folder))
        return cls(folder)

    async def __aenter__(self) -> Self:
        self.connection = Connection(self._credentials)
        self.publish = Publisher(self.connection)
        self.cdrs = Cdrs(self.connection, self._outbox)
        self.returns = Returns(self.connection)
        self.journal = Journal(self.connection)
        self._renewal = asyncio.create_task(keep_fresh(self.connection, self._store))
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            with suppress(asyncio.CancelledError):
                await self._renewal
        await self.connection.close()
        self.cdrs.close()
        self._outbox.close()

    @property
    def platform(self) -> str:
        """The platform that the certificate names."""
        return self._credentials.platform

    def stub(self, make: Callable[[grpc.aio.Channel], T]) -> T:
        """Return the stub of any service of the contract, such as `partner.stub(AgreementServiceStub)`."""
        return self.connection.stub(make)

    async def call(self, method: Method[Request, Response], request: Request, *, timeout: float = 30.0) -> Response:  # noqa: ASYNC109 - a deadline, which the hub honours too
        """Make any unary call; raises the typed RoamhubError when it does not succeed."""
        return await self.connection.call(method, request, timeout=timeout)

    def link(self, handler: Handler, *parties: PartyKey, concurrency_max: int = 1000) -> Link:
        """Return a link over which the hub reaches these parties: `async with partner.link(handler, party):`."""
        return Link(self.connection, handler, parties, concurrency_max=concurrency_max)

    def serve(self, handler: Handler, address: str, *, endpoint: str = "") -> PartnerServer:
        """Return an endpoint that the hub dials, and is told of where `endpoint` says at what address.

        `async with partner.serve(handler, "0.0.0.0:7450", endpoint="back-end.example:7450"):`
        """
        return PartnerServer(self.connection, handler, address, endpoint)


def party(text: str) -> PartyKey:
    """Return the key of a party written as `NL-ABC` or `NL*ABC`.

    Raises:
        ValueError: It is not written so.
    """
    country_code, party_id = text[:2], text[3:]
    if len(text) != 6 or text[2] not in "-*":
        raise ValueError(f"{text!r} is no party: write it like NL-ABC")
    return PartyKey(country_code=country_code.upper(), party_id=party_id.upper())
