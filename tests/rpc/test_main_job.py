"""The main job over the contract alone, on both databases: two networks join, roam, and are settled with a report."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from roamhub.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    agreement_pb2,
    agreement_pb2_grpc,
    authorization_pb2,
    authorization_pb2_grpc,
    cdr_pb2,
    cdr_pb2_grpc,
    clearing_pb2,
    clearing_pb2_grpc,
    common_pb2,
    journal_pb2,
    journal_pb2_grpc,
    location_pb2,
    location_pb2_grpc,
    party_pb2,
    registration_pb2,
    registration_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    tariff_pb2,
    tariff_pb2_grpc,
    token_object_pb2,
    token_pb2,
    token_pb2_grpc,
    transparency_pb2,
    transparency_pb2_grpc,
)

from hub.config import Config
from hub.crypto.signing import Roots
from hub.crypto.verify import verify_bundle
from hub.domain.merkle.verify import verify_inclusion
from hub.domain.parties import Role
from hub.main import Hub
from tests import catalog
from tests.cdrs import credit_of, make_cdr, make_tariff, submission
from tests.conftest import fresh_database
from tests.rpc.partners import held_link, says_yes
from tests.rpc.test_sessions import session
from tests.stored import check_cdrs, check_journal
from tests.support import Partner, ShiftedClock, make_csr, open_channel, party_id, refusal

CPO = common_pb2.PartyKey(country_code="NL", party_id="CPO")
EMSP = common_pb2.PartyKey(country_code="DE", party_id="MSP")
ACCEPTED, RETURNED = cdr_pb2.CDR_STATE_ACCEPTED, cdr_pb2.CDR_STATE_RETURNED


@pytest.fixture(params=["sqlite", "postgresql"])
def config(config: Config, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Config]:
    """Return the configuration of a hub on either database, whatever the other tests run on."""
    with fresh_database(request.param, tmp_path / "main-job.db", request) as url:
        # Nothing is cut off but by hand: the period that was opened yesterday takes what comes today, at any hour.
        yield replace(config, database_url=url, clearing_seconds=3_600)


@pytest.fixture
def clock() -> ShiftedClock:
    """Return a clock that is set back at first: who joins today has no sessions of yesterday to settle."""
    return ShiftedClock(ahead=timedelta(days=-1))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def join(hub: Hub, operator: grpc.aio.Channel, stack: AsyncExitStack, name: str, role: Role) -> Partner:
    """Invite and register a platform, and connect as it."""
    party = party_id(name)
    asked = admin_pb2.CreateInvitationRequest()
    asked.invitation.platform_id = name.lower()
    roles = [party_pb2.PartyRole.Value(f"PARTY_ROLE_{role}")]
    asked.invitation.parties.add(country_code=party.country_code, party_id=party.party_id, roles=roles)
    admin: admin_pb2_grpc.AdminServiceAsyncStub = admin_pb2_grpc.AdminServiceStub(operator)
    invited = await admin.CreateInvitation(asked)
    key, csr = make_csr()
    door = await stack.enter_async_context(open_channel(hub.register_port, invited.ca_pem.encode()))
    registration: registration_pb2_grpc.RegistrationServiceAsyncStub
    registration = registration_pb2_grpc.RegistrationServiceStub(door)
    given = await registration.Register(registration_pb2.RegisterRequest(code=invited.code, csr_pem=csr.decode()))
    chain = given.certificate.chain_pem.encode()
    channel = await stack.enter_async_context(open_channel(hub.port, given.ca_pem.encode(), key, chain))
    return Partner(name.lower(), [party], key, chain, "", channel)


async def agree_by_call(cpo: Partner, emsp: Partner) -> None:
    terms = agreement_pb2.AgreementTerms(
        services=[agreement_pb2.AgreementTerms.SERVICE_ROAMING],
        currency_code="EUR",
        cycle=agreement_pb2.AgreementTerms.CYCLE_DAILY,
        time_zone="Europe/Amsterdam",
    )
    proposer: agreement_pb2_grpc.AgreementServiceAsyncStub = agreement_pb2_grpc.AgreementServiceStub(cpo.channel)
    accepter: agreement_pb2_grpc.AgreementServiceAsyncStub = agreement_pb2_grpc.AgreementServiceStub(emsp.channel)
    made = await proposer.ProposeAgreement(
        agreement_pb2.ProposeAgreementRequest(party=CPO, cpo=CPO, emsp=EMSP, terms=terms)
    )
    accepted = await accepter.AcceptAgreement(
        agreement_pb2.AcceptAgreementRequest(name=made.name, party=EMSP, version=1, etag=made.etag)
    )
    assert accepted.state == agreement_pb2.Agreement.STATE_ACTIVE


async def publish(cpo: Partner, emsp: Partner) -> None:
    locations: location_pb2_grpc.LocationServiceAsyncStub = location_pb2_grpc.LocationServiceStub(cpo.channel)
    tariffs: tariff_pb2_grpc.TariffServiceAsyncStub = tariff_pb2_grpc.TariffServiceStub(cpo.channel)
    tokens: token_pb2_grpc.TokenServiceAsyncStub = token_pb2_grpc.TokenServiceStub(emsp.channel)
    await locations.PutLocation(location_pb2.PutLocationRequest(location=catalog.location()))
    await tariffs.PutTariff(tariff_pb2.PutTariffRequest(tariff=make_tariff()))
    always, never = token_object_pb2.WHITELIST_TYPE_ALWAYS, token_object_pb2.WHITELIST_TYPE_NEVER
    for uid, whitelist in (("TOK1", always), ("TOK2", never)):
        token = token_object_pb2.Token(
            country_code="DE",
            party_id="MSP",
            uid=uid,
            type="RFID",
            contract_id="DE-MSP-C12345678-X",
            issuer="MSP",
            valid=True,
            whitelist=whitelist,
            last_updated=catalog.stamp(),
        )
        await tokens.PutToken(token_pb2.PutTokenRequest(token=token))
    found: location_pb2_grpc.LocationServiceAsyncStub = location_pb2_grpc.LocationServiceStub(emsp.channel)
    assert (await found.GetLocation(location_pb2.GetLocationRequest(location=catalog.key()))).id == "LOC1"


async def authorize(cpo: Partner, emsp: Partner) -> str:
    """Ask about a token that the hub may answer for, and about one that the eMSP answers for over its link."""
    stub: authorization_pb2_grpc.AuthorizationServiceAsyncStub
    stub = authorization_pb2_grpc.AuthorizationServiceStub(cpo.channel)
    async with held_link(emsp, says_yes):
        stored = await stub.Authorize(authorization_pb2.AuthorizeRequest(cpo=CPO, token_uid="TOK1"))
        relayed = await stub.Authorize(authorization_pb2.AuthorizeRequest(cpo=CPO, token_uid="TOK2"))
    assert stored.allowed == relayed.allowed == token_object_pb2.ALLOWED_TYPE_ALLOWED
    source = authorization_pb2.Authorization.Source
    assert (stored.source, relayed.source) == (source.SOURCE_STORE, source.SOURCE_PARTNER)
    return stored.authorization_reference


async def charge(cpo: Partner, emsp: Partner, reference: str) -> None:
    """Report a session, and let the eMSP see it."""
    sessions: session_pb2_grpc.SessionServiceAsyncStub = session_pb2_grpc.SessionServiceStub(cpo.channel)
    await sessions.PutSession(session_pb2.PutSessionRequest(session=session(authorization_reference=reference)))
    seen: session_pb2_grpc.SessionServiceAsyncStub = session_pb2_grpc.SessionServiceStub(emsp.channel)
    key = catalog.key("S-1")
    assert (await seen.GetSession(session_pb2.GetSessionRequest(key=key))).id == "S-1"


async def bill(cpo: Partner, reference: str) -> list[cdr_pb2.SubmitCdrResponse]:
    """Submit CDRs: one twice, one in conflict, one that is credited, one that is returned."""
    stub: cdr_pb2_grpc.CdrServiceAsyncStub = cdr_pb2_grpc.CdrServiceStub(cpo.channel)
    first = make_cdr("CDR-1", authorization_reference=reference, session_id="S-1")
    wrong = make_cdr("CDR-3", currency="SEK")
    requests = [first, make_cdr("CDR-2"), credit_of(make_cdr("CDR-2")), wrong]
    answers = [await stub.SubmitCdr(submission(cdr, number)) for number, cdr in enumerate(requests, 1)]
    assert [answer.state for answer in answers] == [ACCEPTED, ACCEPTED, ACCEPTED, RETURNED]
    assert not answers[0].findings
    assert await stub.SubmitCdr(submission(first, 1)) == answers[0]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.SubmitCdr(submission(make_cdr("CDR-1", currency="SEK"), 9))
    assert refusal(caught.value).reason == "CDR_CONFLICT"
    return answers


async def follow(emsp: Partner, count: int) -> tuple[list[str], list[int]]:
    """Watch CDRs and the clearing journal from the start."""
    cdrs: cdr_pb2_grpc.CdrServiceAsyncStub = cdr_pb2_grpc.CdrServiceStub(emsp.channel)
    journal: journal_pb2_grpc.JournalServiceAsyncStub = journal_pb2_grpc.JournalServiceStub(emsp.channel)
    names: list[str] = []
    async for records in cdrs.WatchCdrs(cdr_pb2.WatchCdrsRequest(after_index=-1)):
        names += [record.cdr.id for record in records.cdrs]
        if len(names) >= count:
            break
    indexes: list[int] = []
    request = journal_pb2.WatchRequest(
        stream=journal_pb2.JOURNAL_STREAM_CLEARING, after_index=-1, kinds=["cdr_accepted", "cdr_returned"]
    )
    async for response in journal.Watch(request):
        indexes += [entry.index for entry in response.entries]
        if len(indexes) >= count:
            break
    return names, indexes


async def settle(hub: Hub, operator: grpc.aio.Channel, stack: AsyncExitStack) -> clearing_pb2.Period:
    """Take the period from cut-off to issue, by two people."""
    key, csr = make_csr()
    issued = hub.ca.issue_operator(csr, "second", hub.clock())
    other = await stack.enter_async_context(open_channel(hub.port, hub.ca.ca_pem, key, issued.chain_pem))
    clearing: clearing_pb2_grpc.ClearingServiceAsyncStub = clearing_pb2_grpc.ClearingServiceStub(operator)
    root: admin_pb2_grpc.AdminServiceAsyncStub = admin_pb2_grpc.AdminServiceStub(operator)
    second: admin_pb2_grpc.AdminServiceAsyncStub = admin_pb2_grpc.AdminServiceStub(other)
    (period,) = (await clearing.ListPeriods(clearing_pb2.ListPeriodsRequest(parent="agreements/-"))).periods
    await root.CutOffPeriod(clearing_pb2.CutOffPeriodRequest(name=period.name, etag=period.etag))
    period = await root.CalculatePeriod(clearing_pb2.CalculatePeriodRequest(name=period.name))
    period = await second.ReviewPeriod(clearing_pb2.ReviewPeriodRequest(name=period.name, etag=period.etag))
    return await root.IssuePeriod(clearing_pb2.IssuePeriodRequest(name=period.name, request_id=str(uuid4())))


async def prove(hub: Hub, emsp: Partner, period: clearing_pb2.Period, receipt: cdr_pb2.ClearingReceipt) -> None:
    """Check the statement, its bundle, and that the first CDR's receipt stands in the tree."""
    clearing: clearing_pb2_grpc.ClearingServiceAsyncStub = clearing_pb2_grpc.ClearingServiceStub(emsp.channel)
    name = f"{period.name}/statements/eur"
    statement = await clearing.GetStatement(clearing_pb2.GetStatementRequest(name=name))
    assert (statement.cdr_count, statement.net.units, statement.net.nanos) == (3, 7, 0)
    bundle = b"".join([p.data async for p in clearing.ExportBundle(clearing_pb2.ExportBundleRequest(name=name))])
    roots = Roots.from_text((hub.config.data_dir / "clearing/roots.txt").read_text())
    report = verify_bundle(bundle, roots)
    assert report.exit_code == 0, report.checks
    proofs: transparency_pb2_grpc.TransparencyServiceAsyncStub
    proofs = transparency_pb2_grpc.TransparencyServiceStub(emsp.channel)
    proof: Any = await proofs.GetInclusionProof(
        transparency_pb2.GetInclusionProofRequest(leaf_index=receipt.journal_index)
    )
    verify_inclusion(
        leaf=receipt.leaf_hash,
        index=receipt.journal_index,
        size=proof.tree_size,
        proof=list(proof.hashes),
        root=proof.root_hash,
    )


async def test_two_networks_join_roam_and_are_settled(
    hub: Hub, clock: ShiftedClock, operator_channel: grpc.aio.Channel, stack: AsyncExitStack
) -> None:
    cpo = await join(hub, operator_channel, stack, "NL-CPO", Role.CPO)
    emsp = await join(hub, operator_channel, stack, "DE-MSP", Role.EMSP)
    await agree_by_call(cpo, emsp)
    clock.advance(days=1)
    await publish(cpo, emsp)
    reference = await authorize(cpo, emsp)
    await charge(cpo, emsp, reference)
    answers = await bill(cpo, reference)
    names, indexes = await follow(emsp, 4)
    assert names == ["CDR-1", "CDR-2", "CREDIT-1", "CDR-3"]
    assert indexes == [answer.receipt.journal_index for answer in answers]
    period = await settle(hub, operator_channel, stack)
    await prove(hub, emsp, period, answers[0].receipt)
    check_journal(hub._engine)
    assert len(check_cdrs(hub._engine)) == 4
