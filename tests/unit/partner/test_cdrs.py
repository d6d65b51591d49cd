"""CDRs arrive exactly once, whatever is lost on the way."""

import sqlite3
import stat
from pathlib import Path
from typing import Any

import grpc
import pytest
from roamhub.v1.cdr_object_pb2 import Cdr
from roamhub.v1.cdr_pb2 import (
    CDR_STATE_ACCEPTED,
    BatchSubmitCdrsRequest,
    BatchSubmitCdrsResponse,
    CdrOutcome,
    CdrRecord,
    ListCdrsRequest,
    ListCdrsResponse,
    SubmitCdrResponse,
)
from roamhub.v1.cdr_pb2_grpc import CdrServiceServicer, add_CdrServiceServicer_to_server
from roamhub.v1.common_pb2 import ItemError, PartyKey

from adapters.partner.cdrs import Cdrs
from adapters.partner.errors import Conflict, Denied
from adapters.partner.outbox import Outbox
from adapters.partner.retry import Backoff
from tests.unit.partner.fake_hub import FakeHub, fake

AT_ONCE = Backoff(first_seconds=0.001, longest_seconds=0.002)


class Clearing(CdrServiceServicer):
    """Records request ids like the hub does; loses as many answers as told, after the CDRs are recorded."""

    def __init__(self, answers_lost: int = 0, status: grpc.StatusCode = grpc.StatusCode.DEADLINE_EXCEEDED) -> None:
        self.answers_lost = answers_lost
        self.status = status
        self.recorded: dict[str, str] = {}
        self.replaced: list[str] = []
        self.calls: list[list[str]] = []

    async def BatchSubmitCdrs(self, request: BatchSubmitCdrsRequest, context: Any) -> BatchSubmitCdrsResponse:
        self.calls.append([each.request_id for each in request.requests])
        response = BatchSubmitCdrsResponse()
        for each in request.requests:
            if each.cdr.id.startswith("conflict"):
                error = ItemError(code=grpc.StatusCode.ALREADY_EXISTS.value[0], reason="CDR_CONFLICT", message="no")
                response.outcomes.append(CdrOutcome(error=error))
                continue
            self.recorded[each.request_id] = each.cdr.id
            self.replaced.append(each.replaces)
            answer = SubmitCdrResponse(state=CDR_STATE_ACCEPTED)
            answer.receipt.journal_index = list(self.recorded).index(each.request_id)
            response.outcomes.append(CdrOutcome(response=answer))
        if self.answers_lost:
            self.answers_lost -= 1
            await context.abort(self.status, "lost")
        return response

    async def ListCdrs(self, request: ListCdrsRequest, context: Any) -> ListCdrsResponse:
        """Return three pages of one CDR each, and of which country's party they are asked."""
        number = int(request.page_token or 1)
        record = CdrRecord(cdr=Cdr(country_code=request.party.country_code, id=str(number)))
        return ListCdrsResponse(cdrs=[record], next_page_token=str(number + 1) if number < 3 else "")


def cdr(number: int | str) -> Cdr:
    return Cdr(country_code="NL", party_id="ABC", id=str(number), currency="EUR")


async def test_a_cdr_whose_answer_was_lost_is_sent_again_under_the_same_request_id(
    fake_hub: FakeHub, tmp_path: Path
) -> None:
    clearing = fake(Clearing)(answers_lost=2)
    async with fake_hub.serving((add_CdrServiceServicer_to_server, clearing)), fake_hub.connected() as connection:
        with Outbox(tmp_path / "outbox.db") as outbox:
            cdrs = Cdrs(connection, outbox, AT_ONCE)
            assert (await cdrs.submit(cdr(1))).state == CDR_STATE_ACCEPTED
            cdrs.close()
    assert len(clearing.calls) == 3
    assert list(clearing.recorded.values()) == ["1"]


async def test_a_crash_between_sending_and_the_answer_resubmits_under_the_same_request_id(
    fake_hub: FakeHub, tmp_path: Path
) -> None:
    clearing = fake(Clearing)(answers_lost=1, status=grpc.StatusCode.PERMISSION_DENIED)
    async with fake_hub.serving((add_CdrServiceServicer_to_server, clearing)), fake_hub.connected() as connection:
        with Outbox(tmp_path / "outbox.db") as outbox:
            cdrs = Cdrs(connection, outbox, AT_ONCE)
            with pytest.raises(Denied):  # stands for the crash: no answer reaches the outbox
                await cdrs.submit_all([cdr(1), cdr(2)])
            cdrs.close()
            assert outbox.pending_count() == 2
        with Outbox(tmp_path / "outbox.db") as outbox:
            cdrs = Cdrs(connection, outbox, AT_ONCE)
            assert await cdrs.flush() == 2
            cdrs.close()
            assert outbox.pending_count() == 0
    assert clearing.calls[0] == clearing.calls[1]
    assert len(clearing.recorded) == 2


