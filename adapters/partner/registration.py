"""Becoming a partner with an invitation, and staying one with the next certificate."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import grpc
from roamhub.v1.registration_pb2 import RegisterRequest, RenewCertificateRequest
from roamhub.v1.registration_pb2_grpc import RegistrationServiceStub

from adapters.partner.connection import Connection
from adapters.partner.credentials import Credentials, Store, new_key, signing_request
from adapters.partner.errors import RoamhubError, translated
from adapters.partner.retry import Backoff

_log = logging.getLogger(__name__)

#: Never sleep longer between two looks at the certificate: clocks are set, machines sleep.
_LOOK_SECONDS_MAX = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What the hub's operator hands over (`roamhub partner invite`).

    Attributes:
        code: The one-time code.
        register_endpoint: Where to register, `host:port`.
        ca_pem: The certificate of the hub's CA: whom to trust from the first call on.
    """

    code: str = field(repr=False)
    register_endpoint: str
    ca_pem: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file that the operator sent.

        Raises:
            OSError: It cannot be read.
            ValueError: It is no invitation.
        """
        given = json.loads(path.read_bytes())
        wanted = ("code", "register_endpoint", "ca_pem")
        if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in wanted):
            raise ValueError(f"{path} is no invitation: it lacks {' or '.join(wanted)}")
        return cls(**{name: given[name] for name in wanted})


async def register(invitation: Invitation, store: Store) -> Credentials:
    """Exchange an invitation for a certificate and keep it in the store.

    May be repeated until it succeeds: key and request are on disk before the code is shown to the hub.

    Raises:
        Denied: The code is used, withdrawn, expired or wrong.
        RoamhubError: Another refusal, or the hub cannot be reached.
    """
    key, request = store.pending()
    tls = grpc.ssl_channel_credentials(root_certificates=invitation.ca_pem.encode())
    async with grpc.aio.secure_channel(invitation.register_endpoint, tls) as channel:
        with translated():
            answer = await RegistrationServiceStub(channel).Register(
                RegisterRequest(code=invitation.code, csr_pem=request.decode()), timeout=30
            )
    credentials = Credentials(
        key_pem=key,
        certificate_pem=answer.certificate.chain_pem.encode(),
        authority_pem=answer.ca_pem.encode(),
        hub=answer.endpoint,
    )
    store.save(credentials)
    store.registered()
    return credentials


async def renew(connection: Connection, store: Store) -> None:
    """Get the next certificate, for a new key, keep it, and go on with it.

    Raises:
        RoamhubError: The hub refused, or cannot be reached.
    """
    key = new_key()
    method = connection.stub(RegistrationServiceStub).RenewCertificate
    answer = await connection.call(method, RenewCertificateRequest(csr_pem=signing_request(key).decode()))
    credentials = Credentials(
        key_pem=key,
        certificate_pem=answer.certificate.chain_pem.encode(),
        authority_pem=answer.ca_pem.encode(),
        hub=connection.credentials.hub,
    )
    store.save(credentials)
    connection.replace(credentials)


async def keep_fresh(
    connection: Connection, store: Store, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> None:
    """Renew the certificate whenever two thirds of its life have passed; runs until it is cancelled."""
    backoff = Backoff(first_seconds=10, longest_seconds=_LOOK_SECONDS_MAX)
    waits = backoff.waits()
    while True:
        left = (connection.credentials.renewal_time() - now()).total_seconds()
        if left > 0:
            await asyncio.sleep(min(left, _LOOK_SECONDS_MAX))
            continue
        try:
            await renew(connection, store)
            waits = backoff.waits()
            _log.info("certificate renewed", extra={"platform": connection.credentials.platform})
        except RoamhubError as error:
            wait = next(waits)
            _log.warning("certificate not renewed", extra={"reason": error.reason, "wait_seconds": round(wait)})
            await asyncio.sleep(wait)
