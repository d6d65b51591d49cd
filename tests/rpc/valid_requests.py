"""One valid request of every RPC, as of a world in which each of them succeeds that is not said to be refused."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.type.decimal_pb2 import Decimal
from google.type.latlng_pb2 import LatLng
from roamhub.v1 import (
    admin_pb2,
    agreement_pb2,
    authorization_pb2,
    cdr_pb2,
    clearing_pb2,
    command_pb2,
    common_pb2,
    journal_pb2,
    link_pb2,
    location_pb2,
    meter_object_pb2,
    meter_pb2,
    party_pb2,
    registration_pb2,
    session_pb2,
    tariff_pb2,
    token_pb2,
    transparency_pb2,
)

from tests import catalog
from tests.cdrs import period, stamp
from tests.rpc.valid_objects import (
    CPO,
    EMSP,
    METER,
    NOW,
    evse,
    key,
    later,
    location,
    question,
    session,
    states,
    submission,
    tariff,
    terms,
    token,
    token_key,
    unique,
)

_ACT: dict[str, Any] = {"emsp": EMSP, "cpo": CPO}


#: Deprecated RPC -> the one that does the same.
_MOVED = {
    **{
        f"ClearingService/{name}": f"AdminService/{name}"
        for name in ("CutOffPeriod", "CalculatePeriod", "ReviewPeriod", "IssuePeriod")
    },
    **{f"TransparencyService/{name}": f"AdminService/{name}" for name in ("CreateSigningKey", "PublishKeyring")},
}
#: Which of them can be done again.
_AGAIN = {"AdminService/CreateSigningKey"}


@dataclass(frozen=True)
class Base:
    """A valid request: who sends it, and how one is made that differs from all before where it has to."""

    caller: str
    make: Callable[[int], Message]
    refused: bool = False


@dataclass
class Names:
    """Names that the hub has given in this world, filled in as it comes to be."""

    agreement: str = ""
    session: str = ""
    cdr: str = ""
    period: str = ""
    next_period: str = ""
    statement: str = ""
    digest: str = ""
    command: str = ""
    reference: str = ""
    meter_key: str = ""
    etag: str = ""
    csr: str = ""


def requests(names: Names) -> dict[str, Base]:
    """Return a valid request of every RPC, in an order in which each succeeds that is not said to be refused."""
    made = [_parties(names), _publishing(), _roaming(names), _billing(names), _operating(names)]
    found = {name: base for part in [*made, _ending(names), _unmet(names)] for name, base in part.items()}
    # What has moved is asked of its old place too, where there is nothing left to do once its successor has done it.
    return found | {old: replace(found[new], refused=new not in _AGAIN) for old, new in _MOVED.items()}


def _mine(names: Names, kind: Any, *, refused: bool = False, **fields: Any) -> Base:
    """Return the CPO's say on the agreement of this world."""
    return Base("cpo", lambda _: kind(name=names.agreement, party=CPO, **fields), refused)


def _listing(caller: str, kind: Any, **fields: Any) -> Base:
    return Base(caller, lambda _: kind(page_size=10, **fields))


def _parties(names: Names) -> dict[str, Base]:
    """Return requests about who takes part and who agreed with whom."""
    return {
        "PartyService/GetParty": Base("cpo", lambda _: party_pb2.GetPartyRequest(name="parties/de-msp")),
        "PartyService/ListParties": _listing("cpo", party_pb2.ListPartiesRequest),
        "PartyService/UpdateParty": Base(
            "cpo",
            lambda _: party_pb2.UpdatePartyRequest(
                party=party_pb2.Party(country_code="NL", party_id="CPO", endpoint="cpo.example:7450"),
                update_mask=FieldMask(paths=["endpoint"]),
            ),
        ),
        "AgreementService/ProposeAgreement": Base(
            "cpo",
            lambda _: agreement_pb2.ProposeAgreementRequest(
                party=CPO, cpo=CPO, emsp=common_pb2.PartyKey(country_code="BE", party_id="OTH"), terms=terms()
            ),
        ),
        "AgreementService/GetAgreement": Base(
            "cpo", lambda _: agreement_pb2.GetAgreementRequest(name=names.agreement, version=1)
        ),
        "AgreementService/ListAgreements": _listing("cpo", agreement_pb2.ListAgreementsRequest),
        "AgreementService/ListAgreementVersions": Base(
            "cpo", lambda _: agreement_pb2.ListAgreementVersionsRequest(name=names.agreement, page_size=10)
        ),
        "AgreementService/ExplainAgreement": Base(
            "cpo",
            lambda _: agreement_pb2.ExplainAgreementRequest(**_ACT, service=1),  # type: ignore[arg-type]
        ),
    }