async def test_submitting_the_same_cdr_again_gives_the_first_answer_without_a_call(
    fake_hub: FakeHub, tmp_path: Path
) -> None:
    clearing = fake(Clearing)()
    async with fake_hub.serving((add_CdrServiceServicer_to_server, clearing)), fake_hub.connected() as connection:
        with Outbox(tmp_path / "outbox.db") as outbox:
            cdrs = Cdrs(connection, outbox, AT_ONCE)
            first = await cdrs.submit(cdr(1))
            assert await cdrs.submit(cdr(1)) == first
            cdrs.close()
    assert len(clearing.calls) == 1


async def test_a_refused_cdr_raises_its_error_and_the_others_go_through(fake_hub: FakeHub, tmp_path: Path) -> None:
    clearing = fake(Clearing)()
    async with fake_hub.serving((add_CdrServiceServicer_to_server, clearing)), fake_hub.connected() as connection:
        with Outbox(tmp_path / "outbox.db") as outbox:
            cdrs = Cdrs(connection, outbox, AT_ONCE)
            done: list[int] = []
            first, second = await cdrs.submit_all([cdr("conflict"), cdr(2)], done.append)
            assert isinstance(first.error, Conflict)
            assert first.error.reason == "CDR_CONFLICT"
            assert second.response is not None
            with pytest.raises(Conflict):
                await cdrs.submit(cdr("conflict"))
            cdrs.close()
    assert done == [2]
    assert clearing.calls[0][0] == clearing.calls[1][0], "the refused CDR kept its request id"


async def test_many_cdrs_go_in_batches_the_hub_takes(fake_hub: FakeHub, tmp_path: Path) -> None:
    clearing = fake(Clearing)()
    async with fake_hub.serving((add_CdrServiceServicer_to_server, clearing)), fake_hub.connected() as connection:
        with Outbox(tmp_path / "outbox.db") as outbox:
            cdrs = Cdrs(connection, outbox, AT_ONCE)
            submissions = await cdrs.submit_all([cdr(number) for number in range(1100)])
            cdrs.close()
    assert [len(call) for call in clearing.calls] == [500, 500, 100]
    assert [s.response.receipt.journal_index for s in submissions if s.response] == list(range(1100))


def test_the_outbox_is_its_owners_alone_and_forgets_what_was_answered(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        assert stat.S_IMODE((tmp_path / "outbox.db").stat().st_mode) == 0o600
        numbers = outbox.put([cdr(1), cdr(2)])
        assert outbox.put([cdr(1)]) == numbers[:1]
        outbox.settle([(numbers[0], "answered", b"")])
        assert outbox.forget_answered(before_seconds=float("inf")) == 1
        assert [waiting.cdr.id for waiting in outbox.pending(10)] == ["2"]


async def test_a_cdr_says_what_it_replaces_each_time_it_is_sent(fake_hub: FakeHub, tmp_path: Path) -> None:
    clearing = fake(Clearing)(answers_lost=1)
    async with fake_hub.serving((add_CdrServiceServicer_to_server, clearing)), fake_hub.connected() as connection:
        with Outbox(tmp_path / "outbox.db") as outbox:
            cdrs = Cdrs(connection, outbox, AT_ONCE)
            first = await cdrs.submit(cdr(2), replaces="C1")
            assert await cdrs.submit(cdr(2), replaces="c1") == first
            assert await cdrs.submit(cdr(2)) == first
            with pytest.raises(ValueError, match="not to replace C9"):
                await cdrs.submit(cdr(2), replaces="C9")
            cdrs.close()
    assert clearing.replaced == ["C1", "C1"]


def test_a_refused_cdr_may_be_sent_again_to_replace_another(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        (number,) = outbox.put([cdr(1)], "C1")
        outbox.settle([(number, "refused", b"")])
        assert outbox.put([cdr(1)], "C2") == [number]
        assert [waiting.replaces for waiting in outbox.pending(10)] == ["C2"]


def test_an_outbox_of_an_earlier_release_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with Outbox(path) as outbox:
        outbox.put([cdr(1)])
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE cdr DROP COLUMN replaces")
    database.close()
    with Outbox(path) as outbox:
        outbox.put([cdr(2)], "C1")
        assert [(waiting.cdr.id, waiting.replaces) for waiting in outbox.pending(10)] == [("1", ""), ("2", "C1")]


async def test_what_is_on_record_comes_page_by_page(fake_hub: FakeHub, tmp_path: Path) -> None:
    clearing = fake(Clearing)()
    async with fake_hub.serving((add_CdrServiceServicer_to_server, clearing)), fake_hub.connected() as connection:
        with Outbox(tmp_path / "outbox.db") as outbox:
            cdrs = Cdrs(connection, outbox, AT_ONCE)
            party = PartyKey(country_code="NL", party_id="ABC")
            found = [(each.cdr.country_code, each.cdr.id) async for each in cdrs.recorded(party=party)]
            cdrs.close()
    assert found == [("NL", "1"), ("NL", "2"), ("NL", "3")]
