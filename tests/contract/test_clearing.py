"""Clearing on both databases: whatever happens around a cut-off, every CDR is settled once, and to the same bytes."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from hub.app.cdrs.submit import CdrSubmission
from hub.app.clearing import periods, proofs, settle, statements
from hub.app.ports.clearing import ClearingSettings, PeriodFilter, StatementFilter
from hub.app.ports.spine import UseCase
from hub.crypto.notary import FileNotary
from hub.crypto.signing import Roots
from hub.crypto.verify import verify_bundle
from hub.domain.acknowledgements import Decision, Reason
from hub.domain.agreements import Agreement, AgreementState, CheckAction, Cycle, Netting, Rounding, Terms
from hub.domain.cdrs.checks import Check
from hub.domain.cdrs.periods import PeriodSums
from hub.domain.cdrs.record import Cdr, CdrAnswer
from hub.domain.clearing.items import ClearingItem
from hub.domain.clearing.periods import Period, PeriodState
from hub.domain.clearing.records import StatementRecord, StatementState
from hub.domain.clearing.taxes import TaxRow, TaxRule, TaxTable
from hub.domain.errors import HubError, Precondition, Stale
from hub.domain.ids import ObjectId, PartyId
from hub.domain.leaf import unpack_openings
from hub.domain.ledger import balances, settlement_account, trial_balance
from hub.domain.parties import Caller, Party, PartyState, Role
from hub.domain.statements import parse_statement
from hub.jobs.clearing import ClearingJobs
from hub.main.clearing import tax_tables
from hub.rpc.cdrs import submit as take_in
from tests.support import Spine

T = TypeVar("T")
CPO, EMSP, FARAWAY = PartyId("NL", "CPO"), PartyId("DE", "MSP"), PartyId("US", "MSP")
LENIENT = {str(check): CheckAction.ACCEPT for check in Check if not check.startswith("CREDIT")}
OPERATOR = Caller(platform="root", operator=True)


class Desk:
    """One hub's clearing, driven by hand."""

    def __init__(self, spine: Spine, folder: Path) -> None:
        self.spine = spine
        self.tables: dict[str, TaxTable] = dict(tax_tables(""))
        self.notary = FileNotary.open(origin="hub.example/clearing", folder=folder, entropy=bytes)
        self.settings = ClearingSettings(notary=self.notary, tax_tables=self.tables.get, tz_version="2026.1")
        self.jobs = ClearingJobs(committer=spine.committer, reads=spine.reads, settings=self.settings)

    async def do(self, use_case: UseCase[T]) -> T:
        return await self.spine.committer.run(use_case)

    async def read(self, query: UseCase[T]) -> T:
        return await self.spine.reads.run(query)

    async def open(self, emsp: PartyId = EMSP, **terms: object) -> Agreement:
        for party, role in ((CPO, Role.CPO), (emsp, Role.EMSP)):
            made = Party(id=party, number=0, roles=frozenset({role}), platform=str(party), state=PartyState.ACTIVE)
            if party not in self.spine.directory.current.parties:
                await self.do(lambda uow, made=made: uow.parties.save(made))  # type: ignore[misc]
        facts: dict[str, object] = {"currency": "EUR", "checks": LENIENT, "cycle": Cycle.DAILY, "grace": timedelta(0)}
        agreement = Agreement(
            id=f"{CPO}-{emsp}".lower(),
            version=1,
            cpo=CPO,
            emsp=emsp,
            state=AgreementState.ACTIVE,
            terms=Terms(**{**facts, **terms}),  # type: ignore[arg-type]
            proposer=CPO,
            since=Terms(currency="EUR").start,
        )
        await self.do(lambda uow: uow.agreements.save(agreement))
        await self.do(lambda uow: proofs.ensure_keyring(uow, self.notary))
        await self.jobs.follow_calendar()
        return agreement

    def cdr(self, cdr_id: str, cost: str = "1.0050", *, emsp: PartyId = EMSP, credit_of: str = "") -> Cdr:
        now = self.spine.clock()
        document = f"{cdr_id} {cost} {credit_of}".encode()
        return Cdr(
            id=ObjectId(CPO, cdr_id),
            emsp=emsp,
            token_uid="TOKEN",
            token_type="RFID",
            contract_id="CONTRACT",
            session_id="",
            authorization_reference="",
            location_id="L",
            evse_uid="E",
            connector_id="1",
            country="NLD",
            tariff_kind="REGULAR",
            start_time=now - timedelta(hours=1),
            end_time=now,
            currency="EUR",
            total_cost=Decimal(cost),
            total_energy=Decimal(10),
            total_time=Decimal(1),
            periods=PeriodSums(
                number=1,
                first_start=now - timedelta(hours=1),
                last_start=now - timedelta(hours=1),
                energy=Decimal(10),
                time=Decimal(1),
            ),
            credit=bool(credit_of),
            credit_of=credit_of,
            document=document,
            digest=sha256(document).digest(),
        )

    async def submit(self, *cdrs: Cdr) -> Sequence[CdrAnswer | HubError]:
        return await self.spine.committer.run_many(
            take_in, [CdrSubmission(platform="cpo", request_id=str(uuid4()), cdr=cdr) for cdr in cdrs]
        )

    async def periods(self, state: PeriodState | None = None) -> Sequence[Period]:
        return await self.read(lambda uow: uow.clearing.periods(PeriodFilter(state=state), None, 1000))

    async def cut_off(self) -> Period:
        (period,) = await self.periods(PeriodState.OPEN)
        return await self.do(lambda uow: periods.cut_off(uow, self.settings, period.name))

    async def calculate(self, name: str, by: str = "ann") -> Period:
        made = await self.read(lambda uow: settle.draft(uow, self.settings, name))
        return await self.do(lambda uow: settle.record(uow, made, by))

    async def issue(self, name: str) -> Period:
        await self.do(lambda uow: settle.review(uow, name, "", "bob"))
        return await self.do(lambda uow: settle.issue(uow, self.settings, name, "", "ann"))

    async def settle(self) -> Period:
        period = await self.cut_off()
        await self.calculate(period.name)
        return await self.issue(period.name)

    async def statements(self) -> Sequence[StatementRecord]:
        return await self.read(lambda uow: uow.clearing.statements(StatementFilter(), "", 1000))

    async def stated(self) -> Counter[str]:
        """Return how often each CDR is stated, as the bundles show it."""
        seen: Counter[str] = Counter()
        for statement in await self.statements():
            if statement.state is StatementState.DRAFT:
                continue
            period = parse_statement(statement.document).terms.period
            found = await self.read(lambda uow, name=period.name: _items(uow, name))  # type: ignore[misc]
            seen.update(item.cdr for item in found)
        return seen


