"""The hub's certificate authority: who may connect, and proof to partners that they reached the hub.

ECDSA P-256 throughout (RFC 5280 profile): one self-signed CA that signs server, platform and operator certificates
directly. Certificates begin an hour before they are issued, so that a peer whose clock runs behind accepts them, and
live shortly, so that a forgotten one dies by itself. What a certificate means stands in its SAN URI.
"""

import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.app.ports.trust import OPERATOR_URI, PLATFORM_URI, Certifier, Issued
from hub.crypto.files import private_folder, read_secret, replace_secret, write_secret
from hub.domain.errors import invalid

#: The name in the certificate of the operator that `serve` makes.
_OPERATOR = "root"
_BACKDATED = timedelta(hours=1)
_CA_LIFE = timedelta(days=3650)
_SERVER_LIFE = timedelta(days=397)
_OPERATOR_LIFE = timedelta(days=397)
#: Server and operator certificates are made anew when less than this is left of them.
_RENEWED_BEFORE = timedelta(days=30)
_RSA_BITS = range(2048, 8193)
_CSR_BYTES_MAX = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A private key (PKCS 8) and the certificate of its public half, both PEM."""

    key_pem: bytes
    chain_pem: bytes


class CertificateAuthority:
    """Implements `hub.app.ports.trust.Certifier`."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
        *,
        life: timedelta = timedelta(days=90),
        renewal_window: timedelta = timedelta(days=30),
    ) -> None:
        self._key = key
        self._certificate = certificate
        self._life = life
        self._renewal_window = renewal_window

    @property
    def ca_pem(self) -> bytes:
        """The CA's certificate."""
        return self._certificate.public_bytes(Encoding.PEM)

    @classmethod
    def create(cls, now: datetime) -> "CertificateAuthority":
        """Return a new authority with a key of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Roamhub CA")
        usage = _usage(sign_certificates=True)
        certificate = (
            _builder(name, name, key.public_key(), now, now + _CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def open(cls, folder: Path, now: datetime) -> "CertificateAuthority":
        """Return the authority whose key and certificate are in `ca.key` in the folder, made when absent.

        The certificate alone is written beside it as `ca.pem`, for whoever must trust the hub.

        Raises:
            InsecureFileError: Others may read the key.
            ValueError: A file is damaged, or the two do not belong together.
        """
        private_folder(folder)
        key_path = folder / "ca.key"
        if not key_path.exists():
            made = cls.create(now)
            # One file holds both, so that no process can find a key without its certificate. Where another process
            # was first, its authority is the one.
            with suppress(FileExistsError):
                write_secret(key_path, _key_pem(made._key) + made.ca_pem)  # noqa: SLF001 - of its own class
        stored = read_secret(key_path)
        key = load_pem_private_key(stored, None)
        certificate = x509.load_pem_x509_certificate(stored)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
            raise ValueError(f"{key_path}: the certificate is not that of the key")
        (folder / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        return cls(key, certificate)

    def issue_platform(self, csr_pem: bytes, platform: str, now: datetime) -> Issued:
        """Return a client certificate for the key of a certificate signing request; raises Invalid."""
        public_key = _public_key(csr_pem)
        expiry = now + self._life
        certificate = self._sign(public_key, platform, now, expiry, [_uri(PLATFORM_URI + platform)], client=True)
        return Issued(
            chain_pem=certificate.public_bytes(Encoding.PEM),
            serial=f"{certificate.serial_number:x}",
            expire_time=expiry,
            renew_time=expiry - self._renewal_window,
        )

    def issue_operator(self, name: str, now: datetime) -> KeyPair:
        """Return a key and the client certificate that makes its bearer the hub's operator."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_uri(OPERATOR_URI + name)]
        certificate = self._sign(key.public_key(), name, now, now + _OPERATOR_LIFE, names, client=True)
        return KeyPair(key_pem=_key_pem(key), chain_pem=certificate.public_bytes(Encoding.PEM))

    def issue_server(self, names: Sequence[str], now: datetime) -> KeyPair:
        """Return a key and the certificate of a server that is dialled by these names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        general = [_host(name) for name in names]
        certificate = self._sign(key.public_key(), "Roamhub", now, now + _SERVER_LIFE, general, client=False)
        return KeyPair(key_pem=_key_pem(key), chain_pem=certificate.public_bytes(Encoding.PEM))

    def _sign(
        self,
        public_key: "ec.EllipticCurvePublicKey | rsa.RSAPublicKey",
        name: str,
        now: datetime,
        expiry: datetime,
        names: Sequence[x509.GeneralName],
        *,
        client: bool,
    ) -> x509.Certificate:
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        ca_key_id = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return (
            _builder(_name(name), self._certificate.subject, public_key, now, expiry)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_key_id), critical=False)
            .sign(self._key, SHA256())
        )


def stored_pair(folder: Path, name: str) -> KeyPair | None:
    """Return the pair kept as NAME.pem (key and certificate) in the folder, or None; raises InsecureFileError."""
    try:
        stored = read_secret(folder / f"{name}.pem")
    except FileNotFoundError:
        return None
    key, mark, chain = stored.partition(b"-----BEGIN CERTIFICATE-----")
    return KeyPair(key_pem=key, chain_pem=mark + chain)


def store_pair(folder: Path, name: str, pair: KeyPair) -> None:
    """Keep a pair as NAME.pem, mode 0600."""
    replace_secret(folder / f"{name}.pem", pair.key_pem + pair.chain_pem)


def server_pair(ca: CertificateAuthority, folder: Path, names: Sequence[str], now: datetime) -> KeyPair:
    """Return the server's pair from `server.pem`; a new one when names changed, or a month before it ends."""
    pair = stored_pair(folder, "server")
    if pair is None or not _serves(pair, ca, [_host(name) for name in names], now):
        pair = ca.issue_server(names, now)
        store_pair(folder, "server", pair)
    return pair


def operator_pair(ca: CertificateAuthority, folder: Path, now: datetime) -> KeyPair:
    """Return the operator's pair from `operator.pem`, made when absent or a month before it ends."""
    pair = stored_pair(folder, "operator")
    if pair is None or not _serves(pair, ca, [_uri(OPERATOR_URI + _OPERATOR)], now):
        pair = ca.issue_operator(_OPERATOR, now)
        store_pair(folder, "operator", pair)
    return pair


def _serves(pair: KeyPair, ca: CertificateAuthority, names: Sequence[x509.GeneralName], now: datetime) -> bool:
    certificate = x509.load_pem_x509_certificate(pair.chain_pem)
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.ca_pem))
    except (InvalidSignature, ValueError):
        return False
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(held) == set(names) and now < certificate.not_valid_after_utc - _RENEWED_BEFORE


def _public_key(csr_pem: bytes) -> "ec.EllipticCurvePublicKey | rsa.RSAPublicKey":
    if len(csr_pem) > _CSR_BYTES_MAX:
        raise invalid("csr_pem", f"has at most {_CSR_BYTES_MAX} bytes")
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        sound = request.is_signature_valid
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise invalid("csr_pem", "is a PKCS 10 certificate signing request in PEM") from None
    if not sound:
        raise invalid("csr_pem", "is signed by the key it names")
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS:
        return key
    raise invalid("csr_pem", "has an ECDSA key on P-256 or P-384, or an RSA key of 2048 to 8192 bits")


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: "ec.EllipticCurvePublicKey | rsa.RSAPublicKey",
    now: datetime,
    expiry: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(expiry)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


_: type[Certifier] = CertificateAuthority
