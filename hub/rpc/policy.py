"""Who may call what: one table over every RPC of every service. An RPC without a row is refused to everybody.

A rule is checked before the request is looked at any further and before anything is looked up, so that a refusal
tells nothing about what exists (AIP-211). `owner` names the part of the request that says whose object it is:
a message with `country_code` and `party_id` that must be a party of the caller's, in one of the rule's roles.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hub.domain.errors import Denied
from hub.domain.ids import PartyId, read_party
from hub.domain.parties import Caller, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table.

    Attributes:
        roles: The caller must operate a party in one of these; empty means any registered party will do.
        owner: Path in the request to the owning party; "" is the request itself, None that there is none to check.
        operator: The hub's operator may call, and nobody else.
        anonymous: Callers without a certificate may call, and this is the only thing they may.
        unregistered: Any platform may call, also one that operates no active party.
        also_operator: The hub's operator may call as well.
    """

    roles: frozenset[Role] = frozenset()
    owner: str | None = None
    operator: bool = False
    anonymous: bool = False
    unregistered: bool = False
    also_operator: bool = False


CPO = frozenset({Role.CPO})
EMSP = frozenset({Role.EMSP})
ANY: frozenset[Role] = frozenset()
PARTNER = Rule()
OPERATOR = Rule(operator=True)
#: Whoever holds a certificate that is good.
ANYBODY = Rule(unregistered=True, also_operator=True)

