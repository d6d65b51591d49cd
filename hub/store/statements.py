"""Core statements on our tables, compiled once and handed to the driver as text with plain tuples.

SQLAlchemy's work per execution (contexts, parameter names, result rows) costs ten times what SQLite does for a small
statement (docs/benchmarks.md). So a hot statement is built with Core, compiled once per dialect, and run on the
driver's own cursor inside the transaction that SQLAlchemy opened. Values must already be in stored form: microseconds
for instants, scaled integers for decimals. Errors are the driver's own, not
SQLAlchemy's.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from importlib import import_module
from itertools import chain
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, Executable, Select, bindparam, insert
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlmodel import SQLModel

Row = tuple[Any, ...]


_PARAMETERS = {"sqlite": "qmark", "postgresql": "format"}


def _package(dialect: str) -> Any:  # noqa: ANN401 - a package
    """Return SQLAlchemy's package for a dialect; PostgreSQL's brings every driver's and takes a tenth of a second."""
    return import_module(f"sqlalchemy.dialects.{dialect}")


@cache
def _dialect(name: str) -> DefaultDialect:
    dialect: DefaultDialect = _package(name).dialect(paramstyle=_PARAMETERS[name])
    return dialect


def cursor_of(connection: Connection) -> Any:  # noqa: ANN401 - a DB-API cursor, which has no common type
    """Return a new cursor of the driver, in the transaction of this connection."""
    return connection.connection.driver_connection.cursor()  # type: ignore[union-attr]


def execute(connection: Connection, text: str) -> None:
    """Run a statement without parameters, such as SAVEPOINT."""
    cursor_of(connection).execute(text)


class _Compiled(NamedTuple):
    """A statement's text in one dialect, and what puts its literals among the parameters; None without any."""

    text: str
    fill: Callable[[Row], Row] | None


def begin(connection: Connection) -> None:
    """Begin a writing transaction on the driver's own connection; PostgreSQL's begins with its first statement."""
    if connection.dialect.name == "sqlite":
        execute(connection, "BEGIN IMMEDIATE")


def commit(connection: Connection) -> None:
    """Make the transaction durable; SQLAlchemy's begin and commit around it would cost as much as a small group."""
    connection.connection.driver_connection.commit()  # type: ignore[union-attr]
    if connection.in_transaction():
        # Some repository ran a statement through SQLAlchemy, which then believes that it began a transaction.
        connection.commit()


def changes(connection: Connection) -> int:
    """Return how many rows SQLite has changed on this connection so far; meaningless on PostgreSQL."""
    return getattr(connection.connection.driver_connection, "total_changes", 0)


def foreign_commits(connection: Connection) -> int | None:
    """Return what changes whenever another connection has committed, in this transaction's view; None if unknown."""
    if connection.dialect.name != "sqlite":
        return None
    return cast(int, cursor_of(connection).execute("PRAGMA data_version").fetchone()[0])


