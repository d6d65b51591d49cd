"""A session under way costs by the tariff that will price its CDR, on both databases."""

from decimal import Decimal

import pytest
from roamhub.v1 import cdr_object_pb2, session_object_pb2, tariff_object_pb2

from hub.app.quotes import Continuation, quote_running
from hub.app.sessions import put_sessions
from hub.domain.errors import NotFound, Precondition
from hub.domain.ids import ObjectId
from hub.domain.parties import Caller, Role
from hub.rpc.quote_wire import reported_from_pb
from hub.rpc.sessions import session_from_pb
from hub.rpc.tariff_wire import tariff_from_document
from tests.cdrs import START, make_tariff, stamp
from tests.contract.test_rated_cdrs import CPO, EMSP, HOUR, Hub, began
from tests.support import Spine


@pytest.fixture
def hub(spine: Spine) -> Hub:
    return Hub(spine)


def under_way(cdr: cdr_object_pb2.Cdr) -> session_object_pb2.Session:
    """Return the session as it was reported before its CDR."""
    place = cdr.cdr_location
    return session_object_pb2.Session(
        country_code=cdr.country_code,
        party_id=cdr.party_id,
        id=cdr.id,
        start_date_time=cdr.start_date_time,
        kwh=cdr.total_energy,
        cdr_token=cdr.cdr_token,
        auth_method=cdr.auth_method,
        location_id=place.id,
        evse_uid=place.evse_uid,
        connector_id=place.connector_id,
        currency=cdr.currency,
        status=session_object_pb2.SESSION_STATUS_ACTIVE,
        charging_periods=cdr.charging_periods,
        last_updated=cdr.end_date_time,
    )


async def costs(hub: Hub, cdr: cdr_object_pb2.Cdr) -> Decimal | str:
    """Return what a session costs before taxes, or why that is not known, and hold its CDR to the same."""
    session = session_from_pb(under_way(cdr))
    assert await hub.spine.committer.run(lambda uow: put_sessions(uow, [session])) == [True]
    caller = Caller(platform="de-msp", parties={EMSP: frozenset({Role.EMSP})})
    wanted = Continuation(session=session.id, energy_kwh=Decimal(0), power_kw=None, duration=None, parking=HOUR * 0)
    quoted: Decimal | str
    try:
        rated = await hub.spine.reads.run(
            lambda uow: quote_running(uow, caller, wanted, reported_from_pb, tariff_from_document)
        )
    except (NotFound, Precondition) as refusal:
        quoted = refusal.reason
    else:
        assert rated.total_cost.before_taxes is not None
        quoted = rated.total_cost.before_taxes
    await hub.codes(cdr)
    record = await hub.spine.reads.run(lambda uow: uow.cdrs.get(ObjectId(CPO, cdr.id)))
    assert record is not None
    assert record.answer.rated == (None if isinstance(quoted, str) else quoted), "the CDR is priced otherwise"
    return quoted


async def test_a_session_keeps_the_tariff_that_its_connector_named_when_it_began(hub: Hub) -> None:
    await hub.prepare(located=False)
    await hub.publish(make_tariff(), make_tariff("T2", "0.50"))
    await hub.connect(-100, "t1")
    assert await costs(hub, began("as it is", 0)) == 7
    await hub.connect(1, "T2")
    assert await costs(hub, began("before the change", 0.999)) == 7
    assert await costs(hub, began("after the change", 1)) == 10
    assert await costs(hub, began("before all publishing", -101)) == "NO_TARIFF"
    await hub.connect(1.5)
    assert await costs(hub, began("names none any more, named one then", 1.2)) == 10
    assert await costs(hub, began("names none", 1.6)) == "NO_TARIFF"
    await hub.connect(2, connector="2")
    assert await costs(hub, began("the connector is gone", 0.5)) == 7


async def test_of_several_tariffs_a_session_costs_by_the_one_that_prices_its_cdr(hub: Hub) -> None:
    await hub.prepare(located=False)
    await hub.publish(
        make_tariff("over", "0.91", end_date_time=stamp(START - 50 * HOUR)),
        make_tariff("dollars", "0.92", currency="USD"),
        make_tariff("ad hoc", "0.93", type=tariff_object_pb2.TARIFF_TYPE_AD_HOC_PAYMENT),
        make_tariff("regular", type=tariff_object_pb2.TARIFF_TYPE_REGULAR),
        make_tariff("second", "0.94"),
    )
    await hub.connect(-100, "over", "none such", "dollars", "ad hoc", "regular", "second")
    assert await costs(hub, began("A", 0)) == 7
    await hub.connect(-40, "over", "none such")
    assert await costs(hub, began("B", -10)) == "NO_TARIFF"


async def test_a_session_that_names_its_tariff_needs_none_of_the_connector(hub: Hub) -> None:
    await hub.prepare(located=False)
    await hub.connect(-100, "T2")
    await hub.publish(make_tariff(), make_tariff("T2", "0.50"))
    here, elsewhere = began("here", 0), began("at an EVSE that was never published", -5)
    elsewhere.cdr_location.evse_uid = "E9"
    for named in (here, elsewhere):
        named.charging_periods[0].tariff_id = named.charging_periods[1].tariff_id = "t1"
        assert await costs(hub, named) == 7


@pytest.mark.parametrize(
    ("field", "missing", "reason"),
    [
        ("id", "LOC9", "LOCATION_NOT_FOUND"),
        ("evse_uid", "E9", "EVSE_NOT_FOUND"),
        ("connector_id", "9", "CONNECTOR_NOT_FOUND"),
    ],
)
async def test_where_nothing_is_published_nothing_is_priced(hub: Hub, field: str, missing: str, reason: str) -> None:
    await hub.prepare(located=False)
    await hub.publish(make_tariff())
    await hub.connect(-100, "T1")
    stray = began("stray", 0)
    setattr(stray.cdr_location, field, missing)
    assert await costs(hub, stray) == reason
