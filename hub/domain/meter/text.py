"""Bytes and numbers out of hostile text, within bounds."""

import base64
import binascii
import re
from decimal import Decimal, InvalidOperation

from hub.domain.meter.model import MalformedMeterData

#: The largest real document seen is 4 KB; certificates inside it account for most.
DOCUMENT_BYTES_MAX = 64 * 1024

_NUMBER = re.compile(r"[+-]?\d{1,20}(?:\.\d{1,12})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_SPACE = re.compile(r"[\s\x00]+")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_LARGEST = Decimal(10) ** 15
_FINEST = -15


def squeezed(text: str) -> str:
    """Return the text without white space, which senders strew into keys and signatures."""
    return _SPACE.sub("", text)


def from_hex(text: str) -> bytes:
    """Return the bytes of a hex text; raises MalformedMeterData."""
    text = squeezed(text)
    if not _HEX.fullmatch(text):
        raise MalformedMeterData
    return bytes.fromhex(text)


def from_base64(text: str) -> bytes:
    """Return the bytes of a Base64 text, padded or not; raises MalformedMeterData."""
    text = squeezed(text).rstrip("=")
    if not text or len(text) % 4 == 1:
        raise MalformedMeterData
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedMeterData from None


def decodings(text: str) -> list[bytes]:
    """Return what a text may mean as hex and as Base64; empty where it is neither."""
    found: list[bytes] = []
    for decode in (from_hex, from_base64):
        try:
            found.append(decode(text))
        except MalformedMeterData:
            continue
    return found


def number(value: object) -> Decimal:
    """Return an exact number of sensible size, sent as a number or as a padded string; raises MalformedMeterData."""
    text = str(value).strip() if isinstance(value, (str, Decimal)) else ""
    if not _NUMBER.fullmatch(text):
        raise MalformedMeterData
    try:
        result = Decimal(text)
    except InvalidOperation:  # pragma: no cover - the pattern admits none
        raise MalformedMeterData from None
    exponent = result.as_tuple().exponent
    if abs(result) >= _LARGEST or (isinstance(exponent, int) and exponent < _FINEST):
        raise MalformedMeterData
    return result
