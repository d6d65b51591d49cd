"""Signing a keyring with the offline roots, and trusting one that they signed."""

from collections.abc import Iterable, Sequence

from hub.crypto import dsse
from hub.crypto.signing import Roots, VerifyKey
from hub.domain.canonical import MalformedDocument
from hub.domain.keyring import Keyring, KeyringKey


class UntrustedKeyring(ValueError):
    """Fewer roots than the threshold signed the keyring, or it is none."""


def sign_keyring(keyring: Keyring, roots: Sequence[dsse.Signer]) -> bytes:
    """Return the keyring's envelope, signed by each of the roots."""
    return dsse.sign(dsse.KEYRING_TYPE, keyring.to_bytes(), roots).to_bytes()


def trust_keyring(envelope: bytes, roots: Roots) -> Keyring:
    """Return the keyring of an envelope that enough of the roots signed.

    Raises:
        UntrustedKeyring: They did not, or it is no keyring.
    """
    try:
        parsed = dsse.parse(envelope, dsse.KEYRING_TYPE)
    except dsse.BadEnvelope as error:
        raise UntrustedKeyring(str(error)) from None
    signed = len(parsed.signers(roots.keys))
    if signed < roots.threshold:
        raise UntrustedKeyring(f"signed by {signed} of the roots, {roots.threshold} needed")
    try:
        return Keyring.from_bytes(parsed.payload)
    except MalformedDocument as error:
        raise UntrustedKeyring(f"signed, but no keyring: {error}") from None


def verify_keys(keys: Iterable[KeyringKey]) -> list[VerifyKey]:
    """Return the keys as ones to verify with."""
    return [VerifyKey(name=key.name, public_key=key.public_key) for key in keys]
