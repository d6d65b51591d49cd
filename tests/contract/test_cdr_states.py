"""CDRs that were not accepted at once: reviewed, replaced, withdrawn, lapsed, and settled once if at all."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.app.cdrs import standings
from hub.app.cdrs.standings import Decision, Review, Withdrawal
from hub.app.cdrs.submit import CdrSubmission
from hub.app.clearing import proofs, statements
from hub.app.ports.cdrs import CdrFilter, ReturnsFilter
from hub.crypto.signing import Roots
from hub.crypto.verify import verify_bundle
from hub.domain.agreements import AgreementState, CheckAction, Netting
from hub.domain.cdrs.record import Cdr, CdrAnswer, CdrRecord, CdrState
from hub.domain.clearing.periods import PeriodState
from hub.domain.errors import Conflict, HubError, NotFound, Precondition
from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import EntryKind, Stream
from hub.jobs.returns import ReturnsClock
from hub.rpc.cdrs import submit as submit_cdrs
from tests.contract.test_clearing import CPO, EMSP, LENIENT, OPERATOR, Desk
from tests.stored import check_cdrs, check_journal, contents
from tests.support import Spine, open_spine

STRICT = {
    **LENIENT,
    "ENERGY_SUM_MISMATCH": CheckAction.QUARANTINE,
    "TIMES_DISORDERED": CheckAction.RETURN,
    "AGE_EXCEEDED": CheckAction.RETURN,
}
ACCEPTED, RETURNED, QUARANTINED = CdrState.ACCEPTED, CdrState.RETURNED, CdrState.QUARANTINED
RESUBMITTED, WITHDRAWN = CdrState.RESUBMITTED, CdrState.WITHDRAWN
OTHER = PartyId("FR", "MSP")
REVIEW, RETURN = timedelta(days=7), timedelta(days=14)


class Counter(Desk):
    """A hub's clearing with an agreement under which doubtful CDRs are quarantined and wrong ones returned."""

    def __init__(self, spine: Spine, folder: Path) -> None:
        super().__init__(spine, folder)
        self.clock_job = ReturnsClock(committer=spine.committer, reads=spine.reads)

    async def open(self, emsp: PartyId = EMSP, **terms: object) -> Any:
        return await super().open(emsp, **{"checks": STRICT, "review_window": REVIEW, "return_window": RETURN, **terms})

    def make(self, name: str, kind: str = "well", **facts: Any) -> Cdr:
        """Return a CDR that is well, doubtful (to be quarantined) or wrong (to be returned)."""
        cdr = self.cdr(name, **facts)
        if kind == "doubtful":
            cdr = cdr._replace(total_energy=Decimal(11))
        elif kind == "wrong":
            early = self.spine.clock() - timedelta(hours=2)
            cdr = cdr._replace(periods=cdr.periods._replace(first_start=early))
        document = cdr.document + kind.encode()
        return cdr._replace(document=document, digest=sha256(document).digest())

    async def send(self, cdr: Cdr, replaces: str = "", request: str = "") -> CdrAnswer:
        given = CdrSubmission(platform="cpo", request_id=request or str(uuid4()), cdr=cdr, replaces=replaces)
        return await self.spine.committer.run_batched(submit_cdrs, given)

    async def held(self, name: str, kind: str) -> CdrAnswer:
        return await self.send(self.make(name, kind))

    async def review(
        self, name: str, decision: Decision, *, emsp: PartyId = EMSP, request: str = "", note: str = ""
    ) -> CdrRecord:
        asked = Review(
            platform="emsp",
            request_id=request or str(uuid4()),
            cdr=ObjectId(CPO, name),
            emsp=emsp,
            decision=decision,
            note=note,
        )
        return await self.do(lambda uow: standings.review(uow, asked))

    async def withdraw(self, name: str, *, request: str = "") -> CdrRecord:
        asked = Withdrawal(platform="cpo", request_id=request or str(uuid4()), cdr=ObjectId(CPO, name))
        return await self.do(lambda uow: standings.withdraw(uow, asked))

    async def record(self, name: str) -> CdrRecord:
        found = await self.read(lambda uow: uow.cdrs.get(ObjectId(CPO, name)))
        assert found is not None
        return found

    async def kinds(self) -> list[EntryKind]:
        return [e.fact.kind for e in await self.read(lambda uow: uow.journal.read(Stream.CLEARING, -1, 1000))]

    async def queue(self, *parties: PartyId, **wanted: Any) -> list[str]:
        asked = ReturnsFilter(parties=frozenset(parties), **wanted)
        return [r.id.id for r in await self.read(lambda uow: uow.cdrs.returns(asked, None, 100))]

    async def verified(self) -> list[int]:
        """Return how many CDRs each issued statement shows, having verified its bundle."""
        roots, shown = Roots.from_text(self.notary.roots_path.read_text()), []
        for statement in await self.statements():
            data = await self.read(lambda uow, each=statement: proofs.export(uow, self.settings, each))  # type: ignore[misc]
            report = verify_bundle(data, roots)
            assert report.exit_code == 0, report.checks
            shown.append(statement.cdr_count)
        return shown


