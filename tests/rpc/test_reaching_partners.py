"""Reaching a partner over a link and at its endpoint, well and badly behaved, over real mutual TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from roamhub.v1 import journal_pb2, partner_pb2, token_object_pb2
from roamhub.v1 import link_pb2 as pb
from roamhub.v1.journal_pb2_grpc import JournalServiceStub
from roamhub.v1.link_pb2_grpc import LinkServiceStub
from roamhub.v1.party_pb2 import Party, UpdatePartyRequest
from roamhub.v1.party_pb2_grpc import PartyServiceStub

from hub.app.ports.partners import CommandDelivery, TokenQuestion
from hub.cli.demo.ports import held_ports
from hub.config import Config
from hub.domain.authorizations import Allowed, Place
from hub.domain.commands import CommandResponse
from hub.domain.errors import HubError, Invalid, TimedOut, Unreachable
from hub.domain.ids import PartyId
from hub.domain.parties import PartyState, Role
from hub.main import Hub
from tests.conftest import PartnerFactory
from tests.rpc.partners import (
    TIME_LEFT,
    Behaviour,
    Fault,
    dialled,
    granted,
    held_link,
    key,
    say_nothing,
    says_yes,
    served_endpoint,
)
from tests.support import Partner, add_partner, eventually, party_id, refusal

CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "XYZ")
WAYS = ["link", "dial"]


@asynccontextmanager
async def reached(hub: Hub, partner: PartnerFactory, way: str, behaviour: Behaviour) -> AsyncIterator[Partner]:
    """Put DE-XYZ into the hub so that it is reached in this way and behaves so."""
    if way == "link":
        emsp = await partner(str(EMSP), roles=(Role.EMSP,))
        async with held_link(emsp, behaviour):
            yield emsp
        return
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    async with dialled(hub, emsp, behaviour):
        yield emsp


def question(place: Place | None = None) -> TokenQuestion:
    return TokenQuestion(
        emsp=EMSP, cpo=CPO, token_uid="T1", token_type="RFID", place=place, reference="ref-1", correlation_id="c-1"
    )


async def outcome(hub: Hub, place: Place | None = None, seconds: float = 60) -> HubError:
    with pytest.raises(HubError) as caught:
        await hub.routing.partners.authorize(question(place), seconds)
    return caught.value


async def only_pings(link: Any) -> None:
    """Read a link to its end: a hub that was held up pings more than once."""
    while (message := await link.read()) is not grpc.aio.EOF:
        assert message.request.HasField("ping")


@pytest.mark.parametrize("way", WAYS)
async def test_an_emsp_answers_either_way_and_the_asker_cannot_tell(
    hub: Hub, partner: PartnerFactory, way: str
) -> None:
    place = Place(location_id="LOC1", evse_uids=("E1", "E2"))
    async with reached(hub, partner, way, says_yes):
        answer = await hub.routing.partners.authorize(question(place), 60)
    assert answer is not None
    assert (answer.allowed, answer.place, answer.reference) == (Allowed.ALLOWED, place, "emsp-1")
    assert token_object_pb2.Token.FromString(answer.token_document).uid == "T1"


@pytest.mark.parametrize("way", WAYS)
async def test_the_part_of_the_place_that_the_emsp_allows_is_kept(hub: Hub, partner: PartnerFactory, way: str) -> None:
    async def only_one(request: Any) -> Any:
        if isinstance(request, partner_pb2.PingRequest):
            return partner_pb2.PingResponse()
        return granted(request, location=token_object_pb2.LocationReferences(location_id="loc1", evse_uids=["e2"]))

    async with reached(hub, partner, way, only_one):
        answer = await hub.routing.partners.authorize(question(Place(location_id="LOC1", evse_uids=("E1", "E2"))), 60)
    assert answer is not None
    assert answer.place == Place(location_id="LOC1", evse_uids=("e2",))


@pytest.mark.parametrize("way", WAYS)
async def test_an_unknown_token_is_an_answer_and_no_error(hub: Hub, partner: PartnerFactory, way: str) -> None:
    async def unknown(request: Any) -> Any:
        raise Fault(grpc.StatusCode.NOT_FOUND, "UNKNOWN_TOKEN")

    async with reached(hub, partner, way, unknown):
        assert await hub.routing.partners.authorize(question(), 60) is None


@pytest.mark.parametrize("way", WAYS)
async def test_an_emsp_that_needs_a_location_says_so_as_a_fault_of_the_question(
    hub: Hub, partner: PartnerFactory, way: str
) -> None:
    async def where(request: Any) -> Any:
        raise Fault(grpc.StatusCode.INVALID_ARGUMENT, "LOCATION_REQUIRED")

    async with reached(hub, partner, way, where):
        error = await outcome(hub)
    assert isinstance(error, Invalid)
    assert error.violations[0].field == "location"


@pytest.mark.parametrize("way", WAYS)
async def test_a_partner_that_never_answers_is_given_up_at_the_deadline(
    hub: Hub, partner: PartnerFactory, way: str
) -> None:
    async with reached(hub, partner, way, say_nothing):
        error = await outcome(hub, seconds=0.2)
    assert (type(error), error.reason) == (TimedOut, "PARTNER_TIMED_OUT")


@pytest.mark.parametrize("way", WAYS)
async def test_a_partner_is_told_how_long_its_asker_waits(hub: Hub, partner: PartnerFactory, way: str) -> None:
    told = []

    async def note(request: Any) -> Any:
        if isinstance(request, partner_pb2.PartnerServiceAuthorizeRequest):
            told.append(TIME_LEFT.get())
        return await says_yes(request)

    async with reached(hub, partner, way, note):
        for seconds in (600, 10):
            await hub.routing.partners.authorize(question(), seconds)
    # Far apart, as gRPC rounds a timeout up by as much as a hundredth, and a busy machine takes seconds off it.
    assert told[0] > 300
    assert 0 < told[1] < 20


@pytest.mark.parametrize("way", WAYS)
async def test_no_time_left_is_a_time_out_and_nothing_is_sent(hub: Hub, partner: PartnerFactory, way: str) -> None:
    asked = []

    async def note(request: Any) -> Any:
        asked.append(type(request))
        return await says_yes(request)

    async with reached(hub, partner, way, note):
        error = await outcome(hub, seconds=0)
    assert (type(error), error.reason) == (TimedOut, "PARTNER_TIMED_OUT")
    assert partner_pb2.PartnerServiceAuthorizeRequest not in asked


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNKNOWN])
async def test_a_partner_that_fails_is_told_apart_from_one_that_is_away_and_its_words_stay_here(
    hub: Hub, partner: PartnerFactory, way: str, code: grpc.StatusCode
) -> None:
    async def fails(request: Any) -> Any:
        raise Fault(code, "OUR_SECRET_TABLE_IS_GONE")

    async with reached(hub, partner, way, fails):
        error = await outcome(hub)
    assert (type(error), error.reason) == (Unreachable, "PARTNER_FAILED")
    assert "SECRET" not in str(error) + str(error.metadata)


_GARBAGE: dict[str, dict[str, Any]] = {
    "no answer at all": {"allowed": 0},
    "an answer of a later release": {"allowed": 77},
    "another token": {"token": token_object_pb2.Token(country_code="DE", party_id="XYZ", uid="T2", type="RFID")},
    "another party's token": {"token": token_object_pb2.Token(country_code="FR", party_id="OTH", uid="T1")},
    "another location": {"location": token_object_pb2.LocationReferences(location_id="LOC2")},
    "an EVSE that was not asked about": {
        "location": token_object_pb2.LocationReferences(location_id="LOC1", evse_uids=["E1", "E9"])
    },
    "a reference too long to quote": {"authorization_reference": "r" * 37},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("changes", _GARBAGE.values(), ids=_GARBAGE.keys())
async def test_an_answer_that_cannot_be_one_is_refused(
    hub: Hub, partner: PartnerFactory, way: str, changes: dict[str, Any]
) -> None:
    async def garbage(request: Any) -> Any:
        if isinstance(request, partner_pb2.PingRequest):
            return partner_pb2.PingResponse()
        return granted(request, **changes)

    async with reached(hub, partner, way, garbage):
        error = await outcome(hub, Place(location_id="LOC1", evse_uids=("E1", "E2")))
    assert (type(error), error.reason) == (Unreachable, "PARTNER_FAILED")
    assert hub.routing.counts.garbage == 1


async def test_a_party_with_neither_link_nor_endpoint_is_unreachable(hub: Hub, partner: PartnerFactory) -> None:
    await partner(str(EMSP), roles=(Role.EMSP,))
    error = await outcome(hub)
    assert (type(error), error.reason) == (Unreachable, "PARTNER_UNREACHABLE")


async def test_an_endpoint_where_nobody_listens_is_unreachable_at_once(hub: Hub, partner: PartnerFactory) -> None:
    await partner(str(EMSP), roles=(Role.EMSP,), endpoint="127.0.0.1:1")
    error = await outcome(hub)
    assert (type(error), error.reason) == (Unreachable, "PARTNER_UNREACHABLE")


async def test_an_endpoint_with_another_platforms_certificate_is_not_trusted(hub: Hub, partner: PartnerFactory) -> None:
    thief = await partner("FR-BAD", roles=(Role.EMSP,))
    async with served_endpoint(thief.key_pem, thief.chain_pem, hub.ca.ca_pem, says_yes) as port:
        await partner(str(EMSP), roles=(Role.EMSP,), endpoint=f"127.0.0.1:{port}")
        error = await outcome(hub)
    assert (type(error), error.reason) == (Unreachable, "PARTNER_UNREACHABLE")


@pytest.mark.parametrize("way", WAYS)
async def test_a_command_reaches_its_cpo_and_one_that_knows_no_commands_says_not_supported(
    hub: Hub, partner: PartnerFactory, way: str
) -> None:
    delivery = CommandDelivery(name="commands/c1", cpo=EMSP, emsp=CPO, order=b"")
    async with reached(hub, partner, way, says_yes):
        assert (await hub.routing.partners.command(delivery, 60)).response is CommandResponse.ACCEPTED

    async def unimplemented(request: Any) -> Any:
        raise Fault(grpc.StatusCode.UNIMPLEMENTED)

    if way == "link":
        async with held_link(await partner("FR-TWO"), unimplemented):
            other = CommandDelivery(name="commands/c2", cpo=party_id("FR-TWO"), emsp=CPO, order=b"")
            assert (await hub.routing.partners.command(other, 60)).response is CommandResponse.NOT_SUPPORTED


async def test_a_question_lost_with_its_link_is_asked_once_more_on_another(hub: Hub, partner: PartnerFactory) -> None:
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    broken = asyncio.Event()

    async def breaks(request: Any) -> Any:
        broken.set()
        await asyncio.Event().wait()

    async with held_link(emsp, breaks) as first:
        asking = asyncio.create_task(hub.routing.partners.authorize(question(), 60))
        await broken.wait()
        async with held_link(emsp, says_yes):
            first.cancel()
            answer = await asking
    assert answer is not None
    assert answer.allowed is Allowed.ALLOWED


async def test_a_link_that_dies_in_mid_request_with_no_other_leaves_the_asker_without_waiting(
    hub: Hub, partner: PartnerFactory
) -> None:
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    asked = asyncio.Event()

    async def hangs(request: Any) -> Any:
        asked.set()
        await asyncio.Event().wait()

    async with held_link(emsp, hangs) as call:
        asking = asyncio.create_task(outcome(hub, seconds=600))
        await asked.wait()
        call.cancel()
        error = await asyncio.wait_for(asking, 60)
    assert (type(error), error.reason) == (Unreachable, "PARTNER_UNREACHABLE")


async def test_bytes_that_are_no_message_end_the_link_and_nothing_else(hub: Hub, partner: PartnerFactory) -> None:
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    raw: Any = emsp.channel.stream_stream(
        "/roamhub.v1.LinkService/Connect", request_serializer=bytes, response_deserializer=pb.ConnectResponse.FromString
    )()
    await raw.write(pb.ConnectRequest(hello=pb.LinkHello(parties=[key(EMSP)])).SerializeToString())
    assert (await raw.read()).WhichOneof("message") == "welcome"
    await raw.write(b"\xff\xff\xff")
    with pytest.raises(grpc.aio.AioRpcError):
        await raw.read()
    async with held_link(emsp, says_yes):
        assert await hub.routing.partners.authorize(question(), 60) is not None


_HELLOS: dict[str, tuple[pb.ConnectRequest, grpc.StatusCode]] = {
    "an answer first": (pb.ConnectRequest(answer=pb.LinkAnswer(id=1)), grpc.StatusCode.INVALID_ARGUMENT),
    "nothing": (pb.ConnectRequest(), grpc.StatusCode.INVALID_ARGUMENT),
    "no parties": (pb.ConnectRequest(hello=pb.LinkHello()), grpc.StatusCode.INVALID_ARGUMENT),
    "too much at a time": (
        pb.ConnectRequest(hello=pb.LinkHello(parties=[key(EMSP)], concurrency_max=10_001)),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    "an agent of control characters": (
        pb.ConnectRequest(hello=pb.LinkHello(parties=[key(EMSP)], agent="a\nb")),
        grpc.StatusCode.INVALID_ARGUMENT,
    ),
    "another's party": (
        pb.ConnectRequest(hello=pb.LinkHello(parties=[key(EMSP), key(CPO)])),
        grpc.StatusCode.PERMISSION_DENIED,
    ),
}


@pytest.mark.parametrize(("hello", "code"), _HELLOS.values(), ids=_HELLOS.keys())
async def test_a_link_that_begins_badly_is_refused(
    hub: Hub, partner: PartnerFactory, hello: pb.ConnectRequest, code: grpc.StatusCode
) -> None:
    await partner(str(CPO))
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    call: Any = LinkServiceStub(emsp.channel).Connect()
    await call.write(hello)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert refusal(caught.value).code is code
    assert len(hub.routing.links) == 0


async def test_a_caller_that_opens_a_link_and_says_nothing_is_turned_away(
    hub: Hub, partner: PartnerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.rpc.link._HELLO_SECONDS", 0.05)
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    call: Any = LinkServiceStub(emsp.channel).Connect()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (refusal(caught.value).code, refusal(caught.value).reason) == (
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "HELLO_MISSING",
    )


_REPLIES: dict[str, partner_pb2.CommandResponse] = {
    "no result": partner_pb2.CommandResponse(),
    "a negative time": partner_pb2.CommandResponse(result=3, timeout=Duration(seconds=-5)),  # type: ignore[arg-type]
    "a time that is none": partner_pb2.CommandResponse(result=3, timeout=Duration(nanos=-1)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reply", _REPLIES.values(), ids=_REPLIES.keys())
async def test_a_reply_to_a_command_that_cannot_be_one_is_refused(
    hub: Hub, partner: PartnerFactory, way: str, reply: partner_pb2.CommandResponse
) -> None:
    async def garbage(request: Any) -> Any:
        return partner_pb2.PingResponse() if isinstance(request, partner_pb2.PingRequest) else reply

    delivery = CommandDelivery(name="commands/c1", cpo=EMSP, emsp=CPO, order=b"")
    async with reached(hub, partner, way, garbage):
        with pytest.raises(Unreachable) as caught:
            await hub.routing.partners.command(delivery, 60)
    assert caught.value.reason == "PARTNER_FAILED"


async def test_an_endpoint_that_keeps_failing_is_left_alone_and_found_again(hub: Hub, partner: PartnerFactory) -> None:
    with held_ports(1) as [port]:
        emsp = await partner(str(EMSP), roles=(Role.EMSP,), endpoint=f"127.0.0.1:{port}")
        for _ in range(8):
            assert (await outcome(hub)).reason == "PARTNER_UNREACHABLE"
        async with served_endpoint(emsp.key_pem, emsp.chain_pem, hub.ca.ca_pem, says_yes, port), asyncio.timeout(60):
            while True:
                try:
                    assert await hub.routing.partners.authorize(question(), 5) is not None
                    break
                except (Unreachable, TimedOut):
                    await asyncio.sleep(0.1)


async def test_an_endpoint_that_is_named_again_is_looked_at_at_once(hub: Hub, partner: PartnerFactory) -> None:
    await ping_seldom(hub)
    with held_ports(1) as [port]:
        place = f"127.0.0.1:{port}"
        emsp = await partner(str(EMSP), roles=(Role.EMSP,), endpoint=place)
        for _ in range(8):
            assert (await outcome(hub)).reason == "PARTNER_UNREACHABLE"
        async with served_endpoint(emsp.key_pem, emsp.chain_pem, hub.ca.ca_pem, says_yes, port):
            named = Party(country_code=EMSP.country_code, party_id=EMSP.party_id, endpoint=place)
            await PartyServiceStub(emsp.channel).UpdateParty(UpdatePartyRequest(party=named))
            await eventually(lambda: hub.reachable(EMSP))
            assert await hub.routing.partners.authorize(question(), 60) is not None


async def test_a_half_open_link_is_found_out_by_its_silence_and_ended(
    hub: Hub, partner: PartnerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.routing.links, "_keepalive", 0.5)
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    call: Any = LinkServiceStub(emsp.channel).Connect()
    await call.write(pb.ConnectRequest(hello=pb.LinkHello(parties=[key(EMSP)])))
    assert (await call.read()).WhichOneof("message") == "welcome"
    assert (await call.read()).request.HasField("ping")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await only_pings(call)
    assert refusal(caught.value).reason == "LINK_SILENT"
    assert len(hub.routing.links) == 0


async def test_a_hub_that_stops_asks_its_links_to_leave_and_lets_them_answer(hub: Hub, partner: PartnerFactory) -> None:
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    call: Any = LinkServiceStub(emsp.channel).Connect()
    await call.write(pb.ConnectRequest(hello=pb.LinkHello(parties=[key(EMSP)])))
    assert (await call.read()).WhichOneof("message") == "welcome"
    asking = asyncio.create_task(hub.routing.partners.authorize(question(), 60))
    request = (await call.read()).request
    draining = asyncio.create_task(hub.routing.links.drain(60))
    assert (await call.read()).WhichOneof("message") == "drain"
    await call.write(pb.ConnectRequest(answer=pb.LinkAnswer(id=request.id, authorize=granted(request.authorize))))
    await call.done_writing()
    assert await asking is not None
    await asyncio.wait_for(draining, 60)
    assert await call.read() is grpc.aio.EOF


async def presence_facts(partner: Partner, count: int) -> list[pb.PresenceChange]:
    watch = JournalServiceStub(partner.channel).Watch(
        journal_pb2.WatchRequest(stream=1, after_index=-1, kinds=["presence"])  # type: ignore[arg-type]
    )
    found: list[pb.PresenceChange] = []
    async with asyncio.timeout(60):
        async for response in watch:
            found += [pb.PresenceChange.FromString(entry.body) for entry in response.entries]
            if len(found) >= count:
                break
    watch.cancel()
    return found


async def ping_often(hub: Hub) -> None:
    """Ping endpoints every half second; the connections themselves are left the time that they have."""
    await ping_every(hub, 0.5)


async def ping_seldom(hub: Hub) -> None:
    """Ping endpoints only when there is a reason."""
    await ping_every(hub, 3600)


async def ping_every(hub: Hub, seconds: float) -> None:
    pings = hub.routing._pings
    await pings.stop()
    pings._every = seconds
    pings.start()


@pytest.mark.parametrize("way", WAYS)
async def test_presence_follows_links_and_endpoints_and_is_recorded(
    hub: Hub, partner: PartnerFactory, way: str
) -> None:
    await ping_often(hub)
    async with reached(hub, partner, way, says_yes) as emsp:
        connected = await presence_facts(emsp, 1)
    changes = await presence_facts(emsp, 2)
    assert connected[0].state == pb.PresenceChange.STATE_CONNECTED
    assert [change.state for change in changes[:2]] == [
        pb.PresenceChange.STATE_CONNECTED,
        pb.PresenceChange.STATE_OFFLINE,
    ]
    await eventually(lambda: not hub.reachable(EMSP))
    recorded = await hub.reads.run(lambda uow: uow.presences.find_all())
    assert not recorded[EMSP].connected


@pytest.mark.parametrize("way", WAYS)
async def test_a_suspended_party_is_not_asked(hub: Hub, partner: PartnerFactory, way: str) -> None:
    async with reached(hub, partner, way, says_yes):
        party = hub.directory.current.parties[EMSP]
        await hub.committer.run(lambda uow: uow.parties.save(replace(party, state=PartyState.SUSPENDED)))
        error = await outcome(hub)
    assert error.reason == "PARTNER_UNREACHABLE"


async def test_a_new_endpoint_is_pinged_when_it_is_named_and_not_when_its_turn_comes(config: Config) -> None:
    hub = Hub(replace(config, keepalive_seconds=3_600))
    await hub.start()
    emsp = await add_partner(hub, [str(EMSP)], [Role.EMSP], "emsp")
    async with dialled(hub, emsp, says_yes):
        await eventually(lambda: hub.reachable(EMSP))
    await emsp.channel.close()
    await hub.stop()
