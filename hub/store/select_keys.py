"""Rows by keys of several columns, found in one query."""

from collections.abc import Callable, Collection, Sequence
from itertools import chain

from sqlalchemy import CTE, ColumnElement, Connection, Select, bindparam, column, values

from hub.store.statements import Row, Statement, cursor_of


class SelectKeys:
    """A select joined to a list of keys.

    SQLite walks a whole prefix of the index for `(a, b) IN (...)`; for a join with the list it looks up each key. There
    the statement is compiled for lists of a few sizes only, as `SelectIn` is, and a list is padded with copies of its
    last key, so a row may come back several times. PostgreSQL takes the list as one array a column: one text for all
    sizes, prepared once, and half the time.
    """

    _MOST = 2_048
    _FEW = 32

    def __init__(self, columns: Sequence[ColumnElement[object]], select_from: Callable[[CTE], Select[Row]]) -> None:
        """Take the columns that a key consists of, and what makes the select of the list of keys.

        Args:
            columns: Table columns; the list's columns have their names and types.
            select_from: Given the list, returns a select that joins it.
        """
        listed = values(*(column(c.key or "", c.type) for c in columns), name="wanted").data(
            [tuple(bindparam(f"{c.key}_", type_=c.type, required=True) for c in columns)]
        )
        self._one = Statement(select_from(listed.cte("wanted")))
        #: By the number of keys; PostgreSQL's under 0. One process works with one kind of database, tests with both.
        self._texts: dict[int, str] = {}

    def all(self, connection: Connection, keys: Collection[Row]) -> list[Row]:
        """Return the rows of these keys, whose parts are in stored form."""
        wanted = list(keys)
        in_arrays = connection.dialect.name == "postgresql"
        rows: list[Row] = []
        start = 0
        while start < len(wanted):
            size = self._MOST if in_arrays else self._piece(len(wanted) - start)
            chunk = wanted[start : start + size]
            cursor = cursor_of(connection)
            if in_arrays:
                cursor.execute(self._array_text(), [list(part) for part in zip(*chunk, strict=True)])
            else:
                chunk += chunk[-1:] * (size - len(chunk))
                cursor.execute(self._text(size), tuple(chain.from_iterable(chunk)))
            rows += cursor.fetchall()
            start += size
        return rows

    def _piece(self, left: int) -> int:
        """Return how many keys the next statement takes, copies included."""
        if left < self._FEW:
            return 1 << (left - 1).bit_length()
        # Copies would cost more than a further statement for what is left.
        return min(1 << left.bit_length() - 1, self._MOST)

    def _text(self, size: int) -> str:
        """Return SQLite's statement for so many keys: the compiled one for a single key, with its key repeated.

        Compiling it whole takes seconds for a thousand keys: the cost grows with the square of their number.
        """
        found = self._texts.get(size)
        if found is None:
            before, key, after = self._parts("sqlite")
            found = self._texts[size] = f"{before}VALUES {', '.join([f'({key})'] * size)}{after}"
        return found

    def _array_text(self) -> str:
        """Return PostgreSQL's statement: the compiled one for a single key, with an array for each of its parts."""
        found = self._texts.get(0)
        if found is None:
            before, key, after = self._parts("postgresql")
            arrays = ", ".join(f"{part}[]" for part in key.split(", "))
            found = self._texts[0] = f"{before}SELECT * FROM unnest({arrays}){after}"  # noqa: S608 - our own text
        return found

    def _parts(self, dialect: str) -> tuple[str, str, str]:
        before, _, rest = self._one.text(dialect).partition("VALUES (")
        key, _, after = rest.partition(")")
        return before, key, after