def _publishing() -> dict[str, Base]:
    """Return requests about what partners publish."""
    return {
        "LocationService/PutLocation": Base("cpo", lambda n: location_pb2.PutLocationRequest(location=location(n))),
        "LocationService/BatchPutLocations": Base(
            "cpo", lambda n: location_pb2.BatchPutLocationsRequest(locations=[location(n)])
        ),
        "LocationService/StreamLocations": Base(
            "cpo", lambda n: location_pb2.StreamLocationsRequest(locations=[location(n)])
        ),
        "LocationService/PatchLocation": Base(
            "cpo",
            lambda n: location_pb2.PatchLocationRequest(
                location=location(n), update_mask=FieldMask(paths=["city", "last_updated"])
            ),
        ),
        "LocationService/PatchEvse": Base(
            "cpo",
            lambda n: location_pb2.PatchEvseRequest(
                location=key("LOC1"), evse=evse(n), update_mask=FieldMask(paths=["status", "last_updated"])
            ),
        ),
        "LocationService/PatchConnector": Base(
            "cpo",
            lambda n: location_pb2.PatchConnectorRequest(
                location=key("LOC1"),
                evse_uid="E1",
                connector=catalog.connector(last_updated=later(n)),
                update_mask=FieldMask(paths=["max_amperage", "last_updated"]),
            ),
        ),
        "LocationService/GetLocation": Base("emsp", lambda _: location_pb2.GetLocationRequest(location=key("LOC1"))),
        "LocationService/ListLocations": _listing("emsp", location_pb2.ListLocationsRequest, party=CPO),
        "LocationService/SearchLocations": Base(
            "emsp",
            lambda _: location_pb2.SearchLocationsRequest(
                center=LatLng(latitude=52.37, longitude=4.89),
                radius_m=2_000,
                min_power_kw=Decimal(value="3.7"),
                parties=[CPO],
                page_size=10,
            ),
        ),
        "LocationService/UpdateEvseStates": Base(
            "cpo", lambda n: location_pb2.UpdateEvseStatesRequest(report=states(n))
        ),
        "LocationService/StreamEvseStates": Base(
            "cpo", lambda n: location_pb2.StreamEvseStatesRequest(report=states(n))
        ),
        "MeterKeyService/RegisterMeterKeys": Base(
            "cpo",
            lambda _: meter_pb2.RegisterMeterKeysRequest(
                party=CPO,
                keys=[
                    meter_object_pb2.MeterKey(
                        location_id="LOC1",
                        evse_uid="E1",
                        public_key=METER.spki.hex(),
                        valid_from=stamp(NOW - timedelta(days=30)),
                    )
                ],
            ),
        ),
        "MeterKeyService/ListMeterKeys": _listing("cpo", meter_pb2.ListMeterKeysRequest, party=CPO, location_id="LOC1"),
        "TariffService/PutTariff": Base("cpo", lambda n: tariff_pb2.PutTariffRequest(tariff=tariff(n))),
        "TariffService/BatchPutTariffs": Base("cpo", lambda n: tariff_pb2.BatchPutTariffsRequest(tariffs=[tariff(n)])),
        "TariffService/StreamTariffs": Base("cpo", lambda n: tariff_pb2.StreamTariffsRequest(tariffs=[tariff(n)])),
        "TariffService/GetTariff": Base("emsp", lambda _: tariff_pb2.GetTariffRequest(tariff=key("T1"))),
        "TariffService/ListTariffs": _listing("emsp", tariff_pb2.ListTariffsRequest, party=CPO),
        "TokenService/PutToken": Base("emsp", lambda n: token_pb2.PutTokenRequest(token=token(last_updated=later(n)))),
        "TokenService/BatchPutTokens": Base(
            "emsp", lambda n: token_pb2.BatchPutTokensRequest(tokens=[token(last_updated=later(n))])
        ),
        "TokenService/StreamTokens": Base(
            "emsp", lambda n: token_pb2.StreamTokensRequest(tokens=[token(last_updated=later(n))])
        ),
        "TokenService/PatchToken": Base(
            "emsp",
            lambda n: token_pb2.PatchTokenRequest(
                token=token(last_updated=later(n)), update_mask=FieldMask(paths=["issuer", "last_updated"])
            ),
        ),
        "TokenService/GetToken": Base("emsp", lambda _: token_pb2.GetTokenRequest(token=token_key())),
        "TokenService/ListTokens": _listing("emsp", token_pb2.ListTokensRequest, party=EMSP),
    }


