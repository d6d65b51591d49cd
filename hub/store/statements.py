"""Core statements on our tables, compiled once: the hot paths hand the driver plain tuples.

SQLAlchemy's per-execution work (parameter names, type processing, result rows) costs more than SQLite itself
(docs/benchmarks.md), so a hot statement is compiled to its text once per dialect and run with positional parameters.
Values must already be in stored form: microseconds for instants, scaled integers for decimals.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Executable, Select, bindparam, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlmodel import SQLModel

Row = tuple[Any, ...]

_DIALECTS: dict[str, DefaultDialect] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}


class Statement:
    """A Core statement ready for positional execution.

    Its parameters are the `bindparam("name")`s without a value, in the order in which they stand in the text (of an
    UPDATE: the new values, then the conditions). Literals in the statement are filled in.
    """

    def __init__(self, statement: Executable) -> None:
        self._text: dict[str, str] = {}
        # Per dialect: SQLite's LIMIT comes with an OFFSET of its own, for instance.
        self._fill: dict[str, Callable[[Row], Row]] = {}
        for name, dialect in _DIALECTS.items():
            compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
            assert isinstance(compiled, SQLCompiler)
            self._text[name] = str(compiled)
            names = compiled.positiontup or []
            self.parameters = [n for n in names if compiled.binds[n].required]
            if len(self.parameters) < len(names):
                self._fill[name] = _filler([(compiled.binds[n].required, compiled.params.get(n)) for n in names])

    def all(self, connection: Connection, parameters: Row = ()) -> list[Row]:
        """Run it and return every row."""
        dialect = connection.dialect.name
        result = connection.exec_driver_sql(self._text[dialect], self._filled(dialect, parameters))
        # The driver's own rows: SQLAlchemy's Row objects cost more than the query.
        assert result.cursor is not None
        return cast(list[Row], result.cursor.fetchall())

    def run(self, connection: Connection, parameters: Row = ()) -> int:
        """Run it once and return the number of rows it changed."""
        dialect = connection.dialect.name
        return connection.exec_driver_sql(self._text[dialect], self._filled(dialect, parameters)).rowcount

    def run_each(self, connection: Connection, rows: list[Row]) -> None:
        """Run it for each row of parameters, in one call of the driver."""
        if rows:
            dialect = connection.dialect.name
            fill = self._fill.get(dialect)
            filled = rows if fill is None else [fill(row) for row in rows]
            connection.exec_driver_sql(self._text[dialect], filled)

    def _filled(self, dialect: str, parameters: Row) -> Row:
        fill = self._fill.get(dialect)
        return parameters if fill is None else fill(parameters)


def _filler(slots: list[tuple[bool, Any]]) -> Callable[[Row], Row]:
    def fill(parameters: Row) -> Row:
        given = iter(parameters)
        return tuple(next(given) if required else literal for required, literal in slots)

    return fill


@lru_cache(maxsize=256)
def insert_into(table: type[SQLModel]) -> Statement:
    """Return the insert of whole rows: one parameter per column, in the order of the table."""
    target = table.__table__  # type: ignore[attr-defined]
    return Statement(insert(target).values({column.name: bindparam(column.name) for column in target.columns}))


@lru_cache(maxsize=256)
def upsert_into(table: type[SQLModel]) -> Statement:
    """Return the insert of whole rows that replaces a row of the same primary key; parameters as for `insert_into`."""
    target = table.__table__  # type: ignore[attr-defined]
    # Both dialects write ON CONFLICT alike, so that one of their constructs serves both.
    statement = postgresql.insert(target).values({column.name: bindparam(column.name) for column in target.columns})
    rest = {c.name: statement.excluded[c.name] for c in target.columns if not c.primary_key}
    return Statement(statement.on_conflict_do_update(index_elements=list(target.primary_key), set_=rest))


class SelectIn:
    """A select whose last condition is `column IN (...)`, compiled for lists of a few sizes only.

    A list is padded with its last key to the next power of two, so that at most a dozen texts of each statement
    exist, whatever the size of a batch.
    """

    _MOST = 4_096

    def __init__(self, statement: Select[Any], column: ColumnElement[Any]) -> None:
        self._statement = statement
        self._column = column
        self._by_size: dict[int, Statement] = {}

    def all(self, connection: Connection, keys: Iterable[Any], parameters: Row = ()) -> list[Row]:
        """Return every row that matches; `parameters` are those of the conditions before the list."""
        values = list(keys)
        rows: list[Row] = []
        for start in range(0, len(values), self._MOST):
            chunk = values[start : start + self._MOST]
            size = 1 << (len(chunk) - 1).bit_length()
            statement = self._by_size.get(size) or self._compile(size)
            rows += statement.all(connection, (*parameters, *chunk, *[chunk[-1]] * (size - len(chunk))))
        return rows

    def _compile(self, size: int) -> Statement:
        members = [bindparam(f"key_{i}", type_=self._column.type, required=True) for i in range(size)]
        made = self._by_size[size] = Statement(self._statement.where(self._column.in_(members)))
        return made
