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

from hub.app.ports.trust import HUB_URI, OPERATOR_URI, PLATFORM_URI, Certifier, Issued, platform_host
from hub.crypto.files import LostKeyError, private_folder, read_secret, replace_secret, write_secret
from hub.domain.errors import invalid
from hub.domain.trust import CertificateRecord

_BACKDATED = timedelta(hours=1)
_CA_LIFE = timedelta(days=3650)
#: The hub's own certificates live so long, and are made anew when less than the second span is left.
_OWN_LIFE = timedelta(days=397)
_RENEWED_BEFORE = timedelta(days=30)
_RSA_BITS = range(2048, 8193)
_CSR_BYTES_MAX = 16_384

Purpose = x509.ObjectIdentifier


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
            LostKeyError: The key is gone or damaged, or not that of its certificate.
        """
        private_folder(folder)
        key_path = folder / "ca.key"
        if not key_path.exists():
            if (folder / "ca.pem").exists():
                raise LostKeyError(
                    f"{key_path} is missing, and every certificate hangs on it: put it back. To begin with another "
                    "authority, which every partner must be invited to anew, remove ca.pem as well"
                )
            made = cls.create(now)
            # One file holds both, so that no process can find a key without its certificate. Where another process
            # was first, its authority is the one.
            with suppress(FileExistsError):
                write_secret(key_path, _key_pem(made._key) + made.ca_pem)  # noqa: SLF001 - of its own class
        made = cls.load(key_path)
        public = folder / "ca.pem"
        if not public.exists() or public.read_bytes() != made.ca_pem:
            public.write_bytes(made.ca_pem)
        return made

    @classmethod
    def load(cls, path: Path) -> "CertificateAuthority":
        """Return the authority of a file that holds its key and its certificate.

        Raises:
            FileNotFoundError: There is none.
            InsecureFileError: Others may read it.
            LostKeyError: It is damaged, or the certificate is another key's.
        """
        stored = read_secret(path)
        try:
            key = load_pem_private_key(stored, None)
            certificate = x509.load_pem_x509_certificate(stored)
        except (ValueError, UnsupportedAlgorithm):
            raise LostKeyError(f"{path} is damaged: put it back from a copy") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
            raise LostKeyError(f"{path}: the certificate is not that of the key")
        return cls(key, certificate)

    def issue_platform(self, csr_pem: bytes, platform: str, now: datetime) -> Issued:
        """Return a certificate for the key of a certificate signing request; raises Invalid.

        Its bearer calls the hub with it, and serves the hub's calls with it at its own endpoint.
        """
        public_key = _public_key(csr_pem)
        expiry = now + self._life
        names = [x509.UniformResourceIdentifier(PLATFORM_URI + platform), x509.DNSName(platform_host(platform))]
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        return self._issued(self._sign(public_key, platform, names, purposes, now=now, expiry=expiry))

    def issue_operator(self, csr_pem: bytes, operator: str, now: datetime) -> Issued:
        """Return a certificate that makes the key's bearer an operator of this name; raises Invalid."""
        expiry = now + self._life
        names = [_uri(OPERATOR_URI + operator)]
        key, purposes = _public_key(csr_pem), [ExtendedKeyUsageOID.CLIENT_AUTH]
        return self._issued(self._sign(key, operator, names, purposes, now=now, expiry=expiry))

    def issue_pair(self, name: str, names: Sequence[x509.GeneralName], purpose: Purpose, now: datetime) -> KeyPair:
        """Return a new key and its certificate, for the hub's own use."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(key.public_key(), name, names, [purpose], now=now, expiry=now + _OWN_LIFE)
        return KeyPair(key_pem=_key_pem(key), chain_pem=certificate.public_bytes(Encoding.PEM))

    def _issued(self, certificate: x509.Certificate) -> Issued:
        expiry = certificate.not_valid_after_utc
        return Issued(
            chain_pem=certificate.public_bytes(Encoding.PEM),
            serial=f"{certificate.serial_number:x}",
            expire_time=expiry,
            renew_time=expiry - self._renewal_window,
        )

    def _sign(
        self,
        public_key: "ec.EllipticCurvePublicKey | rsa.RSAPublicKey",
        name: str,
        names: Sequence[x509.GeneralName],
        purposes: Sequence[Purpose],
        *,
        now: datetime,
        expiry: datetime,
    ) -> x509.Certificate:
        ca_key_id = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return (
            _builder(_name(name), self._certificate.subject, public_key, now, expiry)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_key_id), critical=False)
            .sign(self._key, SHA256())
        )


def server_pair(ca: CertificateAuthority, folder: Path, names: Sequence[str], now: datetime) -> KeyPair:
    """Return the pair of the hub's server, dialled by these names or addresses, as kept in `server.pem`.

    This pair and the two below are made when absent, when the names or the CA changed, and a month before they end.
    """
    return _own_pair(ca, folder / "server.pem", [_host(name) for name in names], ExtendedKeyUsageOID.SERVER_AUTH, now)


def operator_pair(ca: CertificateAuthority, folder: Path, now: datetime) -> KeyPair:
    """Return the pair that makes its bearer the hub's operator, as kept in `operator.pem`."""
    return _own_pair(ca, folder / "operator.pem", [_uri(OPERATOR_URI + "root")], ExtendedKeyUsageOID.CLIENT_AUTH, now)


