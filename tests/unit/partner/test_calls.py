"""What is tried again by itself, and what never is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import grpc
import pytest
from roamhub.v1.authorization_pb2 import AuthorizeRequest
from roamhub.v1.authorization_pb2_grpc import (
    AuthorizationServiceServicer,
    AuthorizationServiceStub,
    add_AuthorizationServiceServicer_to_server,
)
from roamhub.v1.cdr_pb2 import CdrRecord, GetCdrRequest
from roamhub.v1.cdr_pb2_grpc import CdrServiceServicer, CdrServiceStub, add_CdrServiceServicer_to_server

from adapters.partner.connection import Connection
from adapters.partner.errors import Precondition, RoamhubError, Unreachable
from tests.unit.partner.fake_hub import FakeHub, fake


class Failing(CdrServiceServicer, AuthorizationServiceServicer):
    """Fails so many times with a code."""

    def __init__(self, code: grpc.StatusCode, times: int) -> None:
        self.code = code
        self.times = times
        self.calls = 0

    async def _fail(self, context: Any) -> None:
        self.calls += 1
        if self.calls <= self.times:
            await context.abort(self.code, "not now")

    async def GetCdr(self, request: GetCdrRequest, context: Any) -> CdrRecord:
        await self._fail(context)
        return CdrRecord(agreement="agreements/1")

    async def Authorize(self, request: AuthorizeRequest, context: Any) -> Any:
        await self._fail(context)


@asynccontextmanager
async def far_from(address: str, seconds: float) -> AsyncIterator[str]:
    """Relay connections to an address; what is sent either way arrives this much later. Yields the relay's address."""
    host, _, port = address.rpartition(":")
    tasks: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(seconds)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        tasks.update((asyncio.create_task(carry(reader, back)), asyncio.create_task(carry(there, writer))))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*tasks)


async def test_a_hub_far_away_is_connected_to_with_patience(fake_hub: FakeHub) -> None:
    hub = fake(Failing)(grpc.StatusCode.UNAVAILABLE, 0)
    async with (
        fake_hub.serving((add_CdrServiceServicer_to_server, hub)),
        far_from(fake_hub.address, 0.3) as address,
    ):
        connection = Connection(replace(fake_hub.credentials(), hub=address))
        answer = await connection.call(connection.stub(CdrServiceStub).GetCdr, GetCdrRequest())
        await connection.close()
    assert answer.agreement == "agreements/1"


async def test_unavailable_is_tried_again(fake_hub: FakeHub) -> None:
    hub = fake(Failing)(grpc.StatusCode.UNAVAILABLE, 2)
    async with fake_hub.serving((add_CdrServiceServicer_to_server, hub)), fake_hub.connected() as connection:
        answer = await connection.call(connection.stub(CdrServiceStub).GetCdr, GetCdrRequest())
    assert (answer.agreement, hub.calls) == ("agreements/1", 3)


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED]
)
async def test_nothing_else_is_tried_again(fake_hub: FakeHub, code: grpc.StatusCode) -> None:
    hub = fake(Failing)(code, 1)
    async with fake_hub.serving((add_CdrServiceServicer_to_server, hub)), fake_hub.connected() as connection:
        with pytest.raises(RoamhubError) as error:
            await connection.call(connection.stub(CdrServiceStub).GetCdr, GetCdrRequest())
    assert (error.value.code, hub.calls) == (code, 1)
    assert isinstance(error.value, Precondition) == (code is grpc.StatusCode.FAILED_PRECONDITION)


async def test_an_authorization_is_never_tried_again_by_itself(fake_hub: FakeHub) -> None:
    hub = fake(Failing)(grpc.StatusCode.UNAVAILABLE, 1)
    async with fake_hub.serving((add_AuthorizationServiceServicer_to_server, hub)), fake_hub.connected() as connection:
        with pytest.raises(Unreachable):
            await connection.call(connection.stub(AuthorizationServiceStub).Authorize, AuthorizeRequest())
    assert hub.calls == 1
