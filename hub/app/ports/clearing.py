"""Storage of settlement periods, statements and postings, and what signs and proves them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub.domain.cdrs.checks import KnownPeriod
from hub.domain.clearing.items import ClearingItem
from hub.domain.clearing.periods import Period, PeriodState
from hub.domain.clearing.positions import Obligation
from hub.domain.clearing.records import AcknowledgementRecord, StatementRecord, StatementState
from hub.domain.clearing.taxes import TaxTable
from hub.domain.ids import PartyId
from hub.domain.keyring import Keyring
from hub.domain.ledger import Posting
from hub.domain.merkle import Frontier
from hub.domain.merkle.tiles import TreeReader
from hub.domain.statements import TreeHead


@dataclass(frozen=True, slots=True)
class ClearedCdr:
    """An accepted CDR as settlement sees it: journal index, leaf hash, facts."""

    index: int
    leaf_hash: bytes
    item: ClearingItem


@dataclass(frozen=True, slots=True)
class StoredLeaf:
    """A clearing leaf as stored: index, preimage, and what opens its fields, packed."""

    index: int
    preimage: bytes
    openings: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFilter:
    """Which periods to list; None means any. Parties are those on either side."""

    parties: Collection[PartyId] | None = None
    agreement: str | None = None
    state: PeriodState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFilter:
    """Which statements to list; None means any.

    Attributes:
        parties: On either side.
        agreement: Resource name of their agreement.
        period: Resource name of their period.
        states: Their states.
        issued_from: Issued at or after this instant.
        issued_before: Issued before this instant.
    """

    parties: Collection[PartyId] | None = None
    agreement: str | None = None
    period: str | None = None
    states: Collection[StatementState] | None = None
    issued_from: datetime | None = None
    issued_before: datetime | None = None


class Clearing(Protocol):
    """Periods, statements, acknowledgements and postings."""

    def period(self, name: str) -> Period | None:
        """Return a period."""
        ...

    def last_period(self, agreement: str) -> Period | None:
        """Return an agreement's newest period: the open one, or the last that was."""
        ...

    def open_agreements(self) -> frozenset[str]:
        """Return the agreements that have an open period."""
        ...

    def open_after_cut_off(self, agreements: Collection[str]) -> Mapping[str, KnownPeriod]:
        """Return the open periods of these agreements, by agreement, without those that nothing was cut off before."""
        ...

    def due(self, now: datetime) -> Sequence[str]:
        """Return the names of open periods whose calendar end has come."""
        ...

    def in_states(self, states: Collection[PeriodState]) -> Sequence[Period]:
        """Return all periods in these states, the oldest first."""
        ...

    def periods(self, wanted: PeriodFilter, after: tuple[str, int] | None, limit: int) -> Sequence[Period]:
        """Return periods ordered by (agreement, first index), those after this key."""
        ...

    def save_period(self, period: Period) -> None:
        """Insert or replace a period."""
        ...

    def has_cdr(self, agreement: str, creditor: PartyId, first_index: int) -> bool:
        """Say whether an accepted CDR of the agreement stands at or after a journal index."""
        ...

    def cdrs(self, period: Period) -> Sequence[ClearedCdr]:
        """Return the accepted CDRs that a period holds, by journal index; the period must be cut off."""
        ...

    def statement(self, name: str) -> StatementRecord | None:
        """Return a statement."""
        ...

    def statements(self, wanted: StatementFilter, after: str, limit: int) -> Sequence[StatementRecord]:
        """Return statements ordered by name, those after this one."""
        ...

    def obligations(self, wanted: StatementFilter) -> Sequence[Obligation]:
        """Return what statements leave to pay, ordered by name."""
        ...

    def save_statement(self, statement: StatementRecord) -> None:
        """Insert or replace a statement. A document that has been issued cannot be replaced by another."""
        ...

    def acknowledgements(self, statement: str) -> Sequence[AcknowledgementRecord]:
        """Return the answers to a statement in the order in which they came."""
        ...

    def add_acknowledgement(self, acknowledgement: AcknowledgementRecord, index: int) -> None:
        """Record an answer and its journal index."""
        ...

    def add_posting(self, posting: Posting, index: int) -> None:
        """Record a posting and the journal index of what caused it; one id is posted once."""
        ...

    def postings(self) -> Iterable[Posting]:
        """Return every posting, in order."""
        ...


class Transparency(Protocol):
    """The stored Merkle tree of the clearing journal, and the keyring."""

    def frontier(self) -> Frontier:
        """Return the frontier of the journal as last committed."""
        ...

    def tree(self, size: int) -> TreeReader:
        """Return a reader of the tree of the first `size` committed entries."""
        ...

    def leaves(self, indexes: Sequence[int]) -> Sequence[StoredLeaf]:
        """Return clearing leaves by ascending index; all of them must exist."""
        ...

    def leaf_hash(self, index: int) -> bytes:
        """Return the hash of a committed leaf."""
        ...

    def keyring(self) -> tuple[bytes, int] | None:
        """Return the newest keyring's envelope and version, or None."""
        ...

    def add_keyring(self, version: int, envelope: bytes) -> None:
        """Record a keyring."""
        ...


class Notary(Protocol):
    """Signs for the hub with the key that its keyring holds valid at a journal index."""

    @property
    def origin(self) -> str:
        """The name of the clearing journal."""
        ...

    def first_keyring(self) -> bytes:
        """Return the envelope of the first keyring, signed by the root; root and keys are made where there are none."""
        ...

    def new_key(self) -> tuple[str, bytes]:
        """Make and keep a further key; returns its name and its public half. It signs once a keyring says so."""
        ...

    def read_keyring(self, envelope: bytes) -> Keyring:
        """Return the keyring of an envelope that enough of the hub's roots signed.

        Raises:
            Invalid: They did not, or it is none.
            Unreachable: NO_ROOTS, the hub has lost them.
        """
        ...

    def can_sign(self, keyring: Keyring, index: int) -> bool:
        """Say whether a key of this hub holds at a journal index, for statements and for checkpoints."""
        ...

    def sign_statement(self, document: bytes, *, keyring: bytes, index: int) -> bytes:
        """Return a statement's envelope.

        Raises:
            Unreachable: NO_SIGNING_KEY, no key of this hub holds at that index.
        """
        ...

    def sign_acknowledgement(self, document: bytes, *, keyring: bytes, index: int) -> bytes:
        """Return the envelope of an acknowledgement that the hub witnessed."""
        ...

    def sign_checkpoint(self, head: TreeHead, *, keyring: bytes) -> bytes:
        """Return the signed note of a tree."""
        ...

    def open_acknowledgement(self, envelope: bytes, *, keyring: bytes, index: int, party: PartyId) -> bytes:
        """Return the document of an acknowledgement that a key of the party signed.

        Raises:
            Invalid: It is no acknowledgement, or no key of the party that the keyring holds valid signed it.
        """
        ...


class TaxTables(Protocol):
    """The tax tables there are."""

    def __call__(self, name: str, /) -> TaxTable | None:
        """Return the table of this name, or None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingSettings:
    """What clearing needs beside the unit of work.

    Attributes:
        notary: Signs.
        tax_tables: The tax tables by the name that agreements give them.
        tz_version: Version of the IANA zone data in use.
    """

    notary: Notary
    tax_tables: TaxTables
    tz_version: str
