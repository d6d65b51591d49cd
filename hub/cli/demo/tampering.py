"""What somebody would do who wants a bundle to say something else."""

from dataclasses import replace

from hub.crypto import dsse
from hub.domain.bundle import read_bundle, write_bundle

_PAYABLE = b'"payable":"'


def change_one_byte(bundle: bytes) -> bytes:
    """Return the bundle with one byte of its signed statement changed: the last digit of what is payable.

    The archive is written anew, so that its own checksums are right: what gives the change away is the proof, and not
    a broken file.
    """
    parts, renderings = read_bundle(bundle)
    envelope = dsse.parse(parts.statement, dsse.STATEMENT_TYPE)
    payload = bytearray(envelope.payload)
    at = payload.index(b'"', payload.rindex(_PAYABLE) + len(_PAYABLE)) - 1
    payload[at] ^= 1  # 0 and 1, 2 and 3, ... 8 and 9 differ in this bit
    forged = replace(envelope, payload=bytes(payload))
    return write_bundle(replace(parts, statement=forged.to_bytes()), renderings)
