"""The hub as a server: who gets through the door at all."""

import grpc
import pytest

from hub.domain.parties import Role
from hub.main import Hub
from tests.conftest import PartnerFactory
from tests.support import open_channel, refusal


async def test_the_ports_that_the_system_picked_can_be_read(hub: Hub) -> None:
    assert hub.port
    assert hub.register_port
    assert hub.port != hub.register_port


async def test_a_registered_platform_gets_past_tls_to_the_hub(hub: Hub, partner: PartnerFactory) -> None:
    cpo = await partner("NL-ABC", roles=(Role.CPO,))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await cpo.channel.unary_unary("/roamhub.v1.NoService/NoMethod", bytes, bytes)(b"")
    assert refusal(caught.value).code is grpc.StatusCode.UNIMPLEMENTED


async def test_without_a_client_certificate_nobody_connects(hub: Hub) -> None:
    async with open_channel(hub.port, hub.ca.ca_pem) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/roamhub.v1.NoService/NoMethod", bytes, bytes)(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