#: Method path -> rule. In batches each item is checked by its servicer (`require_party`) and refused for itself.
TABLE: Mapping[str, Rule] = {
    "/grpc.health.v1.Health/Check": ANYBODY,
    "/grpc.health.v1.Health/List": ANYBODY,
    "/grpc.health.v1.Health/Watch": ANYBODY,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": ANYBODY,
    "/roamhub.v1.RegistrationService/Register": Rule(anonymous=True),
    "/roamhub.v1.RegistrationService/RenewCertificate": Rule(unregistered=True),
    "/roamhub.v1.PartyService/GetParty": ANYBODY,
    "/roamhub.v1.PartyService/ListParties": ANYBODY,
    "/roamhub.v1.PartyService/UpdateParty": Rule(owner="party"),
    "/roamhub.v1.PartyService/GetPartyQuality": Rule(also_operator=True),
    "/roamhub.v1.AdminService/CreateInvitation": OPERATOR,
    "/roamhub.v1.AdminService/ListInvitations": OPERATOR,
    "/roamhub.v1.AdminService/RevokeInvitation": OPERATOR,
    "/roamhub.v1.AdminService/ListPlatforms": OPERATOR,
    "/roamhub.v1.AdminService/RevokePlatform": OPERATOR,
    "/roamhub.v1.AdminService/ListCertificates": OPERATOR,
    "/roamhub.v1.AdminService/RevokeCertificate": OPERATOR,
    "/roamhub.v1.AdminService/CreateOperator": OPERATOR,
    "/roamhub.v1.AdminService/SuspendParty": OPERATOR,
    "/roamhub.v1.AdminService/ResumeParty": OPERATOR,
    "/roamhub.v1.AdminService/CutOffPeriod": OPERATOR,
    "/roamhub.v1.AdminService/CalculatePeriod": OPERATOR,
    "/roamhub.v1.AdminService/ReviewPeriod": OPERATOR,
    "/roamhub.v1.AdminService/IssuePeriod": OPERATOR,
    "/roamhub.v1.AdminService/CreateSigningKey": OPERATOR,
    "/roamhub.v1.AdminService/PublishKeyring": OPERATOR,
    "/roamhub.v1.JournalService/Watch": PARTNER,
    "/roamhub.v1.SessionService/PutSession": Rule(roles=CPO, owner="session"),
    "/roamhub.v1.SessionService/AppendChargingPeriods": Rule(roles=CPO, owner="key"),
    "/roamhub.v1.SessionService/GetSession": PARTNER,
    "/roamhub.v1.SessionService/ListSessions": PARTNER,
    "/roamhub.v1.CdrService/SubmitCdr": Rule(roles=CPO, owner="cdr"),
    "/roamhub.v1.CdrService/BatchSubmitCdrs": Rule(roles=CPO),
    "/roamhub.v1.CdrService/StreamCdrs": Rule(roles=CPO),
    "/roamhub.v1.CdrService/GetCdr": Rule(also_operator=True),
    "/roamhub.v1.CdrService/ExplainCdr": Rule(also_operator=True),
    "/roamhub.v1.CdrService/ListCdrs": Rule(also_operator=True),
    "/roamhub.v1.CdrService/ListReturns": Rule(also_operator=True),
    "/roamhub.v1.CdrService/ReviewCdr": Rule(roles=EMSP, owner="emsp"),
    "/roamhub.v1.CdrService/WithdrawCdr": Rule(roles=CPO, owner="key"),
    "/roamhub.v1.CdrService/WatchCdrs": PARTNER,
    "/roamhub.v1.AgreementService/ProposeAgreement": Rule(owner="party"),
    "/roamhub.v1.AgreementService/AcceptAgreement": Rule(owner="party"),
    "/roamhub.v1.AgreementService/DeclineAgreement": Rule(owner="party"),
    "/roamhub.v1.AgreementService/AmendAgreement": Rule(owner="party"),
    "/roamhub.v1.AgreementService/SuspendAgreement": Rule(owner="party"),
    "/roamhub.v1.AgreementService/ResumeAgreement": Rule(owner="party"),
    "/roamhub.v1.AgreementService/TerminateAgreement": Rule(owner="party"),
    "/roamhub.v1.AgreementService/GetAgreement": Rule(also_operator=True),
    "/roamhub.v1.AgreementService/ListAgreements": Rule(also_operator=True),
    "/roamhub.v1.AgreementService/ListAgreementVersions": Rule(also_operator=True),
    "/roamhub.v1.AgreementService/ExplainAgreement": Rule(also_operator=True),
    "/roamhub.v1.LinkService/Connect": PARTNER,
    "/roamhub.v1.AuthorizationService/Authorize": Rule(roles=CPO, owner="cpo"),
    "/roamhub.v1.AuthorizationService/StreamAuthorize": Rule(roles=CPO),
    "/roamhub.v1.AuthorizationService/GetAuthorization": PARTNER,
    "/roamhub.v1.AuthorizationService/ListAuthorizations": Rule(owner="party"),
    "/roamhub.v1.CommandService/StartSession": Rule(roles=EMSP, owner="emsp"),
    "/roamhub.v1.CommandService/StopSession": Rule(roles=EMSP, owner="emsp"),
    "/roamhub.v1.CommandService/ReserveNow": Rule(roles=EMSP, owner="emsp"),
    "/roamhub.v1.CommandService/CancelReservation": Rule(roles=EMSP, owner="emsp"),
    "/roamhub.v1.CommandService/UnlockConnector": Rule(roles=EMSP, owner="emsp"),
    "/roamhub.v1.CommandService/GetCommand": PARTNER,
    "/roamhub.v1.CommandService/ListCommands": Rule(owner="party"),
    "/roamhub.v1.CommandService/ReportCommandResult": Rule(roles=CPO, owner="cpo"),
    "/roamhub.v1.LocationService/PutLocation": Rule(roles=CPO, owner="location"),
    "/roamhub.v1.LocationService/BatchPutLocations": Rule(roles=CPO),
    "/roamhub.v1.LocationService/StreamLocations": Rule(roles=CPO),
    "/roamhub.v1.LocationService/PatchLocation": Rule(roles=CPO, owner="location"),
    "/roamhub.v1.LocationService/PatchEvse": Rule(roles=CPO, owner="location"),
    "/roamhub.v1.LocationService/PatchConnector": Rule(roles=CPO, owner="location"),
    "/roamhub.v1.LocationService/RemoveEvse": Rule(roles=CPO, owner="location"),
    "/roamhub.v1.LocationService/GetLocation": PARTNER,
    "/roamhub.v1.LocationService/ListLocations": PARTNER,
    "/roamhub.v1.LocationService/SearchLocations": PARTNER,
    "/roamhub.v1.LocationService/UpdateEvseStates": Rule(roles=CPO, owner="report"),
    "/roamhub.v1.LocationService/StreamEvseStates": Rule(roles=CPO, owner="report"),
    "/roamhub.v1.MeterKeyService/RegisterMeterKeys": Rule(roles=CPO, owner="party"),
    "/roamhub.v1.MeterKeyService/RevokeMeterKey": Rule(roles=CPO, owner="party"),
    "/roamhub.v1.MeterKeyService/ListMeterKeys": PARTNER,
    "/roamhub.v1.TariffService/PutTariff": Rule(roles=CPO, owner="tariff"),
    "/roamhub.v1.TariffService/BatchPutTariffs": Rule(roles=CPO),
    "/roamhub.v1.TariffService/StreamTariffs": Rule(roles=CPO),
    "/roamhub.v1.TariffService/RemoveTariff": Rule(roles=CPO, owner="tariff"),
    "/roamhub.v1.TariffService/GetTariff": PARTNER,
    "/roamhub.v1.TariffService/ListTariffs": PARTNER,
    "/roamhub.v1.TariffService/QuoteSession": PARTNER,
    "/roamhub.v1.TokenService/PutToken": Rule(roles=EMSP, owner="token"),
    "/roamhub.v1.TokenService/BatchPutTokens": Rule(roles=EMSP),
    "/roamhub.v1.TokenService/StreamTokens": Rule(roles=EMSP),
    "/roamhub.v1.TokenService/PatchToken": Rule(roles=EMSP, owner="token"),
    "/roamhub.v1.TokenService/InvalidateToken": Rule(roles=EMSP, owner="token"),
    "/roamhub.v1.TokenService/GetToken": Rule(roles=EMSP, owner="token"),
    "/roamhub.v1.TokenService/ListTokens": Rule(roles=EMSP, owner="party"),
    "/roamhub.v1.ClearingService/ListPeriods": Rule(also_operator=True),
    "/roamhub.v1.ClearingService/GetPeriod": Rule(also_operator=True),
    "/roamhub.v1.ClearingService/CutOffPeriod": OPERATOR,
    "/roamhub.v1.ClearingService/CalculatePeriod": OPERATOR,
    "/roamhub.v1.ClearingService/ReviewPeriod": OPERATOR,
    "/roamhub.v1.ClearingService/IssuePeriod": OPERATOR,
    "/roamhub.v1.ClearingService/ListStatements": Rule(also_operator=True),
    "/roamhub.v1.ClearingService/GetStatement": Rule(also_operator=True),
    "/roamhub.v1.ClearingService/AcknowledgeStatement": Rule(owner="party"),
    "/roamhub.v1.ClearingService/ExportBundle": Rule(also_operator=True),
    "/roamhub.v1.ClearingService/ListPositions": Rule(also_operator=True),
    "/roamhub.v1.ClearingService/ListGaps": Rule(also_operator=True),
    "/roamhub.v1.ClearingService/SummarizeGaps": Rule(also_operator=True),
    "/roamhub.v1.TransparencyService/GetCheckpoint": Rule(also_operator=True),
    "/roamhub.v1.TransparencyService/GetInclusionProof": Rule(also_operator=True),
    "/roamhub.v1.TransparencyService/GetLeaf": Rule(also_operator=True),
    "/roamhub.v1.TransparencyService/GetConsistencyProof": Rule(also_operator=True),
    "/roamhub.v1.TransparencyService/GetKeyring": Rule(also_operator=True),
    "/roamhub.v1.TransparencyService/CreateSigningKey": OPERATOR,
    "/roamhub.v1.TransparencyService/PublishKeyring": OPERATOR,
}