@pytest.fixture
async def desk(spine: Spine, tmp_path: Path) -> Counter:
    made = Counter(spine, tmp_path / "keys")
    await made.open()
    return made


async def refused(call: Any) -> HubError:
    with pytest.raises(HubError) as caught:
        await call
    return caught.value


async def test_a_doubtful_cdr_is_quarantined_with_a_deadline_and_not_settled(desk: Counter) -> None:
    answer = await desk.held("C1", "doubtful")
    assert (answer.state, answer.deadline) == (QUARANTINED, desk.spine.clock() + REVIEW)
    assert await desk.kinds() == [EntryKind.CDR_QUARANTINED]
    period = await desk.cut_off()
    assert (await desk.calculate(period.name)).cdr_count == 0


async def test_one_error_that_returns_outweighs_one_that_quarantines(desk: Counter) -> None:
    both = desk.make("C1", "wrong")._replace(total_energy=Decimal(11))
    answer = await desk.send(both)
    assert answer.state is RETURNED
    assert [finding.code for finding in answer.findings] == ["TIMES_DISORDERED", "ENERGY_SUM_MISMATCH"]


async def test_an_accepted_review_puts_the_cdr_into_the_period_of_that_moment(desk: Counter) -> None:
    await desk.held("C1", "doubtful")
    await desk.send(desk.make("C2"))
    await desk.settle()
    record = await desk.review("C1", Decision.ACCEPT, note="our driver confirms")
    assert record.answer.state is ACCEPTED
    assert [(step.state, step.cause, step.note) for step in record.steps] == [
        (QUARANTINED, "CHECKS", ""),
        (ACCEPTED, "REVIEW", "our driver confirms"),
    ]
    assert record.answer.receipt.index < record.steps[-1].index == record.accepted_index
    await desk.send(desk.make("C3"))
    await desk.settle()
    assert await desk.stated() == {"NL-CPO/C1": 1, "NL-CPO/C2": 1, "NL-CPO/C3": 1}
    assert sorted(await desk.verified()) == [1, 2]
    check_journal(desk.spine.engine)
    check_cdrs(desk.spine.engine)


async def test_what_is_accepted_right_after_a_cut_off_is_not_in_what_was_cut_off(desk: Counter) -> None:
    await desk.held("C1", "doubtful")
    before = await desk.cut_off()
    record = await desk.review("C1", Decision.ACCEPT)
    assert record.accepted_index == before.end_index
    assert (await desk.calculate(before.name)).cdr_count == 0
    await desk.settle()
    assert await desk.stated() == {"NL-CPO/C1": 1}


async def test_a_review_is_the_paying_emsps_alone_and_happens_once(desk: Counter) -> None:
    await desk.held("C1", "doubtful")
    stranger = await refused(desk.review("C1", Decision.ACCEPT, emsp=OTHER))
    missing = await refused(desk.review("C2", Decision.ACCEPT))
    assert isinstance(stranger, NotFound)
    assert (stranger.reason, stranger.message) == (missing.reason, missing.message)
    request = str(uuid4())
    first = await desk.review("C1", Decision.RETURN, request=request)
    before = contents(desk.spine.engine)
    assert await desk.review("C1", Decision.RETURN, request=request) == first
    assert contents(desk.spine.engine) == before
    assert (await refused(desk.review("C1", Decision.ACCEPT, request=request))).reason == "REQUEST_ID_REUSED"
    late = await refused(desk.review("C1", Decision.ACCEPT))
    assert (late.reason, late.metadata["state"]) == ("CDR_STATE", "RETURNED")


