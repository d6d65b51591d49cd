"""Two hubs over one database: what one has committed the other knows, also when it has nothing to do itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from roamhub.v1 import journal_pb2, journal_pb2_grpc, party_pb2, party_pb2_grpc

from hub.app.trust.revocation import revoke_certificate
from hub.config import Config
from hub.domain.ids import PartyId
from hub.domain.journal import EntryKind, Fact, Stream
from hub.main import Hub
from tests.conftest import PartnerFactory
from tests.support import Partner, eventually, open_channel, refusal

CPO = PartyId("NL", "ABC")


@pytest.fixture
async def idle(hub: Hub, config: Config) -> AsyncIterator[Hub]:
    """Return a second hub over the database of the first."""
    second = Hub(config)
    await second.start()
    yield second
    await second.stop()


@pytest.fixture
async def elsewhere(hub: Hub, idle: Hub, partner: PartnerFactory) -> AsyncIterator[tuple[Partner, grpc.aio.Channel]]:
    """Return a CPO that came to the first hub, and its channel to the second."""
    cpo = await partner("NL-ABC")
    async with open_channel(idle.port, idle.ca.ca_pem, cpo.key_pem, cpo.chain_pem) as channel:
        yield cpo, channel


async def test_a_partner_of_one_is_known_to_the_other(idle: Hub, elsewhere: tuple[Partner, grpc.aio.Channel]) -> None:
    await eventually(lambda: CPO in idle.directory.current.parties)
    found = await party_pb2_grpc.PartyServiceStub(elsewhere[1]).GetParty(
        party_pb2.GetPartyRequest(name="parties/nl-abc")
    )
    assert found.party_id == "ABC"


async def test_a_watcher_at_the_idle_one_sees_what_the_other_commits(
    hub: Hub, idle: Hub, elsewhere: tuple[Partner, grpc.aio.Channel]
) -> None:
    await eventually(lambda: CPO in idle.directory.current.parties)
    watch = journal_pb2_grpc.JournalServiceStub(elsewhere[1]).Watch(
        journal_pb2.WatchRequest(stream=journal_pb2.JOURNAL_STREAM_REGISTRY, after_index=-1)
    )
    seen: list[str] = []

    async def until(subject: str) -> None:
        async for response in watch:
            seen.extend(entry.subject for entry in response.entries)
            if subject in seen:
                return

    for subject in ("one", "two"):
        fact = Fact(kind=EntryKind.PARTY, owner=CPO, subject=subject, body=Empty().SerializeToString())
        await hub.committer.run(lambda uow, fact=fact: uow.journal.append(Stream.REGISTRY, fact))  # type: ignore[misc]
        await asyncio.wait_for(until(subject), 60)
    assert [subject for subject in seen if subject in {"one", "two"}] == ["one", "two"]
    watch.cancel()


async def drained(stream: Any) -> None:
    async for _ in stream:
        pass


async def test_a_certificate_revoked_at_one_is_refused_at_the_other_and_its_open_streams_end(
    hub: Hub, idle: Hub, elsewhere: tuple[Partner, grpc.aio.Channel]
) -> None:
    cpo, channel = elsewhere
    await eventually(lambda: CPO in idle.directory.current.parties)
    watch = journal_pb2_grpc.JournalServiceStub(channel).Watch(
        journal_pb2.WatchRequest(stream=journal_pb2.JOURNAL_STREAM_CLEARING, after_index=-1)
    )
    await hub.committer.run(lambda uow: revoke_certificate(uow, cpo.serial, own=""))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(drained(watch), 60)
    assert refusal(caught.value).reason == "CERTIFICATE_REVOKED"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await party_pb2_grpc.PartyServiceStub(channel).ListParties(party_pb2.ListPartiesRequest())
    assert refusal(caught.value).reason == "CERTIFICATE_REVOKED"
