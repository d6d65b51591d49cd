"""What is tried again by itself, and what never is."""

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
