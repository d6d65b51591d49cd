"""AuthorizationService over real mutual TLS, with real partners behind it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import pytest
from roamhub.v1 import authorization_pb2 as pb
from roamhub.v1 import common_pb2, token_object_pb2
from roamhub.v1.authorization_pb2_grpc import AuthorizationServiceStub
from roamhub.v1.link_pb2 import LinkRequest

from hub.config import Config
from hub.domain.ids import PartyId
from hub.domain.parties import Role
from hub.domain.tokens import Whitelist
from hub.main import Hub
from tests.conftest import PATIENCE_SECONDS, PartnerFactory
from tests.rpc.partners import dialled, granted, held_link, key, say_nothing, says_yes
from tests.rpc.roaming import agree, publish
from tests.support import Partner, eventually, refusal

CPO = PartyId("NL", "ABC")
EMSP = PartyId("DE", "XYZ")
REQUEST_ID = "0190b1a2-0000-7000-8000-00000000000a"


@pytest.fixture
def patience() -> float:
    """Return for how many seconds the hub waits for a partner; parametrize to vary."""
    return PATIENCE_SECONDS


@pytest.fixture
def config(config: Config, patience: float) -> Config:
    return replace(config, partner_timeout_seconds=patience)


@pytest.fixture
async def cpo(hub: Hub, partner: PartnerFactory) -> Partner:
    return await partner(str(CPO))


@pytest.fixture
async def emsp(hub: Hub, partner: PartnerFactory, cpo: Partner) -> Partner:
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    await agree(hub, CPO, EMSP)
    await publish(hub, EMSP, "ALWAYS", whitelist=Whitelist.ALWAYS)
    await publish(hub, EMSP, "NEVER", whitelist=Whitelist.NEVER)
    await publish(hub, EMSP, "OFFLINE", whitelist=Whitelist.ALLOWED_OFFLINE)
    return emsp


@pytest.fixture
async def linked(emsp: Partner) -> AsyncIterator[Partner]:
    async with held_link(emsp, says_yes):
        yield emsp


def stub(partner: Partner) -> Any:
    return AuthorizationServiceStub(partner.channel)


def question(uid: str, **changes: Any) -> pb.AuthorizeRequest:
    location = token_object_pb2.LocationReferences(location_id="LOC1", evse_uids=["E1", "E2"])
    return pb.AuthorizeRequest(cpo=key(CPO), token_uid=uid, location=location, **changes)


def one(tag: int, uid: str) -> pb.StreamAuthorizeRequest:
    return pb.StreamAuthorizeRequest(questions=[pb.TaggedQuestion(tag=tag, request=question(uid))])


async def refused(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


async def test_an_answer_from_the_store_is_complete_and_can_be_read_again_by_both_sides(
    hub: Hub, cpo: Partner, emsp: Partner
) -> None:
    answer = await stub(cpo).Authorize(question("always"))
    assert answer.allowed == token_object_pb2.ALLOWED_TYPE_ALLOWED
    assert answer.source == pb.Authorization.SOURCE_STORE
    assert (answer.agreement, answer.reason) == ("agreements/a1", "")
    assert (answer.emsp, answer.token.uid, answer.token.contract_id) == (key(EMSP), "ALWAYS", "DE-XYZ-CALWAYS")
    assert list(answer.location.evse_uids) == ["E1", "E2"]
    request = pb.GetAuthorizationRequest(authorization_reference=answer.authorization_reference)
    for side in (cpo, emsp):
        again = await stub(side).GetAuthorization(request)
        assert (again.allowed, again.recorded_time) == (answer.allowed, answer.recorded_time)
        assert (again.token.uid, again.token.contract_id) == ("always", "CALWAYS")
    listed = await stub(emsp).ListAuthorizations(pb.ListAuthorizationsRequest(party=key(EMSP)))
    assert [each.authorization_reference for each in listed.authorizations] == [answer.authorization_reference]


async def test_another_partner_finds_no_such_authorization(
    cpo: Partner, emsp: Partner, partner: PartnerFactory
) -> None:
    answer = await stub(cpo).Authorize(question("ALWAYS"))
    stranger = await partner("FR-NOA", roles=(Role.CPO, Role.EMSP))
    theirs = await refused(
        stub(stranger).GetAuthorization(
            pb.GetAuthorizationRequest(authorization_reference=answer.authorization_reference)
        )
    )
    nobodys = await refused(stub(stranger).GetAuthorization(pb.GetAuthorizationRequest(authorization_reference="r9")))
    assert theirs.code is nobodys.code is grpc.StatusCode.NOT_FOUND
    assert theirs.message == nobodys.message
    denied = await refused(stub(stranger).ListAuthorizations(pb.ListAuthorizationsRequest(party=key(CPO))))
    assert denied.code is grpc.StatusCode.PERMISSION_DENIED


async def test_an_emsp_on_a_link_is_asked_and_quoted(cpo: Partner, linked: Partner) -> None:
    answer = await stub(cpo).Authorize(question("NEVER"))
    assert answer.allowed == token_object_pb2.ALLOWED_TYPE_ALLOWED
    assert (answer.source, answer.emsp_reference) == (pb.Authorization.SOURCE_PARTNER, "emsp-1")
    assert answer.token.contract_id == "DE-XYZ-C00000001-1"


async def test_an_emsp_at_its_endpoint_is_asked_with_the_exchanges_correlation_id(
    hub: Hub, cpo: Partner, partner: PartnerFactory
) -> None:
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    await agree(hub, CPO, EMSP)
    asked: list[Any] = []

    async def notes(request: Any) -> Any:
        asked.append(request)
        return await says_yes(request)

    async with dialled(hub, emsp, notes):
        answer = await stub(cpo).Authorize(question("T1", emsp=key(EMSP)))
    questions = [each for each in asked if hasattr(each, "authorization_reference")]
    assert [each.authorization_reference for each in questions] == [answer.authorization_reference]
    assert answer.source == pb.Authorization.SOURCE_PARTNER


async def test_an_emsp_that_is_away_is_unavailable_unless_the_store_may_stand_in(cpo: Partner, emsp: Partner) -> None:
    away = await refused(stub(cpo).Authorize(question("NEVER")))
    assert (away.code, away.reason) == (grpc.StatusCode.UNAVAILABLE, "PARTNER_UNREACHABLE")
    answer = await stub(cpo).Authorize(question("OFFLINE"))
    assert (answer.allowed, answer.source) == (1, pb.Authorization.SOURCE_STORE)
    listed = await stub(cpo).ListAuthorizations(pb.ListAuthorizationsRequest(party=key(CPO)))
    assert len(listed.authorizations) == 1


@pytest.mark.parametrize("patience", [0.5])
async def test_a_silent_emsp_is_waited_for_no_longer_than_the_hub_allows(cpo: Partner, emsp: Partner) -> None:
    async with held_link(emsp, say_nothing):
        silent = await refused(stub(cpo).Authorize(question("NEVER")))
    assert (silent.code, silent.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "PARTNER_TIMED_OUT")


async def test_a_silent_emsp_is_waited_for_so_long_that_its_caller_still_hears_what_the_store_says(
    cpo: Partner, emsp: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Much more is kept for recording the answer than usual, as a busy machine may take it.
    monkeypatch.setattr("hub.app.authorization._SHARE_KEPT", 0.95)
    monkeypatch.setattr("hub.app.authorization._SECONDS_KEPT_MAX", PATIENCE_SECONDS)
    asked: list[LinkRequest] = []
    async with held_link(emsp, say_nothing, requests=asked):
        answer = await stub(cpo).Authorize(question("OFFLINE"), timeout=40)
    assert answer.source == pb.Authorization.SOURCE_STORE
    (told,) = [each for each in asked if each.HasField("authorize")]
    assert told.timeout.ToTimedelta() < timedelta(seconds=10), "of 40 seconds, which gRPC rounds up a little"


@pytest.mark.parametrize("patience", [0.5])
async def test_a_late_answer_changes_nothing_and_is_counted(hub: Hub, cpo: Partner, emsp: Partner) -> None:
    given_up = asyncio.Event()

    async def late(request: Any) -> Any:
        await given_up.wait()
        return await says_yes(request)

    async with held_link(emsp, late):
        await refused(stub(cpo).Authorize(question("NEVER")))
        given_up.set()
        await eventually(lambda: hub.routing.counts.misses["late"] == 1)
    assert hub.metrics.registry.get_sample_value("roamhub_answers_dropped_total", {"cause": "late"}) == 1
    listed = await stub(cpo).ListAuthorizations(pb.ListAuthorizationsRequest(party=key(CPO)))
    assert len(listed.authorizations) == 0


async def test_a_refusal_names_the_agreement_and_the_clause(hub: Hub, cpo: Partner, partner: PartnerFactory) -> None:
    await partner(str(EMSP), roles=(Role.EMSP,))
    await agree(hub, CPO, EMSP, services=frozenset())
    await publish(hub, EMSP, "T1", whitelist=Whitelist.ALWAYS)
    answer = await stub(cpo).Authorize(question("T1"))
    assert answer.allowed == token_object_pb2.ALLOWED_TYPE_NOT_ALLOWED
    assert (answer.reason, answer.clause) == ("SERVICE_NOT_AGREED", "terms.services")
    assert answer.agreement == "agreements/a1"
    assert not answer.HasField("location")


async def test_an_unknown_token_and_a_strangers_read_the_same(
    hub: Hub, cpo: Partner, emsp: Partner, partner: PartnerFactory
) -> None:
    stranger = await partner("FR-NOA", roles=(Role.EMSP,))
    await publish(hub, stranger.party, "T9", whitelist=Whitelist.ALWAYS)
    theirs, nobodys = [await stub(cpo).Authorize(question(uid)) for uid in ("T9", "T8")]
    for answer in (theirs, nobodys):
        answer.ClearField("authorization_reference")
        answer.ClearField("recorded_time")
    assert theirs == nobodys
    assert theirs.reason == "UNKNOWN_TOKEN"


async def test_the_same_request_id_gets_the_first_answer_and_is_refused_for_another_question(
    cpo: Partner, linked: Partner
) -> None:
    first = await stub(cpo).Authorize(question("NEVER", request_id=REQUEST_ID))
    again = await stub(cpo).Authorize(question("NEVER", request_id=REQUEST_ID))
    assert again.authorization_reference == first.authorization_reference
    other = await refused(stub(cpo).Authorize(question("ALWAYS", request_id=REQUEST_ID)))
    assert (other.code, other.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


_BAD: dict[str, tuple[pb.AuthorizeRequest, list[str]]] = {
    "no token": (question(""), ["token_uid"]),
    "a long token": (question("T" * 37), ["token_uid"]),
    "a token with a line break": (question("T\n1"), ["token_uid"]),
    "a type too long": (question("T1", token_type="T" * 37), ["token_type"]),
    "an eMSP that is no party": (question("T1", emsp=common_pb2.PartyKey(country_code="D")), ["emsp"]),
    "a request id that is none": (question("T1", request_id="again"), ["request_id"]),
    "a location without id": (
        pb.AuthorizeRequest(cpo=key(CPO), token_uid="T1", location=token_object_pb2.LocationReferences()),
        ["location.location_id"],
    ),
    "an EVSE without uid": (
        pb.AuthorizeRequest(
            cpo=key(CPO),
            token_uid="T1",
            location=token_object_pb2.LocationReferences(location_id="L", evse_uids=["E1", ""]),
        ),
        ["location.evse_uids[1]"],
    ),
    "too many EVSEs": (
        pb.AuthorizeRequest(
            cpo=key(CPO),
            token_uid="T1",
            location=token_object_pb2.LocationReferences(location_id="L", evse_uids=["E"] * 101),
        ),
        ["location"],
    ),
}


@pytest.mark.parametrize(("request_", "fields"), _BAD.values(), ids=_BAD.keys())
async def test_a_malformed_question_is_refused_with_its_field(
    cpo: Partner, request_: pb.AuthorizeRequest, fields: list[str]
) -> None:
    bad = await refused(stub(cpo).Authorize(request_))
    assert (bad.code, bad.fields) == (grpc.StatusCode.INVALID_ARGUMENT, fields)
    assert "T1" not in bad.message


async def test_nobody_asks_in_the_name_of_another_cpo_or_in_another_role(cpo: Partner, emsp: Partner) -> None:
    for caller, party in ((emsp, CPO), (emsp, EMSP)):
        denied = await refused(stub(caller).Authorize(pb.AuthorizeRequest(cpo=key(party), token_uid="T1")))
        assert denied.code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_stream_answers_each_question_for_itself_and_by_its_tag(
    hub: Hub, cpo: Partner, linked: Partner
) -> None:
    uids = ["ALWAYS", "NEVER", "T404", ""] * 50

    tagged = [pb.TaggedQuestion(tag=tag, request=question(uid)) for tag, uid in enumerate(uids)]
    tagged.append(pb.TaggedQuestion(tag=-1, request=pb.AuthorizeRequest(cpo=key(EMSP), token_uid="T1")))

    async def questions() -> AsyncIterator[pb.StreamAuthorizeRequest]:
        for start in range(0, len(tagged), 30):
            yield pb.StreamAuthorizeRequest(questions=tagged[start : start + 30])

    answers = {
        answer.tag: answer async for response in stub(cpo).StreamAuthorize(questions()) for answer in response.answers
    }
    assert len(answers) == len(uids) + 1
    for tag, uid in enumerate(uids):
        if uid:
            assert (answers[tag].authorization.allowed == 1) == (uid != "T404")
        else:
            assert answers[tag].error.violations[0].field == "request.token_uid"
    assert answers[-1].error.reason == "NOT_PERMITTED"
    listed = await stub(cpo).ListAuthorizations(pb.ListAuthorizationsRequest(party=key(CPO), page_size=1000))
    assert len(listed.authorizations) == 150


async def test_a_slow_emsp_does_not_hold_up_the_other_answers_of_a_stream(cpo: Partner, emsp: Partner) -> None:
    other_answered = asyncio.Event()

    async def slow(request: Any) -> Any:
        await other_answered.wait()
        return granted(request)

    async with held_link(emsp, slow):
        stream = stub(cpo).StreamAuthorize()
        await stream.write(one(1, "NEVER"))
        await stream.write(one(2, "ALWAYS"))
        assert [answer.tag for answer in (await stream.read()).answers] == [2]
        other_answered.set()
        assert [answer.tag for answer in (await stream.read()).answers] == [1]
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF


@pytest.mark.parametrize("count", [0, 257])
async def test_a_message_of_a_stream_holds_a_bounded_number_of_questions(
    cpo: Partner, emsp: Partner, count: int
) -> None:
    stream = stub(cpo).StreamAuthorize()
    await stream.write(pb.StreamAuthorizeRequest(questions=[pb.TaggedQuestion(request=question("ALWAYS"))] * count))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert (refusal(caught.value).code, refusal(caught.value).fields) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        ["questions"],
    )


async def test_a_fault_of_the_hubs_ends_the_stream_and_not_in_silence(
    hub: Hub, cpo: Partner, linked: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(hub.routing.partners, "authorize", breaks)
    stream = stub(cpo).StreamAuthorize()
    await stream.write(one(1, "ALWAYS"))
    assert (await stream.read()).answers[0].tag == 1
    await stream.write(one(2, "NEVER"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert caught.value.code() is grpc.StatusCode.INTERNAL


async def test_a_stream_that_its_caller_breaks_leaves_nothing_running(hub: Hub, cpo: Partner, emsp: Partner) -> None:
    async with held_link(emsp, say_nothing):
        stream = stub(cpo).StreamAuthorize()
        for tag in range(10):
            await stream.write(one(tag, "NEVER"))
        (link,) = hub.routing.links._all
        await eventually(lambda: link.in_flight == 10)
        stream.cancel()
        await eventually(lambda: link.in_flight == 0)


async def test_a_list_is_read_page_by_page(cpo: Partner, emsp: Partner) -> None:
    given = [(await stub(cpo).Authorize(question("ALWAYS"))).authorization_reference for _ in range(5)]
    found: list[str] = []
    token = ""
    while True:
        page = await stub(cpo).ListAuthorizations(
            pb.ListAuthorizationsRequest(party=key(CPO), page_size=2, page_token=token)
        )
        found += [each.authorization_reference for each in page.authorizations]
        token = page.next_page_token
        if not token:
            break
    assert found == sorted(given, reverse=True)
