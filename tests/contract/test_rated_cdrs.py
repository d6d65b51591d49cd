"""CDRs are rated by the tariffs that were published when their sessions began, on both databases."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from roamhub.v1 import cdr_object_pb2, cdr_pb2, tariff_object_pb2

from hub.app.locations import put_locations
from hub.app.ports.uow import UnitOfWork
from hub.app.tariffs import put_tariffs, remove_tariff
from hub.domain.agreements import Agreement, AgreementState, CheckAction, Terms
from hub.domain.cdrs.checks import PRICE_CHECKS, Check
from hub.domain.cdrs.record import CdrState
from hub.domain.ids import ObjectId, PartyId
from hub.domain.locations import ConnectorKey, EvseKey
from hub.domain.parties import Party, PartyState, Role
from hub.domain.tokens import Token, TokenKey, Whitelist
from hub.rpc.cdr_wire import submission_from_pb
from hub.rpc.cdrs import submit as take_in
from hub.rpc.location_edit import PbLocationEditor
from hub.rpc.location_wire import location_from_pb
from hub.rpc.tariff_wire import published_from_pb
from hub.store.offers import StoredOffers
from tests import catalog
from tests.cdrs import NOW, START, make_cdr, make_tariff, number, stamp
from tests.support import Spine

LOOKED_AT = PRICE_CHECKS | {Check.TARIFF_BACKDATED, Check.ENERGY_EXCEEDS_POWER}
CPO, EMSP = PartyId("NL", "CPO"), PartyId("DE", "MSP")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def prepare(uow: UnitOfWork, *, located: bool = True, **terms: Any) -> None:
    """Let a CPO and an eMSP roam; its token and one location are published."""
    for each, role in ((CPO, Role.CPO), (EMSP, Role.EMSP)):
        platform = str(each).lower()
        uow.parties.save(Party(id=each, number=0, roles=frozenset({role}), platform=platform, state=PartyState.ACTIVE))
    uow.agreements.save(
        Agreement(
            id="a1",
            version=1,
            cpo=CPO,
            emsp=EMSP,
            state=AgreementState.ACTIVE,
            terms=Terms(**{"currency": "EUR", **terms}),
            proposer=CPO,
            since=Terms(currency="EUR").start,
        )
    )
    token = Token(
        key=TokenKey(EMSP, "tok1", "RFID"),
        contract_id="DE-MSP-C1",
        whitelist=Whitelist.ALWAYS,
        valid=True,
        last_updated=NOW,
        document=b"",
    )
    uow.tokens.save([token])
    if located:
        put_locations(uow, [location_from_pb(catalog.location(), NOW)], editor=PbLocationEditor())


class Hub:
    """A spine with the CPO and the eMSP."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine

    async def prepare(self, now: datetime = NOW, **terms: Any) -> None:
        self.spine.clock.now = now
        await self.spine.committer.run(lambda uow: prepare(uow, **terms))

    async def publish(self, *tariffs: tariff_object_pb2.Tariff) -> None:
        read = [published_from_pb(tariff, NOW) for tariff in tariffs]
        assert all(answer is True for answer in await self.spine.committer.run(lambda uow: put_tariffs(uow, read)))

    async def remove(self, name: str) -> None:
        await self.spine.committer.run(lambda uow: remove_tariff(uow, ObjectId(CPO, name), lambda _: b""))

    async def connect(self, hours: float, *tariff_ids: str, connector: str = "1", **fields: Any) -> None:
        """Publish the location as of so many hours after the usual start, with these tariffs at its connector."""
        minutes = (START - catalog.NOW) / MINUTE + hours * 60
        plug = catalog.connector(connector, minutes=minutes, tariff_ids=tariff_ids, **fields)
        place = catalog.location(minutes=minutes, evses=[catalog.evse(minutes=minutes, connectors=[plug])])
        read = location_from_pb(place, NOW)
        answers = await self.spine.committer.run(lambda uow: put_locations(uow, [read], editor=PbLocationEditor()))
        assert answers == [True]

    async def codes(self, *cdrs: cdr_object_pb2.Cdr) -> Sequence[list[str]]:
        """Submit CDRs together, and return what was found about the price of each; they may well overlap."""
        requests = [cdr_pb2.SubmitCdrRequest(request_id=str(uuid4()), cdr=cdr) for cdr in cdrs]
        answers = await self.spine.committer.run_many(
            take_in, [submission_from_pb(request, "nl-cpo") for request in requests]
        )
        assert not any(isinstance(answer, Exception) for answer in answers), answers
        return [
            [str(finding.code) for finding in answer.findings if finding.code in LOOKED_AT]  # type: ignore[union-attr]
            for answer in answers
        ]