@pytest.mark.parametrize("kind", ["well", "wrong"])
async def test_only_what_is_quarantined_can_be_reviewed(desk: Counter, kind: str) -> None:
    await desk.held("C1", kind)
    for decision in Decision:
        assert (await refused(desk.review("C1", decision))).reason == "CDR_STATE"


async def test_an_undecided_cdr_is_returned_when_its_deadline_passes_also_after_downtime(desk: Counter) -> None:
    await desk.held("C1", "doubtful")
    desk.spine.clock.now += REVIEW - timedelta(seconds=1)
    assert not await desk.clock_job()
    desk.spine.clock.advance(days=30)
    assert (await refused(desk.review("C1", Decision.ACCEPT))).reason == "REVIEW_DEADLINE_PASSED"
    assert await desk.clock_job()
    assert not await desk.clock_job()
    record = await desk.record("C1")
    assert (record.answer.state, record.steps[-1].cause) == (RETURNED, "UNDECIDED")
    # The CPO hears of it only now, so its time begins now.
    assert record.answer.deadline == desk.spine.clock() + RETURN


async def test_a_returned_cdr_that_nobody_puts_right_lapses(desk: Counter) -> None:
    await desk.held("C1", "wrong")
    desk.spine.clock.now += RETURN
    better = desk.make("C2")
    before = await refused(desk.send(better, "C1"))
    assert await desk.clock_job()
    record = await desk.record("C1")
    assert (record.answer.state, record.steps[-1].cause, record.awaited) == (WITHDRAWN, "LAPSED", None)
    after = await refused(desk.send(better, "C1"))
    assert before.reason == after.reason == "RETURN_DEADLINE_PASSED"
    assert before.metadata == after.metadata
    assert await desk.kinds() == [EntryKind.CDR_RETURNED, EntryKind.CDR_WITHDRAWN]


async def test_many_deadlines_pass_in_pieces(desk: Counter) -> None:
    await desk.spine.committer.run_many(
        submit_cdrs,
        [CdrSubmission(platform="cpo", request_id=str(uuid4()), cdr=desk.make(f"C{n}", "wrong")) for n in range(230)],
    )
    desk.spine.clock.now += RETURN
    assert await desk.clock_job()
    assert set((await desk.kinds())[230:]) == {EntryKind.CDR_WITHDRAWN}
    check_cdrs(desk.spine.engine)


async def test_a_returned_cdr_is_replaced_by_a_better_one(desk: Counter) -> None:
    await desk.held("C1", "wrong")
    answer = await desk.send(desk.make("C2"), "c1")
    assert answer.state is ACCEPTED
    assert await desk.kinds() == [EntryKind.CDR_RETURNED, EntryKind.CDR_ACCEPTED, EntryKind.CDR_RESUBMITTED]
    old, new = await desk.record("C1"), await desk.record("C2")
    assert (old.answer.state, old.replaced_by, old.replaces, old.answer.deadline) == (RESUBMITTED, "C2", "", None)
    assert (new.answer.state, new.replaced_by, new.replaces) == (ACCEPTED, "", "C1")
    await desk.settle()
    assert await desk.stated() == {"NL-CPO/C2": 1}


