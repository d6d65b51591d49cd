"""Verifying a bundle with nothing but the roots one trusts: no hub, no network, no account.

The chain, each link resting on those before it:

1. the roots sign the keyring; 2. a key of it signs the statement; 3. a key of it signs the checkpoint; 4. the trees
that the statement names are earlier states of the checkpoint's; 5. the statement's issue stands in the journal, at an
index for which its key holds; 6. the disclosed leaves stand in the journal, in the period's range, the last being its
cut-off; 7. they are between the statement's sides, and commit to the CDRs shown; 8. the totals follow from the lines;
9. the lines follow from the CDRs, none of which is stated or credited twice; 10. the readable files are renderings of
the statement; 11. the acknowledgements are about it, and signed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from hub.crypto import dsse
from hub.crypto.keyring import UntrustedKeyring, trust_keyring, verify_keys
from hub.crypto.report import Check, Failed, Failure, Outcome, Report, Summary
from hub.crypto.series import Proven, check_series
from hub.crypto.signing import Roots, VerifyKey, note_signers
from hub.domain.acknowledgements import Acknowledgement
from hub.domain.bundle import BundleParts, DisclosedLeaf, MalformedBundle, check_packing, open_bundle, render
from hub.domain.canonical import MalformedDocument, digest
from hub.domain.checkpoints import Checkpoint, MalformedNote, parse_note
from hub.domain.clearing.amounts import minor_text
from hub.domain.clearing.items import ClearingItem
from hub.domain.ids import PartyId
from hub.domain.journal import EntryKind
from hub.domain.keyring import Keyring, Use
from hub.domain.leaf import Leaf, MalformedLeaf, check_openings
from hub.domain.merkle import EMPTY_ROOT, leaf_hash
from hub.domain.merkle.verify import BadProof, verify_batch, verify_consistency, verify_inclusion
from hub.domain.statements import (
    Statement,
    WrongTotals,
    check_items,
    check_once,
    check_totals,
    make_manifest,
    parse_statement,
)
from hub.domain.statements.document import time_text

#: Told of each further check that was made.
Made = Callable[[int], None]


@dataclass(slots=True)
class _Verifier:
    """What has been established so far; a check only reads what an earlier one has set."""

    data: bytes
    roots: Roots
    newer_keyring: bytes | None
    made: Made
    parts: BundleParts = field(init=False)
    renderings: Mapping[str, bytes] = field(init=False)
    keyring: Keyring = field(init=False)
    statement: Statement = field(init=False)
    digest: str = ""
    signers: list[VerifyKey] = field(init=False)
    checkpoint: Checkpoint = field(init=False)
    items: list[tuple[int, ClearingItem]] = field(init=False)

    def read(self) -> str:
        try:
            self.parts, self.renderings = open_bundle(self.data)
        except MalformedBundle as error:
            raise Failed(Failure.BUNDLE_MALFORMED, str(error)) from None
        return f"{len(self.parts.leaves) - 1} CDRs, {len(self.parts.acknowledgements)} acknowledgements"

    def packing(self) -> str:
        # Apart from reading, so that of a bundle that was packed anew it is also told which of its files was changed.
        try:
            check_packing(self.data)
        except MalformedBundle as error:
            raise Failed(Failure.BUNDLE_MALFORMED, str(error)) from None
        return f"{len(self.data)} bytes in the one form"

    def trust(self) -> str:
        try:
            keyring = trust_keyring(self.parts.keyring, self.roots)
            if self.newer_keyring is not None:
                newer = trust_keyring(self.newer_keyring, self.roots)
                if newer.hub != keyring.hub:
                    raise Failed(Failure.KEYRING_UNTRUSTED, "the keyring given is another hub's")
                keyring = max(keyring, newer, key=lambda each: each.version)
        except UntrustedKeyring as error:
            raise Failed(Failure.KEYRING_UNTRUSTED, str(error)) from None
        self.keyring = keyring
        return f"{keyring.hub}, version {keyring.version}"

    def read_statement(self) -> str:
        try:
            envelope = dsse.parse(self.parts.statement, dsse.STATEMENT_TYPE)
            self.statement = parse_statement(envelope.payload)
        except (dsse.BadEnvelope, MalformedDocument) as error:
            raise Failed(Failure.STATEMENT_MALFORMED, str(error)) from None
        self.digest = digest(envelope.payload)
        return self.digest

    def signature(self) -> str:
        envelope = dsse.parse(self.parts.statement, dsse.STATEMENT_TYPE)
        known = [key for key in self.keyring.keys if Use.STATEMENT in key.uses]
        self.signers = envelope.signers(verify_keys(known))
        if not self.signers:
            raise Failed(Failure.SIGNATURE_INVALID, "no key of the keyring signed this statement")
        return ", ".join(key.name for key in self.signers)

    def note(self) -> str:
        try:
            note = parse_note(self.parts.checkpoint)
            checkpoint = Checkpoint.parse(note.text)
        except MalformedNote as error:
            raise Failed(Failure.CHECKPOINT_INVALID, str(error)) from None
        if not checkpoint.origin == self.keyring.hub == self.statement.terms.hub:
            raise Failed(Failure.CHECKPOINT_INVALID, "checkpoint, keyring and statement name different hubs")
        known = [key for key in self.keyring.keys if Use.CHECKPOINT in key.uses]
        if not note_signers(note, verify_keys(known)):
            raise Failed(Failure.CHECKPOINT_INVALID, "no key of the keyring signed the checkpoint")
        signers = note_signers(note, verify_keys(self.keyring.checkpoint_keys(checkpoint.size)))
        if not signers:
            raise Failed(Failure.KEY_NOT_VALID, "the checkpoint's key is revoked, or does not hold at its index")
        self.checkpoint = checkpoint
        return f"{checkpoint.size} entries, signed by {', '.join(key.name for key in signers)}"

    def trees(self) -> str:
        before, after, proofs = self.statement.terms.before, self.statement.terms.after, self.parts.proofs
        if not before.size and (before.root != EMPTY_ROOT or proofs.before_to_after):
            raise Failed(Failure.TREE_INCONSISTENT, "an empty tree has one root and needs no proof")
        try:
            if before.size:
                verify_consistency(
                    earlier=before.size,
                    later=after.size,
                    earlier_root=before.root,
                    later_root=after.root,
                    proof=proofs.before_to_after,
                )
            verify_consistency(
                earlier=after.size,
                later=self.checkpoint.size,
                earlier_root=after.root,
                later_root=self.checkpoint.root,
                proof=proofs.after_to_checkpoint,
            )
        except BadProof as error:
            raise Failed(Failure.TREE_INCONSISTENT, str(error)) from None
        return f"{before.size} to {after.size} to {self.checkpoint.size} entries"

    def issued(self) -> str:
        issued = self.parts.proofs.issued
        try:
            verify_inclusion(
                leaf=leaf_hash(issued.preimage),
                index=issued.index,
                size=self.checkpoint.size,
                proof=self.parts.proofs.issued_inclusion,
                root=self.checkpoint.root,
            )
        except BadProof as error:
            raise Failed(Failure.NOT_IN_JOURNAL, f"the statement's issue: {error}") from None
        self._opened(issued, EntryKind.STATEMENT_ISSUED, "statement", self.digest.encode())
        if issued.index < self.statement.terms.after.size:
            raise Failed(Failure.NOT_IN_JOURNAL, "the statement was issued before its period ended")
        holding = verify_keys(self.keyring.holding(Use.STATEMENT, issued.index))
        if not any(key in holding for key in self.signers):
            raise Failed(Failure.KEY_NOT_VALID, f"the statement's key does not hold at index {issued.index}")
        return f"at index {issued.index}"

    def leaves(self) -> str:
        after, leaves = self.statement.terms.after, self.parts.leaves
        if not leaves:
            raise Failed(Failure.NOT_IN_JOURNAL, "the cut-off entry is missing")
        try:
            verify_batch(
                leaves=[leaf_hash(leaf.preimage) for leaf in leaves],
                indexes=[leaf.index for leaf in leaves],
                size=after.size,
                proof=self.parts.proofs.leaves,
                root=after.root,
            )
        except BadProof as error:
            raise Failed(Failure.NOT_IN_JOURNAL, str(error)) from None
        if leaves[0].index < self.statement.terms.period.first_index:
            raise Failed(Failure.OUTSIDE_PERIOD, f"entry {leaves[0].index} is before the period")
        if leaves[-1].index != self.statement.terms.period.end_index - 1:
            raise Failed(Failure.OUTSIDE_PERIOD, "the period's last entry is missing")
        return f"{len(leaves)} leaves in the tree of {after.size}"

    def contents(self) -> str:
        *cdrs, cut_off = self.parts.leaves
        period = self.statement.terms.period
        self._opened(cut_off, EntryKind.CUT_OFF, "period", period.name.encode())
        boundary = {"end_time": time_text(period.end_time), "tz_version": period.tz_version}
        for name in boundary.keys() & cut_off.openings.keys():
            self._opened(cut_off, EntryKind.CUT_OFF, name, boundary[name].encode())
        self.items = [(leaf.index, self._item(leaf)) for leaf in cdrs]
        # Bundles of earlier releases show the period alone.
        shown = "" if boundary.keys() <= cut_off.openings.keys() else ", the period's calendar end not shown"
        return f"{len(self.items)} CDRs opened{shown}"

    def _item(self, leaf: DisclosedLeaf) -> ClearingItem:
        try:
            return ClearingItem.from_bytes(self._opened(leaf, EntryKind.CDR_ACCEPTED, "settlement"))
        except MalformedDocument as error:
            raise Failed(Failure.LEAF_MISMATCH, f"entry {leaf.index}: {error}") from None

    def _opened(self, leaf: DisclosedLeaf, kind: EntryKind, name: str, value: bytes | None = None) -> bytes:
        """Return the value of a field that a leaf between the statement's sides has to show; raises Failed."""
        try:
            parsed = Leaf.from_bytes(leaf.preimage)
            check_openings(parsed, leaf.openings)
        except (MalformedLeaf, ValueError) as error:
            raise Failed(Failure.LEAF_MISMATCH, f"entry {leaf.index}: {error}") from None
        if parsed.kind != kind:
            raise Failed(Failure.LEAF_MISMATCH, f"entry {leaf.index} is no {kind}")
        terms = self.statement.terms
        # The journal tells partners of an entry by its parties: what names others was never shown to these.
        if (parsed.owner, parsed.counterparty) != (str(terms.creditor.party), str(terms.debtor.party)):
            raise Failed(Failure.LEAF_MISMATCH, f"entry {leaf.index} is between other parties")
        if name not in leaf.openings:
            raise Failed(Failure.LEAF_MISMATCH, f"entry {leaf.index} does not show its {name}")
        shown = leaf.openings[name].value
        if value is not None and shown != value:
            raise Failed(Failure.LEAF_MISMATCH, f"entry {leaf.index} is about another {name}")
        return shown

    def totals(self) -> str:
        if self.statement.terms.held or self.statement.terms.brought_forward:
            raise Failed(Failure.TOTALS_WRONG, "an amount is held or brought forward, and the bundle proves neither")
        try:
            check_totals(self.statement)
        except WrongTotals as error:
            raise Failed(Failure.TOTALS_WRONG, str(error)) from None
        currency = self.statement.terms.currency
        return f"payable {minor_text(self.statement.totals.payable, currency)} {currency}"

    def cdrs(self) -> str:
        manifest = make_manifest((leaf.index, leaf_hash(leaf.preimage)) for leaf in self.parts.leaves[:-1])
        if manifest != self.statement.manifest:
            raise Failed(Failure.CDRS_DIFFER, "the CDRs are not those of the statement's manifest")
        try:
            check_once([item for _, item in self.items])
            check_items(self.statement, [item for _, item in self.items])
        except WrongTotals as error:
            raise Failed(Failure.CDRS_DIFFER, str(error)) from None
        return f"{len(self.statement.lines)} lines recomputed"

    def rendered(self) -> str:
        rendered = render(self.statement, self.items, self.digest)
        for name, content in self.renderings.items():
            if rendered[name] != content:
                raise Failed(Failure.RENDERING_DIFFERS, f"{name} does not show the signed statement")
        return ", ".join(sorted(rendered))

    def acknowledged(self) -> str:
        answers: dict[PartyId, str] = {}
        for data in self.parts.acknowledgements:
            party, said = self._acknowledgement(data)
            if party in answers:
                raise Failed(Failure.ACKNOWLEDGEMENT_INVALID, f"{party} answers twice")
            answers[party] = said
        return "; ".join(answers.values()) or "none"

    def _acknowledgement(self, data: bytes) -> tuple[PartyId, str]:
        """Return who answers, and what, with whose word it is; raises Failed."""
        try:
            envelope = dsse.parse(data, dsse.ACKNOWLEDGEMENT_TYPE)
            acknowledgement = Acknowledgement.from_bytes(envelope.payload)
        except (dsse.BadEnvelope, MalformedDocument) as error:
            raise Failed(Failure.ACKNOWLEDGEMENT_INVALID, str(error)) from None
        terms, party = self.statement.terms, acknowledgement.party
        if acknowledgement.statement != self.digest:
            raise Failed(Failure.ACKNOWLEDGEMENT_INVALID, "it is about another statement")
        if party not in {terms.creditor.party, terms.debtor.party}:
            raise Failed(Failure.ACKNOWLEDGEMENT_INVALID, f"{party} is no party of the statement")
        if any(line > len(self.statement.lines) for line in acknowledgement.lines):
            raise Failed(Failure.ACKNOWLEDGEMENT_INVALID, "it names a line that there is not")
        since, until = self.parts.proofs.issued.index, self.checkpoint.size - 1
        if envelope.signers(verify_keys(self.keyring.witnessing(Use.ACKNOWLEDGEMENT, since, until, party))):
            return party, f"{party} {acknowledgement.decision}, signed by the party"
        if envelope.signers(verify_keys(self.keyring.witnessing(Use.STATEMENT, since, until))):
            return party, f"{party} {acknowledgement.decision}, attested by the hub"
        raise Failed(Failure.ACKNOWLEDGEMENT_INVALID, f"neither {party} nor the hub signed it")

    def continues(self, earlier: Sequence[bytes]) -> str:
        proven = []
        for number, data in enumerate(earlier, start=1):
            other = _Verifier(data=data, roots=self.roots, newer_keyring=self.newer_keyring, made=self.made)
            failed = next((check for check in _run(other) if check.failure is not None), None)
            if failed is not None and failed.failure is not None:
                raise Failed(failed.failure, f"earlier bundle {number}: {failed.name}: {failed.detail}")
            proven.append(other.proven())
        return check_series(self.proven(), proven)

    def proven(self) -> Proven:
        issued = self.parts.proofs.issued
        return Proven(
            digest=self.digest,
            statement=self.statement,
            checkpoint=self.checkpoint.head,
            items=self.items,
            leaves={leaf.index: leaf_hash(leaf.preimage) for leaf in (*self.parts.leaves, issued)},
        )

    def summary(self) -> Summary:
        terms = self.statement.terms
        return Summary(
            digest=self.digest,
            name=terms.name,
            creditor=str(terms.creditor.party),
            debtor=str(terms.debtor.party),
            currency=terms.currency,
            payable=minor_text(self.statement.totals.payable, terms.currency),
            cdrs=self.statement.manifest.count,
        )