@pytest.fixture
def hub(spine: Spine) -> Hub:
    return Hub(spine)


def began(name: str, hours: float, *tariffs: tariff_object_pb2.Tariff, cost: str = "7") -> cdr_object_pb2.Cdr:
    """Return a CDR whose session began so many hours after the usual start."""
    start = START + hours * HOUR
    cdr = make_cdr(name, start_date_time=stamp(start), end_date_time=stamp(start + 2 * HOUR), tariffs=tariffs)
    for period, later in zip(cdr.charging_periods, (0, 1), strict=True):
        period.start_date_time.CopyFrom(stamp(start + later * HOUR))
    cdr.total_cost.CopyFrom(type(cdr.total_cost)(before_taxes=number(cost)))
    return cdr


async def test_a_charge_by_the_published_tariff_is_accepted_without_a_word(hub: Hub) -> None:
    await hub.prepare()
    await hub.publish(make_tariff())
    assert await hub.codes(make_cdr("A"), make_cdr("B")) == [[], []]
    assert await hub.codes(make_cdr("C")) == [[]]


async def test_the_version_in_force_at_the_start_prices_the_whole_session(hub: Hub) -> None:
    await hub.prepare()
    dear = make_tariff(price="0.50", last_updated=stamp(START))
    await hub.publish(make_tariff())
    assert await hub.codes(began("before the change", 1, make_tariff())) == [[]]
    await hub.publish(dear)
    assert await hub.codes(
        began("old price, began before", -0.001, make_tariff()),
        began("old price, began after", 0, make_tariff()),
        began("new price, began before", -0.001, dear, cost="10"),
        began("new price, began after", 0, dear, cost="10"),
    ) == [[], ["TARIFF_MISMATCH", "PRICE_MISMATCH"], ["TARIFF_MISMATCH", "PRICE_MISMATCH"], []]


DEAR = make_tariff(price="0.50", last_updated=stamp(START - MINUTE))


async def test_prices_changed_after_a_session_for_a_time_before_it_are_told(hub: Hub) -> None:
    await hub.prepare(now=START - HOUR)
    await hub.publish(make_tariff())
    hub.spine.clock.now = NOW
    await hub.publish(DEAR)
    dear, cheap = began("A", 0, DEAR, cost="10"), began("B", 0, make_tariff())
    before = began("C", -0.1, make_tariff())
    assert await hub.codes(dear, cheap, before) == [
        ["TARIFF_BACKDATED"],
        ["TARIFF_BACKDATED", "TARIFF_MISMATCH", "PRICE_MISMATCH"],
        [],
    ]
    # Another version since, and it is still the one of then that counts.
    await hub.publish(make_tariff(price="0.60", last_updated=stamp(START + 5 * HOUR)))
    assert await hub.codes(began("D", 0, DEAR, cost="10")) == [["TARIFF_BACKDATED"]]