def _items(uow: object, name: str) -> list[ClearingItem]:
    period = uow.clearing.period(name)  # type: ignore[attr-defined]
    indexes = [cdr.index for cdr in uow.clearing.cdrs(period)]  # type: ignore[attr-defined]
    leaves = uow.transparency.leaves(indexes)  # type: ignore[attr-defined]
    return [ClearingItem.from_bytes(unpack_openings(leaf.openings)["settlement"].value) for leaf in leaves]


@pytest.fixture
def desk(spine: Spine, tmp_path: Path) -> Desk:
    return Desk(spine, tmp_path / "keys")


async def test_every_accepted_cdr_stands_in_exactly_one_statement_however_cut_offs_fall(desk: Desk) -> None:
    await desk.open()
    names = [f"C{number}" for number in range(60)]

    async def submit() -> None:
        for start in range(0, 60, 3):
            await desk.submit(*(desk.cdr(name) for name in names[start : start + 3]))

    async def cut() -> None:
        for _ in range(6):
            await desk.cut_off()
            await asyncio.sleep(0)

    await asyncio.gather(submit(), cut())
    await desk.cut_off()
    ended = await desk.periods(PeriodState.CUT_OFF)
    for period in ended:
        made = await desk.calculate(period.name)
        if made.state is PeriodState.CALCULATED:
            await desk.issue(period.name)
    assert await desk.stated() == Counter({f"NL-CPO/{name}": 1 for name in names})
    ranges = [(period.first_index, period.end_index) for period in await desk.periods()]
    assert [first for first, _ in ranges[1:]] == [end for _, end in ranges[:-1]]


async def test_a_replayed_cdr_changes_nothing(desk: Desk) -> None:
    await desk.open()
    await desk.submit(desk.cdr("C1"))
    await desk.settle()
    await desk.submit(desk.cdr("C1"))
    after = await desk.cut_off()
    made = await desk.calculate(after.name)
    assert (made.state, made.cdr_count) == (PeriodState.SETTLED, 0)


async def test_a_credit_in_a_later_period_takes_back_what_was_stated(desk: Desk) -> None:
    await desk.open()
    await desk.submit(desk.cdr("C1", "9.9950"))
    await desk.settle()
    await desk.submit(desk.cdr("C1-credit", "-9.9950", credit_of="C1"))
    await desk.settle()
    assert sorted(statement.payable for statement in await desk.statements()) == [-1000, 1000]
    found = await desk.read(lambda uow: statements.list_positions(uow, OPERATOR, Netting.MULTILATERAL, None, None))
    assert [position.net.minor for position in found.positions] == [0, 0]
    assert not found.transfers


