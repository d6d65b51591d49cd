"""Rows by keys of several columns, found in one query."""

from collections.abc import Callable, Collection, Sequence

from sqlalchemy import CTE, ColumnElement, Connection, Select, bindparam, column, values
from sqlalchemy.types import TypeEngine

from hub.store.statements import Row, Statement


class SelectKeys:
    """A select joined to a list of keys, compiled for lists of a few sizes only, as `SelectIn` is.

    SQLite walks a whole prefix of the index for `(a, b) IN (...)`; for a join with the list it looks up each key. A
    list is padded with copies of its last key, so a row may come back several times.
    """

    _MOST = 2_048

    def __init__(self, columns: Sequence[ColumnElement[object]], select_from: Callable[[CTE], Select[Row]]) -> None:
        """Take the columns that a key consists of, and what makes the select of the list of keys.

        Args:
            columns: Table columns; the list's columns have their names and types.
            select_from: Given the list, returns a select that joins it.
        """
        self._columns: list[tuple[str, TypeEngine[object]]] = [(c.key or "", c.type) for c in columns]
        self._select_from = select_from
        self._by_size: dict[int, Statement] = {}

    def all(self, connection: Connection, keys: Collection[Row]) -> list[Row]:
        """Return the rows of these keys, whose parts are in stored form."""
        wanted = list(keys)
        rows: list[Row] = []
        for start in range(0, len(wanted), self._MOST):
            chunk = wanted[start : start + self._MOST]
            size = 1 << (len(chunk) - 1).bit_length()
            statement = self._by_size.get(size) or self._compile(size)
            chunk += chunk[-1:] * (size - len(chunk))
            rows += statement.all(connection, tuple(part for key in chunk for part in key))
        return rows

    def _compile(self, size: int) -> Statement:
        listed = values(*(column(name, kind) for name, kind in self._columns), name="wanted").data(
            [
                tuple(bindparam(f"{name}_{i}", type_=kind, required=True) for name, kind in self._columns)
                for i in range(size)
            ]
        )
        made = self._by_size[size] = Statement(self._select_from(listed.cte("wanted")))
        return made