async def test_an_agreement_may_return_what_is_billed_by_prices_changed_afterwards(hub: Hub) -> None:
    await hub.prepare(now=START - HOUR, checks={Check.TARIFF_BACKDATED: CheckAction.RETURN})
    await hub.publish(make_tariff())
    hub.spine.clock.now = NOW
    await hub.publish(DEAR)
    request = cdr_pb2.SubmitCdrRequest(request_id=str(uuid4()), cdr=began("A", 0, DEAR, cost="10"))
    (answer,) = await hub.spine.committer.run_many(take_in, [submission_from_pb(request, "nl-cpo")])
    assert answer.state is CdrState.RETURNED  # type: ignore[union-attr]


async def test_what_came_late_but_changed_no_price_is_not_told(hub: Hub) -> None:
    await hub.prepare(now=START - HOUR)
    await hub.publish(make_tariff())
    # During the session, as far as the hub was told: drivers could know.
    hub.spine.clock.now = START + HOUR
    await hub.publish(DEAR)
    hub.spine.clock.now = NOW
    assert await hub.codes(began("A", 0, DEAR, cost="10")) == [[]]
    # Afterwards, with the same prices.
    await hub.publish(make_tariff(price="0.50", last_updated=stamp(START - MINUTE / 2)))
    assert await hub.codes(began("B", 0, DEAR, cost="10")) == [[]]
    # The first that the hub hears of this tariff.
    other = make_tariff("T2", price="0.50", last_updated=stamp(START - HOUR))
    await hub.publish(other)
    assert await hub.codes(began("C", 0, other, cost="10")) == [[]]


async def test_a_removed_tariff_prices_what_began_before_its_end(hub: Hub) -> None:
    await hub.prepare(now=START)
    await hub.publish(make_tariff())
    await hub.remove("T1")
    hub.spine.clock.now = NOW
    assert await hub.codes(began("A", -1, make_tariff()), began("B", 1, make_tariff())) == [[], ["TARIFF_UNKNOWN"]]


async def test_a_tariff_published_within_the_group_prices_the_next(hub: Hub) -> None:
    await hub.prepare()
    assert await hub.codes(make_cdr("A")) == [["TARIFF_UNKNOWN"]]
    await hub.publish(make_tariff())
    assert await hub.codes(make_cdr("B")) == [[]]


async def test_ids_of_tariffs_compare_without_case(hub: Hub) -> None:
    await hub.prepare()
    await hub.publish(make_tariff("t1"))
    assert await hub.codes(make_cdr("A")) == [[]]


async def test_another_cpos_tariff_of_the_same_id_prices_nothing(hub: Hub) -> None:
    await hub.prepare()
    other = PartyId("NL", "OTH")
    party = Party(id=other, number=0, roles=frozenset({Role.CPO}), platform="oth", state=PartyState.ACTIVE)
    await hub.spine.committer.run(lambda uow: uow.parties.save(party))
    await hub.publish(make_tariff(party_id="OTH", price="0.99"))
    assert await hub.codes(make_cdr("A")) == [["TARIFF_UNKNOWN"]]


async def test_an_id_that_no_tariff_can_have_is_looked_up_nowhere(hub: Hub) -> None:
    await hub.prepare()
    odd = [make_tariff("a\x00b"), make_tariff("x" * 400), make_tariff("")]
    codes = await hub.codes(*(began(f"C{place}", 0, tariff) for place, tariff in enumerate(odd)))
    assert [found[:2] for found in codes] == [["TARIFF_UNKNOWN", "PRICE_UNCHECKED"]] * 3


async def test_an_agreement_that_wants_no_price_checked_has_none_rated(hub: Hub) -> None:
    await hub.prepare(checks={str(code): CheckAction.ACCEPT for code in PRICE_CHECKS})
    assert await hub.codes(began("A", 0, cost="99")) == [[]]


async def test_an_agreement_sets_what_a_price_leads_to(hub: Hub) -> None:
    await hub.prepare(checks={"PRICE_MISMATCH": CheckAction.WARN, "TARIFF_UNKNOWN": CheckAction.ACCEPT})
    assert await hub.codes(began("A", 0, make_tariff(), cost="99")) == [["PRICE_MISMATCH"]]
    (record,) = await hub.spine.reads.run(lambda uow: [uow.cdrs.get(ObjectId(CPO, "A"))])
    assert record is not None
    assert record.answer.state.name == "ACCEPTED"
    assert record.answer.findings[0].message == (
        "is 99 and by the tariff 7.0000: 92.0000 too much, where 0.01 is tolerated"
    )


