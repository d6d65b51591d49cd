"""Public keys of meters, as SPKI DER, as a point (x||y, with or without its leading byte) or as 32 bytes of Ed25519.

A bare point does not say its curve: the document's algorithm does, and a point lies on no curve but its own.
"""

from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hub.app.ports.meter import MeterKeyReader
from hub.domain.meter.keys import KeyMaterial, UnusableKey
from hub.domain.meter.text import decodings

MeterKey = ec.EllipticCurvePublicKey | Ed25519PublicKey

#: The longest key text: SPKI DER of a 384-bit curve in spaced hex is 300 characters.
KEY_TEXT_MAX = 2048

_CURVES: dict[str, ec.EllipticCurve] = {
    "secp192r1": ec.SECP192R1(),
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "secp256k1": ec.SECP256K1(),
    "brainpoolp256r1": ec.BrainpoolP256R1(),
    "brainpoolp384r1": ec.BrainpoolP384R1(),
}
#: The curves by the names that keys are registered under.
CURVE_NAMES = (
    "secp192r1",
    "secp256r1",
    "secp384r1",
    "secp256k1",
    "brainpoolP256r1",
    "brainpoolP384r1",
    "Ed25519",
)
_NAMED = {name.lower(): name for name in CURVE_NAMES}
_SPKI = 0x30
_POINT_FORMS = (0x02, 0x03, 0x04)
_ED25519_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A key of another algorithm than the document's; it cannot have signed it."""


def curve_named(name: str) -> ec.EllipticCurve | None:
    """Return a supported curve by its name, in any case; brainpool's with or without its P."""
    name = name.lower()
    if name.startswith("brainpool") and not name.startswith("brainpoolp"):
        name = name.replace("brainpool", "brainpoolp", 1)
    return _CURVES.get(name)


def is_key(text: str) -> bool:
    """Return whether a text is a public key for any supported algorithm."""
    return any(read_key(text, curve) is not None for curve in (*_CURVES.values(), None))


@lru_cache(maxsize=1_024)
def read_key(text: str, curve: ec.EllipticCurve | None) -> MeterKey | Unusable | None:
    """Return the public key that a text is; remembered, as a meter's key comes with every CDR.

    Args:
        text: Hex or Base64, with white space anywhere.
        curve: The curve that the document's algorithm names; None for Ed25519.

    Returns:
        The key; `Unusable` where it is one of another algorithm; None where it is none.
    """
    if len(text) > KEY_TEXT_MAX:
        return None
    other: Unusable | None = None
    for data in decodings(text):
        key = _from_spki(data) if data[0] == _SPKI else None
        key = key or _from_point(data, curve)
        if isinstance(key, Ed25519PublicKey):
            if curve is None:
                return key
            other = Unusable()
        elif key is not None:
            if curve is not None and key.curve.name == curve.name:
                return key
            other = Unusable()
    return other


def identity(key: MeterKey) -> str:
    """Return what tells a key from every other, whatever shape it came in."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


def _from_spki(data: bytes) -> MeterKey | None:
    try:
        key = load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, (ec.EllipticCurvePublicKey, Ed25519PublicKey)) else None


def _from_point(data: bytes, curve: ec.EllipticCurve | None) -> MeterKey | None:
    try:
        if curve is None:
            return Ed25519PublicKey.from_public_bytes(data) if len(data) == _ED25519_BYTES else None
        size = (curve.key_size + 7) // 8
        if len(data) == 2 * size:
            data = b"\x04" + data
        if data[0] not in _POINT_FORMS:
            return None
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, data)
    except (ValueError, UnsupportedAlgorithm):
        return None


def read_material(text: str, curve: str) -> KeyMaterial:
    """Return the key that is to be registered; implements `hub.app.ports.meter.MeterKeyReader`; raises UnusableKey."""
    named = _curve_name(curve)
    if len(text) > KEY_TEXT_MAX:
        raise UnusableKey(f"has at most {KEY_TEXT_MAX} characters")
    readings = decodings(text)
    if not readings:
        raise UnusableKey("is a public key in hex or Base64")
    for data in readings:
        key = _from_spki(data) if data[0] == _SPKI else None
        if key is not None:
            return _material(key, named)
    for data in readings if named else ():
        key = _from_point(data, _CURVES.get(named.lower()))
        if key is not None:
            return _material(key, named)
    raise UnusableKey(_why_none(readings, named))


def _curve_name(curve: str) -> str:
    """Return the name of a curve as keys are registered under; empty for none."""
    if not curve:
        return ""
    known = curve_named(curve)
    name = _NAMED.get(curve.lower() if known is None else known.name.lower())
    if name is None:
        raise UnusableKey(f"must be one of {', '.join(CURVE_NAMES)}", field="curve")
    return name


def _material(key: MeterKey, named: str) -> KeyMaterial:
    stated = "Ed25519" if isinstance(key, Ed25519PublicKey) else key.curve.name
    curve = _NAMED.get(stated.lower())
    if curve is None:
        raise UnusableKey(f"is on {stated}, which is not supported; supported are {', '.join(CURVE_NAMES)}")
    if named and named != curve:
        raise UnusableKey(f"is on {curve}, not on {named} as named")
    return KeyMaterial(curve=curve, spki=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _why_none(readings: list[bytes], named: str) -> str:
    """Return why bytes are no key; `named` is the curve, empty where none was named."""
    for data in readings:
        if data[0] == _SPKI:
            try:
                load_der_public_key(data)
            except UnsupportedAlgorithm:
                return "is of an algorithm or curve that is not supported"
            except ValueError:
                continue
            return "is of an algorithm that is not supported: it is for ECDSA or Ed25519"
    if named:
        return f"is neither SPKI DER nor a point of {named}"
    return "is no SPKI DER; a bare point does not say its curve, which must be named"


_: MeterKeyReader = read_material