def _roaming(names: Names) -> dict[str, Base]:
    """Return requests about drivers who come."""
    return {
        "AuthorizationService/Authorize": Base("cpo", question),
        "AuthorizationService/StreamAuthorize": Base(
            "cpo",
            lambda n: authorization_pb2.StreamAuthorizeRequest(
                questions=[authorization_pb2.TaggedQuestion(tag=1, request=question(n))]
            ),
        ),
        "AuthorizationService/GetAuthorization": Base(
            "cpo", lambda _: authorization_pb2.GetAuthorizationRequest(authorization_reference=names.reference)
        ),
        "AuthorizationService/ListAuthorizations": _listing(
            "cpo", authorization_pb2.ListAuthorizationsRequest, party=CPO
        ),
        "CommandService/StartSession": Base(
            "emsp",
            lambda n: command_pb2.StartSessionRequest(
                **_ACT,
                start_session=command_pb2.StartSessionOrder(token=token(), location_id="LOC1", evse_uid="E1"),
                request_id=unique(n),
            ),
        ),
        "CommandService/StopSession": Base(
            "emsp",
            lambda n: command_pb2.StopSessionRequest(
                **_ACT, stop_session=command_pb2.StopSessionOrder(session_id="S-1"), request_id=unique(n)
            ),
        ),
        "CommandService/ReserveNow": Base(
            "emsp",
            lambda n: command_pb2.ReserveNowRequest(
                **_ACT,
                reserve_now=command_pb2.ReserveNowOrder(
                    token=token(),
                    expiry_date=stamp(NOW + timedelta(hours=1)),
                    reservation_id="R1",
                    location_id="LOC1",
                ),
                request_id=unique(n),
            ),
        ),
        "CommandService/CancelReservation": Base(
            "emsp",
            lambda n: command_pb2.CancelReservationRequest(
                **_ACT,
                cancel_reservation=command_pb2.CancelReservationOrder(reservation_id="R1"),
                request_id=unique(n),
            ),
        ),
        "CommandService/UnlockConnector": Base(
            "emsp",
            lambda n: command_pb2.UnlockConnectorRequest(
                **_ACT,
                unlock_connector=command_pb2.UnlockConnectorOrder(location_id="LOC1", evse_uid="E1", connector_id="1"),
                request_id=unique(n),
            ),
        ),
        "CommandService/GetCommand": Base("emsp", lambda _: command_pb2.GetCommandRequest(name=names.command)),
        "CommandService/ListCommands": _listing("emsp", command_pb2.ListCommandsRequest, party=EMSP),
        "SessionService/PutSession": Base("cpo", lambda n: session_pb2.PutSessionRequest(session=session(n))),
        "SessionService/AppendChargingPeriods": Base(
            "cpo",
            lambda n: session_pb2.AppendChargingPeriodsRequest(
                key=key(names.session),
                charging_periods=[period(430, "1", "0.1")],
                kwh=Decimal(value="2"),
                last_updated=later(n),
            ),
        ),
        "SessionService/GetSession": Base("emsp", lambda _: session_pb2.GetSessionRequest(key=key(names.session))),
        "SessionService/ListSessions": _listing("emsp", session_pb2.ListSessionsRequest),
        "TariffService/QuoteSession": Base(
            "emsp",
            lambda _: tariff_pb2.QuoteSessionRequest(
                location=key("LOC1"),
                evse_uid="E1",
                connector_id="1",
                start_time=stamp(NOW),
                energy_kwh=Decimal(value="30"),
                power_kw=Decimal(value="11"),
                duration=Duration(seconds=7200),
                parking=Duration(seconds=600),
                tariff_id="T1",
            ),
        ),
    }


