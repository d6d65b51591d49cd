"""Clearing over real mutual TLS: from submitted CDRs to a bundle that verifies with no hub."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from google.type.money_pb2 import Money
from roamhub.v1 import (
    admin_pb2_grpc,
    cdr_object_pb2,
    cdr_pb2,
    cdr_pb2_grpc,
    clearing_pb2,
    clearing_pb2_grpc,
    common_pb2,
    session_object_pb2,
    transparency_pb2,
    transparency_pb2_grpc,
)

from hub.cli.app import run
from hub.crypto.signing import Roots
from hub.crypto.verify import verify_bundle
from hub.domain.agreements import CheckAction, Cycle
from hub.domain.cdrs.checks import Check
from hub.domain.checkpoints import Checkpoint, parse_note
from hub.domain.clearing.items import ClearingItem
from hub.domain.ids import PartyId
from hub.domain.leaf import Leaf, Opening, check_openings
from hub.domain.merkle import leaf_hash
from hub.domain.merkle.verify import verify_consistency, verify_inclusion
from hub.domain.parties import Role
from hub.main import Hub
from hub.rpc.paging import read_page
from tests.conftest import PartnerFactory
from tests.support import Refusal, agree, make_csr, open_channel, refusal

NOW = datetime.now(UTC)
LENIENT = {str(check): CheckAction.ACCEPT for check in Check if not check.startswith(("CREDIT", "LATE"))}


def decimal(value: str) -> PbDecimal:
    return PbDecimal(value=value)


def stamp(instant: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(instant)
    return made


def cdr(
    cpo: PartyId, emsp: PartyId, cdr_id: str, cost: str = "12.3456", credit_of: str = "", days_ago: int = 0
) -> cdr_object_pb2.Cdr:
    end = NOW - timedelta(days=days_ago, hours=1)
    made = cdr_object_pb2.Cdr(
        country_code=cpo.country_code,
        party_id=cpo.party_id,
        id=cdr_id,
        start_date_time=stamp(end - timedelta(hours=1)),
        end_date_time=stamp(end),
        cdr_token=session_object_pb2.CdrToken(
            country_code=emsp.country_code,
            party_id=emsp.party_id,
            uid="SECRETTOKEN",
            type="RFID",
            contract_id="SECRETCONTRACT",
        ),
        auth_method=session_object_pb2.AUTH_METHOD_WHITELIST,
        cdr_location=cdr_object_pb2.CdrLocation(
            id="L1", city="Delft", country="NLD", evse_uid="E1", evse_id="NL*CPO*E1", connector_id="1"
        ),
        currency="EUR",
        charging_periods=[
            session_object_pb2.ChargingPeriod(
                start_date_time=stamp(end - timedelta(hours=1)),
                dimensions=[
                    session_object_pb2.CdrDimension(
                        type=session_object_pb2.CDR_DIMENSION_TYPE_ENERGY, volume=decimal("20.1")
                    )
                ],
            )
        ],
        total_cost=common_pb2.Price(before_taxes=decimal(cost)),
        total_energy=decimal("20.1"),
        total_time=decimal("1"),
        last_updated=stamp(end),
    )
    if credit_of:
        made.credit = True
        made.credit_reference_id = credit_of
    return made


@dataclass
class World:
    hub: Hub
    cpo: PartyId
    emsp: PartyId
    channel: grpc.aio.Channel
    cdrs: "cdr_pb2_grpc.CdrServiceAsyncStub"
    creditor: "clearing_pb2_grpc.ClearingServiceAsyncStub"
    debtor: "clearing_pb2_grpc.ClearingServiceAsyncStub"
    stranger: "clearing_pb2_grpc.ClearingServiceAsyncStub"
    root: "clearing_pb2_grpc.ClearingServiceAsyncStub"
    admin: "admin_pb2_grpc.AdminServiceAsyncStub"
    second: "admin_pb2_grpc.AdminServiceAsyncStub"
    second_channel: grpc.aio.Channel
    emsp_channel: grpc.aio.Channel
    stranger_channel: grpc.aio.Channel

    async def submit(
        self, cdr_id: str, cost: str = "12.3456", credit_of: str = "", days_ago: int = 0
    ) -> cdr_pb2.SubmitCdrResponse:
        request = cdr_pb2.SubmitCdrRequest(
            cdr=cdr(self.cpo, self.emsp, cdr_id, cost, credit_of, days_ago), request_id=str(uuid4())
        )
        return await self.cdrs.SubmitCdr(request)

    async def period(self) -> clearing_pb2.Period:
        await self.hub.clearing_jobs.follow_calendar()
        listed = await self.root.ListPeriods(clearing_pb2.ListPeriodsRequest(parent="agreements/-"))
        return next(each for each in listed.periods if each.state == clearing_pb2.Period.STATE_OPEN)

    async def calculated(self) -> clearing_pb2.Period:
        period = await self.period()
        await self.admin.CutOffPeriod(clearing_pb2.CutOffPeriodRequest(name=period.name, etag=period.etag))
        return await self.admin.CalculatePeriod(clearing_pb2.CalculatePeriodRequest(name=period.name))

    async def issued(self) -> clearing_pb2.Statement:
        period = await self.calculated()
        period = await self.second.ReviewPeriod(clearing_pb2.ReviewPeriodRequest(name=period.name, etag=period.etag))
        await self.admin.IssuePeriod(clearing_pb2.IssuePeriodRequest(name=period.name, request_id=str(uuid4())))
        return await self.debtor.GetStatement(clearing_pb2.GetStatementRequest(name=f"{period.name}/statements/eur"))

    async def bundle(self, name: str) -> bytes:
        request = clearing_pb2.ExportBundleRequest(name=name)
        return b"".join([part.data async for part in self.debtor.ExportBundle(request)])

    def roots(self) -> Roots:
        return Roots.from_text((self.hub.config.data_dir / "clearing/roots.txt").read_text())


@pytest.fixture
async def world(hub: Hub, partner: PartnerFactory, operator_channel: grpc.aio.Channel) -> World:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    other = await partner("FR-OTH", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party, checks=LENIENT, cycle=Cycle.DAILY)
    key, csr = make_csr()
    issued = hub.ca.issue_operator(csr, "second", hub.clock())
    second = open_channel(hub.port, hub.ca.ca_pem, key, issued.chain_pem)
    stub = clearing_pb2_grpc.ClearingServiceStub
    return World(
        hub=hub,
        cpo=cpo.party,
        emsp=emsp.party,
        channel=cpo.channel,
        cdrs=cdr_pb2_grpc.CdrServiceStub(cpo.channel),
        creditor=stub(cpo.channel),
        debtor=stub(emsp.channel),
        stranger=stub(other.channel),
        root=stub(operator_channel),
        admin=admin_pb2_grpc.AdminServiceStub(operator_channel),
        second=admin_pb2_grpc.AdminServiceStub(second),
        second_channel=second,
        emsp_channel=emsp.channel,
        stranger_channel=other.channel,
    )


async def test_a_period_goes_from_cdrs_to_a_bundle_that_verifies_with_no_hub(world: World) -> None:
    receipt = await world.submit("C1")
    await world.submit("C2", cost="0.0050")
    await world.submit("C3", cost="7.00")
    await world.submit("C3-CREDIT", cost="-7.00", credit_of="C3")
    statement = await world.issued()
    assert (statement.cdr_count, statement.net) == (4, Money(currency_code="EUR", units=12, nanos=350_000_000))
    assert statement.payable == statement.net  # reverse charge between NL and DE
    assert (statement.lines[0].tax_category, statement.lines[0].credit_count) == ("AE", 1)
    data = await world.bundle(statement.name)
    report = verify_bundle(data, world.roots())
    assert report.exit_code == 0, report.checks
    assert report.summary is not None
    assert (report.summary.digest, report.summary.payable) == (statement.digest, "12.35")
    assert b"SECRET" not in data
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    assert verify_bundle(bytes(changed), world.roots()).exit_code
    assert receipt.receipt.journal_index == 0


async def test_the_steps_still_answer_to_their_old_names(world: World, operator_channel: grpc.aio.Channel) -> None:
    async def step(channel: grpc.aio.Channel, method: str, request: Any) -> clearing_pb2.Period:
        path = f"/roamhub.v1.ClearingService/{method}"
        ask = channel.unary_unary(path, type(request).SerializeToString, clearing_pb2.Period.FromString)
        return await ask(request)

    await world.submit("C1")
    name = (await world.period()).name
    await step(operator_channel, "CutOffPeriod", clearing_pb2.CutOffPeriodRequest(name=name))
    period = await step(operator_channel, "CalculatePeriod", clearing_pb2.CalculatePeriodRequest(name=name))
    review = clearing_pb2.ReviewPeriodRequest(name=name, etag=period.etag)
    await step(world.second_channel, "ReviewPeriod", review)
    issue = clearing_pb2.IssuePeriodRequest(name=name, request_id=str(uuid4()))
    issued = await step(operator_channel, "IssuePeriod", issue)
    assert issued.state == clearing_pb2.Period.STATE_ISSUED
    assert await world.admin.IssuePeriod(issue) == issued, "it is one request, by whichever name it comes"


async def test_a_cdr_after_the_cut_off_is_in_the_next_period(world: World) -> None:
    await world.submit("C1")
    first = await world.period()
    await world.admin.CutOffPeriod(clearing_pb2.CutOffPeriodRequest(name=first.name))
    await world.submit("C2")
    listed = await world.debtor.ListPeriods(clearing_pb2.ListPeriodsRequest(parent="agreements/-"))
    one, two = listed.periods
    assert (one.state, two.state) == (clearing_pb2.Period.STATE_CUT_OFF, clearing_pb2.Period.STATE_OPEN)
    assert two.first_index == one.end_index
    assert two.name == f"{one.name}-p2"
    for period in (one, two):
        if period.state == clearing_pb2.Period.STATE_OPEN:
            await world.admin.CutOffPeriod(clearing_pb2.CutOffPeriodRequest(name=period.name))
        made = await world.admin.CalculatePeriod(clearing_pb2.CalculatePeriodRequest(name=period.name))
        assert made.cdr_count == 1


async def test_a_late_cdr_is_told_so_and_its_line_carries_its_month_and_counts_it(world: World) -> None:
    early = await world.submit("C0", days_ago=45)
    assert not early.findings, "nothing has been cut off yet"
    first = await world.period()
    await world.admin.CutOffPeriod(clearing_pb2.CutOffPeriodRequest(name=first.name))
    late = await world.submit("C1", days_ago=45)
    assert late.state == cdr_pb2.CDR_STATE_ACCEPTED
    ended = NOW - timedelta(days=45, hours=1)
    assert [(found.code, found.severity) for found in late.findings] == [("LATE", cdr_pb2.FINDING_SEVERITY_WARNING)]
    assert late.findings[0].message.startswith(f"is of {ended:%Y-%m}, whose period ended 4")
    await world.submit("C2")
    listed = await world.debtor.ListPeriods(clearing_pb2.ListPeriodsRequest(parent="agreements/-"))
    await world.admin.CutOffPeriod(clearing_pb2.CutOffPeriodRequest(name=listed.periods[1].name))
    await world.admin.CalculatePeriod(clearing_pb2.CalculatePeriodRequest(name=listed.periods[1].name))
    drafted = await world.root.GetStatement(
        clearing_pb2.GetStatementRequest(name=f"{listed.periods[1].name}/statements/eur")
    )
    counts = {(line.month.year, line.month.month): line.late_count for line in drafted.lines}
    assert counts[ended.year, ended.month] == 1
    # In the first hour of a day what ended an hour ago is of yesterday, and late as well.
    fresh, today = (each.date() for each in (NOW - timedelta(hours=1), datetime.now(UTC)))
    assert sum(counts.values()) == 1 + (fresh != today)


async def test_a_period_without_a_cdr_is_settled_without_a_statement(world: World) -> None:
    period = await world.calculated()
    assert (period.state, period.cdr_count) == (clearing_pb2.Period.STATE_SETTLED, 0)
    listed = await world.root.ListStatements(clearing_pb2.ListStatementsRequest(parent="agreements/-/periods/-"))
    assert not listed.statements


async def test_four_eyes_see_every_step(world: World) -> None:
    await world.submit("C1")
    period = await world.calculated()
    review = clearing_pb2.ReviewPeriodRequest(name=period.name, etag=period.etag)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.admin.ReviewPeriod(review)
    assert (refusal(caught.value).code, refusal(caught.value).reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "FOUR_EYES",
    )
    period = await world.second.ReviewPeriod(review)
    assert (period.prepared_by, period.reviewed_by) == ("root", "second")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.second.IssuePeriod(clearing_pb2.IssuePeriodRequest(name=period.name, request_id=str(uuid4())))
    assert refusal(caught.value).reason == "FOUR_EYES"


async def test_a_review_is_of_what_was_looked_at(world: World) -> None:
    await world.submit("C1")
    period = await world.calculated()
    for etag, code in (("", grpc.StatusCode.INVALID_ARGUMENT), ("1", grpc.StatusCode.ABORTED)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.second.ReviewPeriod(clearing_pb2.ReviewPeriodRequest(name=period.name, etag=etag))
        assert caught.value.code() is code


async def test_issuing_again_with_the_same_request_id_changes_nothing(world: World) -> None:
    await world.submit("C1")
    period = await world.calculated()
    await world.second.ReviewPeriod(clearing_pb2.ReviewPeriodRequest(name=period.name, etag=period.etag))
    request = clearing_pb2.IssuePeriodRequest(name=period.name, request_id=str(uuid4()))
    first, again = await world.admin.IssuePeriod(request), await world.admin.IssuePeriod(request)
    assert first == again
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.admin.IssuePeriod(clearing_pb2.IssuePeriodRequest(name=period.name, request_id=str(uuid4())))
    assert refusal(caught.value).reason == "PERIOD_STATE"
    other = clearing_pb2.IssuePeriodRequest(name=f"{period.name}-x", request_id=request.request_id)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.admin.IssuePeriod(other)
    assert refusal(caught.value).reason == "REQUEST_ID_REUSED"


async def test_a_stranger_cannot_tell_that_a_period_or_statement_exists(world: World) -> None:
    await world.submit("C1")
    statement = await world.issued()
    period = statement.name.partition("/statements/")[0]
    answers = []
    for name in (period, "agreements/x/periods/y"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.stranger.GetPeriod(clearing_pb2.GetPeriodRequest(name=name))
        answers.append(refusal(caught.value))
    for name in (statement.name, "agreements/x/periods/y/statements/eur"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.stranger.GetStatement(clearing_pb2.GetStatementRequest(name=name))
        answers.append(refusal(caught.value))
    assert answers[0] == answers[1]
    assert answers[2] == answers[3]
    listed = await world.stranger.ListPeriods(clearing_pb2.ListPeriodsRequest(parent="agreements/-"))
    assert not listed.periods
    positions = await world.stranger.ListPositions(clearing_pb2.ListPositionsRequest())
    assert not positions.positions


async def test_partners_do_not_see_drafts(world: World) -> None:
    await world.submit("C1")
    period = await world.calculated()
    name = f"{period.name}/statements/eur"
    draft = await world.root.GetStatement(clearing_pb2.GetStatementRequest(name=name))
    assert draft.state == clearing_pb2.Statement.STATE_DRAFT
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.debtor.GetStatement(clearing_pb2.GetStatementRequest(name=name))
    assert refusal(caught.value).reason == "STATEMENT_NOT_FOUND"
    listed = await world.debtor.ListStatements(clearing_pb2.ListStatementsRequest(parent=f"{period.name}"))
    assert not listed.statements
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in world.root.ExportBundle(clearing_pb2.ExportBundleRequest(name=name)):
            pass
    assert refusal(caught.value).reason == "STATEMENT_STATE"


async def test_an_answer_is_recorded_once_and_stands_in_the_bundle(world: World) -> None:
    await world.submit("C1")
    statement = await world.issued()
    party = common_pb2.PartyKey(country_code="DE", party_id="MSP")
    answer = clearing_pb2.AcknowledgeStatementRequest(
        name=statement.name,
        party=party,
        digest=statement.digest,
        decision=clearing_pb2.Acknowledgement.DECISION_ACCEPT,
    )
    first = await world.debtor.AcknowledgeStatement(answer)
    again = await world.debtor.AcknowledgeStatement(answer)
    assert first == again
    assert first.state == clearing_pb2.Statement.STATE_ACKNOWLEDGED
    period = await world.debtor.GetPeriod(
        clearing_pb2.GetPeriodRequest(name=statement.name.partition("/statements/")[0])
    )
    assert period.state == clearing_pb2.Period.STATE_ACKNOWLEDGED
    report = verify_bundle(await world.bundle(statement.name), world.roots())
    assert report.exit_code == 0
    assert report.checks[-1].detail == "DE-MSP ACCEPT, attested by the hub"
    answer.decision = clearing_pb2.Acknowledgement.DECISION_REJECT
    answer.reasons.add(code="WRONG_PRICE")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.debtor.AcknowledgeStatement(answer)
    assert refusal(caught.value).reason == "ALREADY_ACKNOWLEDGED"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"digest": "ab" * 32}, grpc.StatusCode.ABORTED),
        ({"decision": 0}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"decision": 9}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"decision": 2}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"decision": 2, "lines": [7], "reasons": [{"code": "X"}]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"envelope": b"{}"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"name": "x"}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_an_answer_that_says_nothing_clear_is_refused(
    world: World, changes: dict[str, object], code: grpc.StatusCode
) -> None:
    await world.submit("C1")
    statement = await world.issued()
    facts = {
        "name": statement.name,
        "party": common_pb2.PartyKey(country_code="DE", party_id="MSP"),
        "digest": statement.digest,
        "decision": 1,
    }
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.debtor.AcknowledgeStatement(
            clearing_pb2.AcknowledgeStatementRequest(**{**facts, **changes})  # type: ignore[arg-type]
        )
    assert caught.value.code() is code
    found = await world.debtor.GetStatement(clearing_pb2.GetStatementRequest(name=statement.name))
    assert not found.acknowledgements


async def test_positions_say_who_owes_whom_and_sum_to_zero(world: World) -> None:
    await world.submit("C1")
    await world.issued()
    found = await world.root.ListPositions(clearing_pb2.ListPositionsRequest())
    amounts = {
        each.party.party_id: Decimal(each.net.units) + Decimal(each.net.nanos).scaleb(-9) for each in found.positions
    }
    assert amounts == {"CPO": Decimal("12.35"), "MSP": Decimal("-12.35")}
    assert [(each.payer.party_id, each.payee.party_id) for each in found.transfers] == [("", "CPO"), ("MSP", "")]
    netting = clearing_pb2.ListPositionsRequest.NETTING_BILATERAL
    seen = await world.debtor.ListPositions(clearing_pb2.ListPositionsRequest(netting=netting))
    assert [each.party.party_id for each in seen.positions] == ["MSP"]
    assert [(each.payer.party_id, each.payee.party_id) for each in seen.transfers] == [("MSP", "CPO")]
    later = clearing_pb2.ListPositionsRequest(issue_time_from=stamp(datetime.now(UTC) + timedelta(hours=1)))
    assert not (await world.root.ListPositions(later)).positions


async def test_positions_come_in_pages_that_add_up_whatever_is_issued_meanwhile(world: World) -> None:
    await world.submit("C1")
    await world.issued()
    whole = await world.root.ListPositions(clearing_pb2.ListPositionsRequest())
    assert (len(whole.positions), len(whole.transfers), whole.next_page_token) == (2, 2, "")
    request = clearing_pb2.ListPositionsRequest(page_size=1)
    pages = [await world.root.ListPositions(request)]
    await world.submit("C2")
    await world.issued()
    while pages[-1].next_page_token:
        request.page_token = pages[-1].next_page_token
        pages.append(await world.root.ListPositions(request))
    assert [(len(page.positions), len(page.transfers)) for page in pages] == [(1, 0), (1, 0), (0, 1), (0, 1)]
    assert [page.positions[0] for page in pages[:2]] == list(whole.positions)
    assert [page.transfers[0] for page in pages[2:]] == list(whole.transfers)
    assert {page.statement_count for page in pages} == {1}
    assert (await world.root.ListPositions(clearing_pb2.ListPositionsRequest())).statement_count == 2


async def test_the_command_line_follows_the_pages_of_positions(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROAMHUB_DATA", raising=False)
    monkeypatch.setattr("hub.cli.options._PAGE_SIZE", 1)
    await world.submit("C1")
    await world.issued()
    config = world.hub.config.data_dir / "cli.toml"
    config.write_text(f'data_dir = "{world.hub.config.data_dir}"\nlisten = "127.0.0.1:{world.hub.port}"\n')
    assert await asyncio.to_thread(run, ["statement", "positions", "--json", "--config", str(config)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [len(told[name]) for name in ("positions", "transfers")] == [2, 2]
    assert (int(told["statement_count"]), "next_page_token" in told) == (1, False)


async def refused(call: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


POSITION_PAGES = {
    "page_size": clearing_pb2.ListPositionsRequest(page_size=-1),
    "page_token": clearing_pb2.ListPositionsRequest(page_token="nix"),
}


@pytest.mark.parametrize(("field", "request_"), POSITION_PAGES.items(), ids=POSITION_PAGES)
async def test_a_page_of_positions_that_cannot_be_is_refused(world: World, field: str, request_: Any) -> None:
    answer = await refused(world.root.ListPositions(request_))
    assert (answer.code, answer.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


@pytest.mark.parametrize("place", [(1 << 62, 0), (-(1 << 62), 0), (0, -1), (0,), ("x", 0)], ids=str)
async def test_a_forged_place_among_positions_is_refused(world: World, place: tuple[Any, ...]) -> None:
    request = clearing_pb2.ListPositionsRequest()
    request.page_token = read_page(request).next_token(*place)
    answer = await refused(world.root.ListPositions(request))
    assert (answer.code, answer.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])


async def test_the_journal_is_proven_to_hold_a_receipt_and_only_to_grow(world: World) -> None:
    receipt = (await world.submit("C1")).receipt
    stub = transparency_pb2_grpc.TransparencyServiceStub(world.channel)
    early = await stub.GetCheckpoint(transparency_pb2.GetCheckpointRequest())
    for number in range(5):
        await world.submit(f"D{number}")
    late = await stub.GetCheckpoint(transparency_pb2.GetCheckpointRequest())
    proof = await stub.GetInclusionProof(transparency_pb2.GetInclusionProofRequest(leaf_index=receipt.journal_index))
    verify_inclusion(
        leaf=receipt.leaf_hash,
        index=receipt.journal_index,
        size=proof.tree_size,
        proof=list(proof.hashes),
        root=late.root_hash,
    )
    grown = await stub.GetConsistencyProof(
        transparency_pb2.GetConsistencyProofRequest(earlier_size=early.tree_size, later_size=late.tree_size)
    )
    verify_consistency(
        earlier=early.tree_size,
        later=late.tree_size,
        earlier_root=early.root_hash,
        later_root=late.root_hash,
        proof=list(grown.hashes),
    )
    checkpoint = Checkpoint.parse(parse_note(late.note.encode()).text)
    assert (checkpoint.size, checkpoint.root) == (late.tree_size, late.root_hash)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetInclusionProof(transparency_pb2.GetInclusionProofRequest(leaf_index=100))
    assert refusal(caught.value).reason == "LEAF_NOT_FOUND"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetConsistencyProof(transparency_pb2.GetConsistencyProofRequest(earlier_size=100))
    assert refusal(caught.value).reason == "TREE_NOT_FOUND"


async def test_a_receipt_opens_to_the_cdr_and_what_it_is_settled_by(world: World) -> None:
    receipt = (await world.submit("C1")).receipt
    request = transparency_pb2.GetLeafRequest(leaf_index=receipt.journal_index)
    got = await transparency_pb2_grpc.TransparencyServiceStub(world.channel).GetLeaf(request)
    assert leaf_hash(got.preimage) == receipt.leaf_hash
    leaf = Leaf.from_bytes(got.preimage)
    openings = {each.name: Opening(salt=each.salt, value=each.value) for each in got.openings}
    check_openings(leaf, openings)
    assert sorted(openings) == ["contract", "document", "settlement", "token"]
    item = ClearingItem.from_bytes(openings["settlement"].value)
    assert (leaf.kind, item.cdr, item.amount) == ("cdr_accepted", "NL-CPO/C1", 12_3456)
    document = cdr(world.cpo, world.emsp, "C1").SerializeToString(deterministic=True)
    assert openings["document"].value == sha256(document).digest()


async def test_a_leaf_is_opened_to_nobody_but_its_parties_and_operators(
    world: World, operator_channel: grpc.aio.Channel
) -> None:
    await world.submit("C1")
    theirs = transparency_pb2.GetLeafRequest(leaf_index=0)
    stub = transparency_pb2_grpc.TransparencyServiceStub
    assert await stub(world.emsp_channel).GetLeaf(theirs) == await stub(operator_channel).GetLeaf(theirs)
    words = set()
    for index in (0, 1, -1, 1 << 62):
        answer = await refused(stub(world.stranger_channel).GetLeaf(transparency_pb2.GetLeafRequest(leaf_index=index)))
        assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "LEAF_NOT_FOUND")
        words.add(answer.message)
    assert len(words) == 1, "what is others' reads as what is not there"


async def test_lists_come_in_pages(world: World) -> None:
    for number in range(3):
        await world.submit(f"C{number}")
        period = (
            next(
                each
                for each in (
                    await world.root.ListPeriods(
                        clearing_pb2.ListPeriodsRequest(parent="agreements/-", state=clearing_pb2.Period.STATE_OPEN)
                    )
                ).periods
            )
            if number
            else await world.period()
        )
        await world.admin.CutOffPeriod(clearing_pb2.CutOffPeriodRequest(name=period.name))
        await world.admin.CalculatePeriod(clearing_pb2.CalculatePeriodRequest(name=period.name))
    names, token = [], ""
    while True:
        page = await world.root.ListStatements(
            clearing_pb2.ListStatementsRequest(parent="agreements/-/periods/-", page_size=2, page_token=token)
        )
        names += [statement.name for statement in page.statements]
        token = page.next_page_token
        if not token:
            break
    assert len(names) == 3
    periods = await world.debtor.ListPeriods(clearing_pb2.ListPeriodsRequest(parent="agreements/-", page_size=2))
    rest = await world.debtor.ListPeriods(
        clearing_pb2.ListPeriodsRequest(parent="agreements/-", page_size=2, page_token=periods.next_page_token)
    )
    assert [each.first_index for each in (*periods.periods, *rest.periods)] == [0, 2, 4, 6]


@pytest.mark.parametrize("parent", ["", "agreements", "agreements/", "x/-", "agreements/-/periods"])
async def test_a_parent_names_an_agreement(world: World, parent: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.root.ListPeriods(clearing_pb2.ListPeriodsRequest(parent=parent))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.root.ListStatements(clearing_pb2.ListStatementsRequest(parent=f"{parent}/x"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
