"""Verifying meter documents under trusted keys, or under the key that came along, which earns no trust."""

from collections.abc import Sequence

from hub.app.ports.meter import MeterVerifier
from hub.crypto.meter.keys import KEY_TEXT_MAX, Unusable, identity, is_key, read_key
from hub.crypto.meter.signatures import Algorithm, algorithm_named, readings_of, verifies
from hub.domain.errors import invalid
from hub.domain.meter.billing import judge
from hub.domain.meter.model import Entry, MeterDocument, Reason, Signature, SignatureCheck, Unread, Verdict

#: An EVSE has one meter, seldom two; each trusted key costs a verification per document.
TRUSTED_KEYS_MAX = 16


class SignatureVerifier:
    """Implements `hub.app.ports.meter.MeterVerifier`."""

    def verify(self, documents: Sequence[Entry], trusted_keys: Sequence[str]) -> tuple[Verdict, ...]:
        """Return a verdict per document, in order; raises Invalid where a trusted key is none."""
        if len(trusted_keys) > TRUSTED_KEYS_MAX:
            raise invalid("trusted_keys", f"must be at most {TRUSTED_KEYS_MAX}")
        for text in trusted_keys:
            if len(text) > KEY_TEXT_MAX or not is_key(text):
                raise invalid("trusted_keys", "must be public keys in hex or Base64, as SPKI DER or as x||y")
        return judge(documents, [_check(document, trusted_keys) for document in documents])


def _check(document: Entry, trusted_keys: Sequence[str]) -> SignatureCheck | None:
    if isinstance(document, Unread):
        return None
    algorithm = algorithm_named(document.algorithm)
    if algorithm is None:
        return SignatureCheck(signature=Signature.UNSUPPORTED, reason=Reason.ALGORITHM_UNSUPPORTED)
    signatures = readings_of(document.signature, algorithm)
    if not signatures:
        return SignatureCheck(signature=Signature.MALFORMED, reason=Reason.SIGNATURE_MALFORMED)
    for text in trusted_keys:
        if key := _signer(document, algorithm, text, signatures):
            return SignatureCheck(signature=Signature.VALID, key=key)
    return _under_carried_key(document, algorithm, signatures, others=bool(trusted_keys))


def _under_carried_key(
    document: MeterDocument, algorithm: Algorithm, signatures: list[bytes], *, others: bool
) -> SignatureCheck:
    """Check under the key that came along; `others` says that trusted keys were given, and none of them signed."""
    key = _signer(document, algorithm, document.carried_key, signatures)
    if others:
        reason = Reason.SIGNED_BY_ANOTHER_KEY if key else Reason.SIGNATURE_INVALID
        return SignatureCheck(signature=Signature.INVALID, reason=reason)
    if key:
        return SignatureCheck(signature=Signature.VALID, reason=Reason.KEY_NOT_TRUSTED, key=key)
    if not document.carried_key.strip():
        return SignatureCheck(signature=Signature.INVALID, reason=Reason.NO_PUBLIC_KEY)
    if read_key(document.carried_key, algorithm.curve) is None:
        return SignatureCheck(signature=Signature.MALFORMED, reason=Reason.PUBLIC_KEY_MALFORMED)
    return SignatureCheck(signature=Signature.INVALID, reason=Reason.SIGNATURE_INVALID)


def _signer(document: MeterDocument, algorithm: Algorithm, text: str, signatures: list[bytes]) -> str:
    """Return the identity of the key that a text is, where it signed the document; empty otherwise."""
    key = read_key(text, algorithm.curve)
    if key is None or isinstance(key, Unusable) or not verifies(key, algorithm, document.signed, signatures):
        return ""
    return identity(key)


_: type[MeterVerifier] = SignatureVerifier