async def test_a_replacement_is_not_late_when_the_first_attempt_was_not(desk: Counter) -> None:
    wrong, better = desk.make("C1", "wrong"), desk.make("C2", "wrong")
    best, late = desk.make("C3"), desk.make("C4")
    desk.spine.clock.advance(days=59)
    await desk.send(wrong)
    desk.spine.clock.advance(days=10)
    assert [f.code for f in (await desk.send(better, "C1")).findings] == ["TIMES_DISORDERED"]
    desk.spine.clock.advance(days=10)
    assert (await desk.send(best, "C2")).state is ACCEPTED
    assert [f.code for f in (await desk.send(late)).findings] == ["AGE_EXCEEDED"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("", "REPLACED_CDR_UNKNOWN"), ("well", "REPLACED_CDR_STATE"), ("doubtful", "REPLACED_CDR_STATE")],
)
async def test_only_a_returned_cdr_can_be_replaced(desk: Counter, kind: str, reason: str) -> None:
    if kind:
        await desk.held("C1", kind)
    before = contents(desk.spine.engine)
    refusal = await refused(desk.send(desk.make("C2"), "C1"))
    assert isinstance(refusal, Precondition)
    assert (refusal.reason, refusal.metadata["field"]) == (reason, "replaces")
    assert contents(desk.spine.engine) == before


async def test_a_cdr_is_replaced_once_and_not_after_it_was_withdrawn(desk: Counter) -> None:
    await desk.held("C1", "wrong")
    await desk.send(desk.make("C2"), "C1")
    refusal = await refused(desk.send(desk.make("C3"), "C1"))
    assert (refusal.reason, refusal.metadata["replaced_by"]) == ("REPLACED_CDR_RESUBMITTED", "C2")
    await desk.held("C4", "wrong")
    await desk.withdraw("C4")
    assert (await refused(desk.send(desk.make("C5"), "C4"))).metadata["state"] == "WITHDRAWN"


async def test_a_cdr_for_another_emsp_cannot_take_the_place(desk: Counter) -> None:
    await desk.open(OTHER)
    await desk.held("C1", "wrong")
    assert (await refused(desk.send(desk.make("C2", emsp=OTHER), "C1"))).reason == "REPLACED_CDR_MISMATCH"


async def test_a_replacement_sent_again_gets_the_first_answer_and_another_claim_is_a_conflict(desk: Counter) -> None:
    await desk.held("C1", "wrong")
    await desk.held("C9", "wrong")
    better, request = desk.make("C2"), str(uuid4())
    first = await desk.send(better, "C1", request)
    await desk.send(better)
    before = contents(desk.spine.engine)
    assert await desk.send(better, "C1", request) == first
    assert contents(desk.spine.engine) == before
    assert (await refused(desk.send(better, "", request))).reason == "REQUEST_ID_REUSED"
    for claim in ("C9", "C8"):
        refusal = await refused(desk.send(better, claim))
        assert isinstance(refusal, Conflict)
        assert refusal.reason == "CDR_CONFLICT"


async def test_what_was_returned_and_what_replaces_it_may_come_in_one_batch(desk: Counter) -> None:
    chain = [("C1", "wrong", ""), ("C2", "wrong", "C1"), ("C3", "well", "C2"), ("C4", "well", "C1")]
    batch = [
        CdrSubmission(platform="cpo", request_id=str(uuid4()), cdr=desk.make(name, kind), replaces=replaces)
        for name, kind, replaces in chain
    ]
    once_more = CdrSubmission(platform="cpo", request_id=str(uuid4()), cdr=batch[0].cdr)
    *answers, refusal, again = await desk.spine.committer.run_many(submit_cdrs, [*batch, once_more])
    assert isinstance(again, CdrAnswer)
    assert (again.state, again.deadline) == (RESUBMITTED, None)
    assert [a.state for a in answers if isinstance(a, CdrAnswer)] == [RETURNED, RETURNED, ACCEPTED]
    assert isinstance(refusal, HubError)
    assert refusal.reason == "REPLACED_CDR_RESUBMITTED"
    assert [(await desk.record(f"C{n}")).answer.state for n in (1, 2, 3)] == [RESUBMITTED, RESUBMITTED, ACCEPTED]
    check_cdrs(desk.spine.engine)


@pytest.mark.parametrize("kind", ["doubtful", "wrong"])
async def test_a_cpo_withdraws_what_was_not_accepted(desk: Counter, kind: str) -> None:
    await desk.held("C1", kind)
    request = str(uuid4())
    record = await desk.withdraw("C1", request=request)
    assert (record.answer.state, record.steps[-1].cause, record.awaited) == (WITHDRAWN, "GIVEN_UP", None)
    assert await desk.withdraw("C1", request=request) == record
    assert (await refused(desk.withdraw("C1"))).reason == "CDR_STATE"
    desk.spine.clock.advance(days=60)
    assert not await desk.clock_job()


