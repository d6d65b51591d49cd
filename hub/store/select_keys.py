"""Rows by keys of several columns, found in one query."""

from collections.abc import Callable, Collection, Sequence
from itertools import chain

from sqlalchemy import CTE, ColumnElement, Connection, Select, bindparam, column, values

from hub.store.statements import Row, Statement, cursor_of


class SelectKeys:
    """A select joined to a list of keys, compiled for lists of a few sizes only, as `SelectIn` is.

    SQLite walks a whole prefix of the index for `(a, b) IN (...)`; for a join with the list it looks up each key. A
    list is padded with copies of its last key, so a row may come back several times.
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
        self._texts: dict[tuple[str, int], str] = {}

    def all(self, connection: Connection, keys: Collection[Row]) -> list[Row]:
        """Return the rows of these keys, whose parts are in stored form."""
        wanted = list(keys)
        rows: list[Row] = []
        start = 0
        while start < len(wanted):
            left = len(wanted) - start
            # Past the first few, a copy costs more than a further statement for what the power of two leaves over.
            size = min(1 << left.bit_length() - 1, self._MOST) if left >= self._FEW else 1 << (left - 1).bit_length()
            chunk = wanted[start : start + size]
            chunk += chunk[-1:] * (size - len(chunk))
            cursor = cursor_of(connection)
            cursor.execute(self._text(connection.dialect.name, size), tuple(chain.from_iterable(chunk)))
            rows += cursor.fetchall()
            start += size
        return rows

    def _text(self, dialect: str, size: int) -> str:
        """Return the statement for so many keys: the compiled one for a single key, with its key repeated.

        Compiling it whole takes seconds for a thousand keys: the cost grows with the square of their number.
        """
        found = self._texts.get((dialect, size))
        if found is None:
            before, _, rest = self._one.text(dialect).partition("VALUES (")
            key, _, after = rest.partition(")")
            found = self._texts[dialect, size] = f"{before}VALUES {', '.join([f'({key})'] * size)}{after}"
        return found