async def test_the_zone_is_known_where_the_evse_is_not(hub: Hub) -> None:
    await hub.prepare()
    local = START.astimezone(ZoneInfo("Europe/Amsterdam"))
    until = tariff_object_pb2.TariffRestrictions(
        start_time=f"{local:%H:%M}", end_time=f"{local + timedelta(minutes=1):%H:%M}"
    )
    first = make_tariff(price="1").elements[0]
    first.restrictions.CopyFrom(until)
    by_clock = make_tariff(elements=[first, make_tariff().elements[0]])
    await hub.publish(by_clock)
    # 12.5 kWh begin in that very minute and cost 1 each, 7.5 later 0.35 each.
    known, elsewhere = began("A", 0, by_clock, cost="15.125"), began("B", 0, by_clock, cost="15.125")
    elsewhere.cdr_location.evse_uid = "E9"
    nowhere = began("C", 0, by_clock, cost="15.125")
    nowhere.cdr_location.id = "LOC9"
    assert await hub.codes(known, elsewhere, nowhere) == [[], [], ["PRICE_UNCHECKED"]]


async def test_our_total_is_kept_with_the_cdr_whatever_was_claimed(hub: Hub) -> None:
    await hub.prepare()
    await hub.publish(make_tariff())
    await hub.codes(began("A", 0, make_tariff()), began("B", -10, make_tariff(), cost="9"), began("C", -20, cost="9"))
    keys = [ObjectId(CPO, name) for name in "ABC"]
    records = await hub.spine.reads.run(lambda uow: [uow.cdrs.get(key) for key in keys])
    assert [record and str(record.answer.rated) for record in records] == ["7.0000", "7.0000", "None"]
    found = await hub.spine.reads.run(lambda uow: uow.cdrs.find(keys))
    assert [str(found[key].answer.rated) for key in keys] == ["7.0000", "7.0000", "None"]


async def test_a_cdr_that_names_no_tariff_is_priced_by_the_one_its_connector_named_then(hub: Hub) -> None:
    await hub.prepare(located=False)
    await hub.connect(-100, "t1")
    await hub.publish(make_tariff(), make_tariff("T2", "0.50"))
    assert await hub.codes(began("before the change", 0), began("at once too dear", -4, cost="10")) == [
        [],
        ["PRICE_MISMATCH"],
    ]
    await hub.connect(1, "T2")
    assert await hub.codes(
        began("old price, began before", 0.999),
        began("old price, began after", 1),
        began("new price, began before", 0.999, cost="10"),
        began("new price, began after", 1, cost="10"),
        began("before all publishing", -101),
    ) == [[], ["PRICE_MISMATCH"], ["PRICE_MISMATCH"], [], ["PRICE_UNCHECKED"]]
    await hub.connect(2, connector="2")
    assert await hub.codes(began("the connector is gone", 0.5)) == [[]]


async def test_of_several_tariffs_the_one_in_force_of_ordinary_type_and_right_currency_is_taken(hub: Hub) -> None:
    await hub.prepare(located=False)
    over, tariffs = stamp(START - 50 * HOUR), tariff_object_pb2
    await hub.publish(
        make_tariff("over", "0.91", end_date_time=over),
        make_tariff("dollars", "0.92", currency="USD"),
        make_tariff("ad hoc", "0.93", type=tariffs.TARIFF_TYPE_AD_HOC_PAYMENT),
        make_tariff("regular", type=tariffs.TARIFF_TYPE_REGULAR),
        make_tariff("second", "0.94"),
    )
    await hub.connect(-100, "over", "none such", "dollars", "ad hoc", "regular", "second")
    assert await hub.codes(began("A", 0)) == [[]]
    await hub.connect(-40, "over", "none such")
    assert await hub.codes(began("B", -10)) == [["PRICE_UNCHECKED"]]
    await hub.connect(-5, "dollars")
    assert await hub.codes(began("C", -4)) == [["PRICE_UNCHECKED"]]


