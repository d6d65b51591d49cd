"""Adding up what a CPO's CDRs say: one pass over its rows in a range of journal indexes, grouped by the database."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import and_, bindparam, func, literal_column, select, text

from hub.app.directory import Directory
from hub.app.ports.quality import CdrFigures, Quality
from hub.app.ports.radar import Beat, Window
from hub.domain.cdrs.record import CdrState, Severity
from hub.domain.quality import CheckCount
from hub.store.cdr_reader import AT_ONCE
from hub.store.journal import JournalTimes
from hub.store.radar import one_or_all, other_party
from hub.store.session import Session
from hub.store.statements import Row, Statement
from hub.store.tables.cdrs import CdrRow, CdrStandingRow
from hub.store.types import to_micros

_C = CdrRow.__table__.alias("c")  # type: ignore[attr-defined]
_T = CdrStandingRow.__table__.alias("t")  # type: ignore[attr-defined]

_MINUTES: Any = literal_column("(c.recorded_time - c.end_time) / 60000000").label("minutes")
_NOW: Any = func.coalesce(_T.c.state, _C.c.state).label("now")
_SUMS = Statement(
    select(_C.c.state, _NOW, _C.c.credit, _C.c.findings, _MINUTES, func.count())
    .select_from(_C.outerjoin(_T, and_(text("c.state = 2"), _T.c.cpo == _C.c.cpo, _T.c.cdr_id == _C.c.cdr_id)))
    .where(
        _C.c.cpo == bindparam("cpo_"),
        _C.c.idx >= bindparam("idx_from"),
        _C.c.idx < bindparam("idx_before"),
        _C.c.recorded_time >= bindparam("time_from"),
        _C.c.recorded_time < bindparam("time_before"),
        one_or_all(_C.c.emsp),
    )
    .group_by(_C.c.state, _NOW, _C.c.credit, _C.c.findings, _MINUTES)
)


class StoredQuality:
    """Implements `hub.app.ports.quality.Quality`; `times` finds journal indexes."""

    def __init__(self, session: Session, directory: Callable[[], Directory], times: JournalTimes) -> None:
        self._session = session
        self._directory = directory
        self._times = times

    def cdrs(self, beat: Beat, window: Window) -> CdrFigures:
        """Return the figures of a CPO's CDRs."""
        tally = _Tally()
        parties = self._directory().parties
        known = beat.cpo in parties and (beat.emsp is None or beat.emsp in parties)
        if known and beat.cpo is not None and window.start < window.end:
            start, end = to_micros(window.start), to_micros(window.end)
            emsps = other_party(None if beat.emsp is None else parties[beat.emsp].number)
            indexes = self._times.index_at(start), self._times.index_at(end)
            for row in _SUMS.all(self._session.connection, (parties[beat.cpo].number, *indexes, start, end, *emsps)):
                tally.add(row)
        return tally.figures()


class _Tally:
    """Adds groups of CDRs up."""

    def __init__(self) -> None:
        self._at_once = self._warned = self._credits = 0
        self._held: Counter[CdrState] = Counter()
        self._warnings: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._lateness: Counter[int] = Counter()

    def add(self, row: Row) -> None:
        """Add CDRs that are alike in all that a row says of them."""
        state, now, credit, findings, minutes, count = row
        found = json.loads(findings) if findings != "[]" else ()
        for code, severity, *_ in found:
            (self._warnings if severity == Severity.WARNING else self._errors)[code] += count
        accepted = now == CdrState.ACCEPTED
        if credit:
            self._credits += count if accepted else 0
            return
        if state == AT_ONCE:
            self._at_once += count
            self._warned += count if found else 0
        else:
            self._held[CdrState(now)] += count
        if accepted:
            # A charger's clock may run ahead of the hub's.
            self._lateness[max(minutes, 0)] += count

    def figures(self) -> CdrFigures:
        """Return the sums."""
        codes = sorted(self._warnings.keys() | self._errors.keys())
        return CdrFigures(
            at_once=self._at_once,
            warned=self._warned,
            held=dict(self._held),
            credits=self._credits,
            checks=tuple(CheckCount(code, self._warnings[code], self._errors[code]) for code in codes),
            lateness=dict(self._lateness),
        )


_: type[Quality] = StoredQuality
