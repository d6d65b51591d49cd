"""What a CDR should have cost, and what a session costs so far: explained to CPO and eMSP over real mutual TLS."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from roamhub.v1 import (
    cdr_object_pb2,
    cdr_pb2,
    cdr_pb2_grpc,
    common_pb2,
    location_object_pb2,
    location_pb2,
    location_pb2_grpc,
    rating_object_pb2,
    session_object_pb2,
    session_pb2,
    session_pb2_grpc,
    tariff_object_pb2,
    tariff_pb2,
    tariff_pb2_grpc,
)

from adapters.partner.credentials import Credentials, Store
from hub.cli.app import run
from hub.domain.parties import Role
from hub.main import Hub
from tests import catalog
from tests.cdrs import NOW, START, credit_of, make_cdr, make_tariff, number, period, stamp, submission
from tests.conftest import PartnerFactory
from tests.rpc.roaming import publish_cdr_token
from tests.support import Partner, Refusal, agree, refusal

KEY = common_pb2.ObjectKey(country_code="NL", party_id="CPO", id="CDR-1")
SESSION = common_pb2.ObjectKey(country_code="nl", party_id="cpo", id="s-1")
PUBLISHED, EMBEDDED = cdr_pb2.ExplainedTariff.SOURCE_PUBLISHED, cdr_pb2.ExplainedTariff.SOURCE_EMBEDDED
Line = rating_object_pb2.RatedLine


@dataclass
class Roaming:
    """A hub with a CPO that published one location, an eMSP that published one token, and their agreement."""

    hub: Hub
    cpo: Partner
    emsp: Partner

    async def publish(self, *tariffs: tariff_object_pb2.Tariff) -> None:
        stub: tariff_pb2_grpc.TariffServiceAsyncStub = tariff_pb2_grpc.TariffServiceStub(self.cpo.channel)
        for tariff in tariffs:
            await stub.PutTariff(tariff_pb2.PutTariffRequest(tariff=tariff))

    async def submit(self, cdr: cdr_object_pb2.Cdr, request: int = 1) -> cdr_pb2.SubmitCdrResponse:
        stub: cdr_pb2_grpc.CdrServiceAsyncStub = cdr_pb2_grpc.CdrServiceStub(self.cpo.channel)
        return await stub.SubmitCdr(submission(cdr, request))

    async def explain(
        self, caller: Partner | None = None, key: common_pb2.ObjectKey = KEY, policy: str = ""
    ) -> cdr_pb2.ExplainCdrResponse:
        stub: cdr_pb2_grpc.CdrServiceAsyncStub = cdr_pb2_grpc.CdrServiceStub((caller or self.emsp).channel)
        return await stub.ExplainCdr(cdr_pb2.ExplainCdrRequest(key=key, pricing_policy=policy))

    async def report(self, **changes: Any) -> None:
        stub: session_pb2_grpc.SessionServiceAsyncStub = session_pb2_grpc.SessionServiceStub(self.cpo.channel)
        await stub.PutSession(session_pb2.PutSessionRequest(session=running(**changes)))

    async def quote(self, caller: Partner | None = None, **plan: Any) -> rating_object_pb2.RatedSession:
        stub: tariff_pb2_grpc.TariffServiceAsyncStub = tariff_pb2_grpc.TariffServiceStub((caller or self.emsp).channel)
        return await stub.QuoteSession(tariff_pb2.QuoteSessionRequest(**{"session": SESSION, **plan}))


@pytest.fixture
async def roaming(hub: Hub, partner: PartnerFactory) -> Roaming:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    here = located("t1")
    locations: location_pb2_grpc.LocationServiceAsyncStub = location_pb2_grpc.LocationServiceStub(cpo.channel)
    await locations.PutLocation(location_pb2.PutLocationRequest(location=here))
    await publish_cdr_token(hub, emsp.party)
    return Roaming(hub, cpo, emsp)


def located(*tariff_ids: str, minutes: float = -2 * 1_440) -> location_object_pb2.Location:
    """Return the location of the CDRs, whose connector names these tariffs; by default since long before them."""
    connector = catalog.connector(minutes=minutes, tariff_ids=tariff_ids)
    return catalog.location(minutes=minutes, evses=[catalog.evse(minutes=minutes, connectors=[connector])])


def ago(minutes: float) -> float:
    """Return what `located` takes for so many minutes ago."""
    return (NOW - catalog.NOW) / timedelta(minutes=1) - minutes


async def refused(call: Awaitable[object]) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


def element(kind: int, price: str, **fields: Any) -> tariff_object_pb2.TariffElement:
    restrictions = fields.pop("restrictions", None)
    component = tariff_object_pb2.PriceComponent(
        type=tariff_object_pb2.TariffDimensionType.ValueType(kind), price=number(price), **fields
    )
    return tariff_object_pb2.TariffElement(price_components=[component], restrictions=restrictions)


#: Energy is dear above 15 kWh, and billed in whole kWh; coming costs a fee.
RICH = make_tariff(
    elements=[
        element(
            tariff_object_pb2.TARIFF_DIMENSION_TYPE_ENERGY,
            "0.30",
            step_size=1000,
            restrictions=tariff_object_pb2.TariffRestrictions(max_kwh=number("12.5")),
        ),
        element(tariff_object_pb2.TARIFF_DIMENSION_TYPE_ENERGY, "0.40", vat=number("21"), step_size=1000),
        element(tariff_object_pb2.TARIFF_DIMENSION_TYPE_FLAT, "0.55"),
    ]
)


async def test_a_claim_is_shown_beside_our_price_line_by_line(roaming: Roaming) -> None:
    await roaming.publish(RICH)
    cdr = make_cdr(
        charging_periods=[period(0, "12.5", "1"), period(60, "7.1", "1")],
        total_energy=number("19.6"),
        total_energy_cost={"before_taxes": number("6.75")},
        tariffs=[RICH],
    )
    answer = await roaming.submit(cdr)
    assert answer.state == cdr_pb2.CDR_STATE_RETURNED
    explained = await roaming.explain()
    assert explained == await roaming.explain(roaming.cpo), "both sides see the same"
    assert explained.record.rated_cost.value == answer.rated_cost.value == "7.3000"
    assert explained.record.cdr == cdr
    assert [finding.code for finding in explained.record.findings] == ["PRICE_MISMATCH", "TAX_MISMATCH"]
    # 12.5 x 0.30 + 7.1 x 0.40 + 0.4 x 0.40 to whole kWh + 0.55
    assert explained.rated.total_cost.before_taxes.value == "7.3000"
    priced = [line for line in explained.rated.lines if line.kind != Line.KIND_FREE]
    assert [(line.kind, line.element, line.quantity.value, line.before_taxes.value) for line in priced] == [
        (Line.KIND_FLAT, 2, "1", "0.55"),
        (Line.KIND_USAGE, 0, "12.5", "3.750"),
        (Line.KIND_USAGE, 1, "7.1", "2.840"),
        (Line.KIND_STEP, 1, "0.4000", "0.160000"),
    ]
    dear = priced[2]
    assert (dear.step_size, dear.tariff_id, dear.period) == (1000, "T1", 1)
    assert [(each.element, each.restriction) for each in dear.passed_over] == [(0, "max_kwh")]
    assert "step_size_on_switch" in [note.code for note in explained.rated.notes]
    assert explained.rated.taxes
    costs = {each.total: each for each in explained.costs}
    assert list(costs) == [
        "total_cost",
        "total_fixed_cost",
        "total_energy_cost",
        "total_time_cost",
        "total_parking_cost",
        "total_reservation_cost",
    ]
    assert costs["total_cost"].difference.before_taxes.value == "-0.3000"
    assert not costs["total_cost"].agrees
    assert costs["total_energy_cost"].difference.before_taxes.value == "0.0000"
    assert costs["total_energy_cost"].agrees
    assert not costs["total_fixed_cost"].HasField("claimed")
    assert costs["total_fixed_cost"].rated.before_taxes.value == "0.5500"
    volumes = {each.total: each for each in explained.volumes}
    assert volumes["total_energy"].difference.value == "0.0000"
    assert not volumes["total_parking_time"].HasField("claimed")
    assert (explained.agrees, explained.tolerance.value) == (False, "0.01")
    assert (explained.pricing_policy, explained.time_zone) == ("roamhub-2026", "Europe/Amsterdam")
    (used,) = explained.tariffs
    assert (used.field, used.tariff_id, used.source, used.differs) == ("tariffs[0].id", "T1", PUBLISHED, False)
    assert used.tariff == RICH


async def test_a_claim_that_agrees_is_shown_to_agree(roaming: Roaming) -> None:
    await roaming.publish(make_tariff())
    await roaming.submit(make_cdr())
    explained = await roaming.explain()
    assert explained.agrees
    assert all(cost.agrees for cost in explained.costs)
    assert not explained.unrated_reason


async def test_a_credit_is_held_against_the_negative_of_our_price(roaming: Roaming) -> None:
    await roaming.publish(make_tariff())
    await roaming.submit(make_cdr())
    await roaming.submit(credit_of(make_cdr()), 2)
    explained = await roaming.explain(key=common_pb2.ObjectKey(country_code="NL", party_id="CPO", id="CREDIT-1"))
    assert explained.agrees
    assert explained.costs[0].claimed.before_taxes.value == "-7.0000"
    assert explained.costs[0].difference.before_taxes.value == "0.0000"


async def test_what_could_not_be_rated_says_why(roaming: Roaming) -> None:
    await roaming.submit(make_cdr(tariffs=[]))
    explained = await roaming.explain()
    assert (explained.unrated_reason, explained.unrated_message) == (
        "NO_TARIFF",
        "the CDR names no tariff, and its connector had none in force",
    )
    assert not explained.HasField("rated")
    assert not explained.record.HasField("rated_cost")
    assert not explained.agrees
    assert explained.costs[0].claimed.before_taxes.value == "7.0000"
    assert not explained.tariffs


async def test_a_cdr_that_names_no_tariff_is_explained_by_the_one_of_its_connector(
    roaming: Roaming, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await roaming.publish(make_tariff(price="0.40"))
    answer = await roaming.submit(make_cdr(tariffs=[]))
    assert [finding.code for finding in answer.findings] == ["PRICE_MISMATCH", "TAX_MISMATCH"]
    locations: location_pb2_grpc.LocationServiceAsyncStub = location_pb2_grpc.LocationServiceStub(roaming.cpo.channel)
    await locations.PutLocation(location_pb2.PutLocationRequest(location=located("T2", minutes=0)))
    for caller in (roaming.cpo, roaming.emsp):
        explained = await roaming.explain(caller)
        (used,) = explained.tariffs
        assert (used.field, used.tariff_id) == ("cdr_location.connector_id", "T1")
        assert used.source == cdr_pb2.ExplainedTariff.SOURCE_CONNECTOR
        assert explained.rated.total_cost.before_taxes.value == explained.record.rated_cost.value == "8.0000"
        assert not explained.agrees
    keep_credentials(roaming, tmp_path)
    monkeypatch.delenv("ROAMHUB_DATA", raising=False)
    assert await asyncio.to_thread(run, ["cdr", "explain", "NL-CPO/CDR-1", "--as", str(tmp_path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "tariffs T1 (as published for the connector; the CDR names none)" in told


async def test_the_tariff_is_the_one_that_was_known_when_the_cdr_was_recorded(roaming: Roaming) -> None:
    await roaming.submit(make_cdr())
    await roaming.publish(make_tariff(price="0.99"))
    explained = await roaming.explain()
    assert [each.source for each in explained.tariffs] == [EMBEDDED]
    assert explained.agrees
    await roaming.submit(make_cdr("CDR-2"), 2)
    key = common_pb2.ObjectKey(country_code="NL", party_id="CPO", id="CDR-2")
    later = await roaming.explain(key=key)
    assert [(each.source, each.differs) for each in later.tariffs] == [(PUBLISHED, True)]
    assert later.rated.total_cost.before_taxes.value == "19.8000"


async def test_another_reading_of_the_rules_may_be_asked_for(roaming: Roaming) -> None:
    named = [period(0, "12.5", "1"), period(60, "7.5", "1")]
    named[0].tariff_id = "T1"
    await roaming.publish(make_tariff(), make_tariff("T2", "0.99"))
    await roaming.submit(make_cdr(charging_periods=named, tariffs=[make_tariff(), make_tariff("T2", "0.99")]))
    assert (await roaming.explain()).rated.total_cost.before_taxes.value == "7.0000"
    literal = await roaming.explain(policy="ocpi-literal-2026")
    assert (literal.pricing_policy, literal.rated.pricing_policy) == ("ocpi-literal-2026",) * 2
    assert literal.rated.total_cost.before_taxes.value == "4.3750"
    answer = await refused(roaming.explain(policy="cheapest"))
    assert (answer.code, answer.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["pricing_policy"])


async def test_a_reservation_without_charging_is_explained_both_ways(roaming: Roaming) -> None:
    flat, kinds = tariff_object_pb2.TARIFF_DIMENSION_TYPE_FLAT, tariff_object_pb2
    reserved = make_tariff(
        elements=[
            element(
                flat,
                "2",
                restrictions=kinds.TariffRestrictions(reservation=kinds.RESERVATION_RESTRICTION_TYPE_RESERVATION),
            ),
            element(
                flat,
                "5",
                restrictions=kinds.TariffRestrictions(
                    reservation=kinds.RESERVATION_RESTRICTION_TYPE_RESERVATION_EXPIRES
                ),
            ),
        ]
    )
    await roaming.publish(reserved)
    waited = session_object_pb2.CdrDimension(
        type=session_object_pb2.CDR_DIMENSION_TYPE_RESERVATION_TIME, volume=number("0.5")
    )
    cdr = make_cdr(
        charging_periods=[{"start_date_time": stamp(START), "dimensions": [waited]}],
        tariffs=[reserved],
        total_energy=number("0"),
        total_cost={"before_taxes": number("7")},
    )
    answer = await roaming.submit(cdr)
    assert "PRICE_MISMATCH" not in [finding.code for finding in answer.findings]
    explained = await roaming.explain()
    assert explained.record.rated_cost.value == "7.0000", "the price that fits"
    assert explained.rated.total_cost.before_taxes.value == "2.0000"
    assert explained.rated_expired.total_cost.before_taxes.value == "7.0000"
    assert explained.agrees


def keep_credentials(roaming: Roaming, folder: Path) -> None:
    """Put the eMSP's where the command line looks for them."""
    emsp, hub = roaming.emsp, roaming.hub
    Store(folder).save(
        Credentials(
            key_pem=emsp.key_pem,
            certificate_pem=emsp.chain_pem,
            authority_pem=hub.ca.ca_pem,
            hub=f"127.0.0.1:{hub.port}",
        )
    )


