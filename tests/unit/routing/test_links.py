"""Links, with the partner's side played by the test: no network."""

import asyncio
import itertools
from collections.abc import Callable

import pytest
from google.protobuf.message import Message
from grpc import StatusCode
from hypothesis import given, settings
from hypothesis import strategies as st
from roamhub.v1 import common_pb2, partner_pb2, token_object_pb2
from roamhub.v1 import link_pb2 as pb

from hub.domain.errors import Exhausted, Unreachable
from hub.domain.ids import PartyId
from hub.routing.link import Link
from hub.routing.links import Links
from hub.routing.outcomes import AnsweredBadlyError, Counts, LostError, NotSentError, SilentError
from tests.virtual_time import VirtualTimeLoop

EMSP = PartyId("DE", "XYZ")
OTHER = PartyId("FR", "OTH")
#: Who operates every party, in these tests.
PLATFORM = {"now": "p"}


def make_links(
    *, keepalive: float = 30, changed: Callable[[PartyId, bool], None] = lambda _party, _connected: None
) -> Links:
    numbers = itertools.count(1)
    return Links(
        new_id=lambda: f"link-{next(numbers)}",
        keepalive_seconds=keepalive,
        counts=Counts(),
        platform_of=lambda _: PLATFORM["now"],
        changed=changed,
    )


def question(uid: str) -> partner_pb2.PartnerServiceAuthorizeRequest:
    return partner_pb2.PartnerServiceAuthorizeRequest(token_uid=uid)


def answer(number: int, reference: str = "") -> pb.ConnectRequest:
    info = token_object_pb2.AuthorizationInfo(allowed=1, authorization_reference=reference)  # type: ignore[arg-type]
    return pb.ConnectRequest(answer=pb.LinkAnswer(id=number, authorize=info))


async def next_request(link: Link) -> pb.LinkRequest:
    while True:
        message = await link.outgoing()
        assert message is not None
        if message.WhichOneof("message") == "request":
            return message.request


def ask(links: Links, uid: str, seconds: float = 2) -> "asyncio.Task[Message]":
    return asyncio.create_task(links.ask(EMSP, "authorize", question(uid), seconds, "correlation"))


async def test_a_link_begins_with_a_welcome_that_names_it_and_its_keepalive() -> None:
    link = make_links(keepalive=2.5).open("p", [EMSP], 0, "test")
    message = await link.outgoing()
    assert message is not None
    assert message.welcome.link_id == "link-1"
    assert message.welcome.keepalive_interval.ToTimedelta().total_seconds() == 2.5
    link.close()


async def test_a_request_carries_its_number_deadline_and_correlation_and_gets_its_answer() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "")
    asked = ask(links, "T1")
    request = await next_request(link)
    assert (request.id, request.correlation_id, request.authorize.token_uid) == (1, "correlation", "T1")
    assert 1.5 < request.timeout.ToTimedelta().total_seconds() <= 2
    link.receive(answer(1, "mine"))
    assert (await asked).authorization_reference == "mine"  # type: ignore[attr-defined]
    link.close()


@settings(max_examples=60)
@given(st.permutations(range(1, 9)), st.lists(st.integers(-1, 12), max_size=20))
def test_answers_in_any_order_with_repetitions_and_strangers_reach_exactly_their_askers(
    order: list[int], noise: list[int]
) -> None:
    async def run() -> None:
        links = make_links()
        link = links.open("p", [EMSP], 0, "")
        tasks = [ask(links, f"T{n}") for n in range(1, 9)]
        requests = [await next_request(link) for _ in tasks]
        uids = {request.id: request.authorize.token_uid for request in requests}
        for position, number in enumerate(order):
            link.receive(answer(number, uids[number]))
            for stray in noise[position::8]:
                if stray in order[: position + 1] or stray not in uids:
                    link.receive(answer(stray, "stray"))
        answers = [await task for task in tasks]
        assert [a.authorization_reference for a in answers] == [f"T{n}" for n in range(1, 9)]  # type: ignore[attr-defined]
        link.close()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())


async def test_a_partner_that_never_answers_times_out_and_its_late_answer_is_dropped_and_counted() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "")
    asked = ask(links, "T1", 0.05)
    request = await next_request(link)
    with pytest.raises(SilentError):
        await asked
    assert link.in_flight == 0
    link.receive(answer(request.id))
    link.receive(answer(request.id))
    assert dict(links._counts.misses) == {"late": 1, "repeated": 1}
    link.close()


