"""Double entry: immutable postings of whole minor units, each debiting one account and crediting another.

A posting has one amount for both its sides, so debits equal credits per currency at every step. Postings are never
changed or removed; a wrong one is corrected by another. An account's balance is its debits less its credits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hub.domain.ids import PartyId
from hub.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One movement.

    Attributes:
        id: Says what it is for, so that posting it again is noticed: kind and subject, `statement/{digest}`.
        debit: The account that owes more.
        credit: The account that owes less, or is owed more.
        amount: At least one minor unit.
    """

    id: str
    debit: str
    credit: str
    amount: Money

    def __post_init__(self) -> None:
        if self.amount.minor < 1:
            raise ValueError("a posting moves at least one minor unit: swap its sides instead of its sign")
        if self.debit == self.credit:
            raise ValueError("a posting moves between two accounts")
        if not self.id or not self.debit or not self.credit:
            raise ValueError("a posting names its purpose and its accounts")

    def reversed(self, *, posting_id: str) -> "Posting":
        """Return the posting that takes this one back."""
        return Posting(id=posting_id, debit=self.credit, credit=self.debit, amount=self.amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """An account's movement over a span: opening + debits - credits = closing, in minor units."""

    opening: int
    debits: int
    credits: int

    @property
    def closing(self) -> int:
        """The balance at the end."""
        return self.opening + self.debits - self.credits


def settlement_account(party: PartyId) -> str:
    """Return the account of what a party owes (debit balance) or is owed (credit balance) out of its statements."""
    return f"{party.name}/settlement"


def suspense_account(agreement: str) -> str:
    """Return the account on which an agreement's disputed amounts are held."""
    return f"{agreement}/suspense"


def move(posting_id: str, *, debit: str, credit: str, amount: Money) -> Posting | None:
    """Return the posting of a signed amount: a negative one with its sides swapped, none for nothing."""
    if not amount.minor:
        return None
    if amount.minor < 0:
        debit, credit, amount = credit, debit, -amount
    return Posting(id=posting_id, debit=debit, credit=credit, amount=amount)


def balances(postings: Iterable[Posting]) -> dict[tuple[str, str], int]:
    """Return the balance of every (account, currency) that was moved, in minor units; a posting counts once by its id.

    Raises:
        ValueError: Two different postings have one id.
    """
    seen: dict[str, Posting] = {}
    sums: dict[tuple[str, str], int] = {}
    for posting in postings:
        known = seen.setdefault(posting.id, posting)
        if known is not posting:
            if known != posting:
                raise ValueError(f"two postings are called {posting.id}")
            continue
        currency, minor = posting.amount.currency, posting.amount.minor
        sums[posting.debit, currency] = sums.get((posting.debit, currency), 0) + minor
        sums[posting.credit, currency] = sums.get((posting.credit, currency), 0) - minor
    return sums


def movements(opening: Mapping[tuple[str, str], int], postings: Iterable[Posting]) -> dict[tuple[str, str], Movement]:
    """Return what moved on every account, from the balances it opened with."""
    debits: dict[tuple[str, str], int] = {}
    credits_: dict[tuple[str, str], int] = {}
    for posting in postings:
        currency, minor = posting.amount.currency, posting.amount.minor
        debits[posting.debit, currency] = debits.get((posting.debit, currency), 0) + minor
        credits_[posting.credit, currency] = credits_.get((posting.credit, currency), 0) + minor
    return {
        key: Movement(opening=opening.get(key, 0), debits=debits.get(key, 0), credits=credits_.get(key, 0))
        for key in sorted({*opening, *debits, *credits_})
    }


def trial_balance(sums: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Return the sum of all balances per currency; anything but zero is a fault."""
    totals: dict[str, int] = {}
    for (_, currency), minor in sums.items():
        totals[currency] = totals.get(currency, 0) + minor
    return totals
