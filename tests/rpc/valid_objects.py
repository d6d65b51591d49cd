"""What valid requests hold: a CPO's and an eMSP's objects, new wherever they have to be."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal
from roamhub.v1 import (
    agreement_pb2,
    authorization_pb2,
    cdr_pb2,
    common_pb2,
    location_object_pb2,
    location_pb2,
    session_object_pb2,
    tariff_object_pb2,
    token_object_pb2,
    token_pb2,
)

from tests import catalog
from tests.cdrs import make_cdr, make_tariff, stamp
from tests.unit.meter.making import Meter

CPO = common_pb2.PartyKey(country_code="NL", party_id="CPO")
EMSP = common_pb2.PartyKey(country_code="DE", party_id="MSP")
#: Personal data: in no log and in no refusal, whatever becomes of a request.
UID, CONTRACT = "SECRETUID77", "DE-MSP-CSECRET88-X"

METER = Meter()
NOW = datetime.now(UTC)


def token(**changes: Any) -> token_object_pb2.Token:
    """Return the driver's token."""
    said: dict[str, Any] = {
        "country_code": "DE",
        "party_id": "MSP",
        "uid": UID,
        "type": "RFID",
        "contract_id": CONTRACT,
        "issuer": "Issuer",
        "valid": True,
        "whitelist": token_object_pb2.WHITELIST_TYPE_ALWAYS,
        "last_updated": stamp(NOW - timedelta(days=1)),
    }
    return token_object_pb2.Token(**(said | changes))


def session(n: int) -> session_object_pb2.Session:
    """Return a session under way."""
    return session_object_pb2.Session(
        country_code="NL",
        party_id="CPO",
        id=f"S-{n}",
        start_date_time=stamp(NOW - timedelta(hours=1)),
        kwh=Decimal(value="1.5"),
        cdr_token=cdr(n).cdr_token,
        auth_method=session_object_pb2.AUTH_METHOD_WHITELIST,
        location_id="LOC1",
        evse_uid="E1",
        connector_id="1",
        currency="EUR",
        status=session_object_pb2.SESSION_STATUS_ACTIVE,
        charging_periods=[],
        last_updated=stamp(NOW - timedelta(minutes=30)),
    )


def cdr(n: int) -> Any:
    """Return a CDR that has not been sent before."""
    made = make_cdr(f"C-{n}")
    made.cdr_token.uid, made.cdr_token.contract_id = UID, CONTRACT
    return made


def submission(n: int, kind: Any = cdr_pb2.SubmitCdrRequest) -> Any:
    """Return a CDR's submission under an id of its own."""
    return kind(request_id=unique(n), cdr=cdr(n))


def unique(n: int) -> str:
    """Return a request id that was not used before."""
    return str(UUID(int=n))


def key(name: str) -> common_pb2.ObjectKey:
    """Return the key of an object of the CPO's."""
    return common_pb2.ObjectKey(country_code="NL", party_id="CPO", id=name)


def terms() -> agreement_pb2.AgreementTerms:
    """Return terms that cover what happened in the last weeks."""
    return agreement_pb2.AgreementTerms(
        services=[1, 2, 3],  # type: ignore[list-item]
        currency_code="EUR",
        cycle=4,  # type: ignore[arg-type]
        time_zone="Europe/Amsterdam",
        tax_profile="default",
        start_time=stamp(NOW - timedelta(days=40)),
    )


def later(n: int) -> Timestamp:
    """Return a time after all before, for what is refused as stale else."""
    return stamp(NOW - timedelta(minutes=20) + timedelta(milliseconds=n))


def evse(n: int) -> location_object_pb2.Evse:
    made = catalog.evse()
    made.last_updated.CopyFrom(later(n))
    return made


def location(n: int) -> location_object_pb2.Location:
    made = catalog.location()
    made.last_updated.CopyFrom(later(n))
    return made


def tariff(n: int) -> tariff_object_pb2.Tariff:
    return make_tariff(last_updated=later(n))


def states(n: int) -> location_pb2.EvseStatesReport:
    return catalog.report(
        location_pb2.EvseState(
            location_id="LOC1",
            evse_uid="E1",
            status=location_object_pb2.EVSE_STATUS_CHARGING,
            last_updated=later(n),
        )
    )


def question(n: int) -> authorization_pb2.AuthorizeRequest:
    return authorization_pb2.AuthorizeRequest(
        cpo=CPO,
        emsp=EMSP,
        token_uid=UID,
        location=token_object_pb2.LocationReferences(location_id="LOC1", evse_uids=["E1"]),
        request_id=unique(n),
    )


def token_key() -> token_pb2.TokenKey:
    return token_pb2.TokenKey(country_code="DE", party_id="MSP", uid=UID, type="RFID")
