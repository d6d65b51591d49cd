"""Checkpoints, proofs, the keyring, and the bundle that holds them all for one statement."""

from dataclasses import dataclass

from hub.app.clearing.facts import CUT_OFF_FIELDS, state_fact
from hub.app.ports.clearing import ClearingSettings, Notary, StoredLeaf
from hub.app.ports.uow import UnitOfWork
from hub.domain.bundle import BundleParts, DisclosedLeaf, Proofs, render, write_bundle
from hub.domain.canonical import digest
from hub.domain.clearing.items import ClearingItem
from hub.domain.clearing.records import StatementRecord, StatementState
from hub.domain.errors import HubError, NotFound, Precondition, Stale, Unreachable, invalid
from hub.domain.journal import EntryKind, Stream
from hub.domain.leaf import Leaf, unpack_openings
from hub.domain.merkle.tiles import TreeReader
from hub.domain.parties import Caller
from hub.domain.statements import Statement, TreeHead, parse_statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """Proof that a leaf stands in a tree."""

    index: int
    leaf_hash: bytes
    tree: TreeHead
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """Proof that a tree is the beginning of another."""

    earlier: TreeHead
    later: TreeHead
    hashes: tuple[bytes, ...]


def ensure_keyring(uow: UnitOfWork, notary: Notary) -> None:
    """Record the first keyring of a new hub. Safe to run twice."""
    if uow.transparency.keyring() is None:
        uow.transparency.add_keyring(1, notary.first_keyring())


def signs(uow: UnitOfWork, notary: Notary) -> bool:
    """Say whether the hub holds a key that may sign now, by a keyring that its roots vouch for."""
    try:
        read = notary.read_keyring(keyring(uow)[0])
    except (HubError, ValueError, OSError):
        return False
    return notary.can_sign(read, uow.journal.head(Stream.CLEARING))


def keyring(uow: UnitOfWork) -> tuple[bytes, int]:
    """Return the newest keyring's envelope and version.

    Raises:
        Unreachable: NO_SIGNING_KEY, there is none yet.
    """
    found = uow.transparency.keyring()
    if found is None:
        raise Unreachable("NO_SIGNING_KEY", "the hub has no keyring yet")
    return found


def create_signing_key(uow: UnitOfWork, notary: Notary) -> tuple[str, bytes, int]:
    """Make a further signing key; returns its name, its public half and the journal's size."""
    name, public_key = notary.new_key()
    return name, public_key, uow.journal.head(Stream.CLEARING)


def publish_keyring(uow: UnitOfWork, notary: Notary, envelope: bytes) -> int:
    """Replace the keyring by its next version; returns that. The same one again changes nothing.

    Raises:
        Invalid: The roots did not sign it, or it would make invalid what a key has signed.
        Unreachable: NO_ROOTS, the hub has lost them.
        Stale: KEYRING_VERSION, it does not follow the present one.
        Precondition: NO_SIGNING_KEY, the hub could sign nothing by it.
    """
    present, version = keyring(uow)
    if envelope == present:
        return version
    following, before = notary.read_keyring(envelope), notary.read_keyring(present)
    if following.version != version + 1:
        raise Stale("KEYRING_VERSION", f"the next keyring is version {version + 1}", version=str(following.version))
    size = uow.journal.head(Stream.CLEARING)
    try:
        following.check_follows(before, size)
    except ValueError as error:
        raise invalid("envelope", str(error)) from None
    # Its own entry is the next one, and what is signed after it lies further on.
    if not notary.can_sign(following, size + 1):
        raise Precondition("NO_SIGNING_KEY", "by this keyring the hub could sign nothing")
    fields = {"keyring": digest(envelope).encode(), "version": b"%d" % following.version}
    state_fact(uow, EntryKind.KEY_CHANGED, subject=f"keyrings/{following.version}", fields=fields)
    uow.transparency.add_keyring(following.version, envelope)
    return following.version


def checkpoint(uow: UnitOfWork, notary: Notary) -> tuple[TreeHead, bytes]:
    """Return the tree as it is now, and its signed note."""
    frontier = uow.transparency.frontier()
    head = TreeHead(size=frontier.size, root=frontier.root())
    return head, notary.sign_checkpoint(head, keyring=keyring(uow)[0])


def inclusion(uow: UnitOfWork, index: int, size: int) -> Inclusion:
    """Return the proof that an entry stands in the tree of `size` entries; 0 is the tree as it is now.

    Raises:
        NotFound: LEAF_NOT_FOUND, that tree has no such entry.
    """
    tree = _tree(uow, size, NotFound("LEAF_NOT_FOUND", "the tree of that size has no such entry"))
    if not 0 <= index < tree.size:
        raise NotFound("LEAF_NOT_FOUND", "the tree of that size has no such entry")
    return Inclusion(
        index=index,
        leaf_hash=uow.transparency.leaf_hash(index),
        tree=TreeHead(size=tree.size, root=tree.root()),
        hashes=tuple(tree.inclusion_proof(index)),
    )


