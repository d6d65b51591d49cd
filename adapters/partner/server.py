"""Serving PartnerService at an endpoint that the hub dials: for partners that can open an inbound port.

Mutual TLS both ways with the one certificate that registration gave. Every partner holds a certificate of the hub's CA,
so the caller's must carry the hub's own URI; others are turned away.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any, Self

import grpc
from cryptography import x509
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from grpc_status import rpc_status
from roamhub.v1.partner_pb2 import (
    CommandResponse,
    ExecuteCommandRequest,
    NotifyCommandResultRequest,
    NotifyCommandResultResponse,
    PartnerServiceAuthorizeRequest,
    PingRequest,
    PingResponse,
)
from roamhub.v1.partner_pb2_grpc import PartnerServiceServicer, add_PartnerServiceServicer_to_server
from roamhub.v1.party_pb2 import ListPartiesRequest, Party, UpdatePartyRequest
from roamhub.v1.party_pb2_grpc import PartyServiceStub
from roamhub.v1.token_object_pb2 import AuthorizationInfo

from adapters.partner.channel import MESSAGE_BYTES_MAX
from adapters.partner.connection import Connection
from adapters.partner.credentials import Credentials
from adapters.partner.errors import (
    Defect,
    Denied,
    Exhausted,
    Interrupted,
    RoamhubError,
    TimedOut,
    Unreachable,
    to_status,
)
from adapters.partner.handler import Answers, Handler
from adapters.partner.retry import Backoff

_log = logging.getLogger(__name__)

#: SAN URI of the certificate that the hub dials with.
_HUB_URI = "roamhub://hub"
_GRACE_SECONDS = 5.0

#: gRPC's servicer context, whose generics exist for the type checker only.
Context = Any


class PartnerServer:
    """An endpoint, served for as long as the block of `async with` lasts. A renewed certificate is used at once.

    Attributes:
        port: The port it listens on.
    """

    port = 0

    def __init__(self, connection: Connection, handler: Handler, address: str, endpoint: str = "") -> None:
        """Prepare to serve.

        Args:
            connection: Whose credentials the server shows.
            handler: Answers the hub.
            address: Where to listen, `host:port`; port 0 lets the system choose one.
            endpoint: Where the hub reaches that, `host:port`; told to the hub for all of the platform's parties once
                the server listens, so that a hub which had given up on them looks at once. Empty: the hub is not told.
        """
        self._endpoint = endpoint
        self._telling: asyncio.Task[None] | None = None
        self._connection = connection
        self._address = address
        self._servicer = _Servicer(Answers(handler))
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> Self:
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)])
        add_PartnerServiceServicer_to_server(self._servicer, server)
        self.port = server.add_secure_port(self._address, _server_tls(self._connection))
        await server.start()
        self._server = server
        if self._endpoint:
            self._telling = asyncio.create_task(self._tell())
        return self

    async def _tell(self) -> None:
        """Tell the hub where to dial, however long it takes to reach it."""
        for wait in Backoff().waits():
            try:
                request = ListPartiesRequest(own=True, page_size=1000)
                own = await self._connection.call(self._connection.stub(PartyServiceStub).ListParties, request)
                for each in own.parties:
                    named = Party(country_code=each.country_code, party_id=each.party_id, endpoint=self._endpoint)
                    update = UpdatePartyRequest(party=named, update_mask=FieldMask(paths=["endpoint"]))
                    await self._connection.call(self._connection.stub(PartyServiceStub).UpdateParty, update)
            except (Unreachable, TimedOut, Interrupted, Exhausted, Defect):
                await asyncio.sleep(wait)
            except RoamhubError as error:
                _log.warning("endpoint not told", extra={"reason": error.reason})
                return
            else:
                return

    async def __aexit__(self, *error: object) -> None:
        if self._telling is not None:
            self._telling.cancel()
            with suppress(asyncio.CancelledError):
                await self._telling
        if self._server is not None:
            await self._server.stop(_GRACE_SECONDS)


def _server_tls(connection: Connection) -> grpc.ServerCredentials:
    shown = connection.credentials

    def configuration(credentials: Credentials) -> grpc.ServerCertificateConfiguration:
        pair = (credentials.key_pem, credentials.certificate_pem)
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=credentials.authority_pem)

    def latest() -> grpc.ServerCertificateConfiguration | None:
        nonlocal shown
        if connection.credentials is shown:
            return None
        shown = connection.credentials
        return configuration(shown)

    # None means "as before"; the stubs do not know that.
    fetch: Any = latest
    return grpc.dynamic_ssl_server_credentials(configuration(shown), fetch, require_client_authentication=True)


class _Servicer(PartnerServiceServicer):
    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._hubs: set[bytes] = set()

    async def Authorize(  # noqa: N802 - the contract's name
        self, request: PartnerServiceAuthorizeRequest, context: Context
    ) -> AuthorizationInfo:
        return await self._answer(request, context)  # type: ignore[return-value]

    async def ExecuteCommand(self, request: ExecuteCommandRequest, context: Context) -> CommandResponse:  # noqa: N802
        return await self._answer(request, context)  # type: ignore[return-value]

    async def NotifyCommandResult(  # noqa: N802
        self, request: NotifyCommandResultRequest, context: Context
    ) -> NotifyCommandResultResponse:
        return await self._answer(request, context)  # type: ignore[return-value]

    async def Ping(self, request: PingRequest, context: Context) -> PingResponse:  # noqa: N802
        return await self._answer(request, context)  # type: ignore[return-value]

    async def _answer(self, request: Message, context: Context) -> Message:
        try:
            self._insist_on_hub(context)
            metadata = dict(context.invocation_metadata() or ())
            correlation = str(metadata.get("x-correlation-id", ""))
            return await self._answers.answer(request, context.time_remaining(), correlation)
        except RoamhubError as error:
            await context.abort_with_status(rpc_status.to_status(to_status(error)))
            raise

    def _insist_on_hub(self, context: Context) -> None:
        pem = context.auth_context().get("x509_pem_cert", (b"",))[0]
        if pem in self._hubs:
            return
        names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        if _HUB_URI not in names.value.get_values_for_type(x509.UniformResourceIdentifier):
            raise Denied("only the hub may call", reason="NOT_THE_HUB")
        self._hubs.add(pem)