class Statement:
    """A Core statement ready for positional execution.

    Its parameters are the `bindparam("name")`s without a value, in the order in which they stand in the text (of an
    UPDATE: the new values, then the conditions). Literals in the statement are filled in. It is compiled when a
    dialect first runs it: compiling all of them would be half of the hub's start.

    Args:
        statement: The statement, or what makes it for a dialect, where the two have no construct in common.
    """

    def __init__(self, statement: Executable | Callable[[str], Executable]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def text(self, dialect: str) -> str:
        """Return the statement in a dialect, `sqlite` or `postgresql`."""
        return (self._compiled.get(dialect) or self._compile(dialect)).text

    def all(self, connection: Connection, parameters: Row = ()) -> list[Row]:
        """Run it and return every row."""
        cursor = self._execute(connection, parameters)
        return cast(list[Row], cursor.fetchall())

    def run(self, connection: Connection, parameters: Row = ()) -> int:
        """Run it once and return the number of rows it changed."""
        return cast(int, self._execute(connection, parameters).rowcount)

    def run_each(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Run it for each row of parameters, in one call of the driver."""
        if rows:
            dialect = connection.dialect.name
            text, fill = self._compiled.get(dialect) or self._compile(dialect)
            cursor_of(connection).executemany(text, rows if fill is None else [fill(row) for row in rows])

    def filled(self, dialect: str, parameters: Row) -> Row:
        """Return the parameters with the statement's literals among them."""
        _, fill = self._compiled.get(dialect) or self._compile(dialect)
        return parameters if fill is None else fill(parameters)

    def _execute(self, connection: Connection, parameters: Row) -> Any:  # noqa: ANN401 - a DB-API cursor
        dialect = connection.dialect.name
        text, fill = self._compiled.get(dialect) or self._compile(dialect)
        cursor = cursor_of(connection)
        cursor.execute(text, parameters if fill is None else fill(parameters))
        return cursor

    def _compile(self, dialect: str) -> _Compiled:
        statement = self._statement(dialect) if callable(self._statement) else self._statement
        made = statement.compile(dialect=_dialect(dialect))  # type: ignore[attr-defined]
        assert isinstance(made, SQLCompiler)
        # Per dialect: SQLite's LIMIT comes with an OFFSET of its own, for instance.
        literals = made.params  # made anew at every look
        slots = [(made.binds[name].required, literals.get(name)) for name in made.positiontup or []]
        fill = None if all(required for required, _ in slots) else _filler(slots)
        compiled = self._compiled[dialect] = _Compiled(str(made), fill)
        return compiled


def _filler(slots: list[tuple[bool, Any]]) -> Callable[[Row], Row]:
    def fill(parameters: Row) -> Row:
        given = iter(parameters)
        return tuple(next(given) if required else literal for required, literal in slots)

    return fill


class RowWriter:
    """Writes whole rows of one table, many by one statement.

    One statement of many rows is one step of the driver and one release of the interpreter's lock: with a statement a
    row, the committer would hand the lock to the event loop and queue for it again at every row. Rows go out in pieces
    of a few sizes, so that few texts exist: each power of two and half as much again, of which two or three make most
    numbers.
    """

    _SIZES = (256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
    _PARAMETERS_MAX = 30_000  # SQLite takes 32,766

    def __init__(
        self,
        statement: Executable | Callable[[str], Executable],
        columns: Sequence[str],
        key: Callable[[Row], Row] | None = None,
    ) -> None:
        self._one = Statement(statement)
        self._sizes = [size for size in self._SIZES if size * len(columns) <= self._PARAMETERS_MAX]
        self._key = key

    def run(self, connection: Connection, row: Row) -> None:
        """Write one row: a value for each column, in the order of the table."""
        self._one.run(connection, row)

    def run_each(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Write the rows. Of several that replace each other the last one is written."""
        if self._key is not None and len(rows) > 1:
            rows = list({self._key(row): row for row in rows}.values())
        name, start = connection.dialect.name, 0
        cursor = cursor_of(connection)
        for size in self._sizes:
            while len(rows) - start >= size:
                piece = rows[start : start + size]
                cursor.execute(_repeated(self._one.text(name), size), tuple(chain.from_iterable(piece)))
                start += size
            if start == len(rows):
                return


@lru_cache(maxsize=1_024)
def _repeated(text: str, size: int) -> str:
    """Return an INSERT of one row as an INSERT of so many."""
    before, _, rest = text.partition(" VALUES ")
    values, closing, after = rest.partition(")")
    return f"{before} VALUES {', '.join([values + closing] * size)}{after}"


@lru_cache(maxsize=256)
def insert_into(table: type[SQLModel]) -> RowWriter:
    """Return the writer of new rows of a table."""
    target = table.__table__  # type: ignore[attr-defined]
    columns = [column.name for column in target.columns]
    return RowWriter(insert(target).values({name: bindparam(name) for name in columns}), columns)


@lru_cache(maxsize=256)
def upsert_into(table: type[SQLModel]) -> RowWriter:
    """Return the writer of rows that each replace the one of the same primary key, if there is one."""
    target = table.__table__  # type: ignore[attr-defined]
    columns = [column.name for column in target.columns]
    places = [columns.index(column.name) for column in target.primary_key]

    def upsert(dialect: str) -> Executable:
        statement = _package(dialect).insert(target).values({name: bindparam(name) for name in columns})
        rest = {c.name: statement.excluded[c.name] for c in target.columns if not c.primary_key}
        key = list(target.primary_key)
        # A table that is all key has nothing to replace.
        upserting: Executable = (
            statement.on_conflict_do_update(index_elements=key, set_=rest)
            if rest
            else statement.on_conflict_do_nothing(index_elements=key)
        )
        return upserting

    return RowWriter(upsert, columns, key=lambda row: tuple(row[place] for place in places))


class SelectIn:
    """A select whose last condition is `column IN (...)`, compiled for lists of a few sizes only.

    A list is padded with its last key to the next power of two, so that at most a dozen texts of each statement
    exist, whatever the size of a batch.
    """

    _MOST = 4_096

    def __init__(self, statement: Select[Any], column: ColumnElement[Any]) -> None:
        member = bindparam("key_", type_=column.type, required=True)
        self._one = Statement(statement.where(column.in_([member])))
        self._texts: dict[tuple[str, int], str] = {}

    def all(self, connection: Connection, keys: Iterable[Any], parameters: Row = ()) -> list[Row]:
        """Return every row that matches; `parameters` are those of the conditions before the list."""
        values = list(keys)
        rows: list[Row] = []
        for start in range(0, len(values), self._MOST):
            chunk = values[start : start + self._MOST]
            size = 1 << (len(chunk) - 1).bit_length()
            dialect = connection.dialect.name
            # What is filled in stands before the list, whose keys end the parameters.
            filled = (
                *self._one.filled(dialect, (*parameters, chunk[0])),
                *chunk[1:],
                *chunk[-1:] * (size - len(chunk)),
            )
            cursor = cursor_of(connection)
            cursor.execute(self._texts.get((dialect, size)) or self._text(dialect, size), filled)
            rows += cursor.fetchall()
        return rows

    def _text(self, dialect: str, size: int) -> str:
        """Return the statement for so many keys: the compiled one for a single key, with its key repeated.

        Compiling it whole takes seconds for four thousand keys: the cost grows with the square of their number.
        """
        before, _, rest = self._one.text(dialect).rpartition(" IN (")
        member, _, after = rest.partition(")")
        assert not after, "the list is the last condition"
        made = self._texts[dialect, size] = f"{before} IN ({', '.join([member] * size)})"
        return made
