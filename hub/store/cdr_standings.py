"""Where CDRs stand that were not accepted at once."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import bindparam, select, text

from hub.app.directory import Directory
from hub.domain.cdrs.record import CdrState, Finding, Severity, Step
from hub.domain.cdrs.standing import Standing
from hub.domain.ids import ObjectId, fold
from hub.store.keys import by_party
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.cdrs import CdrStandingRow
from hub.store.types import from_micros, to_micros

_ROW = CdrStandingRow.__table__  # type: ignore[attr-defined]
_FIND = SelectIn(select(*_ROW.c).where(_ROW.c.cpo == bindparam("cpo_")), _ROW.c.cdr_id)
_DUE = Statement(
    select(*_ROW.c)
    .where(text("state IN (2, 3)"), _ROW.c.deadline <= bindparam("now_"))
    .order_by(_ROW.c.deadline, _ROW.c.idx)
    .limit(bindparam("most"))
)


class StoredCdrStandings:
    """Implements `hub.app.ports.cdrs.CdrStandings`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def find(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, Standing]:
        """Return the standings of those that have one."""
        directory = self._directory()
        found = [
            _standing(row, directory)
            for _, number, folded in by_party(ids, directory)
            for row in _FIND.all(self._session.connection, folded, (number,))
        ]
        return {standing.id: standing for standing in found}

    def save(self, standing: Standing) -> None:
        """Insert or replace a standing."""
        parties = self._directory().parties
        self._session.upsert(
            CdrStandingRow,
            (
                parties[standing.id.party].number,
                standing.id.folded,
                standing.id.id,
                parties[standing.emsp].number,
                int(standing.state),
                standing.index,
                standing.leaf_hash,
                to_micros(standing.deadline),
                standing.return_window // timedelta(microseconds=1),
                to_micros(standing.first_time),
                fold(standing.replaced_by) if standing.replaced_by else None,
                standing.replaced_by,
                json.dumps([_written(step) for step in standing.steps]),
            ),
        )

    def due(self, limit: int) -> Sequence[Standing]:
        """Return those whose open deadline has come."""
        directory = self._directory()
        rows = _DUE.all(self._session.connection, (to_micros(self._session.now), limit))
        return [_standing(row, directory) for row in rows]


def read_steps(written: str) -> tuple[Step, ...]:
    """Return the steps as a row holds them."""
    return tuple(
        Step(CdrState(state), index, from_micros(micros), cause, note, tuple(read_finding(*each) for each in found))
        for state, index, micros, cause, note, *found in json.loads(written)
    )


def read_finding(code: str, severity: int, field: str, message: str) -> Finding:
    """Return a finding as rows hold it."""
    return Finding(code=code, severity=Severity(severity), field=field, message=message)


def _written(step: Step) -> list[object]:
    """Return a step as a row holds it: what was found in it comes last."""
    found = [[str(each.code), int(each.severity), each.field, each.message] for each in step.findings]
    return [int(step.state), step.index, to_micros(step.time), str(step.cause), step.note, *found]


def _standing(row: Row, directory: Directory) -> Standing:
    cpo, _, id_as_sent, emsp, _, _, leaf_hash, deadline, return_window, first_time, _, replacement, steps = row
    return Standing(
        id=ObjectId(directory.by_number[cpo].id, id_as_sent),
        emsp=directory.by_number[emsp].id,
        steps=read_steps(steps),
        leaf_hash=bytes(leaf_hash),
        deadline=from_micros(deadline),
        return_window=timedelta(microseconds=return_window),
        first_time=from_micros(first_time),
        replaced_by=replacement,
    )
