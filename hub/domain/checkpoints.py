"""Checkpoints and the notes they are signed in (C2SP tlog-checkpoint and signed-note).

A checkpoint says "the journal of this name has this many entries and this root". As a note it is three lines of text,
an empty line, and a line for each signature, so that witnesses can add theirs:

    hub.example/clearing
    1042
    wJQ3...=

    — hub.example/clearing+2026 Az3...=

The bytes of a signature line's Base64 are a 4-byte key id and the signature. An Ed25519 key id is the beginning of
SHA-256(key name || 0x0A || 0x01 || public key); it is a hint that tells keys of one name apart, never an identity.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from hub.domain.merkle import EMPTY_ROOT, HASH_BYTES
from hub.domain.statements.model import TreeHead

#: signed-note's signature type of a plain Ed25519 signature.
ED25519 = 0x01
KEY_ID_BYTES = 4
NOTE_BYTES_MAX = 64 * 1024
SIGNATURES_MAX = 100

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
#: A key name is one word without a plus sign.
_NAME = re.compile(r"[^\s+]+")
_DASH = "\u2014 "


class MalformedNote(ValueError):
    """The bytes are no signed note, or its text is no checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a journal: its name, its size and its root."""

    origin: str
    size: int
    root: bytes

    @property
    def head(self) -> TreeHead:
        """Size and root."""
        return TreeHead(size=self.size, root=self.root)

    def text(self) -> str:
        """Return the note's text; its UTF-8 bytes are what is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read a note's text; further lines (extensions) are allowed and ignored.

        Raises:
            MalformedNote: It is no checkpoint.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise MalformedNote("a checkpoint has at least three lines, none of them empty")
        origin, size, root_text = lines[:3]
        if not _SIZE.fullmatch(size):
            raise MalformedNote("the tree size is no decimal number")
        root = _decode(root_text)
        if len(root) != HASH_BYTES or int(size) >= 1 << 63:
            raise MalformedNote("the root has 32 bytes, and a tree fewer than 2**63 leaves")
        if size == "0" and root != EMPTY_ROOT:
            raise MalformedNote("an empty tree has one root")
        return cls(origin=origin, size=int(size), root=root)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line: the key's name, its 4-byte id, and the signature."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Return the line, with its line feed."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A signed note: its text, and signatures that say nothing until they are verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """Return the whole note."""
        return (self.text + "\n" + "".join(each.line() for each in self.signatures)).encode()


def key_id(name: str, public_key: bytes) -> bytes:
    """Return the 4-byte id of an Ed25519 key of this name.

    Raises:
        ValueError: The name is not one word without a plus sign.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("a key name is one word without a plus sign")
    return sha256(name.encode() + b"\n" + bytes([ED25519]) + public_key).digest()[:KEY_ID_BYTES]


def parse_note(data: bytes) -> Note:
    """Read a signed note.

    Raises:
        MalformedNote: It is none, or has no signature, or too many.
    """
    if len(data) > NOTE_BYTES_MAX:
        raise MalformedNote("a note has at most 64 KiB")
    try:
        content = data.decode()
    except UnicodeDecodeError:
        raise MalformedNote("a note is UTF-8") from None
    if any(character < " " and character != "\n" for character in content):
        raise MalformedNote("a note holds no control characters")
    text, separator, rest = content.rpartition("\n\n")
    if not separator or not rest.endswith("\n"):
        raise MalformedNote("a note ends in signature lines after an empty line")
    lines = rest[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise MalformedNote(f"a note has at most {SIGNATURES_MAX} signatures")
    return Note(text=text + "\n", signatures=_signatures(lines))


def _signatures(lines: Sequence[str]) -> tuple[NoteSignature, ...]:
    signatures = []
    for line in lines:
        parts = line.removeprefix(_DASH).split(" ")
        if not line.startswith(_DASH) or len(parts) != 2 or not _NAME.fullmatch(parts[0]):
            raise MalformedNote("a signature line is a dash, a key name and Base64")
        data = _decode(parts[1])
        if len(data) <= KEY_ID_BYTES:
            raise MalformedNote("a signature line holds a key id and a signature")
        signatures.append(NoteSignature(name=parts[0], key_id=data[:KEY_ID_BYTES], signature=data[KEY_ID_BYTES:]))
    return tuple(signatures)


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedNote("not Base64") from None
    if base64.b64encode(data).decode() != text:
        raise MalformedNote("not canonical Base64")
    return data