def leaf(uow: UnitOfWork, caller: Caller, index: int) -> StoredLeaf:
    """Return a leaf with what opens it, to operators and to whom it names; the hub's own name nobody.

    Raises:
        NotFound: LEAF_NOT_FOUND, there is no such entry, or it is between others.
    """
    missing = NotFound("LEAF_NOT_FOUND", "there is no such entry of the caller's")
    if not 0 <= index < uow.transparency.frontier().size:
        raise missing
    (found,) = uow.transparency.leaves([index])
    named = Leaf.from_bytes(found.preimage)
    sides = {named.owner, named.counterparty} - {""}
    if sides and not caller.operator and sides.isdisjoint(map(str, caller.parties)):
        raise missing
    return found


def consistency(uow: UnitOfWork, earlier: int, later: int) -> Consistency:
    """Return the proof that one tree is the beginning of another; 0 as the later one is the tree as it is now.

    Raises:
        NotFound: TREE_NOT_FOUND, the journal has not been of that size yet, or the earlier tree is empty or larger.
    """
    missing = NotFound("TREE_NOT_FOUND", "the journal has not been of that size, or the sizes are in another order")
    tree = _tree(uow, later, missing)
    if not 1 <= earlier <= tree.size:
        raise missing
    return Consistency(
        earlier=TreeHead(size=earlier, root=uow.transparency.tree(earlier).root()),
        later=TreeHead(size=tree.size, root=tree.root()),
        hashes=tuple(tree.consistency_proof(earlier)),
    )


def _tree(uow: UnitOfWork, size: int, missing: NotFound) -> TreeReader:
    head = uow.transparency.frontier().size
    if not 0 <= size <= head:
        raise missing
    return uow.transparency.tree(size or head)


def export(uow: UnitOfWork, settings: ClearingSettings, record: StatementRecord) -> bytes:
    """Return the bundle of an issued statement, with a checkpoint of now.

    Personal fields stay closed: of each CDR the bundle shows what settlement rests on.

    Raises:
        Precondition: STATEMENT_STATE, the statement is a draft.
    """
    if record.state is StatementState.DRAFT or record.issue_index is None:
        raise Precondition("STATEMENT_STATE", "a draft has nothing to prove", statement=record.name)
    statement = parse_statement(record.document)
    period = uow.clearing.period(record.period)
    assert period is not None
    stated = [cdr.index for cdr in uow.clearing.cdrs(period) if cdr.item.currency == record.currency]
    cut_off = statement.terms.after.size - 1
    *cdrs, last = uow.transparency.leaves([*stated, cut_off])
    leaves = (*(_disclosed(leaf, "settlement") for leaf in cdrs), _disclosed(last, *CUT_OFF_FIELDS))
    items = [(leaf.index, ClearingItem.from_bytes(leaf.openings["settlement"].value)) for leaf in leaves[:-1]]
    _, note = checkpoint(uow, settings.notary)
    parts = BundleParts(
        statement=record.envelope,
        leaves=leaves,
        proofs=_proofs(uow, statement, record.issue_index, leaves),
        checkpoint=note,
        acknowledgements=tuple(each.envelope for each in uow.clearing.acknowledgements(record.name)),
        keyring=keyring(uow)[0],
    )
    return write_bundle(parts, render(statement, items, record.digest))


def _proofs(uow: UnitOfWork, statement: Statement, issued: int, leaves: tuple[DisclosedLeaf, ...]) -> Proofs:
    before, after = statement.terms.before.size, statement.terms.after.size
    end, now = uow.transparency.tree(after), uow.transparency.tree(uow.transparency.frontier().size)
    (issue,) = uow.transparency.leaves([issued])
    return Proofs(
        before_to_after=tuple(end.consistency_proof(before)) if before else (),
        after_to_checkpoint=tuple(now.consistency_proof(after)),
        leaves=tuple(end.batch_proof([leaf.index for leaf in leaves])),
        issued=_disclosed(issue, "statement"),
        issued_inclusion=tuple(now.inclusion_proof(issued)),
    )


def _disclosed(leaf: StoredLeaf, *names: str) -> DisclosedLeaf:
    openings = unpack_openings(leaf.openings)
    return DisclosedLeaf(index=leaf.index, preimage=leaf.preimage, openings={name: openings[name] for name in names})