#: Name, check, and the names of the checks that it rests on.
_CHECKS: tuple[tuple[str, Callable[[_Verifier], str], frozenset[str]], ...] = (
    ("bundle", _Verifier.read, frozenset()),
    ("packing", _Verifier.packing, frozenset({"bundle"})),
    ("keyring", _Verifier.trust, frozenset({"bundle"})),
    ("statement", _Verifier.read_statement, frozenset({"bundle"})),
    ("signature", _Verifier.signature, frozenset({"keyring", "statement"})),
    ("checkpoint", _Verifier.note, frozenset({"keyring", "statement"})),
    ("trees", _Verifier.trees, frozenset({"checkpoint"})),
    ("issued", _Verifier.issued, frozenset({"checkpoint", "signature"})),
    ("leaves", _Verifier.leaves, frozenset({"statement"})),
    ("contents", _Verifier.contents, frozenset({"leaves"})),
    ("totals", _Verifier.totals, frozenset({"statement"})),
    ("cdrs", _Verifier.cdrs, frozenset({"contents"})),
    ("renderings", _Verifier.rendered, frozenset({"contents"})),
    ("acknowledgements", _Verifier.acknowledged, frozenset({"issued"})),
)


#: How many checks there are of one bundle.
CHECK_COUNT = len(_CHECKS)

