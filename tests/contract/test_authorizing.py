"""The use case of Authorize on both databases; tokens and the eMSP are played by the test."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hub.app.authorization import Asked, Authorizer
from hub.app.ports.authorizations import AuthorizationFilter
from hub.app.ports.partners import TokenQuestion
from hub.domain.agreements import Agreement, AgreementState, Service, Terms
from hub.domain.authorizations import Allowed, Authorization, EmspAnswer, Place, Question, Source
from hub.domain.errors import Conflict, HubError, TimedOut, Unreachable
from hub.domain.ids import PartyId, fold
from hub.domain.parties import Party, PartyState, Role
from hub.domain.tokens import Token, TokenKey, Whitelist
from tests.support import START, Spine

CPO = PartyId("NL", "ABC")
EMSP = PartyId("DE", "XYZ")
STRANGER = PartyId("FR", "NOA")
PLACE = Place(location_id="LOC1", evse_uids=("E1", "E2"))
REQUEST_ID = "0190b1a2-0000-7000-8000-000000000001"

Reaction = Callable[[TokenQuestion, float], Awaitable[EmspAnswer | None]]


async def agrees(question: TokenQuestion, seconds: float) -> EmspAnswer | None:
    return EmspAnswer(allowed=Allowed.ALLOWED, place=question.place, reference="emsp-1", info_document=b"")


async def away(question: TokenQuestion, seconds: float) -> EmspAnswer | None:
    raise Unreachable("PARTNER_UNREACHABLE", "away")


async def silent(question: TokenQuestion, seconds: float) -> EmspAnswer | None:
    raise TimedOut("PARTNER_TIMED_OUT", "silent")


class Emsp:
    """Implements the one method of `Partners` that is needed here."""

    def __init__(self) -> None:
        self.react: Reaction = agrees
        self.asked: list[tuple[TokenQuestion, float]] = []

    async def authorize(self, question: TokenQuestion, seconds: float) -> EmspAnswer | None:
        self.asked.append((question, seconds))
        return await self.react(question, seconds)


def token(uid: str, whitelist: Whitelist, *, emsp: PartyId = EMSP, valid: bool = True) -> Token:
    return Token(
        key=TokenKey(emsp, fold(uid), "RFID"),
        contract_id=f"{emsp.party_id}-{uid}",
        whitelist=whitelist,
        valid=valid,
        last_updated=START,
        document=f"document of {emsp} {uid}".encode(),
    )


class Stage:
    def __init__(self, spine: Spine) -> None:
        self.spine = spine
        self.emsp = Emsp()
        partners: Any = self.emsp
        self.authorizer = Authorizer(committer=spine.committer, partners=partners, wait_seconds=5)

    async def publish(self, *tokens: Token) -> None:
        await self.spine.committer.run(lambda uow: uow.tokens.save(tokens))

    async def agree(self, **changes: Any) -> None:
        def prepare(uow: Any) -> None:
            for each, role in ((CPO, Role.CPO), (EMSP, Role.EMSP), (STRANGER, Role.EMSP)):
                if each not in uow.directory.parties:
                    uow.parties.save(
                        Party(
                            id=each,
                            number=0,
                            roles=frozenset({role}),
                            platform=str(each).lower(),
                            state=PartyState.ACTIVE,
                        )
                    )
            terms = Terms(
                services=changes.pop("services", frozenset({Service.ROAMING})),
                currency="EUR",
                allow_stored_authorization=changes.pop("from_store", False),
            )
            uow.agreements.save(
                Agreement(
                    id="a1",
                    version=1,
                    cpo=CPO,
                    emsp=EMSP,
                    state=changes.pop("state", AgreementState.ACTIVE),
                    terms=terms,
                    proposer=CPO,
                    since=START - timedelta(days=1),
                )
            )

        await self.spine.committer.run(prepare)
        await self.publish(*(token(kind.name, kind) for kind in Whitelist))

    async def ask(self, uid: str, **changes: Any) -> Authorization:
        request_id = changes.pop("request_id", "")
        request_hash = changes.pop("request_hash", b"")
        seconds = changes.pop("seconds_left", None)
        question = replace(Question(cpo=CPO, token_uid=uid, token_type="RFID", place=PLACE), **changes)
        asked = Asked(platform="nl-abc", question=question, request_id=request_id, request_hash=request_hash)
        return await self.authorizer.authorize(asked, seconds_left=lambda: seconds)

    async def recorded(self) -> Sequence[Authorization]:
        wanted = AuthorizationFilter(party=CPO)
        return await self.spine.reads.run(lambda uow: uow.authorizations.list(wanted, "", 100))


@pytest.fixture
async def stage(spine: Spine) -> Stage:
    stage = Stage(spine)
    await stage.agree()
    return stage


async def test_whitelist_always_is_answered_from_the_store_and_recorded(stage: Stage) -> None:
    answer = await stage.ask("always")
    assert (answer.allowed, answer.source, answer.emsp, answer.place) == (Allowed.ALLOWED, Source.STORE, EMSP, PLACE)
    assert answer.agreement == "agreements/a1"
    assert answer.token_document == b"document of DE-XYZ ALWAYS"
    assert stage.emsp.asked == []
    assert await stage.recorded() == [replace(answer, token_document=b"")]


@pytest.mark.parametrize("react", [away, silent])
@pytest.mark.parametrize("uid", ["NEVER", "ALLOWED"])
async def test_a_token_that_must_be_asked_of_an_emsp_out_of_reach_fails_and_leaves_nothing(
    stage: Stage, uid: str, react: Reaction
) -> None:
    stage.emsp.react = react
    with pytest.raises((Unreachable, TimedOut)):
        await stage.ask(uid)
    assert await stage.recorded() == []


@pytest.mark.parametrize("react", [away, silent])
async def test_allowed_offline_falls_back_on_the_store_when_the_emsp_is_out_of_reach(
    stage: Stage, react: Reaction
) -> None:
    stage.emsp.react = react
    answer = await stage.ask("ALLOWED_OFFLINE")
    assert (answer.allowed, answer.source) == (Allowed.ALLOWED, Source.STORE)
    assert len(stage.emsp.asked) == 1


@pytest.mark.parametrize("uid", ["NEVER", "ALLOWED", "ALLOWED_OFFLINE"])
async def test_an_emsp_within_reach_decides_and_its_words_are_kept(stage: Stage, uid: str) -> None:
    async def limits(question: TokenQuestion, seconds: float) -> EmspAnswer:
        return EmspAnswer(
            allowed=Allowed.ALLOWED,
            place=Place(location_id="LOC1", evse_uids=("E2",)),
            token_document=b"from the eMSP",
            contract_id="NEW",
            info_document=b"info",
            reference="emsp-9",
        )

    stage.emsp.react = limits
    answer = await stage.ask(uid)
    assert (answer.source, answer.emsp_reference, answer.contract_id) == (Source.PARTNER, "emsp-9", "NEW")
    assert answer.place == Place(location_id="LOC1", evse_uids=("E2",))
    assert answer.token_document == b"from the eMSP"
    ((question, _),) = stage.emsp.asked
    assert question.reference == answer.reference
    assert await stage.recorded() == [replace(answer, token_document=b"")]


async def test_an_emsps_no_is_an_answer_without_a_place(stage: Stage) -> None:
    async def refuses(question: TokenQuestion, seconds: float) -> EmspAnswer:
        return EmspAnswer(allowed=Allowed.NO_CREDIT, place=question.place)

    stage.emsp.react = refuses
    answer = await stage.ask("NEVER")
    assert (answer.allowed, answer.reason, answer.place) == (Allowed.NO_CREDIT, "PARTNER_REFUSED", None)
    assert len(await stage.recorded()) == 1


async def test_where_the_agreement_lets_the_store_answer_an_allowed_token_is_not_asked(stage: Stage) -> None:
    stage.spine.clock.advance(seconds=1)

    def allow(uow: Any) -> None:
        (version,) = uow.agreements.versions("a1")
        uow.agreements.save(
            replace(version, state=AgreementState.SUPERSEDED),
            replace(version, version=2, terms=replace(version.terms, allow_stored_authorization=True)),
        )

    await stage.spine.committer.run(allow)
    stage.emsp.react = away
    answer = await stage.ask("ALLOWED")
    assert (answer.source, stage.emsp.asked) == (Source.STORE, [])
    await stage.publish(token("ALLOWED", Whitelist.ALLOWED, valid=False))
    blocked = await stage.ask("ALLOWED")
    assert (blocked.allowed, blocked.reason, len(stage.emsp.asked)) == (Allowed.BLOCKED, "TOKEN_INVALID", 1)


async def test_an_unknown_token_is_refused_and_asked_of_the_emsp_that_the_cpo_names(stage: Stage) -> None:
    refused = await stage.ask("T404")
    assert (refused.allowed, refused.reason, refused.emsp) == (Allowed.NOT_ALLOWED, "UNKNOWN_TOKEN", None)
    answer = await stage.ask("T404", emsp=EMSP)
    assert (answer.allowed, answer.source, answer.emsp) == (Allowed.ALLOWED, Source.PARTNER, EMSP)

    async def unknown(question: TokenQuestion, seconds: float) -> None:
        return None

    stage.emsp.react = unknown
    third = await stage.ask("T404", emsp=EMSP)
    assert (third.allowed, third.source, third.reason) == (Allowed.NOT_ALLOWED, Source.PARTNER, "UNKNOWN_TOKEN")
    assert len(await stage.recorded()) == 3


@pytest.mark.parametrize("spelled", ["DE-MSP-C12345678-X", "demspc12345678x"])
async def test_an_emaid_is_found_however_it_is_spelled(stage: Stage, spelled: str) -> None:
    card = token("T", Whitelist.ALWAYS)
    await stage.publish(replace(card, key=TokenKey.of(EMSP, "DE*MSP*C12345678*X", "EMAID")))
    answer = await stage.ask(spelled, token_type="EMAID")
    assert (answer.allowed, answer.source, answer.token_uid) == (Allowed.ALLOWED, Source.STORE, spelled)


async def test_a_token_of_an_emsp_without_agreement_reads_like_one_that_does_not_exist(stage: Stage) -> None:
    await stage.publish(token("T9", Whitelist.ALWAYS, emsp=STRANGER))
    theirs, nobodys = await stage.ask("T9"), await stage.ask("T8")
    hidden: Any = {"reference": "", "token_uid": ""}
    assert replace(theirs, **hidden) == replace(nobodys, **hidden)
    named, absent = await stage.ask("T9", emsp=STRANGER), await stage.ask("T9", emsp=PartyId("SE", "NOP"))
    assert replace(named, **hidden) == replace(absent, **hidden)
    assert (named.reason, named.emsp, named.token_document) == ("NO_AGREEMENT", None, b"")


async def test_of_two_emsps_with_the_same_uid_the_one_with_an_agreement_is_meant(stage: Stage) -> None:
    await stage.publish(token("ALWAYS", Whitelist.ALWAYS, emsp=STRANGER))
    assert (await stage.ask("ALWAYS")).emsp == EMSP


@pytest.mark.parametrize("uid", [kind.name for kind in Whitelist])
async def test_a_suspended_agreement_refuses_every_token_and_is_named(spine: Spine, uid: str) -> None:
    stage = Stage(spine)
    await stage.agree(state=AgreementState.SUSPENDED)
    answer = await stage.ask(uid)
    assert (answer.allowed, answer.source) == (Allowed.NOT_ALLOWED, Source.AGREEMENT)
    assert (answer.reason, answer.agreement, answer.clause) == ("AGREEMENT_SUSPENDED", "agreements/a1", "state")
    assert stage.emsp.asked == []


async def test_a_terminated_agreement_leaves_the_token_unknown(spine: Spine) -> None:
    stage = Stage(spine)
    await stage.agree(state=AgreementState.TERMINATED)
    assert (await stage.ask("ALWAYS")).reason == "UNKNOWN_TOKEN"
    assert (await stage.ask("ALWAYS", emsp=EMSP)).reason == "AGREEMENT_TERMINATED"


async def test_an_agreement_suspended_while_the_emsp_is_asked_refuses(stage: Stage) -> None:
    async def meanwhile(question: TokenQuestion, seconds: float) -> EmspAnswer:
        def suspend(uow: Any) -> None:
            (version,) = uow.agreements.versions("a1")
            uow.agreements.save(replace(version, state=AgreementState.SUSPENDED, suspended_by=frozenset({EMSP})))

        await stage.spine.committer.run(suspend)
        return EmspAnswer(allowed=Allowed.ALLOWED, place=question.place)

    stage.emsp.react = meanwhile
    answer = await stage.ask("NEVER")
    assert (answer.allowed, answer.reason, answer.place) == (Allowed.NOT_ALLOWED, "AGREEMENT_SUSPENDED", None)


async def test_the_smaller_of_the_callers_time_and_the_hubs_limit_is_waited(stage: Stage) -> None:
    for left in (None, 100.0, 2.0, 0.5):
        await stage.ask("NEVER", seconds_left=left)
    waits = [seconds for _, seconds in stage.emsp.asked]
    assert waits == [5, 5, 1.75, 0.4]  # what is kept back is for recording the answer


@pytest.mark.parametrize("uid", ["ALWAYS", "NEVER", "T404"])
async def test_the_same_request_again_gets_the_first_answer_and_another_is_refused(stage: Stage, uid: str) -> None:
    first = await stage.ask(uid, request_id=REQUEST_ID, request_hash=b"one")
    again = await stage.ask(uid, request_id=REQUEST_ID, request_hash=b"one")
    assert again == first
    assert len(await stage.recorded()) == 1
    with pytest.raises(Conflict) as caught:
        await stage.ask(uid, request_id=REQUEST_ID, request_hash=b"two")
    assert caught.value.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("uid", ["ALWAYS", "NEVER"])
async def test_the_same_request_many_times_at_once_is_recorded_once(stage: Stage, uid: str) -> None:
    asking = [stage.ask(uid, request_id=REQUEST_ID, request_hash=b"one") for _ in range(20)]
    answers = await asyncio.gather(*asking)
    assert len({answer.reference for answer in answers}) == 1
    assert len(await stage.recorded()) == 1


async def test_of_two_questions_under_one_request_id_the_one_that_is_recorded_first_keeps_it(stage: Stage) -> None:
    other_is_recorded = asyncio.Event()

    async def agrees_late(question: TokenQuestion, seconds: float) -> EmspAnswer | None:
        await other_is_recorded.wait()
        return await agrees(question, seconds)

    stage.emsp.react = agrees_late
    relayed = asyncio.create_task(stage.ask("NEVER", request_id=REQUEST_ID, request_hash=b"NEVER"))
    async with asyncio.timeout(60):
        while not stage.emsp.asked:
            await asyncio.sleep(0)
    stored = await stage.ask("ALWAYS", request_id=REQUEST_ID, request_hash=b"ALWAYS")
    other_is_recorded.set()
    with pytest.raises(Conflict):
        await relayed
    assert await stage.ask("ALWAYS", request_id=REQUEST_ID, request_hash=b"ALWAYS") == stored
    assert len(await stage.recorded()) == 1


async def test_many_at_once_are_each_answered_for_themselves(stage: Stage) -> None:
    kinds = ["ALWAYS", "NEVER", "T404", "ALLOWED_OFFLINE"] * 25
    answers = await asyncio.gather(*(stage.ask(uid) for uid in kinds))
    assert [answer.token_uid for answer in answers] == kinds
    assert len({answer.reference for answer in answers}) == 100
    assert len(await stage.recorded()) == 100


async def test_checks_find_what_was_answered_by_cpo_and_reference_in_one_go(stage: Stage) -> None:
    given, refused = await stage.ask("Always"), await stage.ask("T404")
    parties = stage.spine.directory.current.parties
    cpo, emsp = parties[CPO].number, parties[EMSP].number

    def look(uow: Any) -> Any:
        keys = [(cpo, given.reference), (cpo, refused.reference), (emsp, given.reference), (cpo, "r9")]
        return uow.authorizations.find_many(keys)

    found = await stage.spine.reads.run(look)
    assert set(found) == {(cpo, given.reference), (cpo, refused.reference)}
    facts = found[cpo, given.reference]
    assert (facts.emsp, facts.token_uid, facts.allowed, facts.location_id) == (emsp, "always", True, "loc1")
    assert found[cpo, refused.reference].emsp is None


async def test_a_record_is_found_by_its_cpo_and_its_emsp_and_nobody_else(stage: Stage) -> None:
    given = await stage.ask("ALWAYS")

    def look(uow: Any) -> list[Authorization | None]:
        return [uow.authorizations.find(given.reference, parties) for parties in ([CPO], [EMSP], [STRANGER], [])]

    mine, theirs, strangers, nobodys = await stage.spine.reads.run(look)
    assert mine == theirs == replace(given, token_document=b"")
    assert strangers is None
    assert nobodys is None


async def test_records_are_listed_in_pages_newest_first_within_the_times(stage: Stage) -> None:
    answers = []
    for _ in range(5):
        answers.append(await stage.ask("ALWAYS"))
        stage.spine.clock.advance(minutes=1)
    references = [answer.reference for answer in reversed(answers)]

    def pages(uow: Any) -> list[list[str]]:
        everything = AuthorizationFilter(party=EMSP)
        middle = AuthorizationFilter(party=CPO, start=START + timedelta(minutes=1), end=START + timedelta(minutes=3))
        first = uow.authorizations.list(everything, "", 2)
        second = uow.authorizations.list(everything, first[-1].reference, 2)
        return [[each.reference for each in page] for page in (first, second, uow.authorizations.list(middle, "", 9))]

    first, second, middle = await stage.spine.reads.run(pages)
    assert first + second == references[:4]
    assert middle == references[2:4]


async def test_errors_hold_no_token(stage: Stage) -> None:
    stage.emsp.react = away
    with pytest.raises(HubError) as caught:
        await stage.ask("NEVER")
    assert "NEVER" not in str(caught.value) + str(caught.value.metadata)
