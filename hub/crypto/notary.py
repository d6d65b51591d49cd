"""The notary: the hub's own signing keys, and which of them the keyring holds valid at a journal index."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from hub.crypto import dsse
from hub.crypto.files import LostKeyError, private_folder
from hub.crypto.keyring import UntrustedKeyring, sign_keyring, trust_keyring, verify_keys
from hub.crypto.signing import Roots, SigningKey
from hub.domain.checkpoints import Checkpoint, Note
from hub.domain.errors import Unreachable, invalid
from hub.domain.ids import PartyId
from hub.domain.keyring import Keyring, KeyringKey, Use
from hub.domain.statements import TreeHead

#: What the hub's own keys sign.
OWN_USES = frozenset({Use.CHECKPOINT, Use.STATEMENT})

_ROOT = "root.key"


class FileNotary:
    """Implements `hub.app.ports.clearing.Notary` with keys in files.

    The folder holds `root.key` (to be moved offline), `roots.txt` (to be handed to whoever verifies), and a
    `signing-N.key` for each key of the hub's own.
    """

    def __init__(self, *, origin: str, folder: Path, entropy: Callable[[int], bytes]) -> None:
        self.origin = origin
        self._folder = private_folder(folder)
        self._entropy = entropy
        self._keys = {key.public_key: key for key in self._load()}

    @classmethod
    def open(cls, *, origin: str, folder: Path, entropy: Callable[[int], bytes]) -> "FileNotary":
        """Return the notary of a folder, which may be empty: keys are made with the first keyring, and not before.

        Raises:
            LostKeyError: There are keys and no roots that vouch for them.
            BadKey: A file holds no key.
        """
        notary = cls(origin=origin, folder=folder, entropy=entropy)
        if not notary.roots_path.exists():
            if (folder / _ROOT).exists():
                notary._write_roots()
            elif notary._keys:
                # Other roots would vouch for nothing that was ever signed.
                raise LostKeyError(f"{notary.roots_path} is missing: put it back from a copy, such as a partner's")
        return notary

    @property
    def roots_path(self) -> Path:
        """The roots file."""
        return self._folder / "roots.txt"

    def new_key(self) -> tuple[str, bytes]:
        """Make a further key of the hub's own and keep it; returns its name and its public half."""
        number = 1 + max((int(path.stem.removeprefix("signing-")) for path in self._paths()), default=0)
        key = SigningKey(name=f"{self.origin}-{number}", seed=self._entropy(32))
        key.save(self._folder / f"signing-{number}.key")
        self._keys[key.public_key] = key
        return key.name, key.public_key

    def read_keyring(self, envelope: bytes) -> Keyring:
        """Return the keyring of an envelope that enough of the roots in `roots.txt` signed.

        Raises:
            Invalid: They did not, or it is no keyring.
            Unreachable: NO_ROOTS, the file is gone.
        """
        try:
            return trust_keyring(envelope, Roots.from_text(self.roots_path.read_text()))
        except UntrustedKeyring as error:
            raise invalid("envelope", str(error)) from None
        except FileNotFoundError:
            raise Unreachable("NO_ROOTS", f"the hub has lost its {self.roots_path.name}: put it back") from None

    def can_sign(self, keyring: Keyring, index: int) -> bool:
        """Say whether a key of this hub holds at a journal index."""
        found = (keyring.holding(Use.STATEMENT, index), keyring.checkpoint_keys(index + 1))
        return all(any(key.public_key in self._keys for key in keys) for keys in found)

    def first_keyring(self) -> bytes:
        """Make a root, the roots file and a first key where there are none, and return the first keyring's envelope.

        Every key there is holds from the first entry on. Each step may have been taken before a crash.
        """
        if not self.roots_path.exists():
            SigningKey(name=f"{self.origin}-root-1", seed=self._entropy(32)).save(self._folder / _ROOT)
            self._write_roots()
        if not self._keys:
            self.new_key()
        keys = tuple(
            KeyringKey(name=key.name, public_key=key.public_key, uses=OWN_USES)
            for key in sorted(self._keys.values(), key=lambda key: key.name)
        )
        keyring = Keyring(hub=self.origin, version=1, keys=keys)
        return sign_keyring(keyring, [SigningKey.load(self._folder / _ROOT)])

    def sign_statement(self, document: bytes, *, keyring: bytes, index: int) -> bytes:
        """Return a statement's envelope; raises Unreachable (NO_SIGNING_KEY)."""
        signer = self._signer(_keyring(keyring).holding(Use.STATEMENT, index), index)
        return dsse.sign(dsse.STATEMENT_TYPE, document, [signer]).to_bytes()

    def sign_acknowledgement(self, document: bytes, *, keyring: bytes, index: int) -> bytes:
        """Return the envelope of an acknowledgement that the hub witnessed; raises Unreachable (NO_SIGNING_KEY)."""
        signer = self._signer(_keyring(keyring).holding(Use.STATEMENT, index), index)
        return dsse.sign(dsse.ACKNOWLEDGEMENT_TYPE, document, [signer]).to_bytes()

    def sign_checkpoint(self, head: TreeHead, *, keyring: bytes) -> bytes:
        """Return the signed note of a tree; raises Unreachable (NO_SIGNING_KEY)."""
        signer = self._signer(_keyring(keyring).checkpoint_keys(head.size), max(head.size - 1, 0))
        text = Checkpoint(origin=self.origin, size=head.size, root=head.root).text()
        return Note(text=text, signatures=(signer.sign_note(text),)).to_bytes()

    def open_acknowledgement(self, envelope: bytes, *, keyring: bytes, index: int, party: PartyId) -> bytes:
        """Return the document of an acknowledgement that a key of the party signed.

        Raises:
            Invalid: None did that holds at this journal index.
        """
        try:
            parsed = dsse.parse(envelope, dsse.ACKNOWLEDGEMENT_TYPE)
        except dsse.BadEnvelope as error:
            raise invalid("envelope", str(error)) from None
        if not parsed.signers(verify_keys(_keyring(keyring).holding(Use.ACKNOWLEDGEMENT, index, party))):
            raise invalid("envelope", "must be signed with a key of the party that the keyring holds valid")
        return parsed.payload

    def _signer(self, holding: Iterable[KeyringKey], index: int) -> SigningKey:
        # Of several the newest, and never one that is about to end.
        for key in sorted(holding, key=lambda key: (key.end_index is None, key.first_index), reverse=True):
            mine = self._keys.get(key.public_key)
            if mine is not None and mine.name == key.name:
                return mine
        raise Unreachable("NO_SIGNING_KEY", f"none of the hub's keys holds at journal index {index}", index=str(index))

    def _write_roots(self) -> None:
        root = SigningKey.load(self._folder / _ROOT)
        self.roots_path.write_text(Roots(keys=(root.verify_key,)).to_text())

    def _load(self) -> list[SigningKey]:
        return [SigningKey.load(path) for path in self._paths()]

    def _paths(self) -> list[Path]:
        return [path for path in self._folder.glob("signing-*.key") if path.stem.removeprefix("signing-").isdigit()]


@lru_cache(maxsize=16)
def _keyring(envelope: bytes) -> Keyring:
    # From the hub's own database: who put it there has checked the roots' signatures.
    return Keyring.from_bytes(dsse.parse(envelope, dsse.KEYRING_TYPE).payload)