async def test_the_explanation_is_read_on_the_command_line(
    roaming: Roaming, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROAMHUB_DATA", raising=False)
    keep_credentials(roaming, tmp_path)
    await roaming.publish(RICH)
    await roaming.submit(make_cdr(tariffs=[make_tariff()]))
    unnamed = make_cdr("CDR-2", tariffs=[])
    unnamed.cdr_location.connector_id = "9"
    await roaming.submit(unnamed, 2)

    async def explain(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run, ["cdr", "explain", *arguments, "--as", str(tmp_path)])
        told = capsys.readouterr()
        return code, told.out + told.err

    code, told = await explain("NL-CPO/CDR-1")
    assert code == 0, told
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert "claim does not agree" in lines
    assert "tariffs T1 (as published, which the one inside the CDR is not)" in lines
    assert "total_cost before_taxes 7.0000 7.3000 -0.3000 differs" in lines
    assert any(line.startswith("2 ") and "USAGE ENERGY 7.5000 0.40" in line for line in lines), told
    assert any("element 1 does not" in line for line in lines), told
    assert any(line.startswith("PRICE_MISMATCH total_cost.before_taxes: is 7.0000 and") for line in lines)
    code, told = await explain("NL-CPO/CDR-2")
    assert (
        code,
        "could not be rated (NO_TARIFF): the CDR names no tariff, and its connector had none in force" in told,
    ) == (0, True)
    code, told = await explain("NL-CPO/CDR-1", "--json", "--policy", "lenient-2026")
    assert json.loads(told)["pricing_policy"] == "lenient-2026"
    code, told = await explain("NL-CPO/CDR-9")
    assert (code, told.startswith("roamhub: CDR_NOT_FOUND: ")) == (3, True)


async def test_another_partys_cdr_reads_as_one_that_does_not_exist(roaming: Roaming, partner: PartnerFactory) -> None:
    stranger = await partner("FR-OTH", roles=(Role.EMSP, Role.CPO))
    await roaming.submit(make_cdr())
    missing = common_pb2.ObjectKey(country_code="NL", party_id="CPO", id="CDR-9")
    answers = [await refused(roaming.explain(stranger, key)) for key in (KEY, missing)]
    assert answers[0] == answers[1]
    assert answers[0].reason == "CDR_NOT_FOUND"
    assert (await refused(roaming.explain(key=common_pb2.ObjectKey(id="1")))).code is grpc.StatusCode.INVALID_ARGUMENT


def running(minutes: int = 0, **changes: Any) -> session_object_pb2.Session:
    """Return a session at LOC1/E1/1 that began two hours ago: 12.5 kWh in its first hour and 2.5 in the next half."""
    made = session_object_pb2.Session(
        country_code="NL",
        party_id="CPO",
        id="S-1",
        start_date_time=stamp(NOW - timedelta(hours=2)),
        kwh=number("15"),
        cdr_token=session_object_pb2.CdrToken(
            country_code="DE", party_id="MSP", uid="TOK1", type="RFID", contract_id="DE-MSP-C1"
        ),
        auth_method=session_object_pb2.AUTH_METHOD_WHITELIST,
        location_id="LOC1",
        evse_uid="E1",
        connector_id="1",
        currency="EUR",
        status=session_object_pb2.SESSION_STATUS_ACTIVE,
        charging_periods=[charged(120, "12.5", "1"), charged(60, "2.5", "0.5")],
        last_updated=stamp(NOW - timedelta(minutes=30 - minutes)),
    )
    for name, value in changes.items():
        made.ClearField(name)  # type: ignore[arg-type]
        made.MergeFrom(session_object_pb2.Session(**{name: value}))
    return made


def charged(minutes_ago: int, energy: str, hours: str, tariff: str = "") -> session_object_pb2.ChargingPeriod:
    made = period(0, energy, hours)
    made.start_date_time.CopyFrom(stamp(NOW - timedelta(minutes=minutes_ago)))
    if tariff:
        made.tariff_id = tariff
    return made


async def test_a_session_is_priced_as_it_goes_on(roaming: Roaming) -> None:
    await roaming.publish(make_tariff())
    await roaming.report(charging_periods=[charged(120, "12.5", "1")], kwh=number("12.5"))
    first = await roaming.quote()
    assert (first.total_cost.before_taxes.value, first.total_cost.after_taxes.value) == ("4.3750", "5.2938")
    await roaming.report(minutes=1)
    assert (await roaming.quote()).total_cost.before_taxes.value == "5.2500"
    assert await roaming.quote(roaming.cpo) == await roaming.quote()


async def test_a_session_is_priced_with_what_is_yet_to_come(roaming: Roaming) -> None:
    await roaming.publish(RICH)
    await roaming.report()
    # 12.5 x 0.30 + 2.5 x 0.40 + 0.55; nothing to round up: 15 kWh are whole.
    assert (await roaming.quote()).total_cost.before_taxes.value == "5.3000"
    more = await roaming.quote(energy_kwh=number("30"), power_kw=number("11"), parking=Duration(seconds=1800))
    assert more.total_cost.before_taxes.value == "17.3000"
    assert (more.total_energy.value, more.total_parking_time.value) == ("45.0000", "0.5000")
    assert more.pricing_policy == "roamhub-2026"


async def test_a_session_keeps_the_tariff_that_was_in_force_when_it_began(roaming: Roaming) -> None:
    await roaming.publish(make_tariff(), make_tariff(price="0.99", last_updated=stamp(NOW - timedelta(hours=1))))
    await roaming.report()
    assert (
        await roaming.quote(energy_kwh=number("5"), power_kw=number("11"))
    ).total_cost.before_taxes.value == "7.0000"


async def test_a_session_keeps_the_tariff_that_its_connector_named_when_it_began(roaming: Roaming) -> None:
    await roaming.publish(make_tariff(), make_tariff("T2", "0.99"))
    await roaming.report()
    before = await roaming.quote()
    assert (before.lines[0].tariff_id, before.total_cost.before_taxes.value) == ("T1", "5.2500")
    locations: location_pb2_grpc.LocationServiceAsyncStub = location_pb2_grpc.LocationServiceStub(roaming.cpo.channel)
    await locations.PutLocation(location_pb2.PutLocationRequest(location=located("T2", minutes=ago(60))))
    for caller in (roaming.cpo, roaming.emsp):
        assert await roaming.quote(caller) == before
    more = await roaming.quote(energy_kwh=number("5"), power_kw=number("11"))
    assert more.total_cost.before_taxes.value == "7.0000"
    await locations.PutLocation(location_pb2.PutLocationRequest(location=located("T2", minutes=ago(50))))
    assert await roaming.quote() == before, "a version that changes nothing else changes nothing"
    await roaming.report(minutes=1, id="S-2", start_date_time=stamp(NOW - timedelta(minutes=45)), charging_periods=[])
    later = await roaming.quote(session=common_pb2.ObjectKey(country_code="NL", party_id="CPO", id="S-2"))
    assert later.lines[0].tariff_id == "T2", "what began after the change costs by the new one"


async def test_a_session_is_priced_by_the_tariff_its_periods_name(roaming: Roaming) -> None:
    await roaming.publish(make_tariff(), make_tariff("T2", "1"))
    await roaming.report(charging_periods=[charged(120, "12.5", "1", "T2")])
    rated = await roaming.quote()
    assert rated.total_cost.before_taxes.value == "12.5000"
    assert rated.lines[0].tariff_id == "T2"


async def test_a_session_without_periods_is_priced_by_its_totals(roaming: Roaming) -> None:
    await roaming.publish(make_tariff())
    await roaming.report(charging_periods=[])
    rated = await roaming.quote()
    assert rated.total_cost.before_taxes.value == "5.2500"
    assert rated.total_time.value == "1.5000"
    assert "periods_assumed" in [note.code for note in rated.notes]


async def test_a_session_that_is_over_has_its_price_and_does_not_go_on(roaming: Roaming) -> None:
    await roaming.publish(make_tariff())
    await roaming.report(status=session_object_pb2.SESSION_STATUS_COMPLETED, end_date_time=stamp(NOW))
    rated = await roaming.quote()
    assert (rated.total_cost.before_taxes.value, rated.total_time.value) == ("5.2500", "2.0000")
    assert (await refused(roaming.quote(energy_kwh=number("1")))).reason == "SESSION_COMPLETED"


async def test_another_partys_session_reads_as_one_that_does_not_exist(
    roaming: Roaming, partner: PartnerFactory
) -> None:
    stranger = await partner("FR-OTH", roles=(Role.EMSP, Role.CPO))
    await roaming.publish(make_tariff())
    await roaming.report()
    missing = common_pb2.ObjectKey(country_code="NL", party_id="CPO", id="S-9")
    answers = [await refused(roaming.quote(stranger, session=key)) for key in (SESSION, missing)]
    assert answers[0] == answers[1]
    assert answers[0].reason == "SESSION_NOT_FOUND"


async def test_what_cannot_be_priced_says_why(roaming: Roaming) -> None:
    await roaming.report()
    assert (await refused(roaming.quote())).reason == "NO_TARIFF"
    await roaming.report(minutes=1, charging_periods=[charged(120, "x", "1")])
    assert (await refused(roaming.quote())).reason == "SESSION_UNREADABLE"
    await roaming.report(minutes=2, connector_id="9")
    assert (await refused(roaming.quote())).reason == "CONNECTOR_NOT_FOUND"
    await roaming.report(minutes=3, evse_uid="E9")
    assert (await refused(roaming.quote())).reason == "EVSE_NOT_FOUND"
    await roaming.report(minutes=4, location_id="LOC9")
    assert (await refused(roaming.quote())).reason == "LOCATION_NOT_FOUND"


async def test_a_session_has_its_own_place_and_time(roaming: Roaming) -> None:
    answer = await refused(
        roaming.quote(
            location=catalog.key(),
            evse_uid="E1",
            connector_id="1",
            tariff_id="T1",
            start_time=stamp(NOW),
            energy_kwh=number("x"),
            parking=Duration(seconds=-1),
        )
    )
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
    assert answer.fields == [
        "location",
        "start_time",
        "evse_uid",
        "connector_id",
        "tariff_id",
        "energy_kwh",
        "parking",
    ]