async def test_an_accepted_cdr_cannot_be_withdrawn(desk: Counter) -> None:
    await desk.held("C1", "well")
    assert (await refused(desk.withdraw("C1"))).metadata["state"] == "ACCEPTED"
    await desk.held("C2", "doubtful")
    await desk.review("C2", Decision.ACCEPT)
    assert (await refused(desk.withdraw("C2"))).metadata["state"] == "ACCEPTED"


async def test_the_same_cdr_again_shows_the_first_receipt_and_findings_and_the_state_of_now(desk: Counter) -> None:
    cdr = desk.make("C1", "doubtful")
    first = await desk.send(cdr)
    await desk.review("C1", Decision.RETURN)
    again = await desk.send(cdr)
    assert again == first._replace(state=RETURNED, deadline=desk.spine.clock() + RETURN)
    await desk.withdraw("C1")
    assert await desk.send(cdr) == first._replace(state=WITHDRAWN, deadline=None)


async def test_a_credit_is_never_quarantined_and_one_of_nothing_never_accepted(desk: Counter) -> None:
    about_credits = {
        "CREDIT_ORIGINAL_UNKNOWN": CheckAction.ACCEPT,
        "CREDIT_REPEATED": CheckAction.WARN,
        "CREDIT_NOT_FULL": CheckAction.QUARANTINE,
    }
    await desk.open(OTHER, checks={**STRICT, **about_credits})
    await desk.send(desk.make("C1", cost="5", emsp=OTHER))
    credits_ = [("K0", "-5", "C0"), ("K1", "-4", "C1"), ("K2", "-5", "C1"), ("K3", "-5", "C1")]
    answers = [await desk.send(desk.make(k, cost=cost, credit_of=of, emsp=OTHER)) for k, cost, of in credits_]
    assert [answer.state for answer in answers] == [RETURNED, RETURNED, ACCEPTED, RETURNED]


async def test_what_was_accepted_out_of_quarantine_can_be_credited_and_nothing_remains(desk: Counter) -> None:
    doubtful = desk.make("C1", "doubtful", cost="9.9950")
    await desk.send(doubtful)
    credit = desk.make("K1", cost="-9.9950", credit_of="C1")._replace(total_energy=Decimal(11))
    assert [f.code for f in (await desk.send(credit)).findings] == ["CREDIT_ORIGINAL_UNKNOWN"]
    await desk.review("C1", Decision.ACCEPT)
    await desk.settle()
    again = desk.make("K2", cost="-9.9950", credit_of="C1")._replace(total_energy=Decimal(11))
    assert (await desk.send(again)).state is ACCEPTED
    await desk.settle()
    assert sorted(statement.payable for statement in await desk.statements()) == [-1000, 1000]
    found = await desk.read(lambda uow: statements.list_positions(uow, OPERATOR, Netting.MULTILATERAL, None, None))
    assert [position.net.minor for position in found.positions] == [0, 0]
    await desk.verified()


async def test_a_period_opens_for_what_is_accepted_out_of_quarantine_after_the_agreement_is_over(desk: Counter) -> None:
    (agreement,) = await desk.read(lambda uow: uow.agreements.versions(f"{CPO}-{EMSP}".lower()))
    await desk.held("C1", "doubtful")

    ended = replace(agreement, state=AgreementState.TERMINATED, ended=desk.spine.clock())
    await desk.do(lambda uow: uow.agreements.save(ended))
    await desk.cut_off()
    await desk.jobs.follow_calendar()
    assert not await desk.periods(PeriodState.OPEN)
    await desk.review("C1", Decision.ACCEPT)
    await desk.jobs.follow_calendar()
    period = await desk.cut_off()
    assert (await desk.calculate(period.name)).cdr_count == 1


