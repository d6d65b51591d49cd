"""The keyring: which keys sign for the hub and its partners, and over which journal indexes.

A keyring is a document signed by the hub's offline roots. A key holds for a half-open range of journal indexes:
rotation ends one range and begins another, so an old statement verifies with the key of its time. A revoked key is
trusted for nothing from its revocation index on, and for no checkpoint at all: whoever has the key could sign another
history, however small. A statement signed by it still counts where a trusted checkpoint proves that the journal held
it before that index.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from hub.domain.canonical import Fields, MalformedDocument, dump, expect_format, load
from hub.domain.checkpoints import key_id
from hub.domain.clearing.items import parse_party
from hub.domain.ids import PartyId

FORMAT = "roamhub.keyring.v1"
PUBLIC_KEY_BYTES = 32

_PUBLIC_KEY = re.compile(r"[A-Za-z0-9+/]{43}=")


class Use(StrEnum):
    """What a key may sign."""

    CHECKPOINT = "CHECKPOINT"
    STATEMENT = "STATEMENT"
    ACKNOWLEDGEMENT = "ACKNOWLEDGEMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringKey:
    """One Ed25519 key.

    Attributes:
        name: One word without a plus sign, such as `hub.example/clearing-1`.
        public_key: 32 bytes.
        uses: What it may sign.
        party: The partner it belongs to, with ACKNOWLEDGEMENT; None for the hub's own.
        first_index: The first journal index it holds for.
        end_index: The first index it no longer holds for; None while in use.
        revoked_index: The index from which on it may be in other hands; None unless revoked.
    """

    name: str
    public_key: bytes
    uses: frozenset[Use]
    party: PartyId | None = None
    first_index: int = 0
    end_index: int | None = None
    revoked_index: int | None = None

    def __post_init__(self) -> None:
        key_id(self.name, self.public_key)
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise ValueError("a public key has 32 bytes")
        if not self.uses or (self.party is not None) != (self.uses == {Use.ACKNOWLEDGEMENT}):
            raise ValueError("a partner's key signs acknowledgements, the hub's own anything but only them")
        if self.end_index is not None and self.end_index < self.first_index:
            raise ValueError("a key ends after it begins")

    def holds_at(self, index: int) -> bool:
        """Return whether the key holds at a journal index."""
        ends = (each for each in (self.end_index, self.revoked_index) if each is not None)
        return self.first_index <= index < min(ends, default=index + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The keys of one hub; a higher version replaces a lower one."""

    hub: str
    version: int
    keys: tuple[KeyringKey, ...]

    def __post_init__(self) -> None:
        if len({key.name for key in self.keys}) != len(self.keys):
            raise ValueError("two keys have one name")

    def find(self, name: str) -> KeyringKey | None:
        """Return the key of a name, or None."""
        return next((key for key in self.keys if key.name == name), None)

    def holding(self, use: Use, index: int, party: PartyId | None = None) -> tuple[KeyringKey, ...]:
        """Return the keys that may sign this at a journal index, for the hub or for a partner."""
        return tuple(key for key in self.keys if use in key.uses and key.party == party and key.holds_at(index))

    def witnessing(self, use: Use, since: int, until: int, party: PartyId | None = None) -> tuple[KeyringKey, ...]:
        """Return the keys that may have signed something at an index of `since` to `until` that nothing proves.

        Revoked ones are not among them: what they signed cannot be told from what their thief did.
        """
        return tuple(
            key
            for key in self.keys
            if use in key.uses
            and key.party == party
            and key.revoked_index is None
            and key.first_index <= until
            and (key.end_index is None or since < key.end_index)
        )

    def checkpoint_keys(self, size: int) -> tuple[KeyringKey, ...]:
        """Return the keys that may sign a checkpoint of this many entries: those of its last one, never revoked."""
        holding = self.holding(Use.CHECKPOINT, max(size - 1, 0))
        return tuple(key for key in holding if key.revoked_index is None)

    def rotated(self, new: KeyringKey, *, at: int, overlap: int = 0) -> "Keyring":
        """Return the next version, in which `new` holds from index `at` on and earlier keys of the same uses end.

        Args:
            new: The key to add.
            at: The journal's size when the rotation was begun.
            overlap: How many entries longer the earlier keys hold: they still sign until the keyring is published.

        Raises:
            ValueError: The name is taken.
        """
        ended = (
            replace(key, end_index=max(at + overlap, key.first_index))
            if key.end_index is None and key.party == new.party and key.uses & new.uses
            else key
            for key in self.keys
        )
        return Keyring(hub=self.hub, version=self.version + 1, keys=(*ended, replace(new, first_index=at)))

    def check_follows(self, before: "Keyring", size: int) -> None:
        """Check that this keyring may take the place of another, in a journal of this size.

        Raises:
            ValueError: It is another hub's, or would make invalid what a key that is not revoked has signed.
        """
        if self.hub != before.hub:
            raise ValueError("is another hub's")
        for key in before.keys:
            mine = self.find(key.name)
            if mine is None or replace(mine, end_index=key.end_index, revoked_index=key.revoked_index) != key:
                raise ValueError(f"leaves out or changes {key.name}")
            if key.revoked_index is not None and (mine.revoked_index is None or mine.revoked_index > key.revoked_index):
                raise ValueError(f"takes back the revocation of {key.name}")
            shortened = mine.end_index is not None and mine.end_index != key.end_index
            if shortened and mine.end_index < size and mine.revoked_index is None:  # type: ignore[operator]
                raise ValueError(f"ends {key.name} before what it has signed")
        revoked = {key.public_key for key in self.keys if key.revoked_index is not None}
        for key in self.keys:
            if key.revoked_index is None and key.public_key in revoked:
                raise ValueError(f"calls a revoked key {key.name}")

    def revoked(self, name: str, *, at: int) -> "Keyring":
        """Return the next version, in which a key is trusted for nothing from index `at` on.

        Raises:
            ValueError: There is no such key.
        """
        if self.find(name) is None:
            raise ValueError("there is no such key")
        keys = (
            replace(key, revoked_index=at if key.revoked_index is None else min(at, key.revoked_index))
            if key.name == name
            else key
            for key in self.keys
        )
        return Keyring(hub=self.hub, version=self.version + 1, keys=tuple(keys))

    def to_bytes(self) -> bytes:
        """Return the document that the roots sign."""
        return dump(
            {
                "format": FORMAT,
                "hub": self.hub,
                "version": self.version,
                "keys": [
                    {
                        "name": key.name,
                        "public_key": base64.b64encode(key.public_key).decode(),
                        "uses": sorted(key.uses),
                        "party": str(key.party) if key.party else "",
                        "first_index": key.first_index,
                        "end_index": key.end_index,
                        "revoked_index": key.revoked_index,
                    }
                    for key in self.keys
                ],
            }
        )

    @classmethod
    def from_bytes(cls, document: bytes) -> "Keyring":
        """Read the document.

        Raises:
            MalformedDocument: It is not what `to_bytes` writes.
        """
        fields = Fields(load(document))
        expect_format(fields, FORMAT)
        try:
            keyring = cls(
                hub=fields.text("hub"), version=fields.integer("version"), keys=_read_keys(fields.objects("keys"))
            )
        except MalformedDocument:
            raise
        except ValueError as error:
            raise MalformedDocument(str(error)) from None
        fields.end()
        if keyring.to_bytes() != document:
            raise MalformedDocument("a value is not in the form it is written in")
        return keyring


def _read_keys(each: Iterable[Fields]) -> tuple[KeyringKey, ...]:
    return tuple(_read_key(fields) for fields in each)


def _read_key(fields: Fields) -> KeyringKey:
    name, public_key = fields.text("name"), fields.text("public_key")
    if not _PUBLIC_KEY.fullmatch(public_key):
        raise MalformedDocument("a public key is the Base64 of 32 bytes")
    uses = frozenset(Use(use) for use in fields.texts("uses"))
    party = fields.text("party")
    key = KeyringKey(
        name=name,
        public_key=base64.b64decode(public_key),
        uses=uses,
        party=parse_party(party) if party else None,
        first_index=fields.integer("first_index"),
        end_index=fields.optional_integer("end_index"),
        revoked_index=fields.optional_integer("revoked_index"),
    )
    fields.end()
    return key
