"""Who calls: the platform that the client certificate's SAN URI names, and the parties it operates.

TLS has verified the certificate's chain and dates when the connection was made; this module reads a certificate once
and looks at every call whether it has been revoked, or has expired, since.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from cryptography import x509

from hub.app.directory import Directory
from hub.app.ports.trust import OPERATOR_URI, PLATFORM_URI
from hub.domain.clock import Clock
from hub.domain.errors import Unauthenticated
from hub.domain.parties import Caller

_CERTIFICATES_KEPT = 10_000


class _Subject(NamedTuple):
    name: str
    operator: bool
    serial: str
    expiry: datetime


class CertificateIdentity:
    """Implements `hub.rpc.edge.Identify`."""

    def __init__(self, directory: Callable[[], Directory], clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._subjects: dict[bytes, _Subject] = {}
        # Of every certificate ever seen, for `refresh`: an open stream may be older than all else that is kept.
        self._pems: dict[str, bytes] = {}
        self._callers: dict[bytes, tuple[Caller, datetime]] = {}
        self._seen: Directory | None = None

    def __call__(self, context: Any) -> Caller:  # noqa: ANN401
        """Return the caller; raises Unauthenticated."""
        return self._caller(context.auth_context().get("x509_pem_cert", (b"",))[0])

    def refresh(self, caller: Caller) -> Caller:
        """Return the caller as it stands now, the same object if nothing changed; raises Unauthenticated."""
        return self._caller(self._pems[caller.serial])

    def _caller(self, pem: bytes) -> Caller:
        directory = self._directory()
        if directory is not self._seen:
            self._callers.clear()
            self._seen = directory
        known = self._callers.get(pem)
        if known is None:
            known = self._callers[pem] = self._read(pem, directory)
        caller, expiry = known
        if self._clock() >= expiry:
            raise Unauthenticated("CERTIFICATE_EXPIRED", "this certificate has expired; register anew")
        return caller

    def _read(self, pem: bytes, directory: Directory) -> tuple[Caller, datetime]:
        subject = self._subjects.get(pem)
        if subject is None:
            if len(self._subjects) >= _CERTIFICATES_KEPT:
                self._subjects.clear()
            subject = self._subjects[pem] = _read_subject(pem)
            self._pems[subject.serial] = pem
        if subject.serial in directory.revoked:
            raise Unauthenticated("CERTIFICATE_REVOKED", "this certificate has been revoked; register anew")
        parties = {} if subject.operator else directory.by_platform.get(subject.name, {})
        caller = Caller(platform=subject.name, operator=subject.operator, parties=parties, serial=subject.serial)
        return caller, subject.expiry


def _read_subject(pem: bytes) -> _Subject:
    if not pem:
        raise Unauthenticated("CERTIFICATE_MISSING", "call with the client certificate that registration gave")
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        for prefix in (PLATFORM_URI, OPERATOR_URI):
            if uri.startswith(prefix):
                return _Subject(
                    name=uri.removeprefix(prefix),
                    operator=prefix == OPERATOR_URI,
                    serial=f"{certificate.serial_number:x}",
                    expiry=certificate.not_valid_after_utc,
                )
    raise Unauthenticated("CERTIFICATE_WITHOUT_PLATFORM", "this certificate names no platform of this hub")
