"""Becoming a partner with an invitation, and staying one with the next certificate."""

import asyncio
import hashlib
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
_RENEWAL_BACKOFF = Backoff(first_seconds=10, longest_seconds=_LOOK_SECONDS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What the hub's operator hands over (`roamhub partner invite`).

    Attributes:
        code: The one-time code.
        register_endpoint: Where to register, `host:port`.
        ca_pem: The certificate of the hub's CA: whom to trust from the first call on.
        platform: Whom it invites, such as `platforms/acme`; empty where it does not say.
    """

    code: str = field(repr=False)
    register_endpoint: str
    ca_pem: str
    platform: str = ""

    @property
    def digest(self) -> str:
        """What to know it by without keeping its code, of which neither case nor hyphens and spaces matter."""
        return hashlib.sha256("".join(filter(str.isalnum, self.code.upper())).encode()).hexdigest()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file that the operator sent.

        Raises:
            OSError: It cannot be read.
            ValueError: It is no invitation.
        """
        try:
            given = json.loads(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path} is no invitation: {error}") from None
        wanted = ("code", "register_endpoint", "ca_pem")
        if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in wanted):
            raise ValueError(f"{path} is no invitation: it lacks {' or '.join(wanted)}")
        return cls(platform=str(given.get("platform", "")), **{name: given[name] for name in wanted})


async def register(invitation: Invitation, store: Store) -> Credentials:
    """Exchange an invitation for a certificate and keep it in the store.

    May be repeated until it succeeds: key and request are on disk before the code is shown to the hub. What the store
    holds of the same platform is replaced.

    Raises:
        StoreError: The store is another's.
        Denied: The code is used, withdrawn, expired or wrong.
        RoamhubError: Another refusal, or the hub cannot be reached.
    """
    if invitation.platform:
        store.require_free(f"platform/{invitation.platform.removeprefix('platforms/')}")
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
        invitation=invitation.digest,
    )
    store.save(credentials)
    store.registered()
    return credentials


async def join(invitation: Path | Invitation, store: Store) -> None:
    """Register unless the store holds a certificate that came of this invitation, or the invitation's file is gone.

    So another invitation is all it takes to go on after a certificate has expired or was revoked. One that the hub does
    not take leaves what the store holds as it is.

    Raises:
        StoreError: The store is another platform's.
        RoamhubError: The hub refused the invitation or cannot be reached, and the store holds no certificate.
    """
    wanted = _wanted(invitation, store)
    if wanted is None:
        return
    try:
        await register(wanted, store)
    except RoamhubError as error:
        if not store.holds_certificate():
            raise
        _log.warning("invitation not taken", extra={"reason": error.reason})


def _wanted(invitation: Path | Invitation, store: Store) -> Invitation | None:
    """Return the invitation to register with; None where what the store holds came of it, or is all there is."""
    if not store.holds_certificate():
        return Invitation.read(invitation) if isinstance(invitation, Path) else invitation
    if isinstance(invitation, Path):
        if not invitation.exists():
            return None
        invitation = Invitation.read(invitation)
    held = store.load()
    expired = held.certificate.not_valid_after_utc < datetime.now(UTC)
    return invitation if expired or held.invitation not in ("", invitation.digest) else None


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
        invitation=connection.credentials.invitation,
    )
    store.save(credentials)
    connection.replace(credentials)


async def keep_fresh(
    connection: Connection,
    store: Store,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    backoff: Backoff = _RENEWAL_BACKOFF,
) -> None:
    """Renew the certificate whenever two thirds of its life have passed; runs until it is cancelled."""
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
        except (RoamhubError, OSError) as error:  # a disk may be full, and have room again
            wait = next(waits)
            reason = error.reason if isinstance(error, RoamhubError) else str(error)
            _log.warning("certificate not renewed", extra={"reason": reason, "wait_seconds": round(wait)})
            await asyncio.sleep(wait)