def _billing(names: Names) -> dict[str, Base]:
    """Return requests about CDRs, and what is settled and proven."""
    return {
        "CdrService/SubmitCdr": Base("cpo", submission),
        "CdrService/BatchSubmitCdrs": Base("cpo", lambda n: cdr_pb2.BatchSubmitCdrsRequest(requests=[submission(n)])),
        "CdrService/StreamCdrs": Base("cpo", lambda n: submission(n, cdr_pb2.StreamCdrsRequest)),
        "CdrService/GetCdr": Base("emsp", lambda _: cdr_pb2.GetCdrRequest(key=key(names.cdr))),
        "CdrService/ExplainCdr": Base("emsp", lambda _: cdr_pb2.ExplainCdrRequest(key=key(names.cdr))),
        "CdrService/ListCdrs": _listing("emsp", cdr_pb2.ListCdrsRequest, party=EMSP, counterparty=CPO),
        "CdrService/ListReturns": _listing("cpo", cdr_pb2.ListReturnsRequest),
        "CdrService/WatchCdrs": Base("emsp", lambda _: cdr_pb2.WatchCdrsRequest(after_index=-1)),
        "JournalService/Watch": Base(
            "emsp",
            lambda _: journal_pb2.WatchRequest(stream=1, after_index=-1, kinds=["location"]),  # type: ignore[arg-type]
        ),
        "LinkService/Connect": Base(
            "emsp",
            lambda _: link_pb2.ConnectRequest(hello=link_pb2.LinkHello(parties=[EMSP], concurrency_max=10)),
        ),
        "PartyService/GetPartyQuality": Base(
            "cpo", lambda _: party_pb2.GetPartyQualityRequest(name="parties/nl-cpo", counterparty=EMSP, days=30)
        ),
        "ClearingService/ListGaps": Base(
            "cpo",
            lambda _: clearing_pb2.ListGapsRequest(
                parent="agreements/-", filter=clearing_pb2.GapFilter(party=CPO), page_size=10
            ),
        ),
        "ClearingService/SummarizeGaps": Base(
            "cpo", lambda _: clearing_pb2.SummarizeGapsRequest(parent="agreements/-")
        ),
        "ClearingService/ListPeriods": _listing("cpo", clearing_pb2.ListPeriodsRequest, parent="agreements/-"),
        "ClearingService/GetPeriod": Base("cpo", lambda _: clearing_pb2.GetPeriodRequest(name=names.period)),
        "ClearingService/ListStatements": _listing(
            "cpo", clearing_pb2.ListStatementsRequest, parent="agreements/-/periods/-"
        ),
        "ClearingService/GetStatement": Base("cpo", lambda _: clearing_pb2.GetStatementRequest(name=names.statement)),
        "ClearingService/ExportBundle": Base("cpo", lambda _: clearing_pb2.ExportBundleRequest(name=names.statement)),
        "ClearingService/ListPositions": Base("operator", lambda _: clearing_pb2.ListPositionsRequest()),
        "TransparencyService/GetCheckpoint": Base("cpo", lambda _: transparency_pb2.GetCheckpointRequest()),
        "TransparencyService/GetInclusionProof": Base(
            "cpo", lambda _: transparency_pb2.GetInclusionProofRequest(leaf_index=0, tree_size=1)
        ),
        "TransparencyService/GetLeaf": Base("cpo", lambda _: transparency_pb2.GetLeafRequest(leaf_index=0)),
        "TransparencyService/GetConsistencyProof": Base(
            "cpo", lambda _: transparency_pb2.GetConsistencyProofRequest(earlier_size=1, later_size=1)
        ),
        "TransparencyService/GetKeyring": Base("cpo", lambda _: transparency_pb2.GetKeyringRequest()),
    }


def _operating(names: Names) -> dict[str, Base]:
    """Return requests about what operators do, and certificates."""
    return {
        "AdminService/CreateInvitation": Base(
            "operator",
            lambda n: admin_pb2.CreateInvitationRequest(
                invitation=admin_pb2.Invitation(
                    platform_id=f"new-{n}",
                    parties=[admin_pb2.InvitedParty(country_code="FR", party_id="NEW", roles=[1])],  # type: ignore[list-item]
                ),
                ttl=Duration(seconds=3600),
            ),
        ),
        "AdminService/ListInvitations": _listing("operator", admin_pb2.ListInvitationsRequest),
        "AdminService/ListPlatforms": _listing("operator", admin_pb2.ListPlatformsRequest),
        "AdminService/ListCertificates": _listing(
            "operator", admin_pb2.ListCertificatesRequest, parent="platforms/nl-cpo"
        ),
        "RegistrationService/RenewCertificate": Base(
            "other", lambda _: registration_pb2.RenewCertificateRequest(csr_pem=names.csr)
        ),
        "AdminService/CreateOperator": Base(
            "operator", lambda _: admin_pb2.CreateOperatorRequest(operator_id="bert", csr_pem=names.csr)
        ),
    }


