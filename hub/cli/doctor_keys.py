"""`roamhub doctor`: certificates, the authority behind them, and the keys that sign for the hub."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.doctor_database import asked
from hub.cli.findings import Finding, failed, ok, warning

if TYPE_CHECKING:
    from cryptography import x509
    from sqlalchemy import Connection

    from hub.config import Config

_WARN_BEFORE = timedelta(days=30)


def certificates(config: "Config") -> Iterator[Finding]:
    """Check the certificates of the data directory, and that the authority's key is there."""
    yield from _authority_key(config.data_dir)
    authority = None
    for name in ("ca.pem", "server.pem", "operator.pem", "dial.pem"):
        if not (config.data_dir / name).exists():
            yield warning("certificate", f"{name} is not there yet; `roamhub serve` makes it")
            continue
        certificate = _load(config.data_dir / name)
        if certificate is None:
            yield warning("certificate", f"{name} is damaged; `roamhub serve` makes it anew")
            continue
        if name == "ca.pem":
            authority = certificate
        elif authority is not None and not _is_of(certificate, authority):
            yield warning("certificate", f"{name} is of another authority; `roamhub serve` makes it anew")
        yield _dated(name, certificate)


def _load(path: Path) -> "x509.Certificate | None":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        return None


def _is_of(certificate: "x509.Certificate", authority: "x509.Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _dated(name: str, certificate: "x509.Certificate") -> Finding:
    now = datetime.now(UTC)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        return failed("certificate", f"{name} begins {start:%Y-%m-%d %H:%M}: this clock is behind")
    if now >= end:
        return failed("certificate", f"{name} has expired on {end:%Y-%m-%d}")
    if end - now < _WARN_BEFORE:
        return warning("certificate", f"{name} expires on {end:%Y-%m-%d}; the next start of the hub renews it")
    return ok("certificate", f"{name} is good until {end:%Y-%m-%d}")


def _authority_key(folder: Path) -> Iterator[Finding]:
    from hub.crypto.ca import CertificateAuthority
    from hub.crypto.files import InsecureFileError, LostKeyError

    if not (folder / "ca.key").exists() and not (folder / "ca.pem").exists():
        return
    try:
        CertificateAuthority.load(folder / "ca.key")
    except FileNotFoundError:
        yield failed("certificate", f"{folder / 'ca.key'} is missing, and every certificate hangs on it: put it back")
    except LostKeyError as error:
        yield failed("certificate", str(error))
    except InsecureFileError:
        pass  # told of the data directory


def signing_keys(config: "Config") -> Iterator[Finding]:
    """Check that the keys which sign statements and checkpoints are those of the keyring on record."""
    from hub.crypto.files import InsecureFileError
    from hub.crypto.notary import FileNotary
    from hub.crypto.signing import BadKey
    from hub.domain.errors import HubError

    recorded, folder = asked(config, _recorded), config.data_dir / "clearing"
    if recorded is None:
        return
    envelope, size = recorded
    if not folder.is_dir():
        yield failed("keys", f"{folder} is missing, with the keys that sign statements: put it back")
        return
    if not (folder / "roots.txt").exists():
        yield failed("keys", f"{folder / 'roots.txt'} is missing: put it back from a copy, such as a partner's")
        return
    try:
        notary = FileNotary(origin=config.journal_name, folder=folder, entropy=lambda _: b"")
        keyring = notary.read_keyring(envelope)
        signs = notary.can_sign(keyring, size)
    except (BadKey, InsecureFileError) as error:
        yield failed("keys", f"{folder}: {error}")
    except HubError as error:
        yield failed("keys", f"{folder / 'roots.txt'} vouches not for the keyring on record: {error.message}")
    else:
        if not signs:
            yield failed(
                "keys", f"no key in {folder} may sign by the keyring on record: put it back, or `roamhub keys rotate`"
            )
        else:
            yield ok("keys", f"keyring version {keyring.version}, {len(keyring.keys)} keys")


def _recorded(connection: "Connection") -> tuple[bytes, int] | None:
    """Return the newest keyring on record and the size of the clearing journal; None where there is no keyring yet."""
    from sqlalchemy import text

    from hub.domain.journal import Stream

    envelope = connection.execute(text("SELECT envelope FROM keyring ORDER BY version DESC LIMIT 1")).scalar()
    found = text("SELECT size FROM journal_head WHERE stream = :stream")
    size = connection.execute(found, {"stream": int(Stream.CLEARING)}).scalar()
    return None if envelope is None else (bytes(envelope), size or 0)
