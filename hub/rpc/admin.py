"""AdminService: what the hub's operators do. The steps of periods and the changing of keys have their own modules."""

import re
from collections.abc import Callable
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from roamhub.v1 import admin_pb2 as pb
from roamhub.v1 import party_pb2

from hub.app.ports.clearing import ClearingSettings
from hub.app.ports.spine import Committer, Reads
from hub.app.ports.trust import OPERATOR_URI, PLATFORM_URI, Certifier
from hub.app.ports.uow import UnitOfWork
from hub.app.trust.invitations import InvitedParty, create_invitation, revoke_invitation
from hub.app.trust.operators import RESERVED, create_operator
from hub.app.trust.parties import resume_party, suspend_party
from hub.app.trust.revocation import Platform, find_platforms, revoke_certificate, revoke_platform
from hub.domain.errors import invalid
from hub.domain.ids import PartyId
from hub.domain.parties import Party
from hub.domain.trust import (
    TTL_DEFAULT,
    TTL_LEAST,
    TTL_MOST,
    CertificateRecord,
    Invitation,
    InvitationState,
    is_platform_id,
)
from hub.rpc.calls import Call
from hub.rpc.paging import read_page
from hub.rpc.party_wire import ROLES, party_from_name, party_message, presence_of, publish_party
from hub.rpc.period_steps import PeriodSteps
from hub.rpc.signing_keys import SigningKeys
from hub.rpc.wire import Reader, time_to_pb

_STATES: "dict[InvitationState, pb.Invitation.State.ValueType]" = {
    state: pb.Invitation.State.Value(f"STATE_{state}") for state in InvitationState
}
_PARTIES_MAX = 1_000
_INVITATION = re.compile(r"invitations/([0-9a-f-]{36})")
_CERTIFICATE = re.compile(r"certificates/([0-9a-f]{1,40})")
_SUBJECT = re.compile(r"(platforms|operators)/(.+)")
#: Parents that stand for all of a kind (AIP-159); no platform and no operator is called `-`.
_ALL = {"platforms/-": PLATFORM_URI, "operators/-": OPERATOR_URI}