async def test_a_charge_that_names_no_tariff_and_costs_nothing_is_free(hub: Hub) -> None:
    await hub.prepare(located=False)
    await hub.connect(-100, "T1")
    await hub.publish(make_tariff())
    assert await hub.codes(began("A", 0, cost="0")) == [[]]


async def test_a_tariff_that_a_cdr_names_counts_before_the_connectors(hub: Hub) -> None:
    await hub.prepare(located=False)
    await hub.connect(-100, "T2")
    await hub.publish(make_tariff(), make_tariff("T2", "0.50"))
    named = began("B", 0)
    named.charging_periods[0].tariff_id = named.charging_periods[1].tariff_id = "t1"
    assert await hub.codes(began("A", -20, make_tariff()), named) == [[], []]


async def test_what_was_offered_before_is_asked_for_only_where_it_changed_since(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ask = StoredOffers.former_offers

    def counted(self: StoredOffers, wanted: Collection[tuple[ConnectorKey, datetime]]) -> Any:
        asked.append(len(wanted))
        return ask(self, wanted)

    monkeypatch.setattr(StoredOffers, "former_offers", counted)
    await hub.prepare(located=False)
    await hub.connect(-100, "T1")
    await hub.publish(make_tariff())
    await hub.connect(1, "T1")
    await hub.codes(began("A", 0), began("B", -10, make_tariff()))
    assert asked == [], "it was published anew, with the same tariff and power"
    await hub.connect(1.5, "T1", "T2")
    await hub.codes(began("C", 0), began("D", -10, make_tariff()), began("E", 2))
    assert asked == [2]


async def test_energy_is_held_against_the_power_that_the_connector_had_then(hub: Hub) -> None:
    await hub.prepare(located=False)
    await hub.publish(make_tariff())
    await hub.connect(-100, max_electric_power=50_000)
    await hub.connect(-50, max_electric_power=2_000)
    assert await hub.codes(
        began("strong enough then", -60, make_tariff()),
        began("too weak now", -40, make_tariff()),
        began("not known then", -110, make_tariff()),
    ) == [[], ["ENERGY_EXCEEDS_POWER"], []]
    await hub.connect(-30, max_electric_power=50_000)
    assert await hub.codes(began("too weak then", -35, make_tariff())) == [["ENERGY_EXCEEDS_POWER"]]


async def test_what_connectors_offered_is_known_as_of_any_time(hub: Hub) -> None:
    first = NOW - HOUR
    await hub.prepare(now=first, located=False)
    await hub.connect(-100, "T1", "t1", "\n", max_electric_power=9)
    hub.spine.clock.now = NOW
    await hub.connect(-50, "T2")
    connector = ConnectorKey(EvseKey(CPO, "loc1", "e1"), "1")
    cases = {(-101, NOW): None, (-60, NOW): ("t1",), (-50, NOW): ("t2",), (-10, first): ("t1",)}
    for (hours, known), tariffs in cases.items():
        instant = START + hours * HOUR
        found = await hub.spine.reads.run(
            lambda uow, at=instant, then=known: uow.locations.offer_as_known(connector, at, then)  # type: ignore[misc]
        )
        assert (found and found.tariff_ids) == tariffs
    stranger = ConnectorKey(EvseKey(PartyId("NL", "NIX"), "loc1", "e1"), "1")
    assert await hub.spine.reads.run(lambda uow: uow.locations.offer_as_known(stranger, NOW, NOW)) is None
    assert await hub.spine.reads.run(lambda uow: uow.locations.former_offers([(stranger, NOW)])) == {}