async def test_a_record_names_its_statement_once_that_is_issued(desk: Counter) -> None:
    await desk.held("C1", "well")
    await desk.held("C2", "doubtful")
    await desk.review("C2", Decision.ACCEPT)
    await desk.held("C3", "wrong")
    period = await desk.cut_off()
    await desk.calculate(period.name)
    assert (await desk.record("C1")).answer.state is ACCEPTED
    await desk.issue(period.name)
    await desk.held("C4", "well")
    stands = [(r.answer.state, r.statement) for r in [await desk.record(f"C{n}") for n in (1, 2, 3, 4)]]
    name = f"{period.name}/statements/eur"
    assert stands == [(CdrState.STATED, name), (CdrState.STATED, name), (RETURNED, ""), (ACCEPTED, "")]
    listed = await desk.read(lambda uow: uow.cdrs.list(CdrFilter(parties=frozenset({EMSP})), -1, 10))
    assert [(r.answer.state, r.statement) for r in listed] == stands
    period = next(each for each in await desk.periods() if each.name == period.name)
    for state in (PeriodState.ACKNOWLEDGED, PeriodState.PAYING, PeriodState.SETTLED):
        period = period.advance(state)
    await desk.do(lambda uow: uow.clearing.save_period(period))
    assert (await desk.record("C2")).answer.state is CdrState.SETTLED


async def test_lists_narrow_to_the_state_of_now(desk: Counter) -> None:
    for name, kind in (("C1", "well"), ("C2", "wrong"), ("C3", "doubtful"), ("C4", "doubtful"), ("C5", "wrong")):
        await desk.held(name, kind)
    await desk.review("C3", Decision.ACCEPT)
    await desk.send(desk.make("C6"), "C2")
    await desk.withdraw("C5")

    async def listed(state: CdrState | None) -> list[str]:
        wanted = CdrFilter(parties=frozenset({CPO, EMSP}), state=state)
        return [r.id.id for r in await desk.read(lambda uow: uow.cdrs.list(wanted, -1, 10))]

    assert await listed(None) == ["C1", "C2", "C3", "C4", "C5", "C6"]
    assert await listed(ACCEPTED) == ["C1", "C3", "C6"]
    assert await listed(QUARANTINED) == ["C4"]
    assert await listed(RESUBMITTED) == ["C2"]
    assert await listed(WITHDRAWN) == ["C5"]
    assert await listed(RETURNED) == []


async def test_lists_show_everybodys_and_narrow_to_both_sides(desk: Counter) -> None:
    for name, kind in (("C1", "well"), ("C2", "wrong"), ("C3", "doubtful"), ("C4", "well")):
        await desk.held(name, kind)

    async def listed(limit: int = 10, after: int = -1, **wanted: Any) -> list[str]:
        chosen = CdrFilter(**{"parties": None, **wanted})
        return [r.id.id for r in await desk.read(lambda uow: uow.cdrs.list(chosen, after, limit))]

    nobody = PartyId("ZZ", "ZZZ")
    assert await listed() == ["C1", "C2", "C3", "C4"]
    assert await listed(2) == ["C1", "C2"]
    assert await listed(2, 1) == ["C3", "C4"]
    for own, other in ((CPO, EMSP), (EMSP, CPO)):
        assert await listed(3, parties=frozenset({own}), counterparty=other) == ["C1", "C2", "C3"]
        assert await listed(parties=frozenset({own}), counterparty=own) == []
        assert await listed(parties=frozenset({own}), counterparty=nobody) == []
    assert await listed(3, parties=frozenset({CPO, EMSP})) == ["C1", "C2", "C3"], "each once"
    assert await listed(parties=frozenset({nobody})) == []
    everybodys = ReturnsFilter(parties=None, acting=True)
    waiting = await desk.read(lambda uow: uow.cdrs.returns(everybodys, None, 10))
    assert [record.id.id for record in waiting] == ["C3", "C2"]