class AdminServicer(PeriodSteps, SigningKeys):
    """Answers AdminService.

    Args:
        committer: Where changes are written.
        reads: Where lists are read.
        clearing: How the hub clears, and who keeps its signing keys.
        certifier: The hub's certificate authority.
        register_endpoint: Returns where partners register, `host:port`; known once the hub serves.
        reachable: Says whether a party holds a link or its endpoint answers.
    """

    def __init__(
        self,
        *,
        committer: Committer,
        reads: Reads,
        clearing: ClearingSettings,
        certifier: Certifier,
        register_endpoint: Callable[[], str],
        reachable: Callable[[PartyId], bool],
    ) -> None:
        PeriodSteps.__init__(self, committer=committer, reads=reads, settings=clearing)
        SigningKeys.__init__(self, committer=committer, reads=reads, notary=clearing.notary)
        self._certifier = certifier
        self._register_endpoint = register_endpoint
        self._reachable = reachable

    async def CreateInvitation(self, request: pb.CreateInvitationRequest, _: Call) -> pb.Invitation:
        """Invite a platform; the response alone holds the code."""
        platform, parties, ttl = _read_invitation(request)

        def create(uow: UnitOfWork) -> pb.Invitation:
            made, code = create_invitation(uow, platform=platform, parties=parties, ttl=ttl, publish=publish_party)
            message = _invitation_message(uow, made)
            message.code = code
            return message

        message = await self._committer.run(create)
        message.register_endpoint = self._register_endpoint()
        message.ca_pem = self._certifier.ca_pem.decode()
        return message

    async def ListInvitations(self, request: pb.ListInvitationsRequest, _: Call) -> pb.ListInvitationsResponse:
        """List invitations, newest first."""
        page = read_page(request)
        (before,) = page.key(str) or ("",)

        def query(uow: UnitOfWork) -> pb.ListInvitationsResponse:
            found = uow.invitations.page(platform=request.platform_id, before_id=before, limit=page.size + 1)
            shown = [_invitation_message(uow, invitation) for invitation in found[: page.size]]
            token = page.next_token(found[page.size - 1].id) if len(found) > page.size else ""
            return pb.ListInvitationsResponse(invitations=shown, next_page_token=token)

        return await self._reads.run(query)

    async def RevokeInvitation(self, request: pb.RevokeInvitationRequest, _: Call) -> pb.Invitation:
        """Withdraw an invitation."""
        invitation_id = _match(_INVITATION, request.name, "invitations/{uuid}")
        return await self._committer.run(lambda uow: _invitation_message(uow, revoke_invitation(uow, invitation_id)))

    async def ListPlatforms(self, request: pb.ListPlatformsRequest, _: Call) -> pb.ListPlatformsResponse:
        """List platforms by id."""
        page = read_page(request)
        (after,) = page.key(str) or ("",)

        def query(uow: UnitOfWork) -> tuple[list[Platform], bool]:
            ids = sorted({party.platform for party in uow.directory.parties.values() if party.platform > after})
            return find_platforms(uow, ids[: page.size]), len(ids) > page.size

        platforms, more = await self._reads.run(query)
        return pb.ListPlatformsResponse(
            platforms=[self._platform(platform) for platform in platforms],
            next_page_token=page.next_token(platforms[-1].id) if more else "",
        )

    async def RevokePlatform(self, request: pb.RevokePlatformRequest, _: Call) -> pb.Platform:
        """Shut a platform out."""
        kind, platform = _subject(request.name, "name")
        if kind != "platforms":
            raise invalid("name", "must be a name such as platforms/acme")
        return self._platform(await self._committer.run(lambda uow: revoke_platform(uow, platform, publish_party)))

    async def ListCertificates(self, request: pb.ListCertificatesRequest, _: Call) -> pb.ListCertificatesResponse:
        """List the certificates of a platform or an operator, or of all, that have not expired, newest first."""
        prefix = _ALL.get(request.parent)
        page = read_page(request)
        (start,) = page.key(int) or (0,)
        if prefix is not None:
            found = await self._reads.run(lambda uow: uow.certificates.unexpired_of_all(prefix, uow.now))
        else:
            kind, name = _subject(request.parent, "parent")
            uri = (PLATFORM_URI if kind == "platforms" else OPERATOR_URI) + name
            found = await self._reads.run(lambda uow: uow.certificates.unexpired([uri], uow.now))
        shown = found[start : start + page.size]
        more = start + page.size < len(found)
        return pb.ListCertificatesResponse(
            certificates=[_certificate_message(record) for record in shown],
            next_page_token=page.next_token(start + page.size) if more else "",
        )

    async def RevokeCertificate(self, request: pb.RevokeCertificateRequest, call: Call) -> pb.IssuedCertificate:
        """Revoke one certificate."""
        serial = _match(_CERTIFICATE, request.name, "certificates/{serial}")
        own = call.caller.serial
        return _certificate_message(await self._committer.run(lambda uow: revoke_certificate(uow, serial, own=own)))

    async def CreateOperator(self, request: pb.CreateOperatorRequest, _: Call) -> pb.CreateOperatorResponse:
        """Give an operator a certificate."""
        operator = request.operator_id
        if not is_platform_id(operator) or operator in RESERVED:
            raise invalid(
                "operator_id", "must be 1 to 40 lower-case letters, digits and inner hyphens, other than root and hub"
            )
        csr_pem = request.csr_pem.encode()
        record = await self._committer.run(
            lambda uow: create_operator(uow, operator=operator, csr_pem=csr_pem, certifier=self._certifier)
        )
        return pb.CreateOperatorResponse(
            certificate=_certificate_message(record),
            chain_pem=record.chain_pem.decode(),
            ca_pem=self._certifier.ca_pem.decode(),
        )

    async def SuspendParty(self, request: pb.SuspendPartyRequest, _: Call) -> party_pb2.Party:
        """Hold a party back."""
        party_id = party_from_name(request.name)
        return self._party(await self._committer.run(lambda uow: suspend_party(uow, party_id, publish_party)))

    async def ResumeParty(self, request: pb.ResumePartyRequest, _: Call) -> party_pb2.Party:
        """Let a suspended party take part again."""
        party_id = party_from_name(request.name)
        return self._party(await self._committer.run(lambda uow: resume_party(uow, party_id, publish_party)))

    def _party(self, party: Party) -> party_pb2.Party:
        return party_message(party, presence_of(party, reachable=self._reachable(party.id)), own=True)

    def _platform(self, platform: Platform) -> pb.Platform:
        message = pb.Platform(
            name=f"platforms/{platform.id}",
            parties=[self._party(party) for party in platform.parties],
            certificate_count=platform.certificate_count,
        )
        if platform.certificate_expires is not None:
            message.certificate_expire_time.CopyFrom(time_to_pb(platform.certificate_expires))
        return message


