"""Ed25519 keys: in files of mode 0600, in one-line texts, and over notes.

The texts are those of C2SP signed-note: a public key is `<name>+<key id>+<Base64>`, a private key
`PRIVATE+KEY+<name>+<key id>+<Base64>`, where the Base64 is the byte 0x01 and the 32 bytes of the key.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hub.crypto.files import read_secret, write_secret
from hub.domain.checkpoints import ED25519, Note, NoteSignature, key_id

_PRIVATE = "PRIVATE+KEY+"
_KEY_BYTES = 32


class BadKey(ValueError):
    """A text or a file holds no key of this kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyKey:
    """A public key and the name it goes by."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The 4-byte hint that tells keys of one name apart."""
        return key_id(self.name, self.public_key)

    def to_text(self) -> str:
        """Return the one-line text of the key."""
        return f"{self.name}+{self.key_id.hex()}+{_pack(self.public_key)}"

    @classmethod
    def from_text(cls, text: str) -> "VerifyKey":
        """Read the one-line text of a key.

        Raises:
            BadKey: It is no Ed25519 key, or its key id is another's.
        """
        name, _, rest = text.partition("+")
        hint, _, packed = rest.partition("+")
        public_key = _unpack(packed)
        try:
            key = cls(name=name, public_key=public_key)
            if key.key_id.hex() != hint:
                raise BadKey("the key id is another key's")
        except ValueError as error:
            raise BadKey(str(error)) from None
        return key

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Return whether the signature over the message is this key's (RFC 8032)."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def signed(self, note: Note) -> bool:
        """Return whether one of the note's signatures is this key's."""
        message = note.text.encode()
        return any(
            each.name == self.name and each.key_id == self.key_id and self.verifies(message, each.signature)
            for each in note.signatures
        )


class SigningKey:
    """A private key and the name it goes by. It never shows itself: not in `repr`, not in errors."""

    def __init__(self, *, name: str, seed: bytes) -> None:
        if len(seed) != _KEY_BYTES:
            raise BadKey("a private key has 32 bytes")
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verify_key = VerifyKey(name=name, public_key=self._key.public_key().public_bytes_raw())
        self.key_id = self.verify_key.key_id

    @property
    def name(self) -> str:
        """The name the key goes by."""
        return self.verify_key.name

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        return self.verify_key.public_key

    def __repr__(self) -> str:
        return f"SigningKey({self.name!r})"

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over a message; the same message has the same signature."""
        return self._key.sign(message)

    def sign_note(self, text: str) -> NoteSignature:
        """Return the signature line over a note's text."""
        return NoteSignature(name=self.name, key_id=self.key_id, signature=self.sign(text.encode()))

    def save(self, path: Path) -> None:
        """Write the key to a new file of mode 0600.

        Raises:
            FileExistsError: The file exists: a key is never overwritten.
        """
        text = f"{_PRIVATE}{self.name}+{self.key_id.hex()}+{_pack(self._seed)}\n"
        write_secret(path, text.encode())

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read the key of a file.

        Raises:
            BadKey: The file holds none.
            InsecureFileError: Others may read the file.
        """
        content = read_secret(path)
        try:
            text = content.decode().strip()
            name, hint, packed = text.removeprefix(_PRIVATE).split("+", 2)
            key = cls(name=name, seed=_unpack(packed))
        except ValueError:
            raise BadKey(f"{path} holds no private key") from None
        if not text.startswith(_PRIVATE) or key.key_id.hex() != hint:
            raise BadKey(f"{path} is damaged: the key id is another key's")
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """The roots a verifier trusts: how many of which keys have to have signed a keyring."""

    keys: tuple[VerifyKey, ...]
    threshold: int = 1

    def __post_init__(self) -> None:
        if not self.keys:
            raise BadKey("there is no root")
        if not 1 <= self.threshold <= len({key.public_key for key in self.keys}):
            raise BadKey("the threshold is at least 1 and at most the number of roots")

    def to_text(self) -> str:
        """Return the text of a roots file."""
        return "".join([f"threshold {self.threshold}\n", *(f"{key.to_text()}\n" for key in self.keys)])

    @classmethod
    def from_text(cls, text: str) -> "Roots":
        """Read a roots file: a public key on each line, `threshold N` before them, `#` for comments.

        Raises:
            BadKey: It is anything else.
        """
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        threshold = 1
        if lines and lines[0].startswith("threshold "):
            number = lines.pop(0).removeprefix("threshold ").strip()
            if not number.isascii() or not number.isdigit() or len(number) > 4:
                raise BadKey("the threshold is a number")
            threshold = int(number)
        return cls(keys=tuple(VerifyKey.from_text(line) for line in lines), threshold=threshold)


def note_signers(note: Note, keys: Iterable[VerifyKey]) -> list[VerifyKey]:
    """Return those of the keys that signed the note."""
    return [key for key in keys if key.signed(note)]


def _pack(key: bytes) -> str:
    return base64.b64encode(bytes([ED25519]) + key).decode()


def _unpack(text: str) -> bytes:
    try:
        packed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadKey("a key is not Base64") from None
    if len(packed) != 1 + _KEY_BYTES or packed[0] != ED25519:
        raise BadKey("not an Ed25519 key")
    return packed[1:]
