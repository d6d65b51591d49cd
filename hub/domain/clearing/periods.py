"""A settlement period of one agreement, and the only ways it moves on.

    OPEN -> CUT_OFF -> GRACE -> FROZEN -> CALCULATED -> REVIEWED -> ISSUED
         -> ACKNOWLEDGED | DEEMED_ACCEPTED -> PAYING -> SETTLED

A period holds the CDRs whose journal indexes lie in the half-open range `[first_index, end_index)`. The cut-off is
itself a journal entry, the last of its period, so the period's end is a tree size that a checkpoint can prove. From
then on nothing joins: a CDR accepted one entry later is in the next period, whenever its session was. The grace between
cut-off and freezing is for looking (gaps, doubts, disputes), not for adding.

A period that holds no CDR has nothing to state and goes from FROZEN to SETTLED.

Four eyes: who reviews is not who prepared, and who issues is not who reviewed.

VOID is possible before ISSUED, and only while the period after it is not frozen: that one then takes over the range,
so that no CDR is left without a statement.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from hub.domain.agreements import Cycle
from hub.domain.clearing.cycles import Window, window_at
from hub.domain.errors import Denied, Precondition
from hub.domain.ids import PartyId


class PeriodState(StrEnum):
    """Where a period stands."""

    OPEN = "OPEN"
    CUT_OFF = "CUT_OFF"
    GRACE = "GRACE"
    FROZEN = "FROZEN"
    CALCULATED = "CALCULATED"
    REVIEWED = "REVIEWED"
    ISSUED = "ISSUED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    DEEMED_ACCEPTED = "DEEMED_ACCEPTED"
    PAYING = "PAYING"
    SETTLED = "SETTLED"
    VOID = "VOID"


_S = PeriodState
#: Which states may follow each.
NEXT: dict[PeriodState, frozenset[PeriodState]] = {
    _S.OPEN: frozenset({_S.CUT_OFF}),
    _S.CUT_OFF: frozenset({_S.GRACE, _S.VOID}),
    _S.GRACE: frozenset({_S.FROZEN, _S.VOID}),
    _S.FROZEN: frozenset({_S.CALCULATED, _S.VOID}),
    _S.CALCULATED: frozenset({_S.REVIEWED, _S.VOID}),
    _S.REVIEWED: frozenset({_S.ISSUED, _S.VOID}),
    _S.ISSUED: frozenset({_S.ACKNOWLEDGED, _S.DEEMED_ACCEPTED}),
    _S.ACKNOWLEDGED: frozenset({_S.PAYING}),
    _S.DEEMED_ACCEPTED: frozenset({_S.PAYING}),
    _S.PAYING: frozenset({_S.SETTLED}),
    _S.SETTLED: frozenset(),
    _S.VOID: frozenset(),
}
#: States in which the range may still be taken over from a voided period before it.
_EXTENDABLE = frozenset({_S.OPEN, _S.CUT_OFF, _S.GRACE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One settlement period.

    Attributes:
        name: Resource name, `agreements/{agreement}/periods/{label}`.
        agreement: Resource name of its agreement.
        agreement_version: The version whose terms of settlement apply: that in force when the period opened.
        creditor: The CPO.
        debtor: The eMSP.
        cycle: The agreement's cycle when it opened.
        time_zone: The agreement's IANA zone when it opened.
        tz_version: Version of the zone data that the boundary was converted with.
        start_time: The calendar boundary it opened at, in UTC.
        end_time: The calendar boundary at which its cut-off is due, in UTC.
        first_date: The local date of `start_time`.
        first_index: Journal index of the first entry that may belong to it.
        end_index: Journal index after its cut-off entry; None while open.
        state: Where it stands.
        cut_off_time: When it was cut off, in UTC; None while open.
        manifest: SHA-256 over the entries it holds, once frozen; empty before.
        cdr_count: How many CDRs it holds, once frozen.
        prepared_by: Who had it calculated.
        reviewed_by: Who reviewed it; never who prepared it.
        issued_by: Who issued it; never who reviewed it.
        issue_time: When it was issued, in UTC; None before.
        revision: Counts its changes.
    """

    name: str
    agreement: str
    agreement_version: int
    creditor: PartyId
    debtor: PartyId
    cycle: Cycle
    time_zone: str
    tz_version: str
    start_time: datetime
    end_time: datetime
    first_date: date
    first_index: int
    end_index: int | None = None
    state: PeriodState = PeriodState.OPEN
    cut_off_time: datetime | None = None
    manifest: str = ""
    cdr_count: int = 0
    prepared_by: str = ""
    reviewed_by: str = ""
    issued_by: str = ""
    issue_time: datetime | None = None
    revision: int = 1

    def holds(self, index: int) -> bool:
        """Return whether a journal entry of its agreement is in its range."""
        return self.first_index <= index and (self.end_index is None or index < self.end_index)

    def _to(self, state: PeriodState, **changes: object) -> "Period":
        if state not in NEXT[self.state]:
            raise Precondition(
                "PERIOD_STATE",
                f"{self.name} is {self.state}, from where it cannot become {state}",
                period=self.name,
                state=str(self.state),
                wanted=str(state),
            )
        return replace(self, state=state, revision=self.revision + 1, **changes)  # type: ignore[arg-type]

    def cut_off(self, *, index: int, now: datetime) -> "Period":
        """End the range after the cut-off entry at `index`.

        Raises:
            Precondition: PERIOD_STATE, the period is not open.
        """
        if index < self.first_index:
            raise ValueError("a cut-off lies inside its period")
        return self._to(_S.CUT_OFF, end_index=index + 1, cut_off_time=now)

    def begin_grace(self) -> "Period":
        """Let people look before the content is frozen."""
        return self._to(_S.GRACE)

    def freeze(self, *, manifest: str, cdr_count: int) -> "Period":
        """Fix the content by the digest of its manifest and the number of CDRs."""
        return self._to(_S.FROZEN, manifest=manifest, cdr_count=cdr_count)

    def calculated(self, *, by: str) -> "Period":
        """Record who had the statements calculated; a frozen period without a CDR is settled thereby."""
        calculated = self._to(_S.CALCULATED, prepared_by=by)
        return calculated if self.cdr_count else replace(calculated, state=_S.SETTLED)

    def review(self, *, by: str) -> "Period":
        """Record who approved the statements.

        Raises:
            Denied: FOUR_EYES, it is who prepared them.
            Precondition: PERIOD_STATE.
        """
        reviewed = self._to(_S.REVIEWED, reviewed_by=by)
        self._other_than(self.prepared_by, by, "who reviews a period is not who prepared it")
        return reviewed

    def issue(self, *, by: str, now: datetime) -> "Period":
        """Record who issued the statements.

        Raises:
            Denied: FOUR_EYES, it is who reviewed them.
            Precondition: PERIOD_STATE.
        """
        issued = self._to(_S.ISSUED, issued_by=by, issue_time=now)
        self._other_than(self.reviewed_by, by, "who issues a period is not who reviewed it")
        return issued

    def _other_than(self, before: str, by: str, rule: str) -> None:
        if not by or by == before:
            raise Denied("FOUR_EYES", rule, period=self.name)

    def advance(self, state: PeriodState) -> "Period":
        """Move on to a state that needs nothing recorded: one after ISSUED.

        Raises:
            Precondition: PERIOD_STATE.
        """
        if state not in {_S.ACKNOWLEDGED, _S.DEEMED_ACCEPTED, _S.PAYING, _S.SETTLED}:
            raise ValueError(f"{state} has its own way")
        return self._to(state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a new period takes from its agreement: see `Period`; `tz_version` names the zone data in use."""

    agreement: str
    agreement_version: int
    creditor: PartyId
    debtor: PartyId
    cycle: Cycle
    time_zone: str
    tz_version: str

    def window(self, now: datetime) -> Window:
        """Return the calendar window that holds an instant."""
        return window_at(self.cycle, ZoneInfo(self.time_zone), now)


def open_first(terms: Terms, *, index: int, now: datetime) -> Period:
    """Open an agreement's first period, at the journal index from which its CDRs count."""
    window = terms.window(now)
    return Period(
        name=f"{terms.agreement}/periods/{window.label}",
        agreement=terms.agreement,
        agreement_version=terms.agreement_version,
        creditor=terms.creditor,
        debtor=terms.debtor,
        cycle=terms.cycle,
        time_zone=terms.time_zone,
        tz_version=terms.tz_version,
        start_time=window.start,
        end_time=window.end,
        first_date=window.first_date,
        first_index=index,
    )


def open_next(before: Period, terms: Terms, *, now: datetime) -> Period:
    """Open the period after one that is cut off; it begins where that ends.

    Its window is the one that holds this instant. After downtime calendar windows may have passed without a period of
    their own: their CDRs, if any, are in the range of the one that was open.

    Raises:
        ValueError: The period before is still open.
    """
    if before.end_index is None:
        raise ValueError("a period opens where the one before it ends")
    following = open_first(terms, index=before.end_index, now=now)
    if following.start_time < before.end_time:
        # Cut off by hand before its calendar end: the rest of the window is a period of its own.
        following = replace(following, name=_suffixed(before.name, following.name))
    return following


def renamed(period: Period) -> Period:
    """Return the period under the next name of its calendar window, for when the name it has is another's."""
    parent, _, label = period.name.rpartition("/")
    window, _, part = label.rpartition("-p")
    return replace(period, name=f"{parent}/{window}-p{int(part) + 1}" if window else f"{period.name}-p2")


def void(period: Period, following: Period) -> tuple[Period, Period]:
    """Void a period; the one after it takes over its range.

    Raises:
        Precondition: PERIOD_STATE, it is issued, or the one after it is frozen or later.
    """
    voided = period._to(_S.VOID)  # noqa: SLF001 - a transition over two periods
    if following.state not in _EXTENDABLE or following.first_index != period.end_index:
        raise Precondition(
            "PERIOD_STATE",
            f"{following.name} is {following.state} and cannot take over the range",
            period=following.name,
            state=str(following.state),
            wanted=str(_S.VOID),
        )
    return voided, replace(following, first_index=period.first_index, revision=following.revision + 1)


def _suffixed(before: str, name: str) -> str:
    """Return a name for another part of the calendar window of `before`: `-p2`, `-p3` and so on."""
    if before == name:
        return f"{name}-p2"
    part = before.removeprefix(f"{name}-p")
    return f"{name}-p{int(part) + 1}" if part.isdigit() else name
