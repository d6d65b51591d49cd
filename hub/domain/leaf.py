"""The leaf of a clearing-journal entry: what the tree commits to, without holding it.

A leaf names the entry's kind, time and parties, and commits to each of its fields by a salted hash. Whoever is given a
field's salt and value can check them against the leaf; nobody can guess a value from it. When a personal field is
erased, its salt and value go and its commitment stays: the leaf, its hash and every proof over it remain as they were.

The preimage, byte by byte, is documented in `docs/proof.md`:

    16   the ASCII text `roamhub.leaf.v1` and a line feed
    8    recorded time: microseconds since 1970-01-01T00:00:00Z, big-endian, signed
    1+n  kind, owner, counterparty: for each its length and its UTF-8 bytes
    1    number of fields
    ...  for each field, names ascending: 1+n name, 32 commitment

    commitment = SHA-256(salt || length of name || name || value)
    salt       = SHA-256(leaf salt || name)

The leaf salt is 32 random bytes, drawn anew for every entry. Names are lower-case ASCII, so that no salt can be
extended to another name's salt.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from hub.domain.merkle import HASH_BYTES, leaf_hash

SALT_BYTES = 32

_MAGIC = b"roamhub.leaf.v1\n"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HEADER_BYTES = len(_MAGIC) + 8


class MalformedLeaf(ValueError):
    """The bytes are no leaf preimage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A leaf in its parts.

    Attributes:
        kind: What happened, such as `cdr_accepted`.
        recorded_time: When the hub recorded it, in UTC, to the microsecond.
        owner: The party the entry belongs to, such as `NL-ABC`; empty for the hub's own.
        counterparty: The other party; empty where there is none.
        commitments: The field names, ascending, each with its 32-byte commitment.
    """

    kind: str
    recorded_time: datetime
    owner: str
    counterparty: str
    commitments: tuple[tuple[str, bytes], ...]

    def to_bytes(self) -> bytes:
        """Return the preimage.

        Raises:
            ValueError: A text is longer than 255 bytes, or there are more than 255 fields.
        """
        micros = (self.recorded_time - _EPOCH) // _MICROSECOND
        parts = [_MAGIC, micros.to_bytes(8, "big", signed=True)]
        parts.extend(_counted(text) for text in (self.kind, self.owner, self.counterparty))
        parts.append(len(self.commitments).to_bytes(1, "big"))
        for name, commitment in self.commitments:
            parts.append(_counted(name))
            parts.append(commitment)
        return b"".join(parts)

    @property
    def hash(self) -> bytes:
        """The leaf hash that stands in the tree."""
        return leaf_hash(self.to_bytes())

    @classmethod
    def from_bytes(cls, preimage: bytes) -> "Leaf":
        """Read a preimage.

        Raises:
            MalformedLeaf: The bytes are not what `to_bytes` writes.
        """
        if not preimage.startswith(_MAGIC) or len(preimage) < _HEADER_BYTES:
            raise MalformedLeaf("no leaf of this format")
        micros = int.from_bytes(preimage[len(_MAGIC) : _HEADER_BYTES], "big", signed=True)
        try:
            recorded_time = _EPOCH + micros * _MICROSECOND
        except OverflowError:
            raise MalformedLeaf("a time beyond the calendar") from None
        reader = _Reader(preimage, _HEADER_BYTES)
        kind, owner, counterparty = reader.text(), reader.text(), reader.text()
        count = reader.take(1)[0]
        commitments = tuple((reader.text(), reader.take(HASH_BYTES)) for _ in range(count))
        if not reader.done:
            raise MalformedLeaf("bytes after the last field")
        names = [name for name, _ in commitments]
        if names != sorted(set(names)) or not all(_NAME.fullmatch(name) for name in names):
            raise MalformedLeaf("field names are not unique, ascending and lower-case")
        return cls(
            kind=kind, recorded_time=recorded_time, owner=owner, counterparty=counterparty, commitments=commitments
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What opens one commitment: the field's 32-byte salt and its value."""

    salt: bytes
    value: bytes

    def commitment(self, name: str) -> bytes:
        """Return the commitment that this opens for a field of this name."""
        encoded = name.encode()
        return sha256(self.salt + len(encoded).to_bytes(1, "big") + encoded + self.value).digest()


def field_salt(leaf_salt: bytes, name: str) -> bytes:
    """Return the salt of one field of a leaf."""
    return sha256(leaf_salt + name.encode()).digest()


def open_all(leaf_salt: bytes, fields: Mapping[str, bytes]) -> dict[str, Opening]:
    """Return what opens each field."""
    return {name: Opening(salt=field_salt(leaf_salt, name), value=value) for name, value in fields.items()}


