"""What a partner needs to call the hub, and where it is kept: one folder, readable by its owner alone.

    partner.json    where the hub is, which platform this is, a hash of the invitation's code
    ca.pem          the hub's CA, which vouches for the hub's certificate
    identity.pem    the private key, then the certificate and its chain (mode 0600)
    pending.pem     key and signing request of a registration that has no answer yet (mode 0600)

Key and certificate share a file so that one rename replaces both: a crash leaves either the old pair or the new one,
never a key with another key's certificate.
"""

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_BEGIN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_BEGIN_REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----"
#: SAN URI of a certificate is this and its subject, of a partner's `platform/` and its id.
_URI = "roamhub://"
_PLATFORM = "platform/"


class StoreError(Exception):
    """The certificate store holds nothing usable; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A private key with its certificate, and whom to trust.

    Attributes:
        key_pem: The private key, PKCS #8, unencrypted.
        certificate_pem: The certificate, then its chain.
        authority_pem: The hub's CA certificates.
        hub: Where the hub's mutual-TLS port is, `host:port`.
        invitation: Hash of the code that these came of; empty where that is not known.
    """

    key_pem: bytes = field(repr=False)
    certificate_pem: bytes
    authority_pem: bytes
    hub: str
    invitation: str = ""

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate, without its chain."""
        return x509.load_pem_x509_certificate(self.certificate_pem)

    @property
    def subject(self) -> str:
        """Whom the certificate names, such as `platform/acme` or `operator/anna`; empty: nobody."""
        names = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        return next((uri.removeprefix(_URI) for uri in uris if uri.startswith(_URI)), "")

    @property
    def platform(self) -> str:
        """The platform that the certificate names."""
        subject = self.subject
        return subject.removeprefix(_PLATFORM) if subject.startswith(_PLATFORM) else ""

    def renewal_time(self) -> datetime:
        """Return when two thirds of the certificate's life have passed: time to ask for the next one."""
        certificate = self.certificate
        start = certificate.not_valid_before_utc
        return start + (certificate.not_valid_after_utc - start) * (2 / 3)


class Store:
    """The folder; made by `save`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self) -> Credentials:
        """Read the credentials.

        Raises:
            StoreError: There are none, or they cannot be read.
        """
        try:
            about = json.loads((self.folder / "partner.json").read_bytes())
            authority = (self.folder / "ca.pem").read_bytes()
            identity = (self.folder / "identity.pem").read_bytes()
        except FileNotFoundError as error:
            raise StoreError(f"{error.filename} is missing: register first") from None
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.folder}: {error}") from None
        key, begin, chain = identity.partition(_BEGIN_CERTIFICATE)
        if not begin or not isinstance(about, dict) or not isinstance(about.get("hub"), str):
            raise StoreError(f"{self.folder}: identity.pem or partner.json is not what register wrote")
        return Credentials(
            key_pem=key,
            certificate_pem=begin + chain,
            authority_pem=authority,
            hub=about["hub"],
            invitation=str(about.get("invitation", "")),
        )

    def holds_certificate(self) -> bool:
        """Say whether somebody has registered into it."""
        return (self.folder / "identity.pem").exists()

    def require_free(self, subject: str) -> None:
        """Raise StoreError when it holds the certificate of somebody else than this, such as `platform/acme`."""
        held = self.load().subject if self.holds_certificate() else subject
        if held != subject:
            raise StoreError(f"{self.folder} holds the certificate of {held}: name another folder for {subject}")

    def save(self, credentials: Credentials) -> None:
        """Replace the credentials; each file is replaced whole, the key with its certificate."""
        _make_private(self.folder)
        about = {"hub": credentials.hub, "platform": credentials.platform, "invitation": credentials.invitation}
        write_private(self.folder / "ca.pem", credentials.authority_pem)
        write_private(self.folder / "partner.json", json.dumps(about, indent=2).encode() + b"\n")
        write_private(self.folder / "identity.pem", credentials.key_pem + credentials.certificate_pem)

    def pending(self) -> tuple[bytes, bytes]:
        """Return key and signing request of the registration under way, made and kept when there is none.

        A registration whose answer was lost is repeated with the very same request: the hub then answers the same.
        """
        _make_private(self.folder)
        path = self.folder / "pending.pem"
        if not path.exists():
            key = new_key()
            write_private(path, key + signing_request(key))
        key, begin, request = path.read_bytes().partition(_BEGIN_REQUEST)
        return key, begin + request

    def registered(self) -> None:
        """Forget the pending request: its certificate is saved."""
        (self.folder / "pending.pem").unlink(missing_ok=True)


def new_key() -> bytes:
    """Return a new private key (ECDSA P-256) as PKCS #8 PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signing_request(key_pem: bytes) -> bytes:
    """Return a certificate signing request as PEM; the hub alone decides what the certificate will say."""
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StoreError("the private key is not an ECDSA key")
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file whole and durably, readable by its owner alone."""
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