async def test_what_has_gathered_goes_as_one_message_to_a_partner_that_reads_it() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "", batches=True)
    await link.outgoing()
    tasks = [ask(links, f"T{n}") for n in range(300)]
    await asyncio.sleep(0)
    sizes = []
    for _ in range(2):
        message = await link.outgoing()
        assert message is not None
        requests = message.requests.requests
        sizes.append(len(requests))
        said = [answer(request.id, request.authorize.token_uid).answer for request in requests]
        link.receive(pb.ConnectRequest(answers=pb.LinkAnswers(answers=said)))
    assert sizes == [256, 44]
    assert [(await task).authorization_reference for task in tasks] == [f"T{n}" for n in range(300)]  # type: ignore[attr-defined]
    asked = ask(links, "T301")
    assert (await next_request(link)).authorize.token_uid == "T301"
    link.close()
    with pytest.raises(LostError):
        await asked


async def test_an_asker_that_goes_away_frees_its_place() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "")
    asked = ask(links, "T1")
    request = await next_request(link)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert link.in_flight == 0
    link.receive(answer(request.id))
    assert links._counts.misses["late"] == 1
    link.close()


async def test_an_answer_of_another_kind_is_no_answer() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "")
    asked = ask(links, "T1")
    request = await next_request(link)
    link.receive(pb.ConnectRequest(answer=pb.LinkAnswer(id=request.id, ping=partner_pb2.PingResponse())))
    with pytest.raises(AnsweredBadlyError, match="ANSWER_INVALID"):
        await asked
    assert links._counts.garbage == 1
    link.close()


@pytest.mark.parametrize(
    "empty",
    [
        pb.LinkAnswer(id=1),
        pb.LinkAnswer(id=1, error=common_pb2.ItemError(code=0)),
        pb.LinkAnswer(id=1, error=common_pb2.ItemError(code=99)),
    ],
)
async def test_an_empty_answer_or_an_error_without_a_code_is_no_answer(empty: pb.LinkAnswer) -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "")
    asked = ask(links, "T1")
    await next_request(link)
    link.receive(pb.ConnectRequest(answer=empty))
    with pytest.raises(AnsweredBadlyError, match="ANSWER_INVALID"):
        await asked
    link.close()


async def test_an_error_status_reaches_the_asker_with_its_reason() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "")
    asked = ask(links, "T1")
    await next_request(link)
    error = common_pb2.ItemError(code=StatusCode.NOT_FOUND.value[0], reason="UNKNOWN_TOKEN")
    link.receive(pb.ConnectRequest(answer=pb.LinkAnswer(id=1, error=error)))
    with pytest.raises(AnsweredBadlyError) as caught:
        await asked
    assert (caught.value.code, caught.value.reason) == (StatusCode.NOT_FOUND, "UNKNOWN_TOKEN")
    link.close()


async def test_messages_that_are_no_answers_are_dropped_and_counted() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "")
    link.receive(pb.ConnectRequest())
    link.receive(pb.ConnectRequest(hello=pb.LinkHello()))
    assert links._counts.garbage == 2
    link.close()


async def test_a_link_that_breaks_loses_what_is_open_on_it_and_nothing_else() -> None:
    links = make_links()
    one, two = links.open("p", [EMSP], 0, ""), links.open("p", [EMSP], 0, "")
    first, second = ask(links, "T1"), ask(links, "T2")
    await next_request(one)
    request = await next_request(two)
    one.close()
    two.receive(answer(request.id, "kept"))
    with pytest.raises(LostError):
        await first
    assert (await second).authorization_reference == "kept"  # type: ignore[attr-defined]
    assert links._counts.links_lost == 1
    two.close()


async def test_several_links_share_the_load_the_least_busy_first() -> None:
    links = make_links()
    three = [links.open("p", [EMSP], 0, "") for _ in range(3)]
    tasks = [ask(links, f"T{n}") for n in range(9)]
    await asyncio.sleep(0)
    assert [link.in_flight for link in three] == [3, 3, 3]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for link in three:
        link.close()


async def test_what_goes_beyond_a_partners_concurrency_waits_its_turn() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 2, "")
    tasks = [ask(links, f"T{n}") for n in range(6)]
    for n in range(6):
        request = await next_request(link)
        assert request.authorize.token_uid == f"T{n}"
        assert link.in_flight <= 2
        link.receive(answer(request.id, f"T{n}"))
    assert [(await task).authorization_reference for task in tasks] == [f"T{n}" for n in range(6)]  # type: ignore[attr-defined]
    link.close()


async def test_a_request_that_found_no_place_in_time_was_not_sent() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 1, "")
    first = ask(links, "T1")
    await asyncio.sleep(0)
    with pytest.raises(NotSentError, match="PARTNER_BUSY"):
        await ask(links, "T2", 0.03)
    assert links._held_back == {}
    link.receive(answer(1))
    await first
    link.close()


async def test_whoever_is_held_back_learns_that_the_last_link_is_gone() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 1, "")
    tasks = [ask(links, f"T{n}") for n in range(4)]
    await asyncio.sleep(0)
    link.close()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LostError, NotSentError, NotSentError, NotSentError]


