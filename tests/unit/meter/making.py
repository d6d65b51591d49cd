"""Meters with keys of their own, and where the shared documents lie."""

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.crypto.meter.verifier import SignatureVerifier
from hub.domain.meter.documents import read_documents
from hub.domain.meter.model import Verdict

DATA = Path(os.environ.get("ROAMHUB_DATA", Path(__file__).parents[3] / "../shared/data"))

CURVES: dict[str, ec.EllipticCurve] = {
    "secp192r1": ec.SECP192R1(),
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
}


def shared(name: str = "") -> Path:
    """Return a path in the shared meter data; skip the test where it is absent."""
    path = DATA / "meter" / name
    if not path.exists():
        pytest.skip(f"no shared data at {path}: set ROAMHUB_DATA")
    return path


def reading(event: str | None = None, value: object = 0, **fields: Any) -> dict[str, Any]:
    """Return a reading; None for a field leaves it out."""
    whole = {"TM": None, "TX": event, "RV": value, "RI": "1-b:1.8.0", "RU": "kWh", "EF": "", "ST": "G", **fields}
    return {name: each for name, each in whole.items() if each is not None}


BEGIN = reading("B", "10.0", TM="2026-03-01T12:00:00,000+0000 S")
END = reading("E", "32.5", TM="2026-03-01T13:00:00,000+0000 S")


def payload(*readings: dict[str, Any], page: str | None = "T1", **fields: Any) -> str:
    """Return what a meter signs."""
    whole = {"FV": "1.0", "GS": "G1", "MS": "M1", "PG": page, "IT": "LOCAL", "ID": "04AB", "CI": "DE*1", **fields}
    return json.dumps({**{name: each for name, each in whole.items() if each is not None}, "RD": list(readings)})


@dataclass(frozen=True)
class Meter:
    """A meter with a key on a curve."""

    curve: str = "secp256r1"
    key: ec.EllipticCurvePrivateKey = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", ec.generate_private_key(CURVES[self.curve]))

    @property
    def size(self) -> int:
        return (self.key.key_size + 7) // 8

    @property
    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def point(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))

    def sign_raw(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self.sign(message))
        return r.to_bytes(self.size) + s.to_bytes(self.size)

    def ocmf(self, signed: str, **seal: Any) -> str:
        """Return a document."""
        whole = {"SA": f"ECDSA-{self.curve}-SHA256", "SD": self.sign(signed.encode()).hex(), **seal}
        return f"OCMF|{signed}|{json.dumps({name: each for name, each in whole.items() if each is not None})}"

    def billed(self, *documents: str) -> tuple[Verdict, ...]:
        """Return the verdicts of a file of these documents, with this meter's key trusted."""
        return verdicts("\n".join(documents), self.spki.hex())


def ed25519_ocmf(signed: str) -> tuple[str, str]:
    """Return a document signed with Ed25519, and the key in Base64."""
    key = Ed25519PrivateKey.generate()
    seal = json.dumps({"SA": "Ed25519", "SE": "base64", "SD": base64.b64encode(key.sign(signed.encode())).decode()})
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"OCMF|{signed}|{seal}", base64.b64encode(public).decode()


def verdicts(content: str | bytes, *keys: str) -> tuple[Verdict, ...]:
    """Return the verdicts of a file."""
    data = content.encode() if isinstance(content, str) else content
    return SignatureVerifier().verify(read_documents(data), keys)


def reasons(found: Sequence[Verdict]) -> list[list[str]]:
    """Return the reasons of each verdict."""
    return [[reason.value for reason in verdict.reasons] for verdict in found]