async def test_changes_come_in_the_order_of_what_last_happened(desk: Counter) -> None:
    for name, kind in (("C1", "wrong"), ("C2", "well"), ("C3", "doubtful")):
        await desk.held(name, kind)
    seen = await desk.read(lambda uow: uow.cdrs.changes([EMSP], -1, 10))
    assert [(r.id.id, r.last_index) for r in seen] == [("C1", 0), ("C2", 1), ("C3", 2)]
    await desk.withdraw("C1")
    await desk.review("C3", Decision.ACCEPT)
    for parties in ([CPO], [EMSP], [CPO, EMSP]):
        news = await desk.read(lambda uow, parties=parties: uow.cdrs.changes(parties, 2, 10))  # type: ignore[misc]
        assert [(r.id.id, r.answer.state) for r in news] == [("C1", WITHDRAWN), ("C3", ACCEPTED)]
    afresh = await desk.read(lambda uow: uow.cdrs.changes([CPO], -1, 10))
    assert [r.id.id for r in afresh] == ["C2", "C1", "C3"]


async def test_the_queue_shows_each_side_what_waits_the_earliest_deadline_first(desk: Counter) -> None:
    await desk.open(OTHER)
    await desk.held("C1", "wrong")
    desk.spine.clock.advance(hours=1)
    await desk.held("C2", "doubtful")
    await desk.send(desk.make("C3", "wrong", emsp=OTHER))
    await desk.held("C4", "wrong")
    await desk.withdraw("C4")
    assert await desk.queue(CPO) == ["C2", "C1", "C3"]
    assert await desk.queue(EMSP) == ["C2", "C1"]
    assert await desk.queue(OTHER) == ["C3"]
    assert await desk.queue(CPO, EMSP) == ["C2", "C1", "C3"]
    assert await desk.queue(CPO, acting=True) == ["C1", "C3"]
    assert await desk.queue(EMSP, acting=True) == ["C2"]
    assert await desk.queue(CPO, EMSP, acting=True) == ["C2", "C1", "C3"]
    assert await desk.queue(CPO, state=QUARANTINED) == ["C2"]
    assert await desk.queue(CPO, state=QUARANTINED, acting=True) == []
    assert await desk.queue(CPO, deadline_before=desk.spine.clock() + RETURN) == ["C2", "C1"]
    paged: list[str] = []
    after: tuple[int, int] | None = None
    while page := await desk.read(
        lambda uow: uow.cdrs.returns(ReturnsFilter(parties=frozenset({CPO})), after, 1)  # noqa: B023
    ):
        paged += [record.id.id for record in page]
        deadline = page[0].answer.deadline
        assert deadline is not None
        after = (
            (deadline - datetime(1970, 1, 1, tzinfo=deadline.tzinfo)) // timedelta(microseconds=1),
            page[0].last_index,
        )
    assert paged == ["C2", "C1", "C3"]


NAMES = st.integers(0, 5)
KINDS = st.sampled_from(["well", "doubtful", "doubtful", "wrong"])
ACTIONS = st.one_of(
    st.tuples(st.just("submit"), NAMES, KINDS),
    st.tuples(st.just("submit"), NAMES, KINDS, NAMES),
    st.tuples(st.just("review"), NAMES, st.sampled_from(Decision)),
    st.tuples(st.just("withdraw"), NAMES),
    st.tuples(st.just("wait"), st.sampled_from([1, 4, 8, 15])),
    st.tuples(st.just("run_job")),
    st.tuples(st.just("cut_off")),
)
ROUNDS = iter(range(1_000_000))
FIRST = {"well": ACCEPTED, "doubtful": QUARANTINED, "wrong": RETURNED}