def _read_invitation(request: pb.CreateInvitationRequest) -> tuple[str, list[InvitedParty], timedelta]:
    reader, parties = Reader(), dict[PartyId, InvitedParty]()
    if not is_platform_id(request.invitation.platform_id):
        reader.refuse(
            "invitation.platform_id", "must be 1 to 40 lower-case letters, digits and hyphens, neither end a hyphen"
        )
    if len(request.invitation.parties) > _PARTIES_MAX:
        reader.refuse("invitation.parties", f"must have at most {_PARTIES_MAX} parties")
    for i, given in enumerate(request.invitation.parties[:_PARTIES_MAX]):
        path = f"invitation.parties[{i}]"
        party = reader.party(path, given.country_code, given.party_id)
        roles = frozenset(reader.one_of(f"{path}.roles", number, ROLES, ROLES[1]) for number in given.roles)
        if not given.roles:
            reader.refuse(f"{path}.roles", "must name at least one role")
        if party in parties:
            reader.refuse(path, "must name a party once")
        parties[party] = InvitedParty(id=party, roles=roles)
    ttl = _read_ttl(request.ttl) if request.HasField("ttl") else TTL_DEFAULT
    if not TTL_LEAST <= ttl <= TTL_MOST:
        reader.refuse("ttl", "must be a minute to 30 days")
    reader.done()
    return request.invitation.platform_id, list(parties.values()), ttl


def _read_ttl(given: Duration) -> timedelta:
    # Longer ones are refused all the same; timedelta itself ends at a billion days.
    return timedelta(seconds=max(-1, min(given.seconds, 10**9)), microseconds=given.nanos // 1000)


def _match(pattern: re.Pattern[str], name: str, shape: str) -> str:
    found = pattern.fullmatch(name)
    if found is None:
        raise invalid("name", f"must be a name such as {shape}")
    return found.group(1)


def _subject(name: str, field: str) -> tuple[str, str]:
    found = _SUBJECT.fullmatch(name)
    if found is None or not is_platform_id(found.group(2)):
        raise invalid(field, "must be a name such as platforms/acme")
    return found.group(1), found.group(2)


def _invitation_message(uow: UnitOfWork, invitation: Invitation) -> pb.Invitation:
    message = pb.Invitation(
        name=f"invitations/{invitation.id}",
        platform_id=invitation.platform,
        state=_STATES[invitation.state(uow.now)],
        create_time=time_to_pb(invitation.created),
        expire_time=time_to_pb(invitation.expires),
    )
    if invitation.used is not None:
        message.use_time.CopyFrom(time_to_pb(invitation.used))
    for party_id in invitation.parties:
        party = uow.directory.parties[party_id]
        shown = party_message(party, None, own=False)
        message.parties.add(country_code=shown.country_code, party_id=shown.party_id, roles=shown.roles)
    return message


def _certificate_message(record: CertificateRecord) -> pb.IssuedCertificate:
    message = pb.IssuedCertificate(
        name=f"certificates/{record.serial}",
        subject_uri=record.subject,
        create_time=time_to_pb(record.created),
        expire_time=time_to_pb(record.expires),
    )
    if record.revoked is not None:
        message.revoke_time.CopyFrom(time_to_pb(record.revoked))
    return message
