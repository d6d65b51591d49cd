"""What a bundle holds, and the documents `leaves.jsonl` and `proofs.json` in it."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hub.domain.canonical import Fields, Json, MalformedDocument, dump, expect_format, load
from hub.domain.leaf import Opening
from hub.domain.merkle import HASH_BYTES

PROOFS_FORMAT = "roamhub.proofs.v1"

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosedLeaf:
    """A journal leaf with those of its fields that the bundle shows.

    Attributes:
        index: Its index in the journal.
        preimage: The leaf's bytes.
        openings: Salt and value of each field shown; the others stay commitments.
    """

    index: int
    preimage: bytes
    openings: Mapping[str, Opening]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """The Merkle proofs of a bundle.

    Attributes:
        before_to_after: Consistency of the tree before the period with that at its end; empty if it was empty.
        after_to_checkpoint: Consistency of the tree at the period's end with the checkpoint.
        leaves: Batch proof of all disclosed leaves in the tree at the period's end.
        issued: The journal entry by which the statement was issued.
        issued_inclusion: Its audit path in the checkpoint's tree.
    """

    before_to_after: tuple[bytes, ...]
    after_to_checkpoint: tuple[bytes, ...]
    leaves: tuple[bytes, ...]
    issued: DisclosedLeaf
    issued_inclusion: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleParts:
    """A bundle in its parts; the CSV and HTML files follow from them.

    Attributes:
        statement: The DSSE envelope of the statement.
        leaves: The CDRs of the statement and, last, the cut-off entry of its period, by index.
        proofs: What shows that they stand in the journal.
        checkpoint: A signed note about the journal, later than the statement's issue.
        acknowledgements: DSSE envelopes, in the order in which they came.
        keyring: The DSSE envelope of the keyring.
    """

    statement: bytes
    leaves: tuple[DisclosedLeaf, ...]
    proofs: Proofs
    checkpoint: bytes
    acknowledgements: tuple[bytes, ...]
    keyring: bytes


def leaves_bytes(leaves: Iterable[DisclosedLeaf]) -> bytes:
    """Return `leaves.jsonl`: a document on each line."""
    return b"".join(dump(_leaf(leaf)) + b"\n" for leaf in leaves)


def parse_leaves(data: bytes) -> tuple[DisclosedLeaf, ...]:
    """Read `leaves.jsonl`.

    Raises:
        MalformedDocument: It is not what `leaves_bytes` writes.
    """
    *lines, rest = data.split(b"\n")
    if rest:
        raise MalformedDocument("the last line does not end")
    return tuple(_read_leaf(Fields(load(line))) for line in lines)


def proofs_bytes(proofs: Proofs) -> bytes:
    """Return `proofs.json`."""
    return dump(
        {
            "format": PROOFS_FORMAT,
            "before_to_after": _hex(proofs.before_to_after),
            "after_to_checkpoint": _hex(proofs.after_to_checkpoint),
            "leaves": _hex(proofs.leaves),
            "issued": _leaf(proofs.issued),
            "issued_inclusion": _hex(proofs.issued_inclusion),
        }
    )


def parse_proofs(data: bytes) -> Proofs:
    """Read `proofs.json`.

    Raises:
        MalformedDocument: It is not what `proofs_bytes` writes.
    """
    fields = Fields(load(data))
    expect_format(fields, PROOFS_FORMAT)
    proofs = Proofs(
        before_to_after=_hashes(fields.texts("before_to_after")),
        after_to_checkpoint=_hashes(fields.texts("after_to_checkpoint")),
        leaves=_hashes(fields.texts("leaves")),
        issued=_read_leaf(fields.object("issued")),
        issued_inclusion=_hashes(fields.texts("issued_inclusion")),
    )
    fields.end()
    return proofs


def _leaf(leaf: DisclosedLeaf) -> Json:
    return {
        "index": leaf.index,
        "leaf": base64.b64encode(leaf.preimage).decode(),
        "openings": [
            {"name": name, "salt": opening.salt.hex(), "value": base64.b64encode(opening.value).decode()}
            for name, opening in sorted(leaf.openings.items())
        ],
    }


def _read_leaf(fields: Fields) -> DisclosedLeaf:
    index, preimage = fields.integer("index"), _decode(fields.text("leaf"))
    openings: dict[str, Opening] = {}
    names = []
    for each in fields.objects("openings"):
        names.append(each.text("name"))
        salt = bytes.fromhex(_checked(each.text("salt")))
        openings[names[-1]] = Opening(salt=salt, value=_decode(each.text("value")))
        each.end()
    fields.end()
    if names != sorted(openings):
        raise MalformedDocument("openings are not unique and in order")
    return DisclosedLeaf(index=index, preimage=preimage, openings=openings)


def _hex(hashes: Iterable[bytes]) -> Json:
    return [each.hex() for each in hashes]


def _hashes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(_checked(text)) for text in texts)


def _checked(text: str) -> str:
    if not _HASH.fullmatch(text):
        raise MalformedDocument(f"a hash or salt is {HASH_BYTES * 2} lower-case hexadecimal digits")
    return text


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedDocument("a value is not Base64") from None
    if base64.b64encode(data).decode() != text:
        raise MalformedDocument("a value is not canonical Base64")
    return data