async def test_a_hub_that_was_down_catches_up_without_losing_a_cdr(desk: Desk) -> None:
    await desk.open()
    await desk.submit(desk.cdr("C1"))
    desk.spine.clock.advance(days=10)
    await desk.jobs.follow_calendar()
    old, now = await desk.periods()
    assert (old.name.rsplit("/")[-1], now.name.rsplit("/")[-1]) == ("2026-03-01", "2026-03-11")
    assert now.first_index == old.end_index
    assert not await desk.jobs.follow_calendar()
    assert await desk.jobs.calculate()
    (period,) = await desk.periods(PeriodState.CALCULATED)
    assert (period.name, period.cdr_count, period.prepared_by) == (old.name, 1, "hub")
    assert not await desk.jobs.calculate()


@pytest.mark.parametrize(
    ("cycle", "step", "labels"),
    [
        (Cycle.HOURLY, timedelta(hours=1), ["2026-03-01t12z", "2026-03-01t13z", "2026-03-01t14z", "2026-03-01t19z"]),
        (Cycle.DAILY, timedelta(days=1), ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-08"]),
        (Cycle.WEEKLY, timedelta(weeks=1), ["2026-w09", "2026-w10", "2026-w11", "2026-w16"]),
        (Cycle.MONTHLY, timedelta(days=31), ["2026-03", "2026-04", "2026-05", "2026-10"]),
    ],
)
async def test_every_cycle_is_cut_off_as_its_time_comes_and_after_downtime(
    desk: Desk, cycle: Cycle, step: timedelta, labels: list[str]
) -> None:
    await desk.open(cycle=cycle, time_zone="Europe/Amsterdam")
    # Five windows go by with the hub down after the third CDR: they hold nothing, and no period stands for them.
    for number, away in enumerate((step, step, 5 * step, step)):
        await desk.submit(desk.cdr(f"C{number}"))
        assert not await desk.jobs.follow_calendar()
        desk.spine.clock.now += away
        assert await desk.jobs.follow_calendar()
        assert not await desk.jobs.follow_calendar()
        await desk.jobs.calculate()
    *ended, now = await desk.periods()
    assert [period.name.rsplit("/")[-1] for period in ended] == labels
    assert [period.cdr_count for period in ended] == [1, 1, 1, 1]
    assert {period.state for period in ended} == {PeriodState.CALCULATED}
    assert [period.end_index for period in ended] == [each.first_index for each in (*ended[1:], now)]
    assert now.start_time <= desk.spine.clock.now < now.end_time


async def test_a_month_cut_short_and_taken_up_again_is_two_periods(desk: Desk) -> None:
    monthly = await desk.open(cycle=Cycle.MONTHLY)
    old = monthly
    for number, cycle in enumerate((Cycle.DAILY, Cycle.MONTHLY), start=2):
        over = replace(old, state=AgreementState.SUPERSEDED)
        old = replace(monthly, version=number, terms=replace(monthly.terms, cycle=cycle))
        await desk.do(lambda uow, over=over: uow.agreements.save(over))  # type: ignore[misc]
        await desk.do(lambda uow, new=old: uow.agreements.save(new))  # type: ignore[misc]
        await desk.cut_off()
    found = await desk.periods()
    assert [period.name.rsplit("/")[-1] for period in found] == ["2026-03", "2026-03-01", "2026-03-p2"]
    assert [period.end_index for period in found[:-1]] == [period.first_index for period in found[1:]]


async def test_nothing_is_calculated_before_the_grace_is_over(desk: Desk) -> None:
    await desk.open(grace=timedelta(hours=6))
    await desk.submit(desk.cdr("C1"))
    await desk.cut_off()
    assert not await desk.jobs.calculate()
    desk.spine.clock.advance(hours=6)
    assert await desk.jobs.calculate()


async def test_calculating_again_makes_the_same_bytes_and_recording_again_nothing(desk: Desk) -> None:
    await desk.open()
    await desk.submit(*(desk.cdr(f"C{number}", f"{number}.3333") for number in range(20)))
    period = await desk.cut_off()
    one, two = [await desk.read(lambda uow: settle.draft(uow, desk.settings, period.name)) for _ in range(2)]
    assert one == two
    await desk.do(lambda uow: settle.record(uow, one, "ann"))
    with pytest.raises(Stale):
        await desk.do(lambda uow: settle.record(uow, two, "ann"))
    with pytest.raises(Precondition):
        await desk.read(lambda uow: settle.draft(uow, desk.settings, period.name))
    await desk.issue(period.name)
    (issued,) = await desk.statements()
    assert issued.document == one.statements[0].document


async def test_a_failure_while_issuing_leaves_no_trace_and_the_retry_the_same_bytes(desk: Desk) -> None:
    await desk.open()
    await desk.submit(desk.cdr("C1"))
    period = await desk.cut_off()
    await desk.calculate(period.name)
    await desk.do(lambda uow: settle.review(uow, period.name, "", "bob"))
    (draft,) = await desk.statements()

    def crash(uow: object) -> None:
        settle.issue(uow, desk.settings, period.name, "", "ann")  # type: ignore[arg-type]
        raise RuntimeError("the process dies here")

    head = await desk.read(lambda uow: uow.transparency.frontier().size)
    with pytest.raises(RuntimeError):
        await desk.do(crash)
    assert await desk.statements() == [draft]
    assert await desk.read(lambda uow: uow.transparency.frontier().size) == head
    await desk.do(lambda uow: settle.issue(uow, desk.settings, period.name, "", "ann"))
    (issued,) = await desk.statements()
    assert (issued.document, issued.digest) == (draft.document, draft.digest)


async def test_issued_bytes_never_change(desk: Desk) -> None:
    await desk.open()
    await desk.submit(desk.cdr("C1"))
    await desk.settle()
    (issued,) = await desk.statements()
    with pytest.raises((IntegrityError, HubError)):
        await desk.do(lambda uow: uow.clearing.save_statement(replace(issued, document=b"{}")))
    assert await desk.statements() == [issued]


async def test_a_bundle_from_the_database_verifies_after_many_more_entries(desk: Desk) -> None:
    await desk.open()
    await desk.submit(*(desk.cdr(f"A{number}") for number in range(300)))
    await desk.settle()
    await desk.submit(*(desk.cdr(f"B{number}") for number in range(400)))
    await desk.settle()
    roots = Roots.from_text(desk.notary.roots_path.read_text())
    bundles = []
    for statement in await desk.statements():
        data = await desk.read(lambda uow, each=statement: proofs.export(uow, desk.settings, each))  # type: ignore[misc]
        bundles.append(data)
        report = verify_bundle(data, roots)
        assert report.exit_code == 0, report.checks
    later, first = bundles
    report = verify_bundle(later, roots, earlier=[first])
    assert report.exit_code == 0, report.checks
    assert "one ends at entry 301, where this begins" in report.checks[-1].detail


async def test_a_platform_of_an_operators_name_uses_up_none_of_its_request_ids(desk: Desk) -> None:
    await desk.open()
    await desk.submit(desk.cdr("C1"))
    period, used = await desk.cut_off(), str(uuid4())
    await desk.calculate(period.name)
    await desk.do(lambda uow: settle.review(uow, period.name, "", "bob"))
    await desk.do(lambda uow: uow.idempotency.remember("ann", used, b"what the platform ann asked", b""))
    for _ in range(2):
        issued = await desk.do(
            lambda uow: settle.issue_once(uow, desk.settings, period.name, "", by="ann", request_id=used)
        )
        assert issued.state is PeriodState.ISSUED


async def test_both_ways_of_rounding_are_settled_as_agreed(desk: Desk) -> None:
    await desk.open(rounding=Rounding.PER_CDR)
    await desk.submit(desk.cdr("C1", "0.0040"), desk.cdr("C2", "0.0040"))
    await desk.settle()
    (statement,) = await desk.statements()
    assert statement.net == 0


async def test_what_no_tax_rule_covers_blocks_its_statement_until_the_table_is_mended(desk: Desk) -> None:
    await desk.open(FARAWAY)
    desk.tables["default"] = TaxTable(rules=(), digest="00" * 32)
    await desk.submit(desk.cdr("C1", emsp=FARAWAY))
    period = await desk.cut_off()
    with pytest.raises(Precondition) as caught:
        await desk.calculate(period.name)
    assert caught.value.reason == "UNCLASSIFIED_TAX"
    assert await desk.jobs.calculate()  # refused, logged, and no reason to stop
    assert [each.state for each in await desk.periods()] == [PeriodState.CUT_OFF, PeriodState.OPEN]
    row = TaxRow(first_date=desk.spine.clock().date(), end_date=None, category="O", rate="0.00", note="outside")
    anybody = TaxRule(suppliers=frozenset(), customers=frozenset(), domestic=None, dealer=None, row=row)
    desk.tables["default"] = TaxTable(rules=(anybody,), digest="11" * 32)
    assert (await desk.calculate(period.name)).state is PeriodState.CALCULATED


async def test_a_missing_tax_table_is_named(desk: Desk) -> None:
    await desk.open(tax_profile="none-such")
    await desk.submit(desk.cdr("C1"))
    period = await desk.cut_off()
    with pytest.raises(Precondition) as caught:
        await desk.calculate(period.name)
    assert caught.value.metadata["tax_profile"] == "none-such"


async def test_the_ledger_says_the_same_as_the_positions(desk: Desk) -> None:
    await desk.open()
    await desk.open(PartyId("FR", "MSP"))
    await desk.submit(desk.cdr("C1", "5"), desk.cdr("C2", "7", emsp=PartyId("FR", "MSP")))
    for period in await desk.periods(PeriodState.OPEN):
        await desk.do(lambda uow, name=period.name: periods.cut_off(uow, desk.settings, name))  # type: ignore[misc]
    for period in await desk.periods(PeriodState.CUT_OFF):
        await desk.calculate(period.name)
        await desk.issue(period.name)
    sums = balances(await desk.read(lambda uow: list(uow.clearing.postings())))
    assert trial_balance(sums) == {"EUR": 0}
    found = await desk.read(lambda uow: statements.list_positions(uow, OPERATOR, Netting.GROSS, None, None))
    assert found.statements == 2
    for position in found.positions:
        assert sums[settlement_account(position.party), "EUR"] == -position.net.minor


async def test_cdrs_of_a_terminated_agreement_are_settled_too(desk: Desk) -> None:
    agreement = await desk.open()
    await desk.cut_off()
    ended = replace(agreement, state=AgreementState.TERMINATED, ended=desk.spine.clock())
    await desk.do(lambda uow: uow.agreements.save(ended))
    await desk.cut_off()
    assert not await desk.periods(PeriodState.OPEN)
    assert not await desk.jobs.follow_calendar()
    await desk.submit(desk.cdr("C1"))
    await desk.jobs.follow_calendar()
    period = await desk.cut_off()
    assert (await desk.calculate(period.name)).cdr_count == 1


async def test_silence_is_consent_when_the_time_to_answer_is_over(desk: Desk) -> None:
    await desk.open(dispute_window=timedelta(days=7))
    await desk.submit(desk.cdr("C1"))
    await desk.settle()
    assert not await desk.jobs.deem_accepted()
    desk.spine.clock.advance(days=7)
    assert await desk.jobs.deem_accepted()
    (statement,) = await desk.statements()
    (period,) = await desk.periods(PeriodState.DEEMED_ACCEPTED)
    assert statement.state is StatementState.DEEMED_ACCEPTED
    assert not await desk.jobs.deem_accepted()
    answer = statements.Answer(name=statement.name, party=EMSP, digest=statement.digest, decision=Decision.ACCEPT)
    with pytest.raises(Precondition):
        await desk.do(lambda uow: statements.acknowledge(uow, desk.settings, answer))
    assert period.name == statement.period


async def test_a_rejected_statement_is_never_deemed_accepted(desk: Desk) -> None:
    await desk.open(dispute_window=timedelta(days=7))
    await desk.submit(desk.cdr("C1"))
    await desk.settle()
    (statement,) = await desk.statements()
    answer = statements.Answer(
        name=statement.name,
        party=EMSP,
        digest=statement.digest,
        decision=Decision.REJECT,
        reasons=(Reason(code="NOT_OURS", text=""),),
    )
    rejected = await desk.do(lambda uow: statements.acknowledge(uow, desk.settings, answer))
    assert rejected.state is StatementState.REJECTED
    desk.spine.clock.advance(days=8)
    await desk.jobs.deem_accepted()
    assert [each.state for each in await desk.statements()] == [StatementState.REJECTED]
    assert await desk.periods(PeriodState.ISSUED)


async def test_the_database_refuses_two_open_periods_and_one_pair_of_eyes(desk: Desk) -> None:
    await desk.open()
    (period,) = await desk.periods()
    for wrong in (
        replace(period, name=f"{period.name}-x"),
        replace(period, end_index=5),
        replace(period, state=PeriodState.REVIEWED, end_index=5, prepared_by="ann", reviewed_by="ann"),
        replace(period, state=PeriodState.ISSUED, end_index=5, reviewed_by="ann", issued_by="ann"),
    ):
        with pytest.raises((IntegrityError, HubError)):
            await desk.do(lambda uow, wrong=wrong: uow.clearing.save_period(wrong))  # type: ignore[misc]
    assert await desk.periods() == [period]
