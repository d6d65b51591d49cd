"""Who charges where and when: drives, and the sessions and CDRs they become."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1.cdr_object_pb2 import Cdr, CdrLocation
from roamhub.v1.location_object_pb2 import POWER_TYPE_DC, Location
from roamhub.v1.session_object_pb2 import (
    CDR_DIMENSION_TYPE_ENERGY,
    CDR_DIMENSION_TYPE_TIME,
    SESSION_STATUS_ACTIVE,
    AuthMethod,
    CdrDimension,
    CdrToken,
    ChargingPeriod,
    Session,
)
from roamhub.v1.tariff_object_pb2 import Tariff
from roamhub.v1.token_object_pb2 import Token

from adapters.simulator.pricing import SimplePrice, simple_price
from adapters.simulator.world import Plug, stamp

#: Hours with four decimals and no remainder, so that a CDR's times add up exactly.
_TICK = timedelta(seconds=36)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """One driver charging once.

    Attributes:
        number: Names the session and the CDR.
        kwh: Energy, with three decimals.
    """

    number: int
    plug: Plug
    token: Token
    start: datetime
    end: datetime
    kwh: Decimal

    @property
    def hours(self) -> Decimal:
        """Return how long it took, with four decimals."""
        seconds = Decimal((self.end - self.start) // timedelta(seconds=1))
        return (seconds / 3600).quantize(Decimal("0.0001"))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a CPO owns and who comes to charge there; locations may be made while they are read."""

    locations: Iterable[Location]
    tariffs: Sequence[Tariff]
    drives: Sequence[Drive]


class Calendar:
    """Keeps drives apart: no card and no EVSE is in two sessions at a time."""

    def __init__(self) -> None:
        self._taken: dict[str, list[tuple[datetime, datetime]]] = {}

    def take(self, names: Sequence[str], start: datetime, end: datetime) -> bool:
        """Take these for a while, all or none; say whether they were free."""
        for name in names:
            if any(start < until and since < end for since, until in self._taken.get(name, ())):
                return False
        for name in names:
            self._taken.setdefault(name, []).append((start, end))
        return True


def make_drives(
    plugs: Sequence[Plug], tokens: Sequence[Token], count: int, month: tuple[datetime, datetime], rng: random.Random
) -> list[Drive]:
    """Return so many drives within a month, by their start."""
    calendar, drives = Calendar(), list[Drive]()
    span = int((month[1] - month[0] - timedelta(hours=12)) / _TICK)
    while len(drives) < count:
        plug, token = rng.choice(plugs), rng.choice(tokens)
        fast = plug.connector.power_type == POWER_TYPE_DC
        start = month[0] + rng.randrange(span) * _TICK
        end = start + (rng.randint(15, 90) if fast else rng.randint(60, 600)) * _TICK
        if calendar.take([_evse_name(plug), token.uid], start, end):
            kwh = energy(plug, end - start, rng.uniform(0.35, 0.9))
            drives.append(Drive(number=0, plug=plug, token=token, start=start, end=end, kwh=kwh))
    return numbered(drives)


def energy(plug: Plug, duration: timedelta, share: float) -> Decimal:
    """Return the energy charged at a share of the highest power, in kWh with three decimals; at most 75 kWh."""
    most = plug.power_kw * Decimal(duration / _HOUR) * Decimal(str(round(share, 3)))
    return min(most, Decimal(75) * Decimal(str(round(share, 3)))).quantize(Decimal("0.001"))


def numbered(drives: Iterable[Drive]) -> list[Drive]:
    """Return drives by their start, numbered from 1."""
    ordered = sorted(drives, key=lambda drive: (drive.start, drive.token.uid))
    return [
        Drive(number=number, plug=drive.plug, token=drive.token, start=drive.start, end=drive.end, kwh=drive.kwh)
        for number, drive in enumerate(ordered, start=1)
    ]


def _evse_name(plug: Plug) -> str:
    return f"{plug.location.id}/{plug.evse.uid}"


