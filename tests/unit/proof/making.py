"""A small journal with a settled period in it, and its bundle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from hub.crypto import dsse
from hub.crypto.keyring import sign_keyring
from hub.crypto.signing import Roots, SigningKey
from hub.domain.acknowledgements import Acknowledgement, Decision
from hub.domain.bundle import BundleParts, DisclosedLeaf, Proofs, render, write_bundle
from hub.domain.canonical import digest
from hub.domain.checkpoints import Checkpoint, Note
from hub.domain.clearing.items import ClearingItem
from hub.domain.journal import EntryKind
from hub.domain.keyring import Keyring, KeyringKey, Use
from hub.domain.leaf import Opening, open_all, seal
from hub.domain.merkle import Frontier, leaf_hash
from hub.domain.merkle.tiles import TreeReader
from hub.domain.statements import (
    Statement,
    StatementTerms,
    TreeHead,
    make_manifest,
    make_statement,
    statement_bytes,
)
from tests.unit.clearing.making import CPO, EMSP, item, terms

HUB = "hub.example/clearing"
ROOT = SigningKey(name="root-1", seed=b"r" * 32)
KEY = SigningKey(name=f"{HUB}-1", seed=b"k" * 32)
NEXT_KEY = SigningKey(name=f"{HUB}-2", seed=b"n" * 32)
PARTNER = SigningKey(name="de-msp-1", seed=b"p" * 32)
MALLORY = SigningKey(name=f"{HUB}-1", seed=b"m" * 32)
ROOTS = Roots(keys=(ROOT.verify_key,))
START = datetime(2026, 9, 1, tzinfo=UTC)
RING = Keyring(
    hub=HUB,
    version=1,
    keys=(
        KeyringKey(name=KEY.name, public_key=KEY.public_key, uses=frozenset({Use.CHECKPOINT, Use.STATEMENT})),
        KeyringKey(name=PARTNER.name, public_key=PARTNER.public_key, uses=frozenset({Use.ACKNOWLEDGEMENT}), party=EMSP),
    ),
)


class StoredTree:
    """What a database would hold: the leaf hashes, and the nodes that `extend` says to store."""

    def __init__(self, leaves: Sequence[bytes], *, batch: int = 7) -> None:
        self.levels: dict[tuple[int, int], bytes] = {(0, index): each for index, each in enumerate(leaves)}
        self.reads = 0
        frontier = Frontier()
        for at in range(0, len(leaves), batch):
            frontier, nodes = frontier.extend(leaves[at : at + batch])
            self.levels.update({(node.tile_level, node.number): node.hash for node in nodes})
        self.frontier = frontier

    def __call__(self, tile_level: int, start: int, stop: int) -> list[bytes]:
        self.reads += 1
        return [self.levels[tile_level, index] for index in range(start, stop)]


@dataclass
class Journal:
    """Leaves, with what opens them; salts follow from the index, so that the bytes never change."""

    leaves: list[bytes] = field(default_factory=list)
    openings: list[Mapping[str, Opening]] = field(default_factory=list)

    def append(self, kind: EntryKind, fields: Mapping[str, bytes]) -> int:
        index = len(self.leaves)
        salt = sha256(b"salt %d" % index).digest()
        self.leaves.append(
            seal(
                kind=kind,
                recorded_time=START + timedelta(minutes=index),
                owner=str(CPO),
                counterparty=str(EMSP),
                fields=fields,
                leaf_salt=salt,
            )
        )
        self.openings.append(open_all(salt, fields))
        return index

    def cdr(self, each: ClearingItem) -> int:
        return self.append(
            EntryKind.CDR_ACCEPTED, {"settlement": each.to_bytes(), "token": b"04A2B3C4", "document": bytes(32)}
        )

    def reader(self, size: int | None = None) -> TreeReader:
        hashes = [leaf_hash(leaf) for leaf in self.leaves]
        return TreeReader(size=len(hashes) if size is None else size, read=StoredTree(hashes))

    def head(self, size: int) -> TreeHead:
        return TreeHead(size=size, root=self.reader(size).root())

    def disclosed(self, index: int, *names: str) -> DisclosedLeaf:
        shown = {name: self.openings[index][name] for name in names}
        return DisclosedLeaf(index=index, preimage=self.leaves[index], openings=shown)


@dataclass
class Case:
    """A settled period; a test changes what it likes before it asks for the bundle."""

    journal: Journal
    items: list[tuple[int, ClearingItem]]
    statement: Statement
    issued: int
    document: bytes
    signer: SigningKey = KEY
    checkpoint_signer: SigningKey = KEY
    checkpoint_size: int | None = None
    keyring: Keyring = RING
    roots: Sequence[SigningKey] = (ROOT,)
    acknowledgements: Sequence[bytes] = ()
    origin: str = HUB

    def parts(self) -> BundleParts:
        period, journal = self.statement.terms.period, self.journal
        size = self.checkpoint_size or len(journal.leaves)
        first, end = period.first_index, period.end_index
        shown = [index for index, _ in self.items]
        text = Checkpoint(origin=self.origin, size=size, root=journal.head(size).root).text()
        return BundleParts(
            statement=dsse.sign(dsse.STATEMENT_TYPE, self.document, [self.signer]).to_bytes(),
            leaves=(
                *(journal.disclosed(index, "settlement") for index in shown),
                journal.disclosed(end - 1, *sorted(journal.openings[end - 1])),
            ),
            proofs=Proofs(
                before_to_after=tuple(journal.reader(end).consistency_proof(first)) if first else (),
                after_to_checkpoint=tuple(journal.reader(size).consistency_proof(end)),
                leaves=tuple(journal.reader(end).batch_proof([*shown, end - 1])),
                issued=journal.disclosed(self.issued, "statement"),
                issued_inclusion=tuple(journal.reader(size).inclusion_proof(self.issued)),
            ),
            checkpoint=Note(text=text, signatures=(self.checkpoint_signer.sign_note(text),)).to_bytes(),
            acknowledgements=tuple(self.acknowledgements),
            keyring=sign_keyring(self.keyring, self.roots),
        )

    def renderings(self) -> dict[str, bytes]:
        return render(self.statement, self.items, digest(self.document))

    def bundle(self) -> bytes:
        return write_bundle(self.parts(), self.renderings())

    def acknowledge(self, signer: SigningKey, **changes: object) -> None:
        document = Acknowledgement(
            statement=digest(self.document),
            party=EMSP,
            decision=Decision.ACCEPT,
            lines=(),
            reasons=(),
            time=datetime(2026, 10, 2, tzinfo=UTC),
        )
        document = replace(document, **changes)  # type: ignore[arg-type]
        envelope = dsse.sign(dsse.ACKNOWLEDGEMENT_TYPE, document.to_bytes(), [signer])
        self.acknowledgements = (*self.acknowledgements, envelope.to_bytes())


def plain_items() -> list[ClearingItem]:
    return [
        item(1),
        item(2, country="BE", amount=7_0050),
        item(3, tax_date=START.date() - timedelta(days=3)),
        item(1).credited(cdr="NL-CPO/1-credit"),
    ]


def october(base: StatementTerms) -> StatementTerms:
    """Return terms for the month after."""
    name = base.period.name.replace("2026-09", "2026-10")
    start, end = base.period.end_time, datetime(2026, 10, 31, 23, tzinfo=UTC)
    period = replace(base.period, name=name, start_time=start, end_time=end, first_date=date(2026, 10, 1))
    return replace(base, name=base.name.replace("2026-09", "2026-10"), period=period)


def settle(
    given: Sequence[ClearingItem] | None = None,
    *,
    before: int = 5,
    between: int = 2,
    after: int = 3,
    issue: bool = True,
    follows: Case | None = None,
    month: Callable[[StatementTerms], StatementTerms] = october,
    currency: str = "EUR",
    boundary: Mapping[str, bytes] | None = None,
) -> Case:
    """Journal the items, among others' entries, cut off, make the statement and issue it.

    Args:
        follows: The case of the month before, whose journal goes on; its cut-off is where this period begins.
        month: Makes the terms of that following period.
        boundary: What the cut-off says of the calendar, beside the period's name.
    """
    journal = Journal()
    for number in range(before if follows is None else 0):
        journal.append(EntryKind.CDR_RETURNED, {"cdr": b"%d" % number})
    if follows is not None:
        journal = Journal(leaves=[*follows.journal.leaves], openings=[*follows.journal.openings])
        before = follows.statement.terms.period.end_index
    items = []
    for each in plain_items() if given is None else given:
        items.append((journal.cdr(each), each))
        for number in range(between):
            journal.append(EntryKind.CDR_ACCEPTED, {"settlement": b"another agreement's %d" % number})
    base = terms(first_index=before, end_index=len(journal.leaves) + 1, currency=currency)
    if follows is not None:
        base = month(base)
    end = journal.append(EntryKind.CUT_OFF, {"period": base.period.name.encode(), **(boundary or {})}) + 1
    manifest = make_manifest((index, leaf_hash(journal.leaves[index])) for index, _ in items)
    based = replace(base, before=journal.head(before), after=journal.head(end))
    statement = make_statement(based, [each for _, each in items], manifest)
    document = statement_bytes(statement)
    case = Case(journal=journal, items=items, statement=statement, issued=-1, document=document)
    if issue:
        publish(case)
    return case


def publish(case: Case, *, after: int = 3) -> None:
    """Put the statement's issue into the journal, and more entries after it."""
    case.issued = case.journal.append(EntryKind.STATEMENT_ISSUED, {"statement": digest(case.document).encode()})
    for number in range(after):
        case.journal.append(EntryKind.CDR_RETURNED, {"cdr": b"later %d" % number})
