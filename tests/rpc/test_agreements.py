"""AgreementService over real mutual TLS: two sides agree, and nobody else learns of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import agreement_pb2 as pb
from roamhub.v1 import agreement_pb2_grpc
from roamhub.v1.common_pb2 import PartyKey

from hub.domain.parties import Role
from hub.main import Hub
from tests.conftest import PartnerFactory
from tests.support import ShiftedClock, agree, all_facts, party_id, refusal

Stub = Any  # generated stubs say which kind they are to the type checker only
CPO = PartyKey(country_code="NL", party_id="CPO")
MSP = PartyKey(country_code="DE", party_id="MSP")
OTHER = PartyKey(country_code="FR", party_id="OTH")
T, A = pb.AgreementTerms, pb.Agreement
NOW = datetime.now(UTC)


def _enum(number: int) -> Any:
    """Return a number that no enum of the contract has, or an old client might not know."""
    return number


def stamp(**offset: float) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(NOW + timedelta(**offset))
    return made


def terms(**changes: Any) -> pb.AgreementTerms:
    said: dict[str, Any] = {
        "services": [T.SERVICE_ROAMING, T.SERVICE_REMOTE],
        "currency_code": "EUR",
        "cycle": T.CYCLE_MONTHLY,
        "time_zone": "Europe/Amsterdam",
    }
    return pb.AgreementTerms(**(said | changes))


@pytest.fixture
async def cpo(partner: PartnerFactory) -> Stub:
    return agreement_pb2_grpc.AgreementServiceStub((await partner("NL-CPO", roles=(Role.CPO,))).channel)


@pytest.fixture
async def emsp(partner: PartnerFactory) -> Stub:
    return agreement_pb2_grpc.AgreementServiceStub((await partner("DE-MSP", roles=(Role.EMSP,))).channel)


@pytest.fixture
async def other(partner: PartnerFactory) -> Stub:
    return agreement_pb2_grpc.AgreementServiceStub((await partner("FR-OTH", roles=(Role.EMSP,))).channel)


async def refused(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


async def propose(stub: Stub, party: PartyKey = CPO, **changes: Any) -> pb.Agreement:
    request = pb.ProposeAgreementRequest(party=party, cpo=CPO, emsp=MSP, terms=terms(**changes))
    return await stub.ProposeAgreement(request)  # type: ignore[no-any-return]


async def agreed(cpo: Stub, emsp: Stub, **changes: Any) -> pb.Agreement:
    made = await propose(cpo, **changes)
    request = pb.AcceptAgreementRequest(name=made.name, party=MSP, version=1, etag=made.etag)
    return await emsp.AcceptAgreement(request)  # type: ignore[no-any-return]


async def explain(stub: Stub, service: Any = 0, cpo: PartyKey = CPO, emsp: PartyKey = MSP) -> Any:
    return await stub.ExplainAgreement(pb.ExplainAgreementRequest(cpo=cpo, emsp=emsp, service=service))


async def test_a_proposal_states_every_term_from_then_on(cpo: Stub, emsp: Stub) -> None:
    made = await propose(cpo)
    assert (made.version, made.state, made.proposer) == (1, A.STATE_PROPOSED, CPO)
    assert made.terms.grace == Duration(seconds=3 * 86_400)
    assert made.terms.dispute_window == Duration(seconds=30 * 86_400)
    assert made.terms.cdr_age_max == Duration(seconds=60 * 86_400)
    assert made.terms.return_window == Duration(seconds=14 * 86_400)
    assert made.terms.review_window == Duration(seconds=7 * 86_400)
    assert made.terms.price_tolerance.value == "0.01"
    assert (made.terms.rounding, made.terms.netting) == (T.ROUNDING_ROUND_ONCE, T.NETTING_BILATERAL)
    assert (made.terms.tax_profile, made.terms.fx_profile, made.terms.fee_profile) == ("default", "NONE", "NONE")
    assert made.terms.pricing_policy == "roamhub-2026"
    assert made.terms.HasField("start_time")
    assert await emsp.GetAgreement(pb.GetAgreementRequest(name=made.name)) == made


async def test_terms_come_back_as_they_were_proposed(cpo: Stub, emsp: Stub) -> None:
    given = terms(
        services=[T.SERVICE_ROAMING, T.SERVICE_REMOTE, T.SERVICE_RESERVATION, T.SERVICE_CHARGING_PROFILE],
        cycle=T.CYCLE_HOURLY,
        time_zone="America/St_Johns",
        currency_code="CAD",
        grace=Duration(seconds=0),
        dispute_window=Duration(seconds=7200),
        price_tolerance=PbDecimal(value="0.0500"),
        price_tolerance_relative=PbDecimal(value="0.015"),
        cdr_age_max=Duration(seconds=3600),
        return_window=Duration(seconds=7200),
        review_window=Duration(seconds=1800),
        rounding=T.ROUNDING_PER_CDR,
        tax_profile="default",
        fee_profile="standard",
        fx_profile="NONE",
        netting=T.NETTING_MULTILATERAL,
        pricing_policy="lenient-2026",
        allow_stored_authorization=True,
        checks={"ENERGY_EXCEEDS_POWER": T.CHECK_ACTION_WARN, "PRICE_MISMATCH": T.CHECK_ACTION_RETURN},
        start_time=stamp(hours=1),
        end_time=stamp(days=365),
    )
    request = pb.ProposeAgreementRequest(party=MSP, cpo=CPO, emsp=MSP, terms=given)
    made = await emsp.ProposeAgreement(request)
    assert made.terms == given
    assert made.proposer == MSP
    accepted = await cpo.AcceptAgreement(pb.AcceptAgreementRequest(name=made.name, party=CPO, version=1))
    assert (accepted.state, accepted.terms) == (A.STATE_ACCEPTED, given)
    assert (await explain(cpo)).reason == "AGREEMENT_NOT_YET_VALID"


async def test_the_life_of_an_agreement(cpo: Stub, emsp: Stub) -> None:
    made = await agreed(cpo, emsp)
    assert made.state == A.STATE_ACTIVE
    assert (await explain(emsp)).allowed
    amended = await emsp.AmendAgreement(
        pb.AmendAgreementRequest(name=made.name, party=MSP, terms=terms(currency_code="SEK"))
    )
    assert (amended.version, amended.state) == (2, A.STATE_PROPOSED)
    assert (await explain(emsp)).agreement.terms.currency_code == "EUR"
    accepted = await cpo.AcceptAgreement(pb.AcceptAgreementRequest(name=made.name, party=CPO, version=2))
    assert (await explain(emsp)).agreement == accepted
    held = await cpo.SuspendAgreement(pb.SuspendAgreementRequest(name=made.name, party=CPO, note="unpaid"))
    assert (held.state, list(held.suspended_by), held.note) == (A.STATE_SUSPENDED, [CPO], "unpaid")
    answer = await refused(emsp.ResumeAgreement(pb.ResumeAgreementRequest(name=made.name, party=MSP)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SUSPENDED_BY_OTHER_SIDE")
    resumed = await cpo.ResumeAgreement(pb.ResumeAgreementRequest(name=made.name, party=CPO, etag=held.etag))
    assert resumed.state == A.STATE_ACTIVE
    ended = await emsp.TerminateAgreement(pb.TerminateAgreementRequest(name=made.name, party=MSP))
    assert ended.state == A.STATE_TERMINATED
    assert ended.HasField("terminate_time")
    versions = await cpo.ListAgreementVersions(pb.ListAgreementVersionsRequest(name=made.name))
    assert [(v.version, v.state) for v in versions.agreements] == [(2, A.STATE_TERMINATED), (1, A.STATE_SUPERSEDED)]
    first = await cpo.GetAgreement(pb.GetAgreementRequest(name=made.name, version=1))
    assert first == versions.agreements[1]


async def test_a_refusal_names_the_agreement_and_the_clause_to_both_sides(cpo: Stub, emsp: Stub) -> None:
    assert (await explain(cpo)).reason == "NO_AGREEMENT"
    made = await agreed(cpo, emsp)
    for stub in (cpo, emsp):
        answer = await explain(stub, T.SERVICE_RESERVATION)
        assert not answer.allowed
        assert (answer.reason, answer.clause, answer.agreement) == ("SERVICE_NOT_AGREED", "terms.services", made)
        assert (await explain(stub, T.SERVICE_REMOTE)).allowed


async def test_a_third_party_learns_nothing_of_an_agreement(cpo: Stub, emsp: Stub, other: Stub) -> None:
    made = await agreed(cpo, emsp)
    for name in (made.name, "agreements/00000000-0000-7000-8000-000000000000"):
        requests = (
            other.GetAgreement(pb.GetAgreementRequest(name=name)),
            other.ListAgreementVersions(pb.ListAgreementVersionsRequest(name=name)),
            other.AcceptAgreement(pb.AcceptAgreementRequest(name=name, party=OTHER, version=1)),
            other.DeclineAgreement(pb.DeclineAgreementRequest(name=name, party=OTHER, version=1)),
            other.AmendAgreement(pb.AmendAgreementRequest(name=name, party=OTHER, terms=terms())),
            other.SuspendAgreement(pb.SuspendAgreementRequest(name=name, party=OTHER)),
            other.ResumeAgreement(pb.ResumeAgreementRequest(name=name, party=OTHER)),
            other.TerminateAgreement(pb.TerminateAgreementRequest(name=name, party=OTHER)),
        )
        answers = [await refused(request) for request in requests]
        assert {(answer.code, answer.reason, answer.message, str(answer.metadata)) for answer in answers} == {
            (grpc.StatusCode.NOT_FOUND, "AGREEMENT_NOT_FOUND", "there is no such agreement of the caller's", "{}")
        }
    assert not (await other.ListAgreements(pb.ListAgreementsRequest())).agreements
    assert (await refused(explain(other))).reason == "NOT_PERMITTED"
    assert (await explain(other, cpo=CPO, emsp=OTHER)).reason == "NO_AGREEMENT"
    unknown = PartyKey(country_code="ZZ", party_id="ZZZ")
    assert (await explain(other, cpo=unknown, emsp=OTHER)) == (await explain(other, cpo=CPO, emsp=OTHER))


async def test_nobody_acts_in_the_name_of_another_party(cpo: Stub, emsp: Stub, other: Stub) -> None:
    made = await propose(cpo)
    for call in (
        cpo.AcceptAgreement(pb.AcceptAgreementRequest(name=made.name, party=MSP, version=1)),
        other.AcceptAgreement(pb.AcceptAgreementRequest(name=made.name, party=MSP, version=1)),
        other.ProposeAgreement(pb.ProposeAgreementRequest(party=OTHER, cpo=CPO, emsp=MSP, terms=terms())),
        other.ProposeAgreement(pb.ProposeAgreementRequest(party=CPO, cpo=CPO, emsp=OTHER, terms=terms())),
        other.TerminateAgreement(pb.TerminateAgreementRequest(name=made.name)),
    ):
        assert (await refused(call)).reason == "NOT_PERMITTED"
    assert (await emsp.GetAgreement(pb.GetAgreementRequest(name=made.name))).state == A.STATE_PROPOSED


async def test_lists_are_paged_and_filtered(cpo: Stub, emsp: Stub, other: Stub) -> None:
    first = await agreed(cpo, emsp)
    second = await cpo.ProposeAgreement(pb.ProposeAgreementRequest(party=CPO, cpo=CPO, emsp=OTHER, terms=terms()))
    page = await cpo.ListAgreements(pb.ListAgreementsRequest(page_size=1))
    assert list(page.agreements) == [first]
    rest = await cpo.ListAgreements(pb.ListAgreementsRequest(page_size=1, page_token=page.next_page_token))
    assert (list(rest.agreements), rest.next_page_token) == ([second], "")
    proposed = await cpo.ListAgreements(pb.ListAgreementsRequest(state=A.STATE_PROPOSED))
    assert list(proposed.agreements) == [second]
    assert list((await other.ListAgreements(pb.ListAgreementsRequest())).agreements) == [second]
    answer = await refused(
        cpo.ListAgreements(pb.ListAgreementsRequest(page_token=page.next_page_token, state=A.STATE_ACTIVE))
    )
    assert answer.fields == ["page_token"]


async def test_versions_are_paged_the_newest_first(cpo: Stub, emsp: Stub) -> None:
    made = await agreed(cpo, emsp)
    for _ in range(2):
        await cpo.AmendAgreement(pb.AmendAgreementRequest(name=made.name, party=CPO, terms=terms()))
    seen, token = [], ""
    for _ in range(3):
        request = pb.ListAgreementVersionsRequest(name=made.name, page_size=1, page_token=token)
        page = await cpo.ListAgreementVersions(request)
        seen += [version.version for version in page.agreements]
        token = page.next_page_token
    assert (seen, token) == ([3, 2, 1], "")


BAD_TERMS: dict[str, dict[str, Any]] = {
    "terms.services": {"services": []},
    "terms.services[1]": {"services": [T.SERVICE_ROAMING, 0]},
    "terms.services[0]": {"services": [99]},
    "terms.services ": {"services": [T.SERVICE_REMOTE]},
    "terms.currency_code": {"currency_code": ""},
    "terms.currency_code ": {"currency_code": "euro"},
    "terms.cycle": {"cycle": 0},
    "terms.cycle ": {"cycle": 9},
    "terms.time_zone": {"time_zone": ""},
    "terms.time_zone ": {"time_zone": "Mars/Olympus"},
    "terms.time_zone  ": {"time_zone": "../../../etc/passwd"},
    "terms.grace": {"grace": Duration(seconds=-1)},
    "terms.grace ": {"grace": Duration(seconds=1, nanos=5)},
    "terms.grace  ": {"grace": Duration(seconds=1 << 60)},
    "terms.grace   ": {"grace": Duration(seconds=93 * 86_400)},
    "terms.dispute_window": {"dispute_window": Duration(seconds=-1)},
    "terms.cdr_age_max": {"cdr_age_max": Duration()},
    "terms.price_tolerance": {"price_tolerance": PbDecimal(value="-0.01")},
    "terms.price_tolerance ": {"price_tolerance": PbDecimal(value="NaN")},
    "terms.price_tolerance  ": {"price_tolerance": PbDecimal(value="0.00001")},
    "terms.price_tolerance   ": {"price_tolerance": PbDecimal(value="1e999999")},
    "terms.price_tolerance_relative": {"price_tolerance_relative": PbDecimal(value="1.5")},
    "terms.price_tolerance_relative ": {"price_tolerance_relative": PbDecimal(value="1e-999999")},
    "terms.rounding": {"rounding": 9},
    "terms.netting": {"netting": 9},
    "terms.tax_profile": {"tax_profile": "a b"},
    "terms.tax_profile ": {"tax_profile": "none-such"},
    "terms.fee_profile": {"fee_profile": "é"},
    "terms.fx_profile": {"fx_profile": "ECB"},
    "terms.pricing_policy": {"pricing_policy": "mine"},
    "terms.checks['PRICE_MISMACH']": {"checks": {"PRICE_MISMACH": T.CHECK_ACTION_WARN}},
    "terms.checks['late']": {"checks": {"late": T.CHECK_ACTION_RETURN, "LATE": T.CHECK_ACTION_RETURN}},
    "terms.checks['price']": {"checks": {"price": 0}},
    "terms.start_time": {"start_time": Timestamp(seconds=1 << 60)},
    "terms.end_time": {"end_time": stamp(hours=-1)},
    "terms.end_time ": {"start_time": stamp(hours=2), "end_time": stamp(hours=1)},
}


@pytest.mark.parametrize("case", BAD_TERMS)
async def test_terms_that_cannot_be_name_their_field_and_leave_no_trace(cpo: Stub, emsp: Stub, case: str) -> None:
    answer = await refused(propose(cpo, **BAD_TERMS[case]))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert answer.fields == [case.strip()]
    assert not (await emsp.ListAgreements(pb.ListAgreementsRequest())).agreements


@pytest.mark.parametrize(
    "name", ["", "agreements/", "agreements/a/b", "parties/nl-cpo", "agreements/\n", "agreements/" + "x" * 65]
)
async def test_what_is_no_name_of_an_agreement_is_refused(cpo: Stub, name: str) -> None:
    assert (await refused(cpo.GetAgreement(pb.GetAgreementRequest(name=name)))).fields == ["name"]


async def test_other_fields_that_cannot_be_are_named(cpo: Stub, emsp: Stub) -> None:
    made = await propose(cpo)
    answers = {
        "version": emsp.AcceptAgreement(pb.AcceptAgreementRequest(name=made.name, party=MSP)),
        "version ": emsp.GetAgreement(pb.GetAgreementRequest(name=made.name, version=-1)),
        "note": emsp.DeclineAgreement(pb.DeclineAgreementRequest(name=made.name, party=MSP, version=1, note="x" * 501)),
        "note ": emsp.DeclineAgreement(
            pb.DeclineAgreementRequest(name=made.name, party=MSP, version=1, note="\x1b[31m")
        ),
        "emsp": cpo.ProposeAgreement(pb.ProposeAgreementRequest(party=CPO, cpo=CPO, emsp=CPO, terms=terms())),
        "emsp ": cpo.ProposeAgreement(pb.ProposeAgreementRequest(party=CPO, cpo=CPO, terms=terms())),
        "service": emsp.ExplainAgreement(pb.ExplainAgreementRequest(cpo=CPO, emsp=MSP, service=_enum(77))),
        "state": emsp.ListAgreements(pb.ListAgreementsRequest(state=_enum(77))),
    }
    for field, call in answers.items():
        assert (await refused(call)).fields == [field.strip()]
    missing = await refused(emsp.AcceptAgreement(pb.AcceptAgreementRequest(name=made.name, party=MSP, version=7)))
    assert missing.code is grpc.StatusCode.NOT_FOUND
    stale = pb.AcceptAgreementRequest(name=made.name, party=MSP, version=1, etag="other")
    answer = await refused(emsp.AcceptAgreement(stale))
    assert (answer.code, answer.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert (await emsp.GetAgreement(pb.GetAgreementRequest(name=made.name))) == made


async def test_an_agreement_ends_by_itself_when_its_time_has_come(cpo: Stub, emsp: Stub, clock: ShiftedClock) -> None:
    end = Timestamp()
    end.FromDatetime(clock() + timedelta(hours=1))
    made = await agreed(cpo, emsp, end_time=end)
    assert made.state == A.STATE_ACTIVE
    clock.advance(hours=1)
    async with asyncio.timeout(60):
        while made.state == A.STATE_ACTIVE:
            await asyncio.sleep(0.05)
            made = await emsp.GetAgreement(pb.GetAgreementRequest(name=made.name))
    assert (made.state, made.terminate_time, made.note) == (A.STATE_TERMINATED, end, "the validity ended")
    assert (await explain(cpo)).reason == "AGREEMENT_TERMINATED"


async def test_the_two_sides_follow_every_change_and_nobody_else_sees_one(
    cpo: Stub, emsp: Stub, partner: PartnerFactory, hub: Hub
) -> None:
    other = await partner("FR-OTH", roles=(Role.EMSP,))
    await agree(hub, party_id("NL-CPO"), other.party)  # it sees what the CPO publishes, and still not this
    made = await agreed(cpo, emsp)
    held = await emsp.SuspendAgreement(pb.SuspendAgreementRequest(name=made.name, party=MSP, note="why"))
    side = await partner("DE-MS2", roles=(Role.EMSP,), platform="de-msp")  # the same platform, over another connection
    seen = await all_facts(hub, side.channel, "agreement")
    assert [pb.Agreement.FromString(entry.body).state for entry in seen] == [
        A.STATE_PROPOSED,
        A.STATE_ACTIVE,
        A.STATE_SUSPENDED,
    ]
    last = seen[-1]
    assert (last.owner, last.counterparty, last.subject) == (CPO, MSP, made.name)
    assert pb.Agreement.FromString(last.body) == held
    assert await all_facts(hub, other.channel, "agreement") == []


async def test_an_agreement_is_on_exactly_one_page_while_others_come_and_change(
    cpo: Stub, emsp: Stub, partner: PartnerFactory
) -> None:
    for i in range(4):
        await partner(f"FR-O{i:02}", roles=(Role.EMSP,), platform="fr")

    async def propose_to(i: int) -> pb.Agreement:
        key = PartyKey(country_code="FR", party_id=f"O{i:02}")
        return await cpo.ProposeAgreement(  # type: ignore[no-any-return]
            pb.ProposeAgreementRequest(party=CPO, cpo=CPO, emsp=key, terms=terms())
        )

    first = await agreed(cpo, emsp)
    steady = [first, await propose_to(0), await propose_to(1)]
    seen, token = list[str](), ""
    for turn in range(3):
        page = await cpo.ListAgreements(pb.ListAgreementsRequest(page_size=1, page_token=token))
        seen += [agreement.name for agreement in page.agreements]
        token = page.next_page_token
        await cpo.AmendAgreement(pb.AmendAgreementRequest(name=first.name, party=CPO, terms=terms()))
        if turn < 2:
            await propose_to(2 + turn)
    assert seen == [agreement.name for agreement in steady]
    assert token
