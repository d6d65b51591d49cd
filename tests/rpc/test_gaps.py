"""Gaps over real mutual TLS: what is missing is listed and counted, page by page, for those it concerns."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.decimal_pb2 import Decimal as PbDecimal
from prometheus_client import generate_latest
from roamhub.v1 import (
    clearing_pb2 as pb,
)
from roamhub.v1 import (
    common_pb2,
    session_object_pb2,
    session_pb2,
    session_pb2_grpc,
)
from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

from hub.domain.parties import Role
from hub.jobs.gaps import GapCounter
from hub.main import Hub
from tests.cdrs import stamp
from tests.conftest import PartnerFactory
from tests.support import Partner, agree, refusal

NOW = datetime.now(UTC)
ENDED = NOW - timedelta(days=3)
SESSIONS = pb.GapFilter(kinds=[pb.Gap.KIND_SESSION_WITHOUT_CDR])


async def report(cpo: Partner, emsp: Partner, name: str, ended: datetime = ENDED) -> None:
    made = session_object_pb2.Session(
        country_code=cpo.party.country_code,
        party_id=cpo.party.party_id,
        id=name,
        start_date_time=stamp(ended - timedelta(hours=1)),
        end_date_time=stamp(ended),
        kwh=PbDecimal(value="1.5"),
        cdr_token=session_object_pb2.CdrToken(
            country_code=emsp.party.country_code,
            party_id=emsp.party.party_id,
            uid="SECRETTOKEN",
            type="RFID",
            contract_id="SECRETCONTRACT",
        ),
        auth_method=session_object_pb2.AUTH_METHOD_WHITELIST,
        location_id="L1",
        evse_uid="E1",
        connector_id="1",
        currency="EUR",
        status=session_object_pb2.SESSION_STATUS_COMPLETED,
        last_updated=stamp(NOW),
    )
    await session_pb2_grpc.SessionServiceStub(cpo.channel).PutSession(session_pb2.PutSessionRequest(session=made))


async def listed(channel: grpc.aio.Channel, size: int = 100, **request: Any) -> list[pb.Gap]:
    """Return all gaps, page by page."""
    wanted = pb.ListGapsRequest(**{"parent": "agreements/-", "page_size": size, **request})
    gaps: list[pb.Gap] = []
    while True:
        page = await ClearingServiceStub(channel).ListGaps(wanted)
        assert len(page.gaps) <= size
        gaps += page.gaps
        if not page.next_page_token:
            return gaps
        wanted.page_token = page.next_page_token


async def refused(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


@pytest.fixture
async def cpo(hub: Hub, partner: PartnerFactory) -> Partner:
    return await partner("NL-CPO", roles=(Role.CPO,))


@pytest.fixture
async def emsp(hub: Hub, partner: PartnerFactory, cpo: Partner) -> Partner:
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    return emsp


async def test_a_missing_cdr_is_told_to_both_parties_and_the_operator_alike(
    cpo: Partner, emsp: Partner, operator_channel: grpc.aio.Channel
) -> None:
    await report(cpo, emsp, "S-One")
    (gap,) = await listed(cpo.channel)
    assert gap.kind == pb.Gap.KIND_SESSION_WITHOUT_CDR
    assert gap.reason == pb.Gap.REASON_NO_CDR
    assert gap.level == pb.Gap.LEVEL_WARNING
    assert (gap.session_id, gap.cdr_id, gap.authorization_reference) == ("S-One", "", "")
    assert gap.agreement == "agreements/nl-cpo-de-msp"
    assert (gap.cpo.party_id, gap.emsp.party_id, gap.responsible.party_id) == ("CPO", "MSP", "CPO")
    assert gap.since_time == stamp(ENDED)
    assert gap.deadline_time == stamp(ENDED + timedelta(days=60))
    assert timedelta(days=3) <= gap.age.ToTimedelta() < timedelta(days=3, hours=1)
    assert gap.hint.startswith("submit the session's CDR")
    assert "SECRET" not in str(gap)
    for other in (emsp.channel, operator_channel):
        (same,) = await listed(other)
        same.age.CopyFrom(gap.age)
        assert same == gap


async def test_a_third_party_sees_no_gap_and_cannot_tell_the_agreement_from_a_missing_one(
    cpo: Partner, emsp: Partner, partner: PartnerFactory
) -> None:
    await report(cpo, emsp, "S-1")
    other = await partner("FR-OTH", roles=(Role.CPO, Role.EMSP))
    assert await listed(other.channel) == []
    stub = ClearingServiceStub(other.channel)
    for parent in ("agreements/nl-cpo-de-msp", "agreements/none"):
        for call in (
            stub.ListGaps(pb.ListGapsRequest(parent=parent)),
            stub.SummarizeGaps(pb.SummarizeGapsRequest(parent=parent)),
        ):
            answer = await refused(call)
            assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "AGREEMENT_NOT_FOUND")
    named = common_pb2.PartyKey(country_code="NL", party_id="CPO")
    assert await listed(other.channel, filter=pb.GapFilter(party=named)) == []


async def test_every_gap_stands_in_exactly_one_page(cpo: Partner, emsp: Partner) -> None:
    names = [f"S-{number}" for number in range(7)]
    for name in names:
        await report(cpo, emsp, name)
    for size in (1, 2, 7):
        assert sorted(gap.session_id for gap in await listed(emsp.channel, size)) == names


async def test_gaps_are_counted_by_kind_with_the_oldest(cpo: Partner, emsp: Partner) -> None:
    await report(cpo, emsp, "S-1")
    await report(cpo, emsp, "S-2", ended=ENDED - timedelta(days=1))
    stub = ClearingServiceStub(emsp.channel)
    summary = await stub.SummarizeGaps(pb.SummarizeGapsRequest(parent="agreements/nl-cpo-de-msp"))
    counts = {kind.kind: kind for kind in summary.kinds}
    assert {kind: count.gap_count for kind, count in counts.items()} == {1: 0, 2: 2, 3: 0, 4: 0}
    assert counts[pb.Gap.KIND_SESSION_WITHOUT_CDR].oldest_time == stamp(ENDED - timedelta(days=1))
    assert not counts[pb.Gap.KIND_AUTHORIZATION_WITHOUT_SESSION].HasField("oldest_time")
    only = await stub.SummarizeGaps(pb.SummarizeGapsRequest(parent="agreements/-", filter=SESSIONS))
    assert [kind.kind for kind in only.kinds] == [pb.Gap.KIND_SESSION_WITHOUT_CDR]


async def test_gaps_are_narrowed_by_age_and_time(cpo: Partner, emsp: Partner) -> None:
    await report(cpo, emsp, "S-1")
    await report(cpo, emsp, "S-2", ended=NOW - timedelta(hours=2))
    young = pb.GapFilter(older_than=Duration(seconds=3600))
    assert [gap.session_id for gap in await listed(cpo.channel, filter=young)] == ["S-1", "S-2"]
    young.since_time_from.CopyFrom(stamp(NOW - timedelta(days=1)))
    assert [gap.session_id for gap in await listed(cpo.channel, filter=young)] == ["S-2"]
    month = pb.GapFilter(since_time_before=stamp(NOW - timedelta(days=1)))
    assert [gap.session_id for gap in await listed(cpo.channel, filter=month)] == ["S-1"]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ListGapsRequest(), "parent"),
        (pb.ListGapsRequest(parent="agreements/-", page_size=-1), "page_size"),
        (pb.ListGapsRequest(parent="agreements/-", page_token="garbage"), "page_token"),
        (pb.ListGapsRequest(parent="agreements/-", filter=pb.GapFilter(kinds=[9])), "filter.kinds[0]"),  # type: ignore[list-item]
        (pb.ListGapsRequest(parent="agreements/-", filter=pb.GapFilter(kinds=[1, 2, 3, 4, 1])), "filter.kinds"),  # type: ignore[list-item]
        (
            pb.ListGapsRequest(
                parent="agreements/-",
                filter=pb.GapFilter(counterparty=common_pb2.PartyKey(country_code="NL", party_id="CPO")),
            ),
            "filter.counterparty",
        ),
        (
            pb.ListGapsRequest(parent="agreements/-", filter=pb.GapFilter(older_than=Duration(seconds=-1))),
            "filter.older_than",
        ),
    ],
)
async def test_a_field_that_breaks_a_rule_is_named(cpo: Partner, request_: pb.ListGapsRequest, field: str) -> None:
    answer = await refused(ClearingServiceStub(cpo.channel).ListGaps(request_))
    assert (answer.code, answer.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_a_page_token_goes_with_its_arguments(cpo: Partner, emsp: Partner) -> None:
    for number in range(2):
        await report(cpo, emsp, f"S-{number}")
    stub = ClearingServiceStub(cpo.channel)
    page = await stub.ListGaps(pb.ListGapsRequest(parent="agreements/-", page_size=1))
    other = pb.ListGapsRequest(parent="agreements/-", filter=SESSIONS, page_token=page.next_page_token)
    assert (await refused(stub.ListGaps(other))).fields == ["page_token"]


async def test_the_metrics_count_what_is_missing_and_name_nobody(hub: Hub, partner: PartnerFactory) -> None:
    cpo, emsp = await partner("NL-CPO", roles=(Role.CPO,)), await partner("DE-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    await report(cpo, emsp, "S1")
    await report(cpo, emsp, "S2", NOW - timedelta(days=8))
    assert await GapCounter(reads=hub.reads, tell=hub.metrics.gaps)()
    text = generate_latest(hub.metrics.registry).decode()
    assert 'roamhub_gaps{kind="session_without_cdr",older_than="1d"} 2.0' in text
    assert 'roamhub_gaps{kind="session_without_cdr",older_than="7d"} 1.0' in text
    assert 'roamhub_gaps{kind="session_without_end",older_than="1d"} 0.0' in text
    assert "CPO" not in text
