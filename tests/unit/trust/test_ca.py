"""The certificate authority: what it signs, what it refuses, and how it keeps its key."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from hub.crypto.ca import CertificateAuthority, dial_pair, operator_pair, server_pair
from hub.crypto.files import InsecureFileError, LostKeyError, read_secret, write_secret
from hub.domain.errors import Invalid
from tests.support import START, make_csr


def csr_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())
    return request.public_bytes(Encoding.PEM)


def test_a_platform_certificate_names_the_platform_and_not_what_the_request_says() -> None:
    ca = CertificateAuthority.create(START)
    issued = ca.issue_platform(make_csr()[1], "acme", START)
    certificate = x509.load_pem_x509_certificate(issued.chain_pem)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.ca_pem))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["roamhub://platform/acme"]
    assert f"{certificate.serial_number:x}" == issued.serial


def test_a_certificate_is_good_for_a_peer_whose_clock_is_ten_minutes_behind() -> None:
    issued = CertificateAuthority.create(START).issue_platform(make_csr()[1], "acme", START)
    certificate = x509.load_pem_x509_certificate(issued.chain_pem)
    assert certificate.not_valid_before_utc < START - timedelta(minutes=10)


def test_a_platform_certificate_lives_ninety_days_and_is_renewed_in_the_last_thirty() -> None:
    issued = CertificateAuthority.create(START).issue_platform(make_csr()[1], "acme", START)
    assert issued.expire_time == START + timedelta(days=90)
    assert issued.renew_time == START + timedelta(days=60)


@pytest.mark.parametrize(
    ("csr", "rule"),
    [
        (b"", "PKCS 10"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "PKCS 10"),
        (b"x" * 20_000, "at most"),
        (csr_of(rsa.generate_private_key(65537, 1024)), "2048"),
        (csr_of(ec.generate_private_key(ec.SECP521R1())), "P-256"),
        (csr_of(ed25519.Ed25519PrivateKey.generate()), "P-256"),
    ],
    ids=["empty", "damaged", "huge", "weak RSA", "P-521", "Ed25519"],
)
def test_a_request_with_no_good_key_is_refused_by_its_field(csr: bytes, rule: str) -> None:
    with pytest.raises(Invalid, match=rule) as caught:
        CertificateAuthority.create(START).issue_platform(csr, "acme", START)
    assert caught.value.violations[0].field == "csr_pem"


def test_a_request_whose_signature_is_another_keys_is_refused() -> None:
    lines = make_csr()[1].split(b"\n")
    other = make_csr()[1].split(b"\n")
    length = len(lines) // 2
    with pytest.raises(Invalid):
        CertificateAuthority.create(START).issue_platform(b"\n".join(lines[:length] + other[length:]), "acme", START)


def test_keys_are_kept_for_the_owner_alone_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    ca = CertificateAuthority.open(folder, START)
    pairs = [
        server_pair(ca, folder, ["localhost"], START),
        operator_pair(ca, folder, START),
        dial_pair(ca, folder, START),
    ]
    for name in ("ca.key", "server.pem", "operator.pem", "dial.pem"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = CertificateAuthority.open(folder, START + timedelta(days=1))
    assert again.ca_pem == ca.ca_pem == (folder / "ca.pem").read_bytes()
    assert [
        server_pair(again, folder, ["localhost"], START),
        operator_pair(again, folder, START),
        dial_pair(again, folder, START),
    ] == pairs


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    CertificateAuthority.open(tmp_path, START)
    (tmp_path / "ca.key").chmod(0o640)
    with pytest.raises(InsecureFileError, match=r"ca\.key"):
        CertificateAuthority.open(tmp_path, START)


@pytest.mark.parametrize(
    ("names", "later"), [(["hub.example"], 0), (["localhost"], 380)], ids=["other names", "near its end"]
)
def test_the_servers_certificate_is_made_anew_when_it_no_longer_serves(
    tmp_path: Path, names: list[str], later: int
) -> None:
    ca = CertificateAuthority.open(tmp_path, START)
    first = server_pair(ca, tmp_path, ["localhost"], START)
    assert server_pair(ca, tmp_path, names, START + timedelta(days=later)) != first


def test_a_key_with_the_certificate_of_another_is_refused(tmp_path: Path) -> None:
    CertificateAuthority.open(tmp_path, START)
    stored = (tmp_path / "ca.key").read_bytes()
    key = stored[: stored.index(b"-----BEGIN CERTIFICATE-----")]
    (tmp_path / "ca.key").write_bytes(key + CertificateAuthority.create(START).ca_pem)
    with pytest.raises(ValueError, match=r"ca\.key"):
        CertificateAuthority.open(tmp_path, START)


@pytest.mark.parametrize("damage", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_damaged_certificate_of_the_hubs_own_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    ca = CertificateAuthority.open(tmp_path, START)
    first = dial_pair(ca, tmp_path, START)
    (tmp_path / "dial.pem").write_bytes(first.key_pem + damage)
    again = dial_pair(ca, tmp_path, START)
    assert again != first
    assert dial_pair(ca, tmp_path, START) == again


def test_an_authority_whose_key_is_gone_is_not_replaced_unasked(tmp_path: Path) -> None:
    CertificateAuthority.open(tmp_path, START)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(LostKeyError, match="put it back"):
        CertificateAuthority.open(tmp_path, START)
    assert not (tmp_path / "ca.key").exists()


def test_certificates_of_an_authority_that_is_gone_are_made_anew(tmp_path: Path) -> None:
    first = operator_pair(CertificateAuthority.open(tmp_path, START), tmp_path, START)
    (tmp_path / "ca.key").unlink()
    (tmp_path / "ca.pem").unlink()
    ca = CertificateAuthority.open(tmp_path, START)
    assert (tmp_path / "ca.pem").read_bytes() == ca.ca_pem
    assert operator_pair(ca, tmp_path, START) != first


def test_a_secret_is_never_written_over_another(tmp_path: Path) -> None:
    write_secret(tmp_path / "one", b"first")
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "one", b"second")
    assert read_secret(tmp_path / "one") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
