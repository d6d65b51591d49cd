"""Sessions, carried from a CPO to an eMSP over real mutual TLS."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import common_pb2, journal_pb2, journal_pb2_grpc, session_object_pb2, session_pb2, session_pb2_grpc

from hub.domain.parties import Role
from hub.main import Hub
from tests.conftest import PartnerFactory
from tests.support import agree, refusal

NOW = datetime.now(UTC)


def stamp(instant: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(instant)
    return made


def session(minutes: int = 0, **changes: object) -> session_object_pb2.Session:
    made = session_object_pb2.Session(
        country_code="NL",
        party_id="CPO",
        id="S-1",
        start_date_time=stamp(NOW - timedelta(hours=1)),
        kwh=PbDecimal(value="1.5"),
        cdr_token=session_object_pb2.CdrToken(
            country_code="DE", party_id="MSP", uid="TOK1", type="RFID", contract_id="DE-MSP-C1"
        ),
        auth_method=session_object_pb2.AUTH_METHOD_WHITELIST,
        location_id="L1",
        evse_uid="E1",
        connector_id="1",
        currency="EUR",
        status=session_object_pb2.SESSION_STATUS_ACTIVE,
        last_updated=stamp(NOW - timedelta(minutes=60 - minutes)),
    )
    made.MergeFrom(session_object_pb2.Session(**changes))  # type: ignore[arg-type]
    return made


KEY = common_pb2.ObjectKey(country_code="nl", party_id="cpo", id="s-1")


async def roaming(hub: Hub, partner: PartnerFactory) -> tuple[grpc.aio.Channel, grpc.aio.Channel]:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    return cpo.channel, emsp.channel


async def test_an_emsp_reads_the_session_its_driver_charges_in(hub: Hub, partner: PartnerFactory) -> None:
    cpo, emsp = await roaming(hub, partner)
    await session_pb2_grpc.SessionServiceStub(cpo).PutSession(session_pb2.PutSessionRequest(session=session()))
    found = await session_pb2_grpc.SessionServiceStub(emsp).GetSession(session_pb2.GetSessionRequest(key=KEY))
    assert found == session()
    listed = await session_pb2_grpc.SessionServiceStub(emsp).ListSessions(session_pb2.ListSessionsRequest())
    assert list(listed.sessions) == [session()]


async def test_a_third_party_cannot_tell_that_a_session_exists(hub: Hub, partner: PartnerFactory) -> None:
    cpo, _ = await roaming(hub, partner)
    other = await partner("FR-OTH", roles=(Role.EMSP,))
    await session_pb2_grpc.SessionServiceStub(cpo).PutSession(session_pb2.PutSessionRequest(session=session()))
    stub = session_pb2_grpc.SessionServiceStub(other.channel)
    missing = common_pb2.ObjectKey(country_code="NL", party_id="CPO", id="S-2")
    answers = []
    for key in (KEY, missing):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetSession(session_pb2.GetSessionRequest(key=key))
        answers.append(refusal(caught.value))
    assert answers[0] == answers[1]
    assert answers[0].code is grpc.StatusCode.NOT_FOUND


async def test_periods_are_appended_once_however_often_the_update_arrives(hub: Hub, partner: PartnerFactory) -> None:
    cpo, emsp = await roaming(hub, partner)
    stub = session_pb2_grpc.SessionServiceStub(cpo)
    await stub.PutSession(session_pb2.PutSessionRequest(session=session()))
    update = session_pb2.AppendChargingPeriodsRequest(
        key=KEY,
        charging_periods=[session_object_pb2.ChargingPeriod(start_date_time=stamp(NOW - timedelta(minutes=30)))],
        kwh=PbDecimal(value="7.25"),
        last_updated=stamp(NOW - timedelta(minutes=20)),
    )
    changed = [(await stub.AppendChargingPeriods(update)).changed for _ in range(2)]
    assert changed == [True, False]
    found = await session_pb2_grpc.SessionServiceStub(emsp).GetSession(session_pb2.GetSessionRequest(key=KEY))
    assert found.kwh.value == "7.25"
    assert len(found.charging_periods) == 1


async def test_an_update_that_comes_too_late_is_told_so_and_nothing_of_it_is_taken(
    hub: Hub, partner: PartnerFactory
) -> None:
    cpo, _ = await roaming(hub, partner)
    stub = session_pb2_grpc.SessionServiceStub(cpo)
    await stub.PutSession(session_pb2.PutSessionRequest(session=session(minutes=10)))
    completed = session_object_pb2.SESSION_STATUS_COMPLETED
    for late in (
        session_pb2.AppendChargingPeriodsRequest(status=completed),  # names no period, and is not what is stored
        session_pb2.AppendChargingPeriodsRequest(kwh=PbDecimal(value="9")),
        session_pb2.AppendChargingPeriodsRequest(
            charging_periods=[session_object_pb2.ChargingPeriod(start_date_time=stamp(NOW - timedelta(minutes=58)))]
        ),
    ):
        late.key.CopyFrom(KEY)
        late.last_updated.CopyFrom(stamp(NOW - timedelta(minutes=55)))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.AppendChargingPeriods(late)
        told = refusal(caught.value)
        assert (told.code, told.reason, told.metadata["field"]) == (
            grpc.StatusCode.ABORTED,
            "OUT_OF_DATE",
            "last_updated",
        )
    assert await stub.GetSession(session_pb2.GetSessionRequest(key=KEY)) == session(minutes=10)


async def test_an_update_without_periods_that_says_what_is_stored_is_no_news(hub: Hub, partner: PartnerFactory) -> None:
    cpo, _ = await roaming(hub, partner)
    stub = session_pb2_grpc.SessionServiceStub(cpo)
    await stub.PutSession(session_pb2.PutSessionRequest(session=session()))
    update = session_pb2.AppendChargingPeriodsRequest(
        key=KEY,
        status=session_object_pb2.SESSION_STATUS_COMPLETED,
        end_date_time=stamp(NOW - timedelta(minutes=31)),
        last_updated=stamp(NOW - timedelta(minutes=30)),
    )
    assert [(await stub.AppendChargingPeriods(update)).changed for _ in range(2)] == [True, False]


TOMORROW = stamp(NOW + timedelta(days=1))
FUTURE_PERIOD = session_object_pb2.ChargingPeriod(start_date_time=TOMORROW)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"last_updated": TOMORROW}, "last_updated"),
        ({"charging_periods": [FUTURE_PERIOD]}, "charging_periods[0].start_date_time"),
        ({"end_date_time": TOMORROW}, "end_date_time"),
    ],
)
async def test_a_report_from_the_future_is_refused_as_it_would_shut_out_those_that_follow(
    hub: Hub, partner: PartnerFactory, changes: dict[str, Any], field: str
) -> None:
    cpo, _ = await roaming(hub, partner)
    stub = session_pb2_grpc.SessionServiceStub(cpo)
    await stub.PutSession(session_pb2.PutSessionRequest(session=session()))
    updated = changes.get("last_updated", stamp(NOW - timedelta(minutes=30)))
    addition = session_pb2.AppendChargingPeriodsRequest(**{"key": KEY, **changes, "last_updated": updated})
    with pytest.raises(grpc.aio.AioRpcError) as put:
        await stub.PutSession(session_pb2.PutSessionRequest(session=session(**changes)))
    with pytest.raises(grpc.aio.AioRpcError) as appended:
        await stub.AppendChargingPeriods(addition)
    assert [refusal(each.value).metadata["field"] for each in (put, appended)] == [f"session.{field}", field]
    assert "by this hub's clock not after 20" in str(appended.value.details())
    assert await stub.GetSession(session_pb2.GetSessionRequest(key=KEY)) == session()


@pytest.mark.parametrize(
    ("report", "code", "reason"),
    [
        (session(minutes=-5), grpc.StatusCode.ABORTED, "OUT_OF_DATE"),
        (session(minutes=5, location_id="x" * 40), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        (session(minutes=5, status=77), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        (session(minutes=5, extensions='{"a": 1'), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        (session(minutes=5, auth_method=77), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        (
            session(minutes=5, charging_periods=[{"start_date_time": stamp(NOW), "dimensions": [{"type": 77}]}]),
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_FIELD",
        ),
        (session(minutes=5, party_id="XXX"), grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED"),
    ],
    ids=[
        "older than what is stored",
        "a field too long",
        "an unknown state",
        "no JSON",
        "an unknown way",
        "an unknown dimension",
        "another's",
    ],
)
async def test_a_report_that_breaks_a_rule_changes_nothing(
    hub: Hub, partner: PartnerFactory, report: session_object_pb2.Session, code: grpc.StatusCode, reason: str
) -> None:
    cpo, _ = await roaming(hub, partner)
    stub = session_pb2_grpc.SessionServiceStub(cpo)
    await stub.PutSession(session_pb2.PutSessionRequest(session=session()))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.PutSession(session_pb2.PutSessionRequest(session=report))
    assert (refusal(caught.value).code, refusal(caught.value).reason) == (code, reason)
    assert await stub.GetSession(session_pb2.GetSessionRequest(key=KEY)) == session()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kwh": PbDecimal(value="-1")}, "kwh"),
        ({"status": 77}, "status"),
        (
            {"charging_periods": [{"start_date_time": stamp(NOW - timedelta(days=9))}]},
            "charging_periods[0].start_date_time",
        ),
        (
            {
                "charging_periods": [
                    {"start_date_time": stamp(NOW - timedelta(minutes=9)), "dimensions": [{"type": 77}]}
                ]
            },
            "charging_periods[0].dimensions[0].type",
        ),
    ],
    ids=["less than nothing", "an unknown state", "before the last period", "an unknown dimension"],
)
async def test_an_addition_that_breaks_a_rule_is_refused_by_its_own_field_and_changes_nothing(
    hub: Hub, partner: PartnerFactory, changes: dict[str, Any], field: str
) -> None:
    cpo, _ = await roaming(hub, partner)
    stub = session_pb2_grpc.SessionServiceStub(cpo)
    first = session(charging_periods=[{"start_date_time": stamp(NOW - timedelta(minutes=50))}])
    await stub.PutSession(session_pb2.PutSessionRequest(session=first))
    updated = stamp(NOW - timedelta(minutes=5))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.AppendChargingPeriods(
            session_pb2.AppendChargingPeriodsRequest(key=KEY, last_updated=updated, **changes)
        )
    assert refusal(caught.value).fields == [field]
    assert await stub.GetSession(session_pb2.GetSessionRequest(key=KEY)) == first


async def test_without_an_agreement_no_session_is_carried(partner: PartnerFactory) -> None:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    await partner("DE-MSP", roles=(Role.EMSP,))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await session_pb2_grpc.SessionServiceStub(cpo.channel).PutSession(
            session_pb2.PutSessionRequest(session=session())
        )
    assert refusal(caught.value).reason == "NO_ACTIVE_AGREEMENT"


async def test_a_watcher_sees_a_session_and_a_stranger_does_not(hub: Hub, partner: PartnerFactory) -> None:
    cpo, emsp = await roaming(hub, partner)
    other = await partner("FR-OTH", roles=(Role.EMSP,))
    request = journal_pb2.WatchRequest(
        stream=journal_pb2.JOURNAL_STREAM_REGISTRY, after_index=-1, kinds=["session", "party"]
    )
    mine = journal_pb2_grpc.JournalServiceStub(emsp).Watch(request)
    theirs = journal_pb2_grpc.JournalServiceStub(other.channel).Watch(request)
    await session_pb2_grpc.SessionServiceStub(cpo).PutSession(session_pb2.PutSessionRequest(session=session()))
    seen: list[journal_pb2.JournalEntry] = []
    async for response in mine:
        seen += response.entries
        if any(entry.kind == "session" for entry in seen):
            break
    async for response in theirs:
        assert all(entry.kind != "session" for entry in response.entries)
        if response.next_after_index >= seen[-1].index:
            break
    entry = next(entry for entry in seen if entry.kind == "session")
    assert session_object_pb2.Session.FromString(entry.body) == session()
    assert entry.owner == common_pb2.PartyKey(country_code="NL", party_id="CPO")
    theirs.cancel()
    mine.cancel()
