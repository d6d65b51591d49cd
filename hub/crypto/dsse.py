"""DSSE envelopes (secure-systems-lab/dsse, version 1): a payload with its type, and signatures over both.

What is verified are the exact payload bytes, together with their type; nothing is rebuilt before. Key ids are hints:
every trusted key is tried against every signature.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from hub.crypto.signing import VerifyKey
from hub.domain.canonical import dump

STATEMENT_TYPE = "application/vnd.roamhub.statement.v1+json"
ACKNOWLEDGEMENT_TYPE = "application/vnd.roamhub.acknowledgement.v1+json"
KEYRING_TYPE = "application/vnd.roamhub.keyring.v1+json"

SIGNATURES_MAX = 100


class BadEnvelope(ValueError):
    """The bytes are no envelope, or one of another payload type."""


class Signer(Protocol):
    """What signs: a private key with its name."""

    @property
    def name(self) -> str:
        """The key's name, given as a hint."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature over a message."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature of an envelope, unverified, with the hint whose it is."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload and its signatures; they say nothing until `signers` was asked."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """Return the envelope's JSON."""
        return dump(
            {
                "payload": base64.b64encode(self.payload).decode(),
                "payloadType": self.payload_type,
                "signatures": [
                    {"keyid": each.key_id, "sig": base64.b64encode(each.signature).decode()} for each in self.signatures
                ],
            }
        )

    def countersigned(self, signer: Signer) -> "Envelope":
        """Return the envelope with one more signature."""
        return replace(self, signatures=(*self.signatures, _signed(self.payload_type, self.payload, signer)))

    def signers(self, keys: Iterable[VerifyKey]) -> list[VerifyKey]:
        """Return those of the trusted keys that signed; each public key once, whatever names it goes by."""
        message = pae(self.payload_type, self.payload)
        found: dict[bytes, VerifyKey] = {}
        for key in keys:
            if any(key.verifies(message, each.signature) for each in self.signatures):
                found.setdefault(key.public_key, key)
        return list(found.values())


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding: what is signed."""
    encoded = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(encoded), encoded, len(payload), payload)


def sign(payload_type: str, payload: bytes, signers: Sequence[Signer]) -> Envelope:
    """Return the envelope of a payload, signed by each of the signers."""
    signatures = tuple(_signed(payload_type, payload, signer) for signer in signers)
    return Envelope(payload_type=payload_type, payload=payload, signatures=signatures)


def parse(data: bytes, payload_type: str) -> Envelope:
    """Read an envelope; fields that DSSE does not know are ignored, as it asks.

    Raises:
        BadEnvelope: It is none, or of another payload type.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise BadEnvelope("no JSON") from None
    if not isinstance(document, dict) or document.get("payloadType") != payload_type:
        raise BadEnvelope(f"no envelope of type {payload_type}")
    signatures = document.get("signatures")
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= SIGNATURES_MAX:
        raise BadEnvelope(f"an envelope has 1 to {SIGNATURES_MAX} signatures")
    return Envelope(
        payload_type=payload_type,
        payload=_decode(document.get("payload")),
        signatures=tuple(_read_signature(each) for each in signatures),
    )


def _signed(payload_type: str, payload: bytes, signer: Signer) -> Signature:
    return Signature(key_id=signer.name, signature=signer.sign(pae(payload_type, payload)))


def _read_signature(document: Any) -> Signature:  # noqa: ANN401 - parsed JSON
    if not isinstance(document, dict):
        raise BadEnvelope("a signature is an object")
    hint = document.get("keyid", "")
    return Signature(key_id=hint if isinstance(hint, str) else "", signature=_decode(document.get("sig")))


def _decode(text: Any) -> bytes:  # noqa: ANN401 - parsed JSON
    if not isinstance(text, str):
        raise BadEnvelope("a payload or signature is no text")
    try:
        # DSSE allows both alphabets.
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise BadEnvelope("a payload or signature is not Base64") from None
