"""Nothing personal in the log: the main job and its failures, at the most talkative level."""

import logging
import traceback
from typing import Any
from uuid import uuid4

import grpc
import pytest
from roamhub.v1 import (
    authorization_pb2,
    authorization_pb2_grpc,
    cdr_pb2_grpc,
    command_pb2,
    command_pb2_grpc,
    location_pb2,
    location_pb2_grpc,
    partner_pb2,
    session_object_pb2,
    session_pb2,
    session_pb2_grpc,
    token_pb2,
    token_pb2_grpc,
)

from hub.domain.ids import PartyId
from hub.domain.parties import Role
from hub.main import Hub
from tests import catalog
from tests.cdrs import NOW, START, make_cdr, number, stamp, submission
from tests.conftest import PartnerFactory
from tests.rpc.partners import Fault, held_link, key, says_yes
from tests.rpc.roaming import agree, token_message

CPO, EMSP = PartyId("NL", "CPO"), PartyId("DE", "MSP")
UID, CONTRACT = "TOK1", "C12345678"


def everything(records: list[logging.LogRecord]) -> str:
    """Return all that the records hold, tracebacks and the causes of causes included."""
    parts = []
    for record in records:
        parts.append(f"{record.getMessage()} {vars(record)}")
        if record.exc_info:
            parts += traceback.format_exception(*record.exc_info)
    return "\n".join(parts)


async def ends_badly(call: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await call


async def test_the_main_job_and_its_failures_log_no_token_and_no_contract(
    hub: Hub, partner: PartnerFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "hub")
    cpo = await partner(str(CPO))
    emsp = await partner(str(EMSP), roles=(Role.EMSP,))
    await agree(hub, CPO, EMSP)
    token = token_message(EMSP, UID, contract_id=f"DE-MSP-{CONTRACT}-X")
    token.last_updated.GetCurrentTime()
    await token_pb2_grpc.TokenServiceStub(emsp.channel).PutToken(token_pb2.PutTokenRequest(token=token))
    await location_pb2_grpc.LocationServiceStub(cpo.channel).PutLocation(
        location_pb2.PutLocationRequest(location=catalog.location())
    )
    behaviours = [says_yes]

    async def behave(request: Any) -> Any:
        return await behaviours[0](request)

    async def broken(request: Any) -> Any:
        if isinstance(request, partner_pb2.PingRequest):
            return partner_pb2.PingResponse()
        raise Fault(grpc.StatusCode.INTERNAL, f"{UID} {CONTRACT}")

    asking = authorization_pb2_grpc.AuthorizationServiceStub(cpo.channel)
    question = authorization_pb2.AuthorizeRequest(cpo=key(CPO), token_uid=UID)
    async with held_link(emsp, behave), held_link(cpo, behave):
        await asking.Authorize(question)
        order = command_pb2.StartSessionOrder(token=token, location_id="LOC1", evse_uid="E1")
        start = command_pb2.StartSessionRequest(
            emsp=key(EMSP), cpo=key(CPO), start_session=order, request_id=str(uuid4())
        )
        command = await command_pb2_grpc.CommandServiceStub(emsp.channel).StartSession(start)
        await command_pb2_grpc.CommandServiceStub(cpo.channel).ReportCommandResult(
            command_pb2.ReportCommandResultRequest(
                cpo=key(CPO), name=command.name, result=command_pb2.COMMAND_RESULT_TYPE_ACCEPTED
            )
        )
        behaviours[0] = broken
        await ends_badly(asking.Authorize(question))
    cdrs, sessions = cdr_pb2_grpc.CdrServiceStub(cpo.channel), session_pb2_grpc.SessionServiceStub(cpo.channel)
    session = session_object_pb2.Session(
        country_code="NL",
        party_id="CPO",
        id="S-1",
        start_date_time=stamp(START),
        kwh=number("1.5"),
        cdr_token=make_cdr().cdr_token,
        auth_method=session_object_pb2.AUTH_METHOD_WHITELIST,
        location_id="LOC1",
        evse_uid="E1",
        connector_id="1",
        currency="EUR",
        status=session_object_pb2.SESSION_STATUS_ACTIVE,
        last_updated=stamp(NOW),
    )
    await sessions.PutSession(session_pb2.PutSessionRequest(session=session))
    session.status = 77  # type: ignore[assignment]
    await ends_badly(sessions.PutSession(session_pb2.PutSessionRequest(session=session)))
    await cdrs.SubmitCdr(submission(make_cdr(), 1))
    await ends_badly(cdrs.SubmitCdr(submission(make_cdr(remark="another"), 2)))
    await ends_badly(cdrs.SubmitCdr(submission(make_cdr("CDR-2", currency="eur"), 3)))
    logged = everything(caplog.records)
    assert "/roamhub.v1.CdrService/SubmitCdr" in logged, "calls are logged at this level"
    assert UID not in logged
    assert CONTRACT not in logged
