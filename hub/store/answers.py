"""Sums of requests relayed and answered, by party and day."""

from collections.abc import Callable, Mapping
from datetime import date

from sqlalchemy import bindparam, func, select

from hub.app.directory import Directory
from hub.app.ports.answers import Answered, Answers
from hub.domain.ids import PartyId
from hub.store.session import Session
from hub.store.statements import SelectIn, Statement
from hub.store.tables.routing import AnswersRow

_ROW = AnswersRow.__table__  # type: ignore[attr-defined]
_OF_DAY = SelectIn(select(*_ROW.c).where(_ROW.c.day == bindparam("day_")), _ROW.c.party)
_TOTAL = Statement(
    select(func.sum(_ROW.c.asked), func.sum(_ROW.c.answered)).where(
        _ROW.c.party == bindparam("party_"), _ROW.c.day.between(bindparam("first"), bindparam("last"))
    )
)


class StoredAnswers:
    """Implements `hub.app.ports.answers.Answers`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def add(self, counts: Mapping[tuple[PartyId, date], Answered]) -> None:
        """Add up."""
        parties = self._directory().parties
        by_day: dict[int, dict[int, Answered]] = {}
        for (party, day), count in counts.items():
            if party in parties:
                by_day.setdefault(day.toordinal(), {})[parties[party].number] = count
        for ordinal, of_day in by_day.items():
            known = {row[0]: row for row in _OF_DAY.all(self._session.connection, sorted(of_day), (ordinal,))}
            for number, count in of_day.items():
                _, _, asked, answered = known.get(number, (number, ordinal, 0, 0))
                row = number, ordinal, asked + count.asked, answered + count.answered
                self._session.upsert(AnswersRow, row)

    def total(self, party: PartyId, first: date, last: date) -> Answered:
        """Sum up."""
        known = self._directory().parties.get(party)
        if known is None:
            return Answered(0, 0)
        arguments = known.number, first.toordinal(), last.toordinal()
        asked, answered = _TOTAL.all(self._session.connection, arguments)[0]
        return Answered(int(asked or 0), int(answered or 0))


_: type[Answers] = StoredAnswers
