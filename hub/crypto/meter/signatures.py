"""Checking one signature: the algorithms by their OCMF names, and ECDSA signatures in the shapes that devices write.

Shapes are DER, DER whose integers lack the leading zero byte (one device's "negative" r, read as unsigned), and r||s.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hub.crypto.meter.keys import MeterKey, curve_named

_ECDSA = re.compile(r"ECDSA-([A-Za-z0-9]{1,32})-SHA-?(256|384|512)", re.ASCII | re.IGNORECASE)
_ED25519 = re.compile(r"(?:EdDSA-)?Ed25519(?:-SHA-?512)?", re.ASCII | re.IGNORECASE)
_HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_SEQUENCE, _INTEGER, _LONG = 0x30, 0x02, 0x81
_ED25519_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """A supported algorithm: ECDSA on a curve, or Ed25519 where there is none."""

    curve: ec.EllipticCurve | None
    digest: hashes.HashAlgorithm | None

    @property
    def size(self) -> int:
        """Bytes of one coordinate."""
        return 32 if self.curve is None else (self.curve.key_size + 7) // 8


def algorithm_named(name: str) -> Algorithm | None:
    """Return a supported algorithm by the name a document gives; None for others."""
    name = name.strip()
    if _ED25519.fullmatch(name):
        return Algorithm(curve=None, digest=None)
    match = _ECDSA.fullmatch(name)
    curve = curve_named(match[1]) if match else None
    if match is None or curve is None:
        return None
    return Algorithm(curve=curve, digest=_HASHES[match[2]])


def readings_of(signature: bytes, algorithm: Algorithm) -> list[bytes]:
    """Return what a signature may mean, as the library takes it; empty where it is malformed."""
    if algorithm.curve is None:
        return [signature] if len(signature) == _ED25519_SIGNATURE_BYTES else []
    size = algorithm.size
    pairs = list(_from_der(signature, size))
    if len(signature) == 2 * size:
        pairs.append((int.from_bytes(signature[:size]), int.from_bytes(signature[size:])))
    return [encode_dss_signature(r, s) for r, s in pairs]


def verifies(key: MeterKey, algorithm: Algorithm, message: bytes, signatures: list[bytes]) -> bool:
    """Return whether one of a signature's readings is this key's over the message."""
    return any(_verifies(key, algorithm, message, signature) for signature in signatures)


def _verifies(key: MeterKey, algorithm: Algorithm, message: bytes, signature: bytes) -> bool:
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        elif algorithm.digest is not None:
            key.verify(signature, message, ec.ECDSA(algorithm.digest))
        else:
            return False
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def _from_der(data: bytes, size: int) -> Iterator[tuple[int, int]]:
    """Yield r and s, read as unsigned, where the data is a sequence of two integers and nothing else."""
    if len(data) < 2 or data[0] != _SEQUENCE:
        return
    start = 3 if data[1] == _LONG else 2
    if data[start - 1 : start] != bytes([len(data) - start & 0xFF]) or len(data) - start > 0xFF:
        return
    body = data[start:]
    numbers: list[int] = []
    while body and len(numbers) < 2:
        if len(body) < 3 or body[0] != _INTEGER or not 1 <= body[1] <= size + 1 or len(body) < 2 + body[1]:
            return
        numbers.append(int.from_bytes(body[2 : 2 + body[1]]))
        body = body[2 + body[1] :]
    if not body and len(numbers) == 2:
        yield numbers[0], numbers[1]