def seal(
    *, kind: str, recorded_time: datetime, owner: str, counterparty: str, fields: Mapping[str, bytes], leaf_salt: bytes
) -> bytes:
    """Return the preimage of a new entry's leaf; `leaf_hash` of it stands in the tree.

    Args:
        kind: What happened.
        recorded_time: When the hub recorded it, in UTC.
        owner: The party the entry belongs to, or empty.
        counterparty: The other party, or empty.
        fields: The values to commit to, by name.
        leaf_salt: 32 random bytes, for this leaf alone.

    Raises:
        ValueError: The salt is not 32 bytes, or a name is not lower-case ASCII of at most 31 characters.
    """
    if len(leaf_salt) != SALT_BYTES:
        raise ValueError("a leaf salt has 32 bytes")
    commitments = []
    for name in sorted(fields):
        if not _NAME.fullmatch(name):
            raise ValueError("a field name is lower-case ASCII of at most 31 characters")
        encoded = name.encode()
        salt = sha256(leaf_salt + encoded).digest()
        commitments.append((name, sha256(salt + len(encoded).to_bytes(1, "big") + encoded + fields[name]).digest()))
    return Leaf(
        kind=kind, recorded_time=recorded_time, owner=owner, counterparty=counterparty, commitments=tuple(commitments)
    ).to_bytes()


class Sealer:
    """Seals leaves that differ in the values of their fields alone: what they have in common is put together once.

    A group of CDRs between two parties yields such leaves. `seal` and `open_all` are the plain way to the same bytes.
    """

    def __init__(
        self, *, kind: str, recorded_time: datetime, owner: str, counterparty: str, names: Collection[str]
    ) -> None:
        """Take what the leaves have in common; arguments and errors are those of `seal`."""
        self._fields = _plan(tuple(names))
        micros = (recorded_time - _EPOCH) // _MICROSECOND
        parts = micros.to_bytes(8, "big", signed=True), _counted(kind), _counted(owner), _counted(counterparty)
        self._head = b"".join((_MAGIC, *parts, len(self._fields).to_bytes(1, "big")))

    def seal_and_open(self, fields: Mapping[str, bytes], leaf_salt: bytes) -> tuple[bytes, bytes]:
        """Return the preimage of a leaf, and what opens its fields as `pack_openings` packs it.

        Args:
            fields: A value for each of the names.
            leaf_salt: 32 random bytes, for this leaf alone.

        Raises:
            ValueError: The salt is not 32 bytes.
        """
        if len(leaf_salt) != SALT_BYTES:
            raise ValueError("a leaf salt has 32 bytes")
        preimage, openings = self._head, b""
        for name, encoded, counted in self._fields:
            value = fields[name]
            salt = sha256(leaf_salt + encoded).digest()
            preimage += counted + sha256(salt + counted + value).digest()
            openings += counted + salt + len(value).to_bytes(4, "big") + value
        return preimage, openings


@lru_cache(maxsize=64)
def _plan(names: tuple[str, ...]) -> tuple[tuple[str, bytes, bytes], ...]:
    """Return field names in the order of the leaf, each with its bytes, alone and counted."""
    if not all(_NAME.fullmatch(name) for name in names):
        raise ValueError("a field name is lower-case ASCII of at most 31 characters")
    return tuple((name, name.encode(), _counted(name)) for name in sorted(names))


def check_openings(leaf: Leaf, openings: Mapping[str, Opening]) -> None:
    """Check that every opening belongs to the leaf.

    Raises:
        ValueError: A field is not in the leaf, or its salt and value are not what the leaf commits to.
    """
    commitments = dict(leaf.commitments)
    for name, opening in openings.items():
        if name not in commitments:
            raise ValueError(f"the leaf has no field {name}")
        if len(opening.salt) != SALT_BYTES or opening.commitment(name) != commitments[name]:
            raise ValueError(f"the leaf commits to another {name}")


def erase(openings: Mapping[str, Opening], names: Collection[str]) -> dict[str, Opening]:
    """Return the openings without those of the named fields.

    The leaf salt must be destroyed with them, because it derives every field's salt: keep what this returns instead.
    """
    return {name: opening for name, opening in openings.items() if name not in names}


def pack_openings(openings: Mapping[str, Opening]) -> bytes:
    """Return openings as bytes to be stored: for each, names ascending, 1+n name, 32 salt, 4+n value."""
    return b"".join(_packed(name, openings[name]) for name in sorted(openings))


def unpack_openings(data: bytes) -> dict[str, Opening]:
    """Read what `pack_openings` wrote.

    Raises:
        MalformedLeaf: The bytes are cut short.
    """
    reader = _Reader(data, 0)
    openings = {}
    while not reader.done:
        name, salt = reader.text(), reader.take(SALT_BYTES)
        openings[name] = Opening(salt=salt, value=reader.take(int.from_bytes(reader.take(4), "big")))
    return openings


def _packed(name: str, opening: Opening) -> bytes:
    return _counted(name) + opening.salt + len(opening.value).to_bytes(4, "big") + opening.value


def _counted(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 255:
        raise ValueError("a text of a leaf has at most 255 bytes")
    return len(encoded).to_bytes(1, "big") + encoded


class _Reader:
    """Takes bytes from the front, and never reads past the end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    @property
    def done(self) -> bool:
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise MalformedLeaf("cut short")
        self._at += count
        return taken

    def text(self) -> str:
        try:
            return self.take(self.take(1)[0]).decode()
        except UnicodeDecodeError:
            raise MalformedLeaf("a text that is no UTF-8") from None
