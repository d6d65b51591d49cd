"""RegistrationService: certificates against invitations, and the next against the last."""

from collections.abc import Callable

from roamhub.v1 import registration_pb2 as pb

from hub.app.ports.spine import Committer
from hub.app.ports.trust import Certifier
from hub.app.trust.registration import register, renew
from hub.domain.trust import CertificateRecord
from hub.rpc.calls import Call
from hub.rpc.party_wire import publish_party
from hub.rpc.wire import Reader, time_to_pb

_CODE_CHARACTERS_MAX = 100


class RegistrationServicer:
    """Answers RegistrationService.

    Args:
        committer: Where registrations are written.
        certifier: The hub's certificate authority.
        endpoint: Returns where partners call, `host:port`; known once the hub serves.
    """

    def __init__(self, *, committer: Committer, certifier: Certifier, endpoint: Callable[[], str]) -> None:
        self._committer = committer
        self._certifier = certifier
        self._endpoint = endpoint

    async def Register(self, request: pb.RegisterRequest, _: Call) -> pb.RegisterResponse:
        """Exchange a one-time code and a signing request for a certificate."""
        reader = Reader()
        for field in ("code", "csr_pem"):
            if not getattr(request, field):
                reader.refuse(field, "is required")
        if len(request.code) > _CODE_CHARACTERS_MAX:
            reader.refuse("code", f"must have at most {_CODE_CHARACTERS_MAX} characters")
        reader.done()
        registered = await self._committer.run(
            lambda uow: register(
                uow,
                code=request.code,
                csr_pem=request.csr_pem.encode(),
                certifier=self._certifier,
                publish=publish_party,
            )
        )
        return pb.RegisterResponse(
            platform=f"platforms/{registered.platform}",
            certificate=certificate_to_pb(registered.certificate),
            ca_pem=self._certifier.ca_pem.decode(),
            endpoint=self._endpoint(),
            parties=[party.name for party in registered.parties],
        )

    async def RenewCertificate(self, request: pb.RenewCertificateRequest, call: Call) -> pb.RenewCertificateResponse:
        """Return the calling platform's next certificate."""
        csr_pem, platform = request.csr_pem.encode(), call.caller.platform
        record = await self._committer.run(
            lambda uow: renew(uow, platform=platform, csr_pem=csr_pem, certifier=self._certifier)
        )
        return pb.RenewCertificateResponse(
            certificate=certificate_to_pb(record), ca_pem=self._certifier.ca_pem.decode()
        )


def certificate_to_pb(record: CertificateRecord) -> pb.Certificate:
    """Return the message of a certificate for its bearer."""
    return pb.Certificate(
        chain_pem=record.chain_pem.decode(),
        serial_number=record.serial,
        expire_time=time_to_pb(record.expires),
        renew_time=time_to_pb(record.renew),
    )