def dial_pair(ca: CertificateAuthority, folder: Path, now: datetime) -> KeyPair:
    """Return the pair that the hub shows to the partners it dials, as kept in `dial.pem`."""
    return _own_pair(ca, folder / "dial.pem", [_uri(HUB_URI)], ExtendedKeyUsageOID.CLIENT_AUTH, now)


def operator_record(pair: KeyPair) -> CertificateRecord:
    """Return what is kept on record of the operator's certificate, so that it too can be listed and revoked."""
    certificate = x509.load_pem_x509_certificate(pair.chain_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return CertificateRecord(
        serial=f"{certificate.serial_number:x}",
        subject=names.get_values_for_type(x509.UniformResourceIdentifier)[0],
        created=certificate.not_valid_before_utc + _BACKDATED,
        expires=certificate.not_valid_after_utc,
        renew=certificate.not_valid_after_utc - _RENEWED_BEFORE,
        chain_pem=pair.chain_pem,
    )


def _own_pair(
    ca: CertificateAuthority, path: Path, names: Sequence[x509.GeneralName], purpose: Purpose, now: datetime
) -> KeyPair:
    if path.exists():
        key, mark, chain = read_secret(path).partition(b"-----BEGIN CERTIFICATE-----")
        pair = KeyPair(key_pem=key, chain_pem=mark + chain)
        if _serves(pair, ca, names, now):
            return pair
    pair = ca.issue_pair(f"Roamhub {path.stem}", names, purpose, now)
    replace_secret(path, pair.key_pem + pair.chain_pem)
    return pair


def _serves(pair: KeyPair, ca: CertificateAuthority, names: Sequence[x509.GeneralName], now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(pair.chain_pem)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.ca_pem))
    except (InvalidSignature, ValueError):
        return False  # of another authority, or damaged
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(held) == set(names) and now < certificate.not_valid_after_utc - _RENEWED_BEFORE


def _public_key(csr_pem: bytes) -> "ec.EllipticCurvePublicKey | rsa.RSAPublicKey":
    if len(csr_pem) > _CSR_BYTES_MAX:
        raise invalid("csr_pem", f"must have at most {_CSR_BYTES_MAX} bytes")
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        sound = request.is_signature_valid
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise invalid("csr_pem", "must be a PKCS 10 certificate signing request in PEM") from None
    if not sound:
        raise invalid("csr_pem", "must be signed by the key it names")
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS:
        return key
    raise invalid("csr_pem", "must have an ECDSA key on P-256 or P-384, or an RSA key of 2048 to 8192 bits")


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
