"""How good what a partner reports is, as one score and the components it is made of (docs/quality.md).

Every component is a share between two counts that are shown beside it, so that a partner can redo the sum and sees
what to mend. Fractions throughout: nothing is rounded before the end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

from hub.domain.money import EXACT

#: Within these many minutes of its session's end a CDR is on time, or half on time.
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
#: A credit weighs as much as so many charges: one in ten credited leaves nothing of that component.
_CREDIT_WEIGHT = 10
#: Below so many charges, or relayed requests, a score says little.
SCARCE = 20


class ComponentKind(IntEnum):
    """What a component looks at; the numbers are the contract's."""

    FIRST_PASS = 1
    CLEAN = 2
    PUNCTUAL = 3
    COMPLETE = 4
    FINAL = 5
    RESPONSIVE = 6


#: How much each counts. The weights of components with nothing to judge fall away.
WEIGHTS: Mapping[ComponentKind, int] = {
    ComponentKind.FIRST_PASS: 40,
    ComponentKind.CLEAN: 10,
    ComponentKind.PUNCTUAL: 20,
    ComponentKind.COMPLETE: 20,
    ComponentKind.FINAL: 10,
    ComponentKind.RESPONSIVE: 20,
}


@dataclass(frozen=True, slots=True)
class CheckCount:
    """How often a check found something, by what its finding led to."""

    code: str
    warnings: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is on record of a party within a window of time.

    Attributes:
        charges: CDRs received that are no credits, replacements of returned ones among them.
        accepted_at_once: Those accepted on receipt; `warned` of them with a warning.
        accepted_later: Those held at first and accepted by a person since.
        returned, quarantined, resubmitted, withdrawn: Those held at first, by where they stand now.
        credits: Credits accepted.
        checks: What the checks found, charges and credits together.
        lateness: Of the accepted charges, minutes from the session's end to receipt -> how many CDRs.
        sessions: Sessions that ended long enough ago to have a CDR; `sessions_open` of them have none that stands.
        cdrs_open: CDRs without their session.
        authorizations_open: Authorizations without their session.
        asked: Requests that the hub relayed to the party; `answered` of them got an answer in time.
    """

    charges: int = 0
    accepted_at_once: int = 0
    warned: int = 0
    accepted_later: int = 0
    returned: int = 0
    quarantined: int = 0
    resubmitted: int = 0
    withdrawn: int = 0
    credits: int = 0
    checks: Sequence[CheckCount] = ()
    lateness: Mapping[int, int] = field(default_factory=dict)
    sessions: int = 0
    sessions_open: int = 0
    cdrs_open: int = 0
    authorizations_open: int = 0
    asked: int = 0
    answered: int = 0

    @property
    def accepted(self) -> int:
        """Charges that are accepted, at once or later."""
        return self.accepted_at_once + self.accepted_later

    def received_within(self, minutes: int) -> int:
        """Return how many accepted charges came within so many minutes of their session's end."""
        return sum(count for late, count in self.lateness.items() if late <= minutes)

    def lateness_at(self, percent: int) -> int | None:
        """Return the least number of minutes within which so many percent of the accepted charges came.

        The nearest-rank percentile; None without any charge.
        """
        total = sum(self.lateness.values())
        rank = -(-total * percent // 100)
        seen = 0
        for minutes in sorted(self.lateness):
            seen += self.lateness[minutes]
            if seen >= rank:
                return minutes
        return None


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a score: `good` of `total` (halves are possible), and how much it counts."""

    kind: ComponentKind
    good: Fraction
    total: int
    weight: int

    @property
    def points(self) -> Fraction:
        """From 0 to 100."""
        return 100 * self.good / self.total


def components(figures: Figures) -> Sequence[Component]:
    """Return the components that there is something to judge by, in order."""
    day, week = figures.received_within(DAY_MINUTES), figures.received_within(WEEK_MINUTES)
    on_time = day + Fraction(week - day, 2)
    kept = max(figures.accepted - _CREDIT_WEIGHT * figures.credits, 0)
    measured = {
        ComponentKind.FIRST_PASS: (Fraction(figures.accepted_at_once), figures.charges),
        ComponentKind.CLEAN: (Fraction(figures.accepted_at_once - figures.warned), figures.accepted_at_once),
        ComponentKind.PUNCTUAL: (on_time, sum(figures.lateness.values())),
        ComponentKind.COMPLETE: (Fraction(figures.sessions - figures.sessions_open), figures.sessions),
        ComponentKind.FINAL: (Fraction(kept), figures.accepted),
        ComponentKind.RESPONSIVE: (Fraction(figures.answered), figures.asked),
    }
    return [Component(kind, good, total, WEIGHTS[kind]) for kind, (good, total) in measured.items() if total]


def score(parts: Iterable[Component]) -> Fraction | None:
    """Return the mean of the components' points by weight, from 0 to 100; None when there is none."""
    found = list(parts)
    weight = sum(part.weight for part in found)
    return sum((part.weight * part.points for part in found), Fraction(0)) / weight if weight else None


def to_text(value: Fraction, decimals: int) -> str:
    """Return a fraction that is not negative with so many decimals, a half rounded up; no float takes part."""
    scaled = value * 10**decimals
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return str(Decimal(whole).scaleb(-decimals, context=EXACT))


def scarce(figures: Figures) -> bool:
    """Say whether the figures are too few for the score to say much."""
    return max(figures.charges, figures.asked) < SCARCE