async def test_a_place_given_to_an_asker_that_has_left_goes_to_the_next() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 1, "")
    first, second, third = (ask(links, f"T{n}") for n in range(3))
    await asyncio.sleep(0)
    link.receive(answer(1))
    await first
    second.cancel()
    request = await next_request(link)
    while request.authorize.token_uid != "T2":
        request = await next_request(link)
    link.receive(answer(request.id, "T2"))
    assert (await third).authorization_reference == "T2"  # type: ignore[attr-defined]
    link.close()


async def test_without_a_link_nothing_is_sent() -> None:
    with pytest.raises(NotSentError):
        await make_links().ask(EMSP, "authorize", question("T1"), 1, "")


async def test_a_link_is_not_used_for_a_party_that_another_platform_operates_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "")
    monkeypatch.setitem(PLATFORM, "now", "q")
    assert not links.connected(EMSP)
    with pytest.raises(NotSentError):
        await ask(links, "T1")
    other = links.open("q", [EMSP], 0, "")
    asked = ask(links, "T2")
    other.receive(answer((await next_request(other)).id, "new"))
    assert (await asked).authorization_reference == "new"  # type: ignore[attr-defined]
    link.close()
    other.close()


async def test_a_draining_link_answers_what_is_open_and_takes_nothing_new() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "")
    asked = ask(links, "T1")
    request = await next_request(link)
    draining = asyncio.create_task(links.drain(30))
    await asyncio.sleep(0)
    message = await link.outgoing()
    assert message is not None
    assert message.drain.grace_period.seconds == 30
    with pytest.raises(NotSentError):
        await ask(links, "T2")
    with pytest.raises(Unreachable, match="about to stop"):
        links.open("p", [EMSP], 0, "")
    link.receive(answer(request.id, "still answered"))
    assert (await asked).authorization_reference == "still answered"  # type: ignore[attr-defined]
    link.close()
    await asyncio.wait_for(draining, 30)


async def test_a_link_that_ignores_the_drain_is_ended_after_the_grace_time() -> None:
    links = make_links()
    link = links.open("p", [EMSP], 0, "")
    await links.drain(0.02)
    assert len(links) == 0
    with pytest.raises(Unreachable, match="about to stop"):
        await next_request(link)


async def test_a_silent_link_is_pinged_and_ended_when_the_ping_stays_unanswered() -> None:
    links = make_links(keepalive=0.03)
    link = links.open("p", [EMSP], 0, "")
    request = await next_request(link)
    assert request.WhichOneof("request") == "ping"
    with pytest.raises(Unreachable) as caught:
        await next_request(link)
    assert caught.value.reason == "LINK_SILENT"
    assert not links.connected(EMSP)


async def test_a_hub_that_was_held_up_itself_does_not_take_a_link_for_silent() -> None:
    links, loop = make_links(keepalive=30), asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    link = links.open("p", [EMSP], 0, "")
    ping = await next_request(link)
    loop.pass_at_once(300)
    again = await next_request(link)  # the time to judge has come and gone, and the answer is not read yet
    link.receive(pb.ConnectRequest(answer=pb.LinkAnswer(id=ping.id, ping=partner_pb2.PingResponse())))
    assert again.WhichOneof("request") == "ping"
    assert links.connected(EMSP)
    assert (await next_request(link)).WhichOneof("request") == "ping"
    with pytest.raises(Unreachable) as caught:  # silent in earnest
        await next_request(link)
    assert caught.value.reason == "LINK_SILENT"


async def test_a_silent_link_that_answers_its_pings_stays() -> None:
    links = make_links(keepalive=0.02)
    link = links.open("p", [EMSP], 0, "")
    for _ in range(3):
        request = await next_request(link)
        link.receive(pb.ConnectRequest(answer=pb.LinkAnswer(id=request.id, ping=partner_pb2.PingResponse())))
    assert links.connected(EMSP)
    link.close()


async def test_presence_is_told_with_the_first_link_and_the_last() -> None:
    told: list[tuple[PartyId, bool]] = []
    links = make_links(changed=lambda party, connected: told.append((party, connected)))
    one = links.open("p", [EMSP, OTHER], 0, "")
    two = links.open("p", [EMSP], 0, "")
    one.close()
    two.close()
    two.close()
    assert told == [(EMSP, True), (OTHER, True), (OTHER, False), (EMSP, False)]


async def test_a_party_has_a_bounded_number_of_links() -> None:
    links = make_links()
    opened = [links.open("p", [EMSP], 0, "") for _ in range(64)]
    with pytest.raises(Exhausted, match="at most 64"):
        links.open("p", [OTHER, EMSP], 0, "")
    assert not links.connected(OTHER)
    for link in opened:
        link.close()
