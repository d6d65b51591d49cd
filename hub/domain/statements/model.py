"""The parts of a statement."""

from dataclasses import dataclass
from datetime import date, datetime

from hub.domain.agreements import Rounding
from hub.domain.clearing.lines import Line, TaxBucket
from hub.domain.clearing.positions import Obligation
from hub.domain.clearing.taxes import TaxRow
from hub.domain.ids import PartyId
from hub.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """A tree by its size and root."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodTerms:
    """The period, as the statement quotes it: see `hub.domain.clearing.periods.Period`."""

    name: str
    cycle: str
    time_zone: str
    tz_version: str
    start_time: datetime
    end_time: datetime
    first_date: date
    first_index: int
    end_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One party of the statement: its state for tax, and whether it deals in electricity."""

    party: PartyId
    state: str
    dealer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An amount, tax included, that is stated but not payable while something about it is open."""

    index: int
    amount: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtForward:
    """An amount, tax included, that an earlier statement left open and this one makes payable."""

    statement: str
    amount: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Which journal entries are in: their number, and SHA-256 over each index (8 bytes, big-endian) and leaf hash."""

    count: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Minor units: net + tax = gross; gross - held + brought forward = payable."""

    net: int
    tax: int
    gross: int
    held: int
    brought_forward: int
    payable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementTerms:
    """All that a statement rests on beside the CDRs.

    Attributes:
        hub: Name of the hub's journal, as its checkpoints have it.
        name: Resource name, `{period}/statements/{currency}`.
        period: The period it is about.
        before: The tree before the period's range.
        after: The tree at its end.
        agreement: Resource name of the agreement.
        agreement_version: The version whose terms apply.
        creditor: Who is owed.
        debtor: Who owes.
        currency: ISO 4217 code.
        rounding: The rounding profile.
        tax_table: SHA-256 of the tax table's document.
        tax_rows: The rows of it that apply between the two parties.
        held: What is stated, but not payable yet.
        brought_forward: What earlier statements left open.
    """

    hub: str
    name: str
    period: PeriodTerms
    before: TreeHead
    after: TreeHead
    agreement: str
    agreement_version: int
    creditor: Side
    debtor: Side
    currency: str
    rounding: Rounding
    tax_table: str
    tax_rows: tuple[TaxRow, ...]
    held: tuple[Held, ...] = ()
    brought_forward: tuple[BroughtForward, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement: its terms, and what follows from them and the CDRs; amounts are minor units of its currency.

    Attributes:
        terms: What it rests on.
        manifest: Which CDRs are in.
        lines: The lines, by key.
        taxes: The tax buckets, by category and rate.
        totals: The totals.
    """

    terms: StatementTerms
    manifest: Manifest
    lines: tuple[Line, ...]
    taxes: tuple[TaxBucket, ...]
    totals: Totals

    @property
    def obligation(self) -> Obligation:
        """What it leaves to pay."""
        return Obligation(
            statement=self.terms.name,
            debtor=self.terms.debtor.party,
            creditor=self.terms.creditor.party,
            payable=Money(minor=self.totals.payable, currency=self.terms.currency),
        )