class Papers:
    """Writes what a CPO sends about drives, priced by its own tariffs."""

    def __init__(self, tariffs: Iterable[Tariff]) -> None:
        self._tariffs = {tariff.id: tariff for tariff in tariffs}
        self._prices: Mapping[str, SimplePrice] = {
            name: price for name, tariff in self._tariffs.items() if (price := simple_price(tariff)) is not None
        }

    def price_of(self, plug: Plug) -> SimplePrice | None:
        """Return what holds at a plug; None when the simulator cannot price it."""
        return next((price for name in plug.connector.tariff_ids if (price := self._prices.get(name))), None)

    def session(self, drive: Drive, method: AuthMethod.ValueType, reference: str) -> Session:
        """Return the session as it begins."""
        return Session(
            country_code=drive.plug.location.country_code,
            party_id=drive.plug.location.party_id,
            id=f"S{drive.number:06}",
            start_date_time=stamp(drive.start),
            kwh=PbDecimal(value="0"),
            cdr_token=_cdr_token(drive.token),
            auth_method=method,
            authorization_reference=reference,
            location_id=drive.plug.location.id,
            evse_uid=drive.plug.evse.uid,
            connector_id=drive.plug.connector.id,
            currency=self._price(drive).currency,
            status=SESSION_STATUS_ACTIVE,
            last_updated=stamp(drive.start),
        )

    def periods(self, drive: Drive) -> list[ChargingPeriod]:
        """Return what happened: the whole session in one period."""
        dimensions = [
            CdrDimension(type=CDR_DIMENSION_TYPE_ENERGY, volume=PbDecimal(value=str(drive.kwh))),
            CdrDimension(type=CDR_DIMENSION_TYPE_TIME, volume=PbDecimal(value=str(drive.hours))),
        ]
        tariff_id = self._price(drive).tariff_id
        return [ChargingPeriod(start_date_time=stamp(drive.start), dimensions=dimensions, tariff_id=tariff_id)]

    def cdr(self, drive: Drive, method: AuthMethod.ValueType, reference: str) -> Cdr:
        """Return the CDR."""
        price, location = self._price(drive), drive.plug.location
        return Cdr(
            country_code=location.country_code,
            party_id=location.party_id,
            id=f"C{drive.number:06}",
            start_date_time=stamp(drive.start),
            end_date_time=stamp(drive.end),
            session_id=f"S{drive.number:06}",
            cdr_token=_cdr_token(drive.token),
            auth_method=method,
            authorization_reference=reference,
            cdr_location=_cdr_location(drive.plug),
            currency=price.currency,
            tariffs=[self._tariffs[price.tariff_id]],
            charging_periods=self.periods(drive),
            total_cost=price.total_cost(drive.kwh),
            total_fixed_cost=price.fixed_cost(),
            total_energy=PbDecimal(value=str(drive.kwh)),
            total_energy_cost=price.energy_cost(drive.kwh),
            total_time=PbDecimal(value=str(drive.hours)),
            last_updated=stamp(drive.end),
        )

    def _price(self, drive: Drive) -> SimplePrice:
        price = self.price_of(drive.plug)
        assert price is not None, "drives happen where the simulator can price them"
        return price


def credit_of(original: Cdr) -> Cdr:
    """Return the CDR that takes another back: OCPI negates the total cost alone."""
    credit = Cdr()
    credit.CopyFrom(original)
    credit.id = f"{original.id}-CR"
    credit.credit = True
    credit.credit_reference_id = original.id
    for amount in (credit.total_cost.before_taxes, credit.total_cost.after_taxes):
        if amount.value:
            amount.value = str(-Decimal(amount.value))
    return credit


def _cdr_token(token: Token) -> CdrToken:
    return CdrToken(
        country_code=token.country_code,
        party_id=token.party_id,
        uid=token.uid,
        type=token.type,
        contract_id=token.contract_id,
    )


def _cdr_location(plug: Plug) -> CdrLocation:
    location, connector = plug.location, plug.connector
    return CdrLocation(
        id=location.id,
        name=location.name,
        address=location.address[:45],
        city=location.city,
        postal_code=location.postal_code,
        country=location.country,
        coordinates=location.coordinates,
        evse_uid=plug.evse.uid,
        evse_id=plug.evse.evse_id or "#NA",
        connector_id=connector.id,
        connector_standard=connector.standard,
        connector_format=connector.format,
        connector_power_type=connector.power_type,
    )
