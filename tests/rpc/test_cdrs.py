"""CDRs, submitted over real mutual TLS: what is accepted, returned, refused, and who sees it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
import pytest
from roamhub.v1 import (
    cdr_object_pb2,
    cdr_pb2,
    cdr_pb2_grpc,
    common_pb2,
    location_pb2,
    location_pb2_grpc,
    tariff_pb2,
    tariff_pb2_grpc,
)

from hub.domain.journal import Stream
from hub.domain.merkle import leaf_hash
from hub.domain.parties import Role
from hub.main import Hub
from tests import catalog
from tests.cdrs import NOW, START, credit_of, make_cdr, make_tariff, number, period, stamp, submission
from tests.conftest import PartnerFactory
from tests.rpc.roaming import publish_cdr_token
from tests.support import Partner, Refusal, agree, refusal


@dataclass
class Roaming:
    """A hub with a CPO that published one location, an eMSP that published one token, and their agreement."""

    hub: Hub
    cpo: Partner
    emsp: Partner

    @property
    def service(self) -> "cdr_pb2_grpc.CdrServiceAsyncStub":
        return cdr_pb2_grpc.CdrServiceStub(self.cpo.channel)

    async def submit(self, cdr: cdr_object_pb2.Cdr, request: int = 1) -> cdr_pb2.SubmitCdrResponse:
        return await self.service.SubmitCdr(submission(cdr, request))

    async def refused(self, cdr: cdr_object_pb2.Cdr, request: int = 1) -> Refusal:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.submit(cdr, request)
        return refusal(caught.value)

    async def journal_size(self) -> int:
        return await self.hub.reads.run(lambda uow: uow.journal.head(Stream.CLEARING))


@pytest.fixture
async def roaming(hub: Hub, partner: PartnerFactory) -> Roaming:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    await location_pb2_grpc.LocationServiceStub(cpo.channel).PutLocation(
        location_pb2.PutLocationRequest(location=catalog.location(minutes=-1_440))
    )
    tariffs: tariff_pb2_grpc.TariffServiceAsyncStub = tariff_pb2_grpc.TariffServiceStub(cpo.channel)
    await tariffs.PutTariff(tariff_pb2.PutTariffRequest(tariff=make_tariff()))
    await publish_cdr_token(hub, emsp.party)
    return Roaming(hub, cpo, emsp)


KEY = common_pb2.ObjectKey(country_code="NL", party_id="CPO", id="cdr-1")


async def test_a_cdr_is_accepted_and_stands_in_the_clearing_journal(roaming: Roaming) -> None:
    answer = await roaming.submit(make_cdr())
    assert answer.state == cdr_pb2.CDR_STATE_ACCEPTED
    assert not answer.findings
    assert answer.rated_cost.value == "7.0000"
    entry = (await roaming.hub.reads.run(lambda uow: uow.journal.read(Stream.CLEARING, -1, 10)))[0]
    assert answer.receipt.journal_index == entry.index
    assert answer.receipt.leaf_hash == entry.leaf_hash == leaf_hash(entry.fact.body)


async def test_the_emsp_gets_the_cdr_as_it_was_sent(roaming: Roaming) -> None:
    sent = make_cdr(extensions='{"x_vendor": 1.10}')
    await roaming.submit(sent)
    record = await cdr_pb2_grpc.CdrServiceStub(roaming.emsp.channel).GetCdr(cdr_pb2.GetCdrRequest(key=KEY))
    assert record.cdr == sent
    assert record.agreement == "agreements/nl-cpo-de-msp"


async def test_the_same_cdr_again_gets_the_first_answer_whatever_the_request_id(roaming: Roaming) -> None:
    first = await roaming.submit(make_cdr())
    again = await roaming.submit(make_cdr())
    other = await roaming.submit(make_cdr(), request=2)
    assert first == again == other
    assert await roaming.journal_size() == 1


async def test_other_content_under_a_known_id_is_a_conflict_and_overwrites_nothing(roaming: Roaming) -> None:
    await roaming.submit(make_cdr())
    refused = await roaming.refused(make_cdr(remark="corrected"), request=2)
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "CDR_CONFLICT")
    assert refused.metadata["field"] == "cdr.id"
    record = await roaming.service.GetCdr(cdr_pb2.GetCdrRequest(key=KEY))
    assert not record.cdr.remark


async def test_ids_that_differ_in_case_alone_are_the_same(roaming: Roaming) -> None:
    await roaming.submit(make_cdr("CDR-1"))
    assert (await roaming.refused(make_cdr("cdr-1"), request=2)).reason == "CDR_CONFLICT"


async def test_a_request_id_used_for_another_cdr_is_refused(roaming: Roaming) -> None:
    await roaming.submit(make_cdr())
    refused = await roaming.refused(make_cdr("CDR-2"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert await roaming.journal_size() == 1


async def test_a_cdr_for_an_emsp_that_the_hub_does_not_know_says_that_there_is_no_agreement(roaming: Roaming) -> None:
    cdr = make_cdr()
    cdr.cdr_token.country_code, cdr.cdr_token.party_id = "FR", "NIX"
    refused = await roaming.refused(cdr)
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_ACTIVE_AGREEMENT")
    assert await roaming.journal_size() == 0


async def test_without_an_agreement_there_is_no_cdr(roaming: Roaming, partner: PartnerFactory) -> None:
    await partner("FR-OTH", roles=(Role.EMSP,))
    cdr = make_cdr()
    cdr.cdr_token.country_code, cdr.cdr_token.party_id = "FR", "OTH"
    refused = await roaming.refused(cdr)
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_ACTIVE_AGREEMENT")
    assert await roaming.journal_size() == 0


def changed(path: str, value: Any) -> cdr_object_pb2.Cdr:
    """Return a CDR that is wrong in one place."""
    cdr = make_cdr()
    *steps, last = path.split(".")
    owner: Any = cdr
    for step in steps:
        owner = getattr(owner, step)
    setattr(owner, last, value)
    return cdr


MALFORMED = {
    "no id": (changed("id", ""), "cdr.id"),
    "an id too long": (changed("id", "x" * 40), "cdr.id"),
    "an id with a control character": (changed("id", "a\x00b"), "cdr.id"),
    "a session with a control character": (changed("session_id", "a\x00b"), "cdr.session_id"),
    "a session too long": (changed("session_id", "x" * 37), "cdr.session_id"),
    "an authorization with a control character": (
        changed("authorization_reference", "a\x00b"),
        "cdr.authorization_reference",
    ),
    "a token type with a control character": (changed("cdr_token.type", "a\x00b"), "cdr.cdr_token.type"),
    "no token uid": (changed("cdr_token.uid", ""), "cdr.cdr_token.uid"),
    "a token of no party": (changed("cdr_token.party_id", "LONGER"), "cdr.cdr_token"),
    "a currency that is none": (changed("currency", "eur"), "cdr.currency"),
    "a country that is none": (changed("cdr_location.country", "nl"), "cdr.cdr_location.country"),
    "a cost that is no number": (changed("total_cost.before_taxes.value", "7,00"), "cdr.total_cost.before_taxes"),
    "a cost that is not finite": (changed("total_cost.before_taxes.value", "NaN"), "cdr.total_cost.before_taxes"),
    "a cost of five decimals": (changed("total_cost.before_taxes.value", "7.00001"), "cdr.total_cost.before_taxes"),
    "a cost beyond all bounds": (changed("total_cost.before_taxes.value", "1e99"), "cdr.total_cost.before_taxes"),
    "negative energy": (changed("total_energy.value", "-1"), "cdr.total_energy"),
    "an energy that is not finite": (
        make_cdr(charging_periods=[period(0, "NaN", "2")]),
        "cdr.charging_periods[0].dimensions[0].volume",
    ),
    "a time that is not finite": (
        make_cdr(charging_periods=[period(0, "1", "Infinity")]),
        "cdr.charging_periods[0].dimensions[1].volume",
    ),
    "energies that cannot be added up": (
        make_cdr(charging_periods=[period(0, "9e999999", "1"), period(60, "9e999999", "1")]),
        "cdr.charging_periods",
    ),
    "a part of the cost that is no number": (
        make_cdr(total_energy_cost={"before_taxes": number("much")}),
        "cdr.total_energy_cost.before_taxes",
    ),
    "no periods": (make_cdr(charging_periods=[]), "cdr.charging_periods"),
    "a period without a start": (
        make_cdr(charging_periods=[{"dimensions": []}]),
        "cdr.charging_periods[0].start_date_time",
    ),
    "a volume that is no number": (
        make_cdr(charging_periods=[period(0, "20", "2"), period(1, "x", "0")]),
        "cdr.charging_periods[1].dimensions[0].volume",
    ),
    "an end before the start": (make_cdr(end_date_time=stamp(START - timedelta(hours=1))), "cdr.end_date_time"),
    "an end in the future": (make_cdr(end_date_time=stamp(NOW + timedelta(hours=1))), "cdr.end_date_time"),
    "an unknown way of authorizing": (changed("auth_method", 99), "cdr.auth_method"),
    "an unknown format": (changed("cdr_location.connector_format", 99), "cdr.cdr_location.connector_format"),
    "an unknown power type": (
        changed("cdr_location.connector_power_type", 99),
        "cdr.cdr_location.connector_power_type",
    ),
    "an unknown dimension": (
        make_cdr(
            charging_periods=[period(0, "20", "2"), {"start_date_time": stamp(START), "dimensions": [{"type": 99}]}]
        ),
        "cdr.charging_periods[1].dimensions[0].type",
    ),
    "an unknown type of tariff": (make_cdr(tariffs=[{"type": 99}]), "cdr.tariffs[0].type"),
    "an unknown day in a tariff": (
        make_cdr(tariffs=[{"elements": [{"restrictions": {"day_of_week": [1, 99]}}]}]),
        "cdr.tariffs[0].elements[0].restrictions.day_of_week[1]",
    ),
    "extensions that are no JSON": (changed("extensions", '{"a": 1'), "cdr.extensions"),
    "extensions that are no object": (changed("extensions", "[1]"), "cdr.extensions"),
    "extensions too long": (changed("extensions", '{"a": "' + "x" * 65_536 + '"}'), "cdr.extensions"),
    "a credit of nothing": (changed("credit", True), "cdr.credit_reference_id"),
}


@pytest.mark.parametrize(("cdr", "field"), MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_cdr_is_refused_by_its_field_and_leaves_no_trace(
    roaming: Roaming, cdr: cdr_object_pb2.Cdr, field: str
) -> None:
    refused = await roaming.refused(cdr)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in refused.fields
    assert await roaming.journal_size() == 0


async def test_a_request_id_must_be_a_uuid(roaming: Roaming) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await roaming.service.SubmitCdr(cdr_pb2.SubmitCdrRequest(request_id="1", cdr=make_cdr()))
    assert refusal(caught.value).fields == ["request_id"]


def with_place(**changes: str) -> cdr_object_pb2.Cdr:
    """Return a CDR with other values in its location."""
    cdr = make_cdr()
    for name, value in changes.items():
        setattr(cdr.cdr_location, name, value)
    return cdr


RETURNED = {
    "TOKEN_UNKNOWN": changed("cdr_token.uid", "TOK2"),
    "AUTHORIZATION_UNKNOWN": make_cdr(authorization_reference="never given"),
    "LOCATION_UNKNOWN": with_place(id="LOC2"),
    "EVSE_UNKNOWN": with_place(evse_uid="E2"),
    "TIMES_DISORDERED": make_cdr(charging_periods=[period(-1, "20", "2")]),
    "CURRENCY_MISMATCH": make_cdr(currency="CHF", tariffs=[], total_cost={"before_taxes": number("0")}),
    "ENERGY_SUM_MISMATCH": make_cdr(total_energy=number("21")),
    "ENERGY_IMPOSSIBLE": make_cdr(
        charging_periods=[period(0, "20000", "2")],
        total_energy=number("20000"),
        total_cost={"before_taxes": number("7000")},
    ),
    "AGE_EXCEEDED": make_cdr(
        start_date_time=stamp(START - timedelta(days=100)),
        end_date_time=stamp(START - timedelta(days=99)),
        charging_periods=[period(-100 * 24 * 60, "20", "2")],
    ),
    "PRICE_MISMATCH": make_cdr(total_cost={"before_taxes": number("7.0101")}),
    "CREDIT_ORIGINAL_UNKNOWN": credit_of(make_cdr("CDR-9")),
}


@pytest.mark.parametrize(("code", "cdr"), RETURNED.items(), ids=RETURNED)
async def test_a_cdr_that_fails_a_check_is_returned_with_the_code(
    roaming: Roaming, code: str, cdr: cdr_object_pb2.Cdr
) -> None:
    answer = await roaming.submit(cdr)
    assert answer.state == cdr_pb2.CDR_STATE_RETURNED
    assert [(f.code, f.severity) for f in answer.findings] == [(code, cdr_pb2.FINDING_SEVERITY_ERROR)]
    assert await roaming.submit(cdr) == answer


WARNED = {
    "SESSION_UNKNOWN": make_cdr(session_id="S-1"),
    "CONNECTOR_UNKNOWN": with_place(connector_id="2"),
    "ENERGY_EXCEEDS_POWER": make_cdr(
        charging_periods=[period(0, "40", "2")],
        total_energy=number("40"),
        total_cost={"before_taxes": number("14")},
    ),
    "TIME_SUM_MISMATCH": make_cdr(total_time=number("2.5")),
    "TARIFF_UNKNOWN": make_cdr(tariffs=[make_tariff("T2")]),
    "TARIFF_MISMATCH": make_cdr(tariffs=[make_tariff(price="0.99")]),
    "PRICE_UNCHECKED": make_cdr(tariffs=[]),
    "COST_PARTS_MISMATCH": make_cdr(total_time_cost={"before_taxes": number("1.0000")}),
    "TAX_MISMATCH": make_cdr(total_cost={"before_taxes": number("7.0000"), "after_taxes": number("8.3300")}),
}


@pytest.mark.parametrize(("code", "cdr"), WARNED.items(), ids=WARNED)
async def test_a_lesser_finding_is_told_and_the_cdr_accepted(
    roaming: Roaming, code: str, cdr: cdr_object_pb2.Cdr
) -> None:
    answer = await roaming.submit(cdr)
    assert answer.state == cdr_pb2.CDR_STATE_ACCEPTED
    assert [(f.code, f.severity) for f in answer.findings] == [(code, cdr_pb2.FINDING_SEVERITY_WARNING)]


async def test_the_same_session_under_another_id_is_returned_until_the_first_is_credited(roaming: Roaming) -> None:
    await roaming.submit(make_cdr(session_id="S-1"))
    returned = await roaming.submit(make_cdr("CDR-2", session_id="S-1"), request=2)
    assert returned.state == cdr_pb2.CDR_STATE_RETURNED
    told = next(found for found in returned.findings if found.code == "NEAR_DUPLICATE")
    assert (told.field, told.message) == ("session_id", "the session was accepted as CDR-1")
    assert told.fix_hint
    await roaming.submit(credit_of(make_cdr(session_id="S-1")), request=3)
    corrected = await roaming.submit(make_cdr("CDR-3", session_id="S-1"), request=4)
    assert corrected.state == cdr_pb2.CDR_STATE_ACCEPTED


async def test_a_token_and_an_evse_in_use_twice_at_once_are_told_to_both_sides(roaming: Roaming) -> None:
    await roaming.submit(make_cdr())
    answer = await roaming.submit(
        make_cdr(
            "CDR-2",
            start_date_time=stamp(START + timedelta(minutes=30)),
            end_date_time=stamp(START + timedelta(minutes=150)),
            charging_periods=[period(30, "12.5", "1"), period(90, "7.5", "1")],
        ),
        request=2,
    )
    assert answer.state == cdr_pb2.CDR_STATE_ACCEPTED
    assert [(f.code, f.message, f.severity) for f in answer.findings] == [
        ("TOKEN_OVERLAP", "was charged at the same time in CDR-1", cdr_pb2.FINDING_SEVERITY_WARNING),
        ("EVSE_OVERLAP", "served another session at the same time, in CDR-1", cdr_pb2.FINDING_SEVERITY_WARNING),
    ]
    key = common_pb2.ObjectKey(country_code="NL", party_id="CPO", id="CDR-2")
    record = await cdr_pb2_grpc.CdrServiceStub(roaming.emsp.channel).GetCdr(cdr_pb2.GetCdrRequest(key=key))
    assert record.findings == answer.findings


async def test_a_credit_negates_its_original_once(roaming: Roaming) -> None:
    await roaming.submit(make_cdr())
    first = await roaming.submit(credit_of(make_cdr()), request=2)
    second = await roaming.submit(credit_of(make_cdr(), "CREDIT-2"), request=3)
    assert first.state == cdr_pb2.CDR_STATE_ACCEPTED
    assert second.state == cdr_pb2.CDR_STATE_RETURNED
    assert [finding.code for finding in second.findings] == ["CREDIT_REPEATED"]


async def test_a_credit_of_another_amount_is_returned(roaming: Roaming) -> None:
    await roaming.submit(make_cdr())
    credit = credit_of(make_cdr())
    credit.total_cost.before_taxes.value = "-6.9999"
    answer = await roaming.submit(credit, request=2)
    assert [finding.code for finding in answer.findings] == ["CREDIT_NOT_FULL"]


@pytest.mark.parametrize("together", [False, True])
async def test_a_credit_of_another_tax_is_returned(roaming: Roaming, together: bool) -> None:
    credit = credit_of(make_cdr())
    credit.total_cost.after_taxes.value = "-8.4699"
    requests = [submission(make_cdr(), 1), submission(credit, 2)]
    groups = [requests] if together else [[request] for request in requests]
    answers = [
        await roaming.service.BatchSubmitCdrs(cdr_pb2.BatchSubmitCdrsRequest(requests=group)) for group in groups
    ]
    told = answers[-1].outcomes[-1].response
    assert told.state == cdr_pb2.CDR_STATE_RETURNED
    assert [(found.code, found.field) for found in told.findings] == [("CREDIT_MISMATCH", "total_cost.after_taxes")]
    untaxed = credit_of(make_cdr(), "CREDIT-2")
    untaxed.total_cost.ClearField("after_taxes")
    assert (await roaming.submit(untaxed, request=3)).state == cdr_pb2.CDR_STATE_ACCEPTED


async def test_original_and_credit_may_come_in_one_batch_and_a_second_credit_not(roaming: Roaming) -> None:
    cdrs = [make_cdr(), credit_of(make_cdr()), credit_of(make_cdr(), "CREDIT-2")]
    batch = cdr_pb2.BatchSubmitCdrsRequest(requests=[submission(cdr, at) for at, cdr in enumerate(cdrs, 1)])
    outcomes = (await roaming.service.BatchSubmitCdrs(batch)).outcomes
    accepted, returned = cdr_pb2.CDR_STATE_ACCEPTED, cdr_pb2.CDR_STATE_RETURNED
    assert [outcome.response.state for outcome in outcomes] == [accepted, accepted, returned]


async def test_each_of_a_batch_is_answered_for_itself(roaming: Roaming) -> None:
    foreign = make_cdr("CDR-5")
    foreign.party_id = "XXX"
    cdrs = [make_cdr("CDR-1"), changed("currency", "?"), make_cdr("CDR-3"), make_cdr("CDR-1"), foreign]
    batch = cdr_pb2.BatchSubmitCdrsRequest(requests=[submission(cdr, at) for at, cdr in enumerate(cdrs, 1)])
    outcomes = (await roaming.service.BatchSubmitCdrs(batch)).outcomes
    assert [outcome.error.reason for outcome in outcomes] == ["", "INVALID_FIELD", "", "", "NOT_PERMITTED"]
    assert outcomes[3].response == outcomes[0].response
    assert await roaming.journal_size() == 2


async def test_a_stream_is_answered_in_order(roaming: Roaming) -> None:
    async def requests() -> Any:
        for at in range(1, 41):
            yield cdr_pb2.StreamCdrsRequest(request_id=submission(make_cdr(), at).request_id, cdr=make_cdr(f"CDR-{at}"))

    indexes: list[int] = []
    async for response in roaming.service.StreamCdrs(requests()):
        assert response.first_index == len(indexes)
        indexes += [outcome.response.receipt.journal_index for outcome in response.outcomes]
    assert indexes == list(range(40))


async def test_lists_page_by_journal_index_and_show_each_side_its_own(
    roaming: Roaming, partner: PartnerFactory
) -> None:
    for at in range(1, 6):
        await roaming.submit(make_cdr(f"CDR-{at}"), at)
    stranger = await partner("FR-OTH", roles=(Role.EMSP,))
    for channel, expected in ((roaming.cpo.channel, 5), (roaming.emsp.channel, 5), (stranger.channel, 0)):
        stub, token, names = cdr_pb2_grpc.CdrServiceStub(channel), "", []
        while True:
            page = await stub.ListCdrs(cdr_pb2.ListCdrsRequest(page_size=2, page_token=token))
            names += [record.cdr.id for record in page.cdrs]
            token = page.next_page_token
            if not token:
                break
        assert names == [f"CDR-{at}" for at in range(1, expected + 1)]


async def test_a_stranger_cannot_tell_that_a_cdr_exists(roaming: Roaming, partner: PartnerFactory) -> None:
    await roaming.submit(make_cdr())
    stranger = await partner("FR-OTH", roles=(Role.EMSP,))
    answers = []
    for name in ("CDR-1", "CDR-2"):
        key = common_pb2.ObjectKey(country_code="NL", party_id="CPO", id=name)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await cdr_pb2_grpc.CdrServiceStub(stranger.channel).GetCdr(cdr_pb2.GetCdrRequest(key=key))
        answers.append(refusal(caught.value))
    assert answers[0] == answers[1]


async def test_an_emsp_that_watches_gets_each_cdr_once_and_resumes(roaming: Roaming) -> None:
    stub = cdr_pb2_grpc.CdrServiceStub(roaming.emsp.channel)
    await roaming.submit(make_cdr("CDR-1"), 1)

    async def watch(after: int, count: int) -> tuple[list[str], int]:
        seen: list[str] = []
        async for response in stub.WatchCdrs(cdr_pb2.WatchCdrsRequest(after_index=after)):
            seen += [record.cdr.id for record in response.cdrs]
            after = response.next_after_index
            if len(seen) < count:
                await roaming.submit(make_cdr(f"CDR-{len(seen) + 1}"), len(seen) + 1)
            else:
                break
        return seen, after

    first, resume = await watch(-1, 3)
    await roaming.submit(make_cdr("CDR-4"), 4)
    second, _ = await watch(resume, 1)
    assert [*first, *second] == ["CDR-1", "CDR-2", "CDR-3", "CDR-4"]


async def test_large_cdrs_are_listed_and_watched_in_responses_that_a_client_takes(roaming: Roaming) -> None:
    stub = cdr_pb2_grpc.CdrServiceStub(roaming.emsp.channel)
    large = {"encoding_method": "OCMF", "signed_values": [{"nature": "Start", "signed_data": "x" * 1_500_000}]}
    for number_ in (1, 2, 3):
        await roaming.submit(make_cdr(f"CDR-{number_}", signed_data=large), number_)
    listed: list[str] = []
    token = ""
    while True:
        page = await stub.ListCdrs(cdr_pb2.ListCdrsRequest(page_size=1_000, page_token=token))
        listed += [record.cdr.id for record in page.cdrs]
        token = page.next_page_token
        if not token:
            break
    assert listed == ["CDR-1", "CDR-2", "CDR-3"]
    watched: list[str] = []
    async for response in stub.WatchCdrs(cdr_pb2.WatchCdrsRequest(after_index=-1)):
        watched += [record.cdr.id for record in response.cdrs]
        if len(watched) == 3:
            break
    assert watched == listed


@pytest.mark.parametrize("field", ["end_time_from", "end_time_before"])
async def test_a_list_is_narrowed_by_times_that_can_be(roaming: Roaming, field: str) -> None:
    odd = cdr_pb2.ListCdrsRequest()
    getattr(odd, field).seconds = 10**18
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await roaming.service.ListCdrs(odd)
    assert refusal(caught.value).fields == [field]
    getattr(odd, field).seconds = 0
    assert not (await roaming.service.ListCdrs(odd)).cdrs


async def test_a_watch_from_beyond_the_end_is_refused(roaming: Roaming) -> None:
    watch = roaming.service.WatchCdrs(cdr_pb2.WatchCdrsRequest(after_index=5))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watch.read()
    assert (caught.value.code(), refusal(caught.value).reason) == (grpc.StatusCode.OUT_OF_RANGE, "INDEX_TOO_NEW")