#: Raises Denied unless the caller may send this request.
Check = Callable[[Caller, Any], None]


def denied() -> Denied:
    """Return the one refusal that authorization gives, whatever the cause."""
    return Denied("NOT_PERMITTED", "the caller may not do this, or not in the name of this party")


def checker(rule: Rule | None) -> Check:
    """Return the check of one request; without a rule it refuses everybody."""
    if rule is None:
        return _refuse
    check = _checker(rule)
    return _or_operator(check) if rule.also_operator else check


def opener(rule: Rule | None) -> Callable[[Caller], None]:
    """Return the check of a stream of requests before its first: all that does not depend on a request."""
    check = checker(rule and replace(rule, owner=None))
    return lambda caller: check(caller, None)


def _checker(rule: Rule) -> Check:
    if rule.anonymous:
        return _accept
    if rule.unregistered:
        return _platform_only
    if rule.operator:
        return _operator_only
    if rule.owner is None:
        return _has_role(rule.roles)
    return _owns(rule.roles, [step for step in rule.owner.split(".") if step])


def _refuse(caller: Caller, request: Any) -> None:  # noqa: ANN401, ARG001
    raise denied()


def _accept(caller: Caller, request: Any) -> None:  # noqa: ANN401, ARG001
    return


def _platform_only(caller: Caller, request: Any) -> None:  # noqa: ANN401, ARG001
    if caller.operator:
        raise denied()


def _operator_only(caller: Caller, request: Any) -> None:  # noqa: ANN401, ARG001
    if not caller.operator:
        raise denied()


def _or_operator(check: Check) -> Check:
    def either(caller: Caller, request: Any) -> None:  # noqa: ANN401
        if not caller.operator:
            check(caller, request)

    return either


def _has_role(roles: frozenset[Role]) -> Check:
    def check(caller: Caller, request: Any) -> None:  # noqa: ANN401, ARG001
        if not any(not roles or held & roles for held in caller.parties.values()):
            raise denied()

    return check


def _owns(roles: frozenset[Role], path: list[str]) -> Check:
    def check(caller: Caller, request: Any) -> None:  # noqa: ANN401
        owner = request
        for step in path:
            owner = getattr(owner, step)
        require_party(caller, owner.country_code, owner.party_id, roles)

    return check


def require_party(caller: Caller, country_code: str, party_id: str, roles: frozenset[Role] = ANY) -> PartyId:
    """Return the party if the caller operates it in one of the roles.

    Raises:
        Denied: It does not, or that is no party at all.
    """
    try:
        party = read_party(country_code, party_id)
    except ValueError:
        raise denied() from None
    held = caller.parties.get(party)
    if held is None or (roles and not held & roles):
        raise denied()
    return party
