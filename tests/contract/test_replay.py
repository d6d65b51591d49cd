"""Sending again: whatever was answered once is answered alike, and the database does not change by a byte."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roamhub.v1 import cdr_object_pb2, cdr_pb2

from hub.app.authorization import Asked, Authorizer
from hub.app.cdrs.submit import CdrSubmission
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement, AgreementState, Terms
from hub.domain.authorizations import Allowed, EmspAnswer, Question
from hub.domain.cdrs.record import CdrAnswer
from hub.domain.errors import HubError
from hub.domain.ids import PartyId
from hub.domain.parties import Party, PartyState, Role
from hub.domain.tokens import Token, TokenKey, Whitelist
from hub.rpc.cdr_wire import submission_from_pb
from hub.rpc.cdrs import submit as take_in
from tests.cdrs import NOW, credit_of, make_cdr, number
from tests.stored import check_cdrs, check_journal, contents
from tests.support import Spine, open_spine

EXAMPLES = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

CPO, EMSP, STRANGER = PartyId("NL", "CPO"), PartyId("DE", "MSP"), PartyId("FR", "NOA")


def prepare(uow: UnitOfWork) -> None:
    """Let a CPO and an eMSP roam; its token is published."""
    if CPO in uow.directory.parties:
        return
    for each, role in ((CPO, Role.CPO), (EMSP, Role.EMSP), (STRANGER, Role.EMSP)):
        platform = str(each).lower()
        uow.parties.save(Party(id=each, number=0, roles=frozenset({role}), platform=platform, state=PartyState.ACTIVE))
    uow.agreements.save(
        Agreement(
            id="a1",
            version=1,
            cpo=CPO,
            emsp=EMSP,
            state=AgreementState.ACTIVE,
            terms=Terms(currency="EUR"),
            proposer=CPO,
            since=Terms(currency="EUR").start,
        )
    )
    published = (("tok1", Whitelist.ALWAYS), ("tok2", Whitelist.NEVER))
    uow.tokens.save([token(uid, whitelist) for uid, whitelist in published])


def token(uid: str, whitelist: Whitelist) -> Token:
    return Token(
        key=TokenKey(EMSP, uid, "RFID"),
        contract_id="DE-MSP-C1",
        whitelist=whitelist,
        valid=True,
        last_updated=NOW,
        document=b"",
    )


@dataclass(frozen=True)
class Pair:
    """Two committers over one database."""

    spines: tuple[Spine, Spine]


@pytest.fixture
async def pair(database: str) -> Any:
    with open_spine(database) as first, open_spine(database, first_id=1 << 40) as second:
        for spine in (first, second):
            spine.clock.now = NOW
        await first.committer.run(prepare)
        yield Pair((first, second))


def cdr(name: str, kind: str) -> cdr_object_pb2.Cdr:
    """Return a CDR that is well, of other content, to be returned, or to be refused."""
    match kind:
        case "credit":
            return credit_of(make_cdr(name), f"{name}-C")
        case "second credit":
            return credit_of(make_cdr(name), f"{name}-CC")
        case "other":
            return make_cdr(name, remark="not the same")
        case "returned":
            return make_cdr(name, total_energy=number("19.0000"))
        case "stranger's":
            made = make_cdr(name)
            made.cdr_token.country_code, made.cdr_token.party_id = "FR", "NOA"
            return made
        case "early":
            made = make_cdr(name)
            made.end_date_time.FromDatetime(NOW + timedelta(hours=1))
            return made
        case _:
            return make_cdr(name)


KINDS = ["well", "well", "well", "other", "returned", "credit", "second credit", "stranger's", "early"]
SENT = st.tuples(st.integers(1, 4), st.sampled_from(KINDS), st.integers(1, 8))
#: What is sent at once: to which committer, alone or as one batch, and what.
CALLS = st.lists(st.tuples(st.integers(0, 1), st.lists(SENT, min_size=1, max_size=5)), min_size=1, max_size=12)

ROUNDS = iter(range(1_000_000))


def submissions(round_: int, sent: Iterable[tuple[int, str, int]]) -> Iterator[CdrSubmission]:
    for name, kind, request in sent:
        request_id = str(UUID(int=round_ * 1000 + request))
        message = cdr_pb2.SubmitCdrRequest(request_id=request_id, cdr=cdr(f"R{round_}-{name}", kind))
        yield submission_from_pb(message, "nl-cpo")


Outcome = CdrAnswer | tuple[str, str]


async def submit(spine: Spine, batch: Sequence[CdrSubmission]) -> list[Outcome]:
    answers: Sequence[CdrAnswer | HubError]
    if len(batch) > 1:
        answers = await spine.committer.run_many(take_in, batch)
    else:
        try:
            answers = [await spine.committer.run_batched(take_in, batch[0])]
        except HubError as refusal:
            answers = [refusal]
    return [(a.reason, a.message) if isinstance(a, HubError) else a for a in answers]


@EXAMPLES
@given(calls=CALLS, chance=st.randoms(use_true_random=False))
async def test_cdrs_sent_again_in_whatever_order_and_company_change_nothing(
    pair: Pair, calls: list[tuple[int, list[tuple[int, str, int]]]], chance: Random
) -> None:
    round_ = next(ROUNDS)
    made = [(whom, list(submissions(round_, sent))) for whom, sent in calls]
    answered = await asyncio.gather(*(submit(pair.spines[whom], batch) for whom, batch in made))
    engine = pair.spines[0].engine
    check_journal(engine)
    receipts = check_cdrs(engine)
    first = [
        (submission, outcome)
        for (_, batch), outcomes in zip(made, answered, strict=True)
        for submission, outcome in zip(batch, outcomes, strict=True)
    ]
    by_cdr: dict[str, CdrAnswer] = {}
    for submission, outcome in first:
        if isinstance(outcome, CdrAnswer):
            assert by_cdr.setdefault(submission.cdr.id.folded, outcome) == outcome, "one CDR has one answer"
            assert receipts[submission.cdr.id.id] == (outcome.receipt.index, outcome.receipt.leaf_hash)
    before = contents(engine)
    order = chance.sample(first, len(first))
    while order:
        size = chance.randint(1, 6)
        batch, order = order[:size], order[size:]
        spine = pair.spines[chance.randint(0, 1)]
        for (_, then), now in zip(batch, await submit(spine, [each for each, _ in batch]), strict=True):
            # Of a refusal nothing is kept: its request id may have been used for another CDR since.
            assert now == then or not (isinstance(now, CdrAnswer) or isinstance(then, CdrAnswer))
    assert contents(engine) == before


class _Emsp:
    async def authorize(self, question: Any, seconds: float) -> EmspAnswer:
        return EmspAnswer(allowed=Allowed.ALLOWED, place=None, reference="e", info_document=b"")


QUESTIONS = st.tuples(st.sampled_from(["TOK1", "TOK2", "TOK3"]), st.integers(1, 6))


@EXAMPLES
@given(calls=st.lists(st.tuples(st.integers(0, 1), QUESTIONS), min_size=1, max_size=12))
async def test_authorizations_asked_again_change_nothing(pair: Pair, calls: list[tuple[int, tuple[str, int]]]) -> None:
    round_ = next(ROUNDS)
    partners: Any = _Emsp()
    desks = [Authorizer(committer=s.committer, partners=partners, wait_seconds=5) for s in pair.spines]

    async def ask(whom: int, uid: str, request: int) -> Any:
        question = Question(cpo=CPO, token_uid=uid, token_type="RFID", place=None)
        request_id = str(UUID(int=(1 << 80) + round_ * 1000 + request))
        asked = Asked(platform="nl-cpo", question=question, request_id=request_id, request_hash=uid.encode())
        try:
            answer = await desks[whom].authorize(asked)
        except HubError as refusal:
            return refusal.reason
        return answer.reference, answer.allowed, answer.source, answer.recorded_time

    first = await asyncio.gather(*(ask(whom, *each) for whom, each in calls))
    before = contents(pair.spines[0].engine)
    again = await asyncio.gather(*(ask(1 - whom, *each) for whom, each in reversed(calls)))
    assert again == first[::-1]
    assert contents(pair.spines[0].engine) == before