class Told:
    """A desk beside a model that says in the plainest way what must become of each CDR: its state and deadline."""

    def __init__(self, desk: Counter, round_: int) -> None:
        self.desk = desk
        self.round = round_
        self.sent: dict[str, Cdr] = {}
        self.replaced: dict[str, str] = {}
        self.states: dict[str, tuple[CdrState, datetime]] = {}

    @property
    def now(self) -> datetime:
        return self.desk.spine.clock()

    def name(self, number: int) -> str:
        return f"R{self.round}-{number}"

    def enter(self, name: str, state: CdrState) -> None:
        self.states[name] = state, self.now + (REVIEW if state is QUARANTINED else RETURN)

    def may(self, name: str, *states: CdrState, in_time: bool = True) -> bool:
        state, deadline = self.states.get(name, (None, self.now))
        return state in states and (not in_time or self.now < deadline)

    async def submit(self, number: int, kind: str, former: int | None = None) -> bool:
        name, replaces = self.name(number), "" if former is None else self.name(former)
        if name == replaces:  # refused before it comes here
            return False
        if name in self.sent:
            if replaces and self.replaced.get(replaces) != name:
                await refused(self.desk.send(self.sent[name], replaces))
                return False
            assert (await self.desk.send(self.sent[name], replaces)).state is self.states[name][0]
            return True
        cdr = self.desk.make(name, kind)
        if replaces and not self.may(replaces, RETURNED):
            await refused(self.desk.send(cdr, replaces))
            return False
        self.sent[name] = cdr
        self.enter(name, FIRST[kind])
        if replaces:
            self.replaced[replaces] = name
            self.enter(replaces, RESUBMITTED)
        assert (await self.desk.send(cdr, replaces)).state is FIRST[kind]
        return True

    async def review(self, number: int, decision: Decision) -> bool:
        name = self.name(number)
        if not self.may(name, QUARANTINED):
            await refused(self.desk.review(name, decision))
            return False
        self.enter(name, ACCEPTED if decision is Decision.ACCEPT else RETURNED)
        assert (await self.desk.review(name, decision)).answer.state is self.states[name][0]
        return True

    async def withdraw(self, number: int) -> bool:
        name = self.name(number)
        if not self.may(name, QUARANTINED, RETURNED, in_time=False):
            await refused(self.desk.withdraw(name))
            return False
        self.enter(name, WITHDRAWN)
        assert (await self.desk.withdraw(name)).answer.state is WITHDRAWN
        return True

    async def wait(self, days: int) -> bool:
        self.desk.spine.clock.advance(days=days)
        return True

    async def run_job(self) -> bool:
        for name, (state, deadline) in self.states.items():
            if state in {QUARANTINED, RETURNED} and deadline <= self.now:
                self.enter(name, RETURNED if state is QUARANTINED else WITHDRAWN)
        await self.desk.clock_job()
        return True

    async def cut_off(self) -> bool:
        await self.desk.cut_off()
        return True


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(actions=st.lists(ACTIONS, min_size=3, max_size=25))
async def test_whatever_is_done_in_whatever_order_each_cdr_is_settled_at_most_once(
    desk: Counter, actions: Sequence[tuple[Any, ...]]
) -> None:
    told = Told(desk, next(ROUNDS))
    for verb, *arguments in actions:
        before = contents(desk.spine.engine)
        if not await getattr(told, verb)(*arguments):
            assert contents(desk.spine.engine) == before, "what is refused leaves no trace"
    check_journal(desk.spine.engine)
    check_cdrs(desk.spine.engine)
    await desk.cut_off()
    for period in await desk.periods(PeriodState.CUT_OFF):
        if (await desk.calculate(period.name)).state is PeriodState.CALCULATED:
            await desk.issue(period.name)
    stated = await desk.stated()
    for name, (state, _) in told.states.items():
        record = await desk.record(name)
        assert stated[f"{CPO}/{name}"] == (1 if state is ACCEPTED else 0)
        assert record.answer.state is (CdrState.STATED if state is ACCEPTED else state)
        assert (record.steps[-1].state, record.replaced_by) == (state, told.replaced.get(name, ""))
    found = await desk.read(lambda uow: statements.list_positions(uow, OPERATOR, Netting.MULTILATERAL, None, None))
    assert sum(position.net.minor for position in found.positions) == 0


async def test_two_hubs_that_act_on_the_same_deadlines_act_once(desk: Counter) -> None:
    for number in range(20):
        await desk.held(f"C{number}", "doubtful" if number % 2 else "wrong")
    desk.spine.clock.now += RETURN
    url = desk.spine.engine.url.render_as_string(hide_password=False)
    with open_spine(url, first_id=1 << 40) as other:
        other.clock.now = desk.spine.clock()
        await asyncio.gather(*(spine.committer.run(standings.follow_deadlines) for spine in (desk.spine, other) * 3))
    kinds = await desk.kinds()
    assert (len(kinds), kinds.count(EntryKind.CDR_WITHDRAWN), kinds.count(EntryKind.CDR_RETURNED)) == (40, 10, 20)
    check_journal(desk.spine.engine)
    check_cdrs(desk.spine.engine)