#: What has to hold of a bundle before it can be held against others.
_PROVEN_BY = ("trees", "issued", "contents")


def verify_bundle(
    data: bytes,
    roots: Roots,
    *,
    newer_keyring: bytes | None = None,
    earlier: Sequence[bytes] = (),
    made: Made = lambda count: None,  # noqa: ARG005
) -> Report:
    """Verify a bundle.

    Args:
        data: The bundle's bytes.
        roots: The roots that are trusted.
        newer_keyring: A keyring envelope obtained since the bundle was made; the higher version counts, so that later
            revocations are heeded.
        earlier: Bundles that the same hub gave before, to be held against this one; they are verified as well.
        made: Told of each further check that was made, of CHECK_COUNT a bundle: a large one takes minutes.
    """
    verifier = _Verifier(data=data, roots=roots, newer_keyring=newer_keyring, made=made)
    checks = _run(verifier)
    passed = {check.name for check in checks if check.outcome is Outcome.PASSED}
    if earlier:
        missing = ", ".join(name for name in _PROVEN_BY if name not in passed)
        checks.append(
            Check(name="earlier", outcome=Outcome.SKIPPED, detail=f"rests on {missing}")
            if missing
            else _check("earlier", lambda: verifier.continues(earlier))
        )
    return Report(checks=checks, summary=verifier.summary() if "statement" in passed else None)


def _run(verifier: _Verifier) -> list[Check]:
    """Make every check that rests on none that failed."""
    checks: list[Check] = []
    passed: set[str] = set()
    for name, check, needs in _CHECKS:
        if needs <= passed:
            checks.append(_check(name, partial(check, verifier)))
        else:
            missing = ", ".join(sorted(needs - passed))
            checks.append(Check(name=name, outcome=Outcome.SKIPPED, detail=f"rests on {missing}"))
        if checks[-1].outcome is Outcome.PASSED:
            passed.add(name)
        verifier.made(1)
    return checks


def _check(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name=name, outcome=Outcome.PASSED, detail=check())
    except Failed as failed:
        return Check(name=name, outcome=Outcome.FAILED, detail=failed.detail, failure=failed.failure)
