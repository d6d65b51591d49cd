"""Commands, one row each; texts are packed into one column, each with its length before it."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, or_, select, update

from hub.app.directory import Directory
from hub.app.ports.commands import Commands
from hub.domain.commands import Command, CommandKind, CommandResponse, CommandResult, CommandState
from hub.domain.ids import PartyId
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.routing import CommandRow
from hub.store.types import from_micros, to_micros

_ROW = CommandRow.__table__  # type: ignore[attr-defined]
_OF_CPO = SelectIn(select(*_ROW.c).where(_ROW.c.id == bindparam("id_")), _ROW.c.cpo)
_OF_EMSP = SelectIn(select(*_ROW.c).where(_ROW.c.id == bindparam("id_")), _ROW.c.emsp)


def _page(column: ColumnElement[Any], *, first: bool) -> Statement:
    """Return the query of one page of a party's commands: the first one, or the one below an id."""
    page = select(*_ROW.c).where(
        column == bindparam("party_"), or_(bindparam("any_") == 1, _ROW.c.state == bindparam("state_"))
    )
    if not first:
        page = page.where(_ROW.c.id < bindparam("before_"))
    return Statement(page.order_by(_ROW.c.id.desc()).limit(bindparam("most_")))


_FIRST = [_page(column, first=True) for column in (_ROW.c.cpo, _ROW.c.emsp)]
_NEXT = [_page(column, first=False) for column in (_ROW.c.cpo, _ROW.c.emsp)]
_WAITING = [CommandState.PENDING, CommandState.ACCEPTED]
_DUE = Statement(
    select(*_ROW.c)
    .where(or_(*(_ROW.c.state == int(state) for state in _WAITING)), _ROW.c.expire_time <= bindparam("now_"))
    .order_by(_ROW.c.expire_time)
    .limit(bindparam("most_"))
)
_CHANGED = (
    "state", "expire_time", "response", "response_messages", "result", "result_messages", "result_time", "late",
)  # fmt: skip
_UPDATE = Statement(
    update(_ROW)
    .where(_ROW.c.cpo == bindparam("cpo_"), _ROW.c.id == bindparam("id_"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGED})
)


class StoredCommands:
    """Implements `hub.app.ports.commands.Commands`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def add(self, command: Command) -> None:
        """Queue the row."""
        parties = self._directory().parties
        changing = self._changing(command)
        row = (
            parties[command.cpo].number,
            command.id,
            parties[command.emsp].number,
            str(command.kind),
            command.order,
            changing[0],
            to_micros(command.create_time),
            *changing[1:],
        )
        self._session.insert(CommandRow, row)

    def update(self, command: Command) -> None:
        """Replace what has changed."""
        self._session.flush()
        number = self._directory().parties[command.cpo].number
        _UPDATE.run(self._session.connection, (*self._changing(command), number, command.id))

    def _changing(self, command: Command) -> Row:
        return (
            int(command.state),
            to_micros(command.expire_time),
            None if command.response is None else int(command.response),
            _pack(command.response_messages),
            None if command.result is None else int(command.result),
            _pack(command.result_messages),
            None if command.result_time is None else to_micros(command.result_time),
            int(command.late),
        )

    def find(self, command_id: str, parties: Collection[PartyId]) -> Command | None:
        """Return one command."""
        known = self._directory().parties
        numbers = [known[party].number for party in parties if party in known]
        for statement in (_OF_CPO, _OF_EMSP) if numbers else ():
            rows = statement.all(self._session.connection, numbers, (command_id,))
            if rows:
                return self._from_row(rows[0])
        return None

    def list(self, party: PartyId, state: CommandState | None, before_id: str, limit: int) -> Sequence[Command]:
        """Return one page, the newest first."""
        known = self._directory().parties.get(party)
        if known is None:
            return []
        below = (before_id,) if before_id else ()
        parameters = known.number, int(state is None), int(state or 0), *below, limit
        statements = _NEXT if below else _FIRST
        found = {row[1]: row for statement in statements for row in statement.all(self._session.connection, parameters)}
        newest = sorted(found.values(), key=lambda row: row[1], reverse=True)[:limit]
        return [self._from_row(row) for row in newest]

    def due(self, now: datetime, limit: int) -> Sequence[Command]:
        """Return commands whose time is up."""
        return [self._from_row(row) for row in _DUE.all(self._session.connection, (to_micros(now), limit))]

    def _from_row(self, row: Row) -> Command:
        numbers = self._directory().by_number
        return Command(
            cpo=numbers[row[0]].id,
            id=row[1],
            emsp=numbers[row[2]].id,
            kind=CommandKind(row[3]),
            order=bytes(row[4]),
            state=CommandState(row[5]),
            create_time=from_micros(row[6]),
            expire_time=from_micros(row[7]),
            response=None if row[8] is None else CommandResponse(row[8]),
            response_messages=_unpack(bytes(row[9])),
            result=None if row[10] is None else CommandResult(row[10]),
            result_messages=_unpack(bytes(row[11])),
            result_time=None if row[12] is None else from_micros(row[12]),
            late=bool(row[13]),
        )


def _pack(texts: tuple[bytes, ...]) -> bytes:
    return b"".join(len(text).to_bytes(4, "big") + text for text in texts)


def _unpack(packed: bytes) -> tuple[bytes, ...]:
    texts = []
    start = 0
    while start < len(packed):
        size = int.from_bytes(packed[start : start + 4], "big")
        texts.append(packed[start + 4 : start + 4 + size])
        start += 4 + size
    return tuple(texts)


_: type[Commands] = StoredCommands
