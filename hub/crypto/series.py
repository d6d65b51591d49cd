"""Bundles of one hub held against each other: one history, and nothing stated twice.

A bundle proves its own period. Whoever keeps those of earlier periods learns more from them: a period begins where the
one before it ended, so a journal that was written anew in between has two roots of one size; and a CDR that is stated,
or credited, in two periods shows in both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hub.crypto.report import Failed, Failure
from hub.domain.clearing.items import ClearingItem
from hub.domain.statements import PeriodTerms, Statement, TreeHead, WrongTotals, check_once


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What one bundle has been found to prove.

    Attributes:
        digest: SHA-256 of the statement.
        statement: The statement.
        checkpoint: The tree that its proofs lead to.
        items: The CDRs it states, each with its journal index.
        leaves: The leaf hashes of the entries that it shows, by journal index.
    """

    digest: str
    statement: Statement
    checkpoint: TreeHead
    items: Sequence[tuple[int, ClearingItem]]
    leaves: Mapping[int, bytes]


def check_series(bundle: Proven, earlier: Sequence[Proven]) -> str:
    """Hold a bundle against earlier ones, in whatever order they come; returns what was seen.

    Raises:
        Failed: CHECKPOINT_INVALID, another hub's is among them; TREE_INCONSISTENT, they show different histories;
            OUTSIDE_PERIOD, periods of an agreement overlap; CDRS_DIFFER, a statement was issued in two versions, or a
            CDR is stated or credited twice, or not credited in full.
    """
    proven = [*earlier, bundle]
    if len({each.statement.terms.hub for each in proven}) > 1:
        raise Failed(Failure.CHECKPOINT_INVALID, "an earlier bundle is another hub's")
    _check_history(proven)
    # One statement may have been exported twice, with checkpoints of two days.
    statements = {each.digest: each for each in proven}
    _check_periods([each.statement for each in statements.values()])
    try:
        check_once([item for each in statements.values() for _, item in each.items])
    except WrongTotals as error:
        raise Failed(Failure.CDRS_DIFFER, str(error)) from None
    begins = bundle.statement.terms.before.size
    joins = any(each.statement.terms.after.size == begins for each in earlier)
    link = (
        f"one ends at entry {begins}, where this begins" if joins else f"none ends at entry {begins}, where this begins"
    )
    return f"{len(statements) - 1} other; {link}"


def _check_history(proven: Sequence[Proven]) -> None:
    roots: dict[int, bytes] = {}
    leaves: dict[int, bytes] = {}
    for each in proven:
        for head in (each.statement.terms.before, each.statement.terms.after, each.checkpoint):
            if roots.setdefault(head.size, head.root) != head.root:
                raise Failed(
                    Failure.TREE_INCONSISTENT, f"the journal of {head.size} entries has two roots: it was written anew"
                )
        for index, leaf in each.leaves.items():
            if leaves.setdefault(index, leaf) != leaf:
                raise Failed(Failure.TREE_INCONSISTENT, f"entry {index} of the journal is not what it was")


def _check_periods(statements: Sequence[Statement]) -> None:
    names: set[str] = set()
    periods: dict[str, PeriodTerms] = {}
    for terms in (statement.terms for statement in statements):
        if terms.name in names:
            raise Failed(Failure.CDRS_DIFFER, f"{terms.name} was issued in two versions")
        names.add(terms.name)
        # Statements of one period in several currencies share its range.
        if periods.setdefault(terms.period.name, terms.period) != terms.period:
            raise Failed(Failure.OUTSIDE_PERIOD, f"{terms.period.name} is told of in two ways")
    by_agreement: dict[str, list[PeriodTerms]] = {}
    for period in periods.values():
        by_agreement.setdefault(period.name.partition("/periods/")[0], []).append(period)
    for ranges in by_agreement.values():
        for before, after in pairwise(sorted(ranges, key=lambda each: each.first_index)):
            if before.end_index > after.first_index:
                raise Failed(Failure.OUTSIDE_PERIOD, f"{before.name} and {after.name} overlap")