def _ending(names: Names) -> dict[str, Base]:
    """Return requests about what ends something."""
    return {
        "MeterKeyService/RevokeMeterKey": Base(
            "cpo",
            lambda _: meter_pb2.RevokeMeterKeyRequest(
                party=CPO, id=names.meter_key, end_time=stamp(NOW), reason="replaced"
            ),
        ),
        "ClearingService/AcknowledgeStatement": Base(
            "emsp",
            lambda _: clearing_pb2.AcknowledgeStatementRequest(
                name=names.statement,
                party=EMSP,
                digest=names.digest,
                decision=1,  # type: ignore[arg-type]
            ),
        ),
        "AgreementService/AmendAgreement": _mine(names, agreement_pb2.AmendAgreementRequest, terms=terms()),
        "AgreementService/SuspendAgreement": _mine(names, agreement_pb2.SuspendAgreementRequest, note="unpaid"),
        "AgreementService/ResumeAgreement": _mine(names, agreement_pb2.ResumeAgreementRequest),
        "AdminService/CutOffPeriod": Base(
            "operator", lambda _: clearing_pb2.CutOffPeriodRequest(name=names.next_period)
        ),
        "AdminService/CalculatePeriod": Base(
            "operator", lambda _: clearing_pb2.CalculatePeriodRequest(name=names.next_period)
        ),
        "AgreementService/TerminateAgreement": _mine(names, agreement_pb2.TerminateAgreementRequest, note="done"),
        "TariffService/RemoveTariff": Base("cpo", lambda _: tariff_pb2.RemoveTariffRequest(tariff=key("T1"))),
        "TokenService/InvalidateToken": Base(
            "emsp", lambda n: token_pb2.InvalidateTokenRequest(token=token_key(), last_updated=later(n))
        ),
        "LocationService/RemoveEvse": Base(
            "cpo",
            lambda n: location_pb2.RemoveEvseRequest(location=key("LOC1"), evse_uid="E1", last_updated=later(n)),
        ),
        "AdminService/SuspendParty": Base("operator", lambda _: admin_pb2.SuspendPartyRequest(name="parties/be-oth")),
        "AdminService/ResumeParty": Base("operator", lambda _: admin_pb2.ResumePartyRequest(name="parties/be-oth")),
        "AdminService/RevokePlatform": Base(
            "operator", lambda _: admin_pb2.RevokePlatformRequest(name="platforms/be-oth")
        ),
        "AdminService/CreateSigningKey": Base("operator", lambda _: transparency_pb2.CreateSigningKeyRequest()),
    }


def _unmet(names: Names) -> dict[str, Base]:
    """Return requests of what has no object to act on here: refused by what is on record, not by what is asked."""
    return {
        "AdminService/ReviewPeriod": Base(
            "anna",
            lambda _: clearing_pb2.ReviewPeriodRequest(name=names.next_period, etag=names.etag),
            refused=True,
        ),
        "AdminService/IssuePeriod": Base(
            "operator",
            lambda n: clearing_pb2.IssuePeriodRequest(name=names.next_period, request_id=unique(n)),
            refused=True,
        ),
        "AgreementService/AcceptAgreement": _mine(names, agreement_pb2.AcceptAgreementRequest, version=1, refused=True),
        "AgreementService/DeclineAgreement": _mine(
            names, agreement_pb2.DeclineAgreementRequest, version=1, note="no", refused=True
        ),
        "CommandService/ReportCommandResult": Base(
            "cpo",
            lambda _: command_pb2.ReportCommandResultRequest(
                cpo=CPO,
                name="commands/0190b1a2-0000-7000-8000-00000000000a",
                result=1,  # type: ignore[arg-type]
                messages=[common_pb2.DisplayText(language="en", text="done")],
            ),
            refused=True,
        ),
        "CdrService/ReviewCdr": Base(
            "emsp",
            lambda n: cdr_pb2.ReviewCdrRequest(
                request_id=unique(n),
                key=key(names.cdr),
                emsp=EMSP,
                decision=1,  # type: ignore[arg-type]
                note="fine",
            ),
            refused=True,
        ),
        "CdrService/WithdrawCdr": Base(
            "cpo",
            lambda n: cdr_pb2.WithdrawCdrRequest(request_id=unique(n), key=key(names.cdr), note="ours"),
            refused=True,
        ),
        "AdminService/RevokeInvitation": Base(
            "operator", lambda _: admin_pb2.RevokeInvitationRequest(name="invitations/0"), refused=True
        ),
        "AdminService/RevokeCertificate": Base(
            "operator", lambda _: admin_pb2.RevokeCertificateRequest(name="certificates/0"), refused=True
        ),
        "RegistrationService/Register": Base(
            "anybody",
            lambda _: registration_pb2.RegisterRequest(code="AAAA-BBBB", csr_pem=names.csr),
            refused=True,
        ),
        "AdminService/PublishKeyring": Base(
            "operator", lambda _: transparency_pb2.PublishKeyringRequest(envelope=b"{}"), refused=True
        ),
    }
