"""Returned and quarantined CDRs over real mutual TLS: the queue, the decisions, and what each side is told."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from roamhub.v1 import cdr_object_pb2, cdr_pb2, cdr_pb2_grpc, common_pb2, journal_pb2, journal_pb2_grpc

from adapters.partner.cdrs import Cdrs
from adapters.partner.connection import Connection
from adapters.partner.credentials import Credentials, Store
from adapters.partner.errors import Invalid, Precondition
from adapters.partner.outbox import Outbox
from adapters.partner.returns import Returns
from hub.app.cdrs.standings import due
from hub.cli.app import run
from hub.domain.agreements import CheckAction
from hub.domain.cdrs.checks import Check
from hub.domain.ids import ObjectId, PartyId
from hub.domain.parties import Role
from hub.main import Hub
from hub.main.hub import system_clock
from tests.cdrs import NOW, make_cdr, number, period
from tests.conftest import PartnerFactory
from tests.support import Partner, Refusal, agree, refusal

CHECKS = {
    **{str(check): CheckAction.ACCEPT for check in Check if not check.startswith("CREDIT")},
    "ENERGY_SUM_MISMATCH": CheckAction.QUARANTINE,
    "TIMES_DISORDERED": CheckAction.RETURN,
}

NEIGHBOURS = ["NEAR_DUPLICATE", "TOKEN_OVERLAP", "EVSE_OVERLAP"]


class Sides:
    """A hub with a CPO, an eMSP that decides on doubtful CDRs, and a stranger to both."""

    def __init__(self, hub: Hub, cpo: Partner, emsp: Partner, stranger: Partner) -> None:
        self.hub = hub
        self.partners = cpo, emsp, stranger
        self.cpo, self.emsp, self.stranger = [cdr_pb2_grpc.CdrServiceStub(partner.channel) for partner in self.partners]

    async def submit(self, cdr: cdr_object_pb2.Cdr, replaces: str = "") -> cdr_pb2.SubmitCdrResponse:
        request = cdr_pb2.SubmitCdrRequest(request_id=str(uuid4()), cdr=cdr, replaces=replaces)
        return await self.cpo.SubmitCdr(request)

    def credentials(self, partner: Partner) -> Credentials:
        return Credentials(
            key_pem=partner.key_pem,
            certificate_pem=partner.chain_pem,
            authority_pem=self.hub.ca.ca_pem,
            hub=f"127.0.0.1:{self.hub.port}",
        )

    def connection(self, partner: Partner) -> Connection:
        """Return a connection of the SDK."""
        return Connection(self.credentials(partner))


@pytest.fixture
async def sides(hub: Hub, partner: PartnerFactory) -> Sides:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    stranger = await partner("FR-OTH", roles=(Role.CPO, Role.EMSP))
    await agree(hub, cpo.party, emsp.party, checks=CHECKS, cdr_age_max=timedelta(days=3660))
    return Sides(hub, cpo, emsp, stranger)


def doubtful(name: str) -> cdr_object_pb2.Cdr:
    return make_cdr(name, total_energy=number("21.0000"))


def wrong(name: str) -> cdr_object_pb2.Cdr:
    return make_cdr(name, charging_periods=[period(-1, "20", "2")])


def key(name: str, party: str = "CPO") -> common_pb2.ObjectKey:
    return common_pb2.ObjectKey(country_code="NL", party_id=party, id=name)


def reviewed(name: str, decision: cdr_pb2.CdrDecision.ValueType, emsp: str = "DE-MSP", **more: Any) -> Any:
    payer = common_pb2.PartyKey(country_code=emsp[:2], party_id=emsp[3:])
    fields = {"request_id": str(uuid4()), "key": key(name), "emsp": payer, "decision": decision, **more}
    return cdr_pb2.ReviewCdrRequest(**fields)


def withdrawn(name: str, **more: Any) -> Any:
    return cdr_pb2.WithdrawCdrRequest(**{"request_id": str(uuid4()), "key": key(name), **more})


async def refused(call: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


ACCEPT, RETURN = cdr_pb2.CDR_DECISION_ACCEPT, cdr_pb2.CDR_DECISION_RETURN


async def test_both_sides_see_a_quarantined_cdr_with_its_deadline_hint_and_who_has_to_act(sides: Sides) -> None:
    answer = await sides.submit(doubtful("C1"))
    assert answer.state == cdr_pb2.CDR_STATE_QUARANTINED
    recorded = answer.receipt.recorded_time
    assert answer.deadline.ToDatetime() - recorded.ToDatetime() == timedelta(days=7)
    for side in (sides.cpo, sides.emsp):
        (record,) = (await side.ListReturns(cdr_pb2.ListReturnsRequest())).cdrs
        assert record == await side.GetCdr(cdr_pb2.GetCdrRequest(key=key("c1")))
        assert record.deadline == answer.deadline
        assert (record.awaited.country_code, record.awaited.party_id) == ("DE", "MSP")
        assert [(f.code, f.fix_hint != "") for f in record.findings] == [("ENERGY_SUM_MISMATCH", True)]
        (step,) = record.history
        assert (step.state, step.journal_index, step.recorded_time, step.cause) == (record.state, 0, recorded, "CHECKS")
    assert not (await sides.stranger.ListReturns(cdr_pb2.ListReturnsRequest())).cdrs


async def test_what_was_accepted_meanwhile_is_told_to_both_sides_of_what_the_emsp_accepts(sides: Sides) -> None:
    cpo, _, other = sides.partners
    checks = {code: action for code, action in CHECKS.items() if code not in NEIGHBOURS}
    await agree(sides.hub, cpo.party, other.party, checks=checks)
    for cdr in (doubtful("C1"), make_cdr("C2")):
        cdr.cdr_token.country_code, cdr.cdr_token.party_id = "FR", "OTH"
        await sides.submit(cdr)
    record = await sides.stranger.ReviewCdr(reviewed("C1", ACCEPT, "FR-OTH"))
    assert record.state == cdr_pb2.CDR_STATE_ACCEPTED
    found = record.history[-1].findings
    assert [each.code for each in found] == ["TOKEN_OVERLAP", "EVSE_OVERLAP"]
    assert {each.severity for each in found} == {cdr_pb2.FINDING_SEVERITY_WARNING}
    assert all("C2" in each.message and each.fix_hint for each in found)
    assert record == await sides.cpo.GetCdr(cdr_pb2.GetCdrRequest(key=key("C1")))


async def test_the_emsp_accepts_and_both_sides_read_what_it_said(sides: Sides) -> None:
    await sides.submit(doubtful("C1"))
    record = await sides.emsp.ReviewCdr(reviewed("c1", ACCEPT, note="the driver confirms it"))
    assert record.state == cdr_pb2.CDR_STATE_ACCEPTED
    assert not record.HasField("deadline")
    assert not record.HasField("awaited")
    seen = await sides.cpo.GetCdr(cdr_pb2.GetCdrRequest(key=key("C1")))
    assert seen == record
    assert [(step.cause, step.note) for step in seen.history] == [("CHECKS", ""), ("REVIEW", "the driver confirms it")]
    assert not any(step.findings for step in seen.history)
    again = await refused(sides.emsp.ReviewCdr(reviewed("C1", RETURN)))
    assert (again.code, again.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CDR_STATE")


async def test_nobody_but_the_payer_decides_and_a_stranger_learns_nothing(sides: Sides) -> None:
    await sides.submit(doubtful("C1"))
    by_cpo = await refused(sides.cpo.ReviewCdr(reviewed("C1", ACCEPT)))
    in_its_name = await refused(sides.stranger.ReviewCdr(reviewed("C1", ACCEPT)))
    assert by_cpo.code == in_its_name.code == grpc.StatusCode.PERMISSION_DENIED
    there = await refused(sides.stranger.ReviewCdr(reviewed("C1", ACCEPT, "FR-OTH")))
    not_there = await refused(sides.stranger.ReviewCdr(reviewed("C2", ACCEPT, "FR-OTH")))
    assert there == not_there
    assert there.code == grpc.StatusCode.NOT_FOUND
    by_emsp = await refused(sides.emsp.WithdrawCdr(withdrawn("C1")))
    assert by_emsp.code == grpc.StatusCode.PERMISSION_DENIED
    elsewhere = await refused(
        sides.stranger.WithdrawCdr(
            withdrawn("C1", key=common_pb2.ObjectKey(country_code="FR", party_id="OTH", id="C1"))
        )
    )
    assert elsewhere.reason == "CDR_NOT_FOUND"


MALFORMED = {
    "request_id": reviewed("C1", ACCEPT, request_id="1"),
    "key.id": reviewed("", ACCEPT),
    "decision": reviewed("C1", cdr_pb2.CDR_DECISION_UNSPECIFIED),
    "note": reviewed("C1", ACCEPT, note="x" * 501),
}


@pytest.mark.parametrize(("field", "request_"), MALFORMED.items(), ids=MALFORMED)
async def test_a_malformed_review_is_refused_by_its_field(sides: Sides, field: str, request_: Any) -> None:
    refusal_ = await refused(sides.emsp.ReviewCdr(request_))
    assert (refusal_.code, refusal_.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_a_returned_cdr_is_replaced_alone_in_a_batch_and_on_a_stream(sides: Sides) -> None:
    for name in ("C1", "C2", "C3"):
        assert (await sides.submit(wrong(name))).state == cdr_pb2.CDR_STATE_RETURNED
    assert (await sides.submit(make_cdr("N1"), "C1")).state == cdr_pb2.CDR_STATE_ACCEPTED
    one = cdr_pb2.SubmitCdrRequest(request_id=str(uuid4()), cdr=make_cdr("N2"), replaces="C2")
    (outcome,) = (await sides.cpo.BatchSubmitCdrs(cdr_pb2.BatchSubmitCdrsRequest(requests=[one]))).outcomes
    assert outcome.response.state == cdr_pb2.CDR_STATE_ACCEPTED
    streamed = cdr_pb2.StreamCdrsRequest(request_id=str(uuid4()), cdr=make_cdr("N3"), replaces="C3")
    async for response in sides.cpo.StreamCdrs(iter([streamed])):
        assert response.outcomes[0].response.state == cdr_pb2.CDR_STATE_ACCEPTED
    for name in ("1", "2", "3"):
        old = await sides.emsp.GetCdr(cdr_pb2.GetCdrRequest(key=key(f"C{name}")))
        new = await sides.emsp.GetCdr(cdr_pb2.GetCdrRequest(key=key(f"N{name}")))
        assert (old.state, old.replaced_by) == (cdr_pb2.CDR_STATE_RESUBMITTED, f"N{name}")
        assert (new.state, new.replaces) == (cdr_pb2.CDR_STATE_ACCEPTED, f"C{name}")
    again = await refused(sides.submit(make_cdr("N4"), "C1"))
    assert (again.code, again.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REPLACED_CDR_RESUBMITTED")


@pytest.mark.parametrize("replaces", ["c1", "x" * 40, "a\x00b"])
async def test_what_cannot_be_replaced_by_its_form_is_malformed(sides: Sides, replaces: str) -> None:
    refusal_ = await refused(sides.submit(make_cdr("C1"), replaces))
    assert (refusal_.code, refusal_.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["replaces"])


async def test_the_queue_is_paged_and_narrowed(sides: Sides) -> None:
    for name, make in (("C1", wrong), ("C2", doubtful), ("C3", wrong), ("C4", doubtful)):
        await sides.submit(make(name))

    async def listed(side: Any, **wanted: Any) -> list[str]:
        request, names = cdr_pb2.ListReturnsRequest(page_size=1, **wanted), []
        while True:
            page = await side.ListReturns(request)
            names += [record.cdr.id for record in page.cdrs]
            request.page_token = page.next_page_token
            if not request.page_token:
                return names

    assert await listed(sides.cpo) == await listed(sides.emsp) == ["C2", "C4", "C1", "C3"]
    assert await listed(sides.cpo, own_turn=True) == ["C1", "C3"]
    assert await listed(sides.emsp, own_turn=True) == ["C2", "C4"]
    assert await listed(sides.emsp, state=cdr_pb2.CDR_STATE_RETURNED) == ["C1", "C3"]
    first = (await sides.cpo.GetCdr(cdr_pb2.GetCdrRequest(key=key("C1")))).deadline
    assert await listed(sides.cpo, deadline_before=first) == ["C2", "C4"]
    own = common_pb2.PartyKey(country_code="NL", party_id="CPO")
    assert await listed(sides.cpo, party=own, own_turn=True) == ["C1", "C3"]
    assert (await refused(listed(sides.emsp, party=own))).code == grpc.StatusCode.PERMISSION_DENIED
    assert (await refused(listed(sides.cpo, state=cdr_pb2.CDR_STATE_ACCEPTED))).fields == ["state"]


async def test_lists_narrow_to_states_but_not_to_what_statements_say(sides: Sides) -> None:
    await sides.submit(wrong("C1"))
    await sides.cpo.WithdrawCdr(withdrawn("C1"))
    gone = cdr_pb2.ListCdrsRequest(state=cdr_pb2.CDR_STATE_WITHDRAWN)
    assert [record.cdr.id for record in (await sides.emsp.ListCdrs(gone)).cdrs] == ["C1"]
    for state in (cdr_pb2.CDR_STATE_STATED, cdr_pb2.CDR_STATE_SETTLED):
        refusal_ = await refused(sides.emsp.ListCdrs(cdr_pb2.ListCdrsRequest(state=state)))
        assert refusal_.fields == ["state"]


async def test_both_sides_follow_what_happens_and_resume(sides: Sides) -> None:
    await sides.submit(doubtful("C1"))
    await sides.submit(wrong("C2"))
    await sides.emsp.ReviewCdr(reviewed("C1", RETURN))
    await sides.submit(make_cdr("C3"), "C1")
    await sides.cpo.WithdrawCdr(withdrawn("C2"))
    happened = [
        "cdr_quarantined C1",
        "cdr_returned C2",
        "cdr_returned C1",
        "cdr_accepted C3",
        "cdr_resubmitted C1",
        "cdr_withdrawn C2",
    ]
    for partner, stub in zip(sides.partners[:2], (sides.cpo, sides.emsp), strict=True):
        journal = journal_pb2_grpc.JournalServiceStub(partner.channel)
        request = journal_pb2.WatchRequest(stream=journal_pb2.JOURNAL_STREAM_CLEARING, after_index=-1)
        told: list[str] = []
        async for response in journal.Watch(request):
            told += [f"{entry.kind} {entry.subject.partition('/')[2]}" for entry in response.entries]
            if len(told) >= len(happened):
                break
        assert told == happened
        for after, expected in ((-1, ["C3", "C1", "C2"]), (3, ["C1", "C2"]), (4, ["C2"])):
            seen: list[cdr_pb2.CdrRecord] = []
            async for news in stub.WatchCdrs(cdr_pb2.WatchCdrsRequest(after_index=after)):
                seen += news.cdrs
                if len(seen) >= len(expected):
                    assert news.next_after_index == 5
                    break
            assert [record.cdr.id for record in seen] == expected
            assert seen[-1].state == cdr_pb2.CDR_STATE_WITHDRAWN


async def test_a_watcher_hears_of_each_step_as_it_comes(sides: Sides) -> None:
    states, watch = [], sides.emsp.WatchCdrs(cdr_pb2.WatchCdrsRequest(after_index=-1))
    await sides.submit(doubtful("C1"))
    async for news in watch:
        states += [record.state for record in news.cdrs]
        if states == [cdr_pb2.CDR_STATE_QUARANTINED] and news.cdrs:
            await sides.emsp.ReviewCdr(reviewed("C1", ACCEPT))
        elif len(states) == 2:
            break
    assert states == [cdr_pb2.CDR_STATE_QUARANTINED, cdr_pb2.CDR_STATE_ACCEPTED]


async def test_the_sdk_puts_right_withdraws_and_decides(sides: Sides, tmp_path: Path) -> None:
    cpo, emsp, _ = sides.partners
    ours, theirs = sides.connection(cpo), sides.connection(emsp)
    queue, desk = Returns(ours), Returns(theirs)
    with Outbox(tmp_path / "outbox.db") as outbox:
        cdrs = Cdrs(ours, outbox)
        for made in (wrong("C1"), wrong("C2"), doubtful("C3")):
            await cdrs.submit(made)
        to_correct = [record async for record in queue.waiting()]
        assert [record.cdr.id for record in to_correct] == ["C1", "C2"]
        answer = await cdrs.submit(make_cdr("N1"), replaces="C1")
        assert answer.state == cdr_pb2.CDR_STATE_ACCEPTED
        gone = await queue.withdraw(to_correct[1], note="billed twice")
        assert (gone.state, gone.history[-1].note) == (cdr_pb2.CDR_STATE_WITHDRAWN, "billed twice")
        (undecided,) = [record async for record in desk.waiting()]
        decided = await desk.review(undecided, ACCEPT)
        assert decided.state == cdr_pb2.CDR_STATE_ACCEPTED
        with pytest.raises(Precondition) as caught:
            await queue.withdraw(decided)
        assert caught.value.reason == "CDR_STATE"
        assert [record async for record in queue.waiting(own_turn=False)] == []
        cdrs.close()
    await ours.close()
    await theirs.close()


async def test_the_sdk_looks_up_what_is_on_record(sides: Sides, tmp_path: Path) -> None:
    cpo, emsp, _ = sides.partners
    ours, theirs = sides.connection(cpo), sides.connection(emsp)
    for made in (make_cdr("C1"), wrong("C2"), doubtful("C3")):
        await sides.submit(made)
    party, other = (common_pb2.PartyKey(country_code=c, party_id=p) for c, p in (("NL", "CPO"), ("DE", "MSP")))
    with Outbox(tmp_path / "outbox.db") as outbox:
        for connection, own, counterparty in ((ours, party, other), (theirs, other, party)):
            cdrs = Cdrs(connection, outbox)

            async def names(cdrs: Cdrs = cdrs, **wanted: Any) -> list[str]:
                return [record.cdr.id async for record in cdrs.recorded(**wanted)]

            assert await names() == ["C1", "C2", "C3"]
            assert await names(party=own, counterparty=counterparty) == ["C1", "C2", "C3"]
            assert await names(party=own, counterparty=own) == []
            assert await names(state=cdr_pb2.CDR_STATE_RETURNED) == ["C2"]
            assert await names(ended_from=NOW - timedelta(days=2)) == ["C1", "C2", "C3"]
            assert await names(ended_before=NOW - timedelta(days=2)) == []
            with pytest.raises(Invalid) as caught:
                await names(counterparty=counterparty)
            assert [violation.field for violation in caught.value.violations] == ["counterparty"]
            cdrs.close()
    await ours.close()
    await theirs.close()


async def test_what_fell_due_while_the_hub_was_down_is_done_at_its_next_start(sides: Sides) -> None:
    await sides.submit(doubtful("C1"))
    await sides.submit(wrong("C2"))
    await sides.hub.stop()
    later = Hub(sides.hub.config, clock=lambda: system_clock() + timedelta(days=20))
    await later.start()
    try:
        async with asyncio.timeout(60):
            while await later.reads.run(due):
                await asyncio.sleep(0.02)
        cpo = PartyId("NL", "CPO")
        found = [await later.reads.run(lambda uow, n=n: uow.cdrs.get(ObjectId(cpo, n))) for n in ("C1", "C2")]  # type: ignore[misc]
    finally:
        await later.stop()
    assert [(r.answer.state.name, r.steps[-1].cause) for r in found] == [
        ("RETURNED", "UNDECIDED"),
        ("WITHDRAWN", "LAPSED"),
    ]


async def test_the_queue_is_worked_off_by_hand(
    sides: Sides, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROAMHUB_DATA", raising=False)
    for partner, folder in zip(sides.partners[:2], ("cpo", "emsp"), strict=True):
        Store(tmp_path / folder).save(sides.credentials(partner))
    await sides.submit(doubtful("C1"))
    await sides.submit(wrong("C2"))

    async def roamhub(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run, ["cdr", *arguments])
        told = capsys.readouterr()
        return code, told.out + told.err

    cpo, emsp = ("--as", str(tmp_path / "cpo")), ("--as", str(tmp_path / "emsp"))
    code, listed = await roamhub("returns", *cpo)
    assert (code, "NL-CPO/C2  RETURNED" in listed, "NL-CPO/C1" in listed) == (0, True, False)
    assert "NL-CPO/C1  QUARANTINED" in (await roamhub("returns", "--everybody", *cpo))[1]
    assert json.loads((await roamhub("returns", "--json", *emsp))[1])[0]["cdr"]["id"] == "C1"
    assert await roamhub("review", "NL-CPO/C1", *emsp) == (2, "roamhub: UNUSABLE: --accept or --return is needed\n")
    code, told = await roamhub("review", "NL-CPO/C1", "--accept", "--note", "she was there", *emsp)
    assert (code, "ACCEPTED" in told, "REVIEW  she was there" in told) == (0, True, True)
    code, told = await roamhub("review", "NL-CPO/C1", "--return", *emsp)
    assert (code, told.startswith("roamhub: CDR_STATE: ")) == (3, True)
    code, told = await roamhub("show", "nl-cpo/c2", *cpo)
    assert (code, "waits for  NL-CPO" in told) == (0, True)
    assert "ERROR TIMES_DISORDERED charging_periods: start before the session or after its end\n  Correct" in told
    code, told = await roamhub("withdraw", "NL-CPO/C2", "--json", *cpo)
    assert json.loads(told)["state"] == "CDR_STATE_WITHDRAWN"
    code, told = await roamhub("show", "C2", *cpo)
    assert (code, "write the CPO and its id" in told) == (2, True)
