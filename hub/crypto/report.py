"""What a verification found: one line for each check, and an exit code for each kind of failure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Failure(IntEnum):
    """Kinds of failure; the number is the exit code of `roamhub verify`, and never changes its meaning."""

    UNREADABLE = 10
    ROOTS_UNUSABLE = 11
    BUNDLE_MALFORMED = 12
    KEYRING_UNTRUSTED = 13
    STATEMENT_MALFORMED = 14
    SIGNATURE_INVALID = 15
    KEY_NOT_VALID = 16
    CHECKPOINT_INVALID = 17
    TREE_INCONSISTENT = 18
    NOT_IN_JOURNAL = 19
    LEAF_MISMATCH = 20
    OUTSIDE_PERIOD = 21
    CDRS_DIFFER = 22
    TOTALS_WRONG = 23
    RENDERING_DIFFERS = 24
    ACKNOWLEDGEMENT_INVALID = 25


class Failed(Exception):
    """A check failed; says which kind and what was seen."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail


class Outcome(StrEnum):
    """How a check ended; SKIPPED means that what it rests on had failed."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: its name, how it ended, and what was seen, for people."""

    name: str
    outcome: Outcome
    detail: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the statement says, once it could be read."""

    digest: str
    name: str
    creditor: str
    debtor: str
    currency: str
    payable: str
    cdrs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All checks, in order, and a summary of the statement; None where it could not be read."""

    checks: Sequence[Check]
    summary: Summary | None

    @property
    def failure(self) -> Failure | None:
        """The first failure, or None: the bundle proves what it says."""
        return next((check.failure for check in self.checks if check.failure is not None), None)

    @property
    def exit_code(self) -> int:
        """0, or the number of the first failure."""
        return int(self.failure or 0)
