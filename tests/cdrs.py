"""CDRs for tests: plausible, valid, and easy to make wrong in one place."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import (
    cdr_object_pb2,
    cdr_pb2,
    common_pb2,
    location_object_pb2,
    session_object_pb2,
    tariff_object_pb2,
)

#: One instant for a whole run, so that the same CDR is made twice alike.
NOW = datetime.now(UTC)
START = NOW - timedelta(hours=8)


def stamp(instant: datetime) -> Timestamp:
    """Return the message of an instant."""
    made = Timestamp()
    made.FromDatetime(instant)
    return made


def number(text: str) -> PbDecimal:
    """Return the message of a decimal."""
    return PbDecimal(value=text)


def period(minutes: int, energy: str, time: str) -> session_object_pb2.ChargingPeriod:
    """Return a charging period that starts so long after the session."""
    return session_object_pb2.ChargingPeriod(
        start_date_time=stamp(START + timedelta(minutes=minutes)),
        dimensions=[
            session_object_pb2.CdrDimension(type=session_object_pb2.CDR_DIMENSION_TYPE_ENERGY, volume=number(energy)),
            session_object_pb2.CdrDimension(type=session_object_pb2.CDR_DIMENSION_TYPE_TIME, volume=number(time)),
        ],
    )


def make_tariff(name: str = "T1", price: str = "0.35", **changes: Any) -> tariff_object_pb2.Tariff:
    """Return the tariff that prices `make_cdr`: so much a kWh before 21 % VAT, published long before."""
    component = tariff_object_pb2.PriceComponent(
        type=tariff_object_pb2.TARIFF_DIMENSION_TYPE_ENERGY, price=number(price), vat=number("21"), step_size=1
    )
    return tariff_object_pb2.Tariff(
        **{
            "country_code": "NL",
            "party_id": "CPO",
            "id": name,
            "currency": "EUR",
            "elements": [tariff_object_pb2.TariffElement(price_components=[component])],
            "last_updated": stamp(START - timedelta(days=400)),
            **changes,
        }
    )


def make_cdr(name: str = "CDR-1", **changes: Any) -> cdr_object_pb2.Cdr:
    """Return a CDR of NL-CPO for DE-MSP's token TOK1 at LOC1/E1/1: 20 kWh in two hours for 7.00 EUR by T1."""
    made = cdr_object_pb2.Cdr(
        country_code="NL",
        party_id="CPO",
        id=name,
        start_date_time=stamp(START),
        end_date_time=stamp(START + timedelta(hours=2)),
        cdr_token=session_object_pb2.CdrToken(
            country_code="DE", party_id="MSP", uid="TOK1", type="RFID", contract_id="DE-MSP-C12345678-X"
        ),
        auth_method=session_object_pb2.AUTH_METHOD_WHITELIST,
        cdr_location=cdr_object_pb2.CdrLocation(
            id="LOC1",
            address="Stationsplein 1",
            city="Utrecht",
            country="NLD",
            coordinates=common_pb2.GeoLocation(latitude="52.0893", longitude="5.1102"),
            evse_uid="E1",
            evse_id="NL*CPO*E1",
            connector_id="1",
            connector_standard="IEC_62196_T2",
            connector_format=location_object_pb2.CONNECTOR_FORMAT_SOCKET,
            connector_power_type=location_object_pb2.POWER_TYPE_AC_3_PHASE,
        ),
        currency="EUR",
        tariffs=[make_tariff()],
        charging_periods=[period(0, "12.5000", "1.0000"), period(60, "7.5000", "1.0000")],
        total_cost=common_pb2.Price(before_taxes=number("7.0000"), after_taxes=number("8.4700")),
        total_energy=number("20.0000"),
        total_time=number("2.0000"),
        last_updated=stamp(NOW - timedelta(hours=5)),
    )
    for field, value in changes.items():
        made.ClearField(field)  # type: ignore[arg-type]
        made.MergeFrom(cdr_object_pb2.Cdr(**{field: value}))
    return made


def credit_of(original: cdr_object_pb2.Cdr, name: str = "CREDIT-1") -> cdr_object_pb2.Cdr:
    """Return the credit CDR of another: a copy with a new id, its reference, and only the total cost negated."""
    made = cdr_object_pb2.Cdr()
    made.CopyFrom(original)
    made.id, made.credit, made.credit_reference_id = name, True, original.id
    made.total_cost.before_taxes.value = f"-{original.total_cost.before_taxes.value}"
    made.total_cost.after_taxes.value = f"-{original.total_cost.after_taxes.value}"
    return made


def submission(cdr: cdr_object_pb2.Cdr, request: int = 1) -> cdr_pb2.SubmitCdrRequest:
    """Return the request that submits a CDR."""
    return cdr_pb2.SubmitCdrRequest(request_id=str(UUID(int=request)), cdr=cdr)
