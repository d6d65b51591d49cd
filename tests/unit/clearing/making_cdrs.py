"""CDRs as the checks see them, and what is known about them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hub.domain.agreements import Cycle
from hub.domain.cdrs.checks import Known, KnownEvse, KnownPeriod
from hub.domain.cdrs.periods import OtherVolumes, PeriodSums, ReportedPeriods
from hub.domain.cdrs.record import Cdr
from hub.domain.ids import ObjectId, PartyId
from hub.domain.rating import RatablePeriod

CPO, EMSP = PartyId("NL", "CPO"), PartyId("DE", "MSP")
START = datetime(2026, 9, 14, 8, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KNOWN = Known(
    now=START + timedelta(days=1),
    authorization=None,
    token=True,
    session=None,
    location=True,
    evse=None,
    original=None,
    currency="EUR",
    age_max=None,
    period=None,
    proven=None,
    neighbours=None,
)


def charge(name: str = "CDR-1", cpo: PartyId = CPO, **changes: Any) -> Cdr:
    """Return a charge of two hours and 20 kWh that no check objects to."""
    start = changes.get("start_time", min(START, changes.get("end_time", START)))
    made = Cdr(
        id=ObjectId(cpo, name),
        emsp=EMSP,
        token_uid="TOK1",
        token_type="RFID",
        contract_id="DE-MSP-C12345678-X",
        session_id="",
        authorization_reference="",
        location_id="LOC1",
        evse_uid="E1",
        connector_id="1",
        country="NLD",
        tariff_kind="REGULAR",
        start_time=start,
        end_time=start + timedelta(hours=2),
        currency="EUR",
        total_cost=Decimal(7),
        total_energy=Decimal(20),
        total_time=Decimal(2),
        periods=PeriodSums(number=1, first_start=start, last_start=start, energy=Decimal(20), time=Decimal(2)),
        credit=False,
        credit_of="",
        document=b"",
        digest=b"",
    )
    return made._replace(**changes)


def reported(*periods: RatablePeriod) -> ReportedPeriods:
    """Return periods as they are kept with a CDR."""
    return ReportedPeriods(
        starts=tuple((period.start - _EPOCH) // timedelta(microseconds=1) for period in periods),
        energies=tuple(period.energy_kwh for period in periods),
        times=tuple(period.time_hours for period in periods),
        others=tuple(_others(period) for period in periods),
        tariff_ids=tuple(period.tariff_id or "" for period in periods),
    )


def _others(period: RatablePeriod) -> OtherVolumes | None:
    volumes = OtherVolumes(*period[3:-1])
    return None if volumes == OtherVolumes() else volumes


def evse(power: int | None) -> KnownEvse:
    """Return an EVSE whose only connector has this power in watts."""
    return KnownEvse(connector=True, power=power)


def open_period(start: datetime, *, first_date: date, cycle: Cycle, zone: str) -> KnownPeriod:
    """Return an open period that follows a cut-off."""
    return KnownPeriod(start_time=start, first_date=first_date, cycle=cycle, time_zone=zone)
