"""Tariffs, published by a CPO and seen by its partners over real mutual TLS."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import (
    common_pb2,
    journal_pb2_grpc,
    location_pb2,
    location_pb2_grpc,
    rating_object_pb2,
    tariff_pb2,
    tariff_pb2_grpc,
)
from roamhub.v1 import tariff_object_pb2 as pb

from hub.domain.parties import Role
from hub.main import Hub
from tests.catalog import connector, evse, key, location, stamp, tariff, told
from tests.conftest import PartnerFactory
from tests.support import Refusal, agree, refusal

Stub = tariff_pb2_grpc.TariffServiceStub
APPLIED = common_pb2.ItemOutcome.RESULT_APPLIED
UNCHANGED = common_pb2.ItemOutcome.RESULT_UNCHANGED
REFUSED = common_pb2.ItemOutcome.RESULT_REFUSED


@dataclass
class Roaming:
    """A CPO, an eMSP it roams with, and one it does not."""

    cpo: "tariff_pb2_grpc.TariffServiceAsyncStub"
    emsp: "tariff_pb2_grpc.TariffServiceAsyncStub"
    stranger: "tariff_pb2_grpc.TariffServiceAsyncStub"
    journal: "journal_pb2_grpc.JournalServiceAsyncStub"
    channel: grpc.aio.Channel

    async def put(self, *tariffs: pb.Tariff) -> list[common_pb2.ItemOutcome]:
        response = await self.cpo.BatchPutTariffs(tariff_pb2.BatchPutTariffsRequest(tariffs=tariffs))
        return list(response.outcomes)

    async def get(self, minutes: float | None = None, name: str = "T1") -> pb.Tariff:
        at = None if minutes is None else stamp(minutes)
        return await self.emsp.GetTariff(tariff_pb2.GetTariffRequest(tariff=key(name), as_of_time=at))


@pytest.fixture
async def roaming(hub: Hub, partner: PartnerFactory) -> Roaming:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    stranger = await partner("FR-OTH", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    stubs = [Stub(each.channel) for each in (cpo, emsp, stranger)]
    return Roaming(*stubs, journal=journal_pb2_grpc.JournalServiceStub(emsp.channel), channel=cpo.channel)  # type: ignore[misc, arg-type]


async def refused(call: object) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    return refusal(caught.value)


async def test_every_version_of_a_tariff_can_be_had_by_its_time(roaming: Roaming) -> None:
    first, second = tariff(), tariff(minutes=10, price="0.50")
    assert (await roaming.cpo.PutTariff(tariff_pb2.PutTariffRequest(tariff=first))).result == APPLIED
    assert (await roaming.cpo.PutTariff(tariff_pb2.PutTariffRequest(tariff=first))).result == UNCHANGED
    assert [outcome.result for outcome in await roaming.put(second, first)] == [APPLIED, REFUSED]
    assert await roaming.get() == second
    assert await roaming.get(9) == first
    assert await roaming.get(10) == second
    assert (await refused(roaming.get(-1))).reason == "TARIFF_NOT_FOUND"


async def test_two_versions_of_one_time_are_both_kept_and_the_later_to_come_holds(roaming: Roaming) -> None:
    await roaming.put(tariff(price="1"), tariff(price="2"), tariff(price="3"))
    assert await roaming.get(0) == tariff(price="1")
    assert await roaming.get(1) == tariff(price="3")
    assert await roaming.get() == tariff(price="3")


async def test_a_removed_tariff_is_gone_but_not_for_the_sessions_before(roaming: Roaming) -> None:
    await roaming.put(tariff(), tariff("T2"))
    request = tariff_pb2.RemoveTariffRequest(tariff=key("t1"))
    removed = await roaming.cpo.RemoveTariff(request)
    assert (await refused(roaming.get())).reason == "TARIFF_NOT_FOUND"
    assert (await refused(roaming.cpo.RemoveTariff(request))).reason == "TARIFF_NOT_FOUND"
    assert await roaming.get(1) == tariff()
    listed = await roaming.emsp.ListTariffs(tariff_pb2.ListTariffsRequest())
    assert [each.id for each in listed.tariffs] == ["T2"]
    (body,) = await told(roaming.journal, "tariff_removed", 1)
    assert tariff_pb2.TariffRemoval.FromString(body).removed_time == removed.removed_time
    assert [outcome.result for outcome in await roaming.put(tariff())] == [APPLIED]
    assert await roaming.get() == tariff()


async def test_a_stranger_cannot_tell_that_a_tariff_exists_and_nobody_writes_another_s(roaming: Roaming) -> None:
    await roaming.put(tariff())
    answers = [
        await refused(roaming.stranger.GetTariff(tariff_pb2.GetTariffRequest(tariff=key(name)))) for name in ("T1", "X")
    ]
    assert answers[0] == answers[1]
    assert answers[0].code is grpc.StatusCode.NOT_FOUND
    assert not (await roaming.stranger.ListTariffs(tariff_pb2.ListTariffsRequest())).tariffs
    for call in (
        roaming.emsp.PutTariff(tariff_pb2.PutTariffRequest(tariff=tariff())),
        roaming.emsp.RemoveTariff(tariff_pb2.RemoveTariffRequest(tariff=key("T1"))),
        roaming.cpo.PutTariff(tariff_pb2.PutTariffRequest(tariff=tariff(party_id="OTH"))),
    ):
        assert (await refused(call)).code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_stream_of_tariffs_is_stored_and_counted(roaming: Roaming) -> None:
    async def requests() -> AsyncIterator[tariff_pb2.StreamTariffsRequest]:
        for first in range(0, 250, 50):
            batch = [tariff(f"T{n:03}", price="x" if n == 60 else "0.3") for n in range(first, first + 50)]
            yield tariff_pb2.StreamTariffsRequest(tariffs=batch)

    answers = [answer async for answer in roaming.cpo.StreamTariffs(requests())]
    assert (answers[-1].received_count, answers[-1].applied_count, answers[-1].refused_count) == (250, 249, 1)
    (refusal_,) = [refusal_ for answer in answers for refusal_ in answer.refusals]
    assert (refusal_.index, refusal_.error.violations[0].field) == (
        60,
        "tariffs[10].elements[0].price_components[0].price",
    )
    names, token = [], ""
    while True:
        page = await roaming.emsp.ListTariffs(tariff_pb2.ListTariffsRequest(page_size=100, page_token=token))
        names += [each.id for each in page.tariffs]
        token = page.next_page_token
        if not token:
            break
    assert names == [f"T{n:03}" for n in range(250) if n != 60]


def odd(**fields: object) -> pb.Tariff:
    made = tariff()
    made.elements[0].restrictions.CopyFrom(pb.TariffRestrictions(**fields))  # type: ignore[arg-type]
    return made


BROKEN: list[tuple[str, pb.Tariff]] = [
    ("tariff.id", tariff("")),
    ("tariff.currency", tariff(currency="eur")),
    ("tariff.elements", tariff(elements=[])),
    ("tariff.elements[0].price_components", tariff(elements=[pb.TariffElement()])),
    ("tariff.elements[0].price_components[0].price", tariff(price="1e400")),
    ("tariff.elements[0].price_components[0].price", tariff(price="NaN")),
    ("tariff.type", tariff(type=99)),
    ("tariff.min_price.before_taxes", tariff(min_price=pb.PriceLimit(before_taxes=PbDecimal(value="?")))),
    ("tariff.last_updated", tariff(last_updated=None)),
    ("tariff.last_updated", tariff(minutes=60 * 24)),
    ("tariff.elements[0].restrictions.start_time", odd(start_time="25:00")),
    ("tariff.elements[0].restrictions.end_date", odd(end_date="2026-02-30")),
    ("tariff.elements[0].restrictions.start_date", odd(start_date="20260228")),
    ("tariff.elements[0].restrictions.start_time", odd(start_time="8:30")),
    ("tariff.preauthorize_amount", tariff(preauthorize_amount=PbDecimal(value="-1"))),
    ("tariff.elements[0].restrictions.min_duration", odd(min_duration=-1)),
    ("tariff.elements[0].restrictions.day_of_week[0]", odd(day_of_week=[9])),
    ("tariff.elements[0].restrictions.reservation", odd(reservation=9)),
]


@pytest.mark.parametrize(("field", "message"), BROKEN, ids=[f"{i}-{field}" for i, (field, _) in enumerate(BROKEN)])
async def test_what_could_never_be_priced_by_is_refused(roaming: Roaming, field: str, message: pb.Tariff) -> None:
    answer = await refused(roaming.cpo.PutTariff(tariff_pb2.PutTariffRequest(tariff=message)))
    assert (answer.code, answer.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_odd_tariffs_are_taken_in(roaming: Roaming) -> None:
    unreachable = odd(start_time="10:00", end_time="10:00", min_kwh=PbDecimal(value="9"), max_kwh=PbDecimal(value="1"))
    midnight = odd(end_time="24:00")
    midnight.id = "T2"
    assert [outcome.result for outcome in await roaming.put(unreachable, midnight, tariff("T3", price="-0.1"))] == [
        APPLIED
    ] * 3


async def test_a_quote_says_what_a_plan_costs_under_the_tariff_in_force_at_its_start(
    roaming: Roaming,
) -> None:
    stub = location_pb2_grpc.LocationServiceStub(roaming.channel)
    published = location(evses=[evse(connectors=[connector(tariff_ids=["t1", "NIX"])])])
    await stub.PutLocation(location_pb2.PutLocationRequest(location=published))
    plan = tariff_pb2.QuoteSessionRequest(
        location=key("LOC1"),
        evse_uid="e1",
        connector_id="1",
        start_time=stamp(5),
        energy_kwh=PbDecimal(value="20"),
        power_kw=PbDecimal(value="11"),
    )
    answer = await refused(roaming.emsp.QuoteSession(plan))
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_TARIFF")
    await roaming.put(tariff(), tariff(minutes=10, price="0.5"))
    for minutes, cost in ((5, "5.0000"), (15, "10.0000")):
        plan.start_time.CopyFrom(stamp(minutes))
        rated = await roaming.emsp.QuoteSession(plan)
        assert (rated.currency_code, rated.total_cost.before_taxes.value) == ("EUR", cost)
        assert rated.total_energy_cost == rated.total_cost
        assert [line.tariff_id for line in rated.lines if line.kind == rating_object_pb2.RatedLine.KIND_USAGE] == ["T1"]
    own = tariff_pb2_grpc.TariffServiceStub(roaming.channel)
    assert (await own.QuoteSession(plan)).total_cost.before_taxes.value == "10.0000"
    plan.tariff_id = "NIX"
    assert (await refused(roaming.emsp.QuoteSession(plan))).reason == "NO_TARIFF"
    assert (await refused(roaming.stranger.QuoteSession(plan))).reason == "LOCATION_NOT_FOUND"
    plan.connector_id = "9"
    assert (await refused(roaming.emsp.QuoteSession(plan))).reason == "CONNECTOR_NOT_FOUND"
    plan.evse_uid = "E9"
    assert (await refused(roaming.emsp.QuoteSession(plan))).reason == "EVSE_NOT_FOUND"


async def test_a_plan_that_cannot_be_priced_is_refused_by_its_fields(roaming: Roaming) -> None:
    plan = tariff_pb2.QuoteSessionRequest(
        location=key("LOC1"), energy_kwh=PbDecimal(value="x"), parking=Duration(seconds=-1)
    )
    answer = await refused(roaming.emsp.QuoteSession(plan))
    assert answer.fields == ["start_time", "energy_kwh", "parking", "evse_uid", "connector_id"]
