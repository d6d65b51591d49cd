"""What every repository works with: the connection of its transaction, its instant, and rows waiting to be written."""

from datetime import datetime

from sqlalchemy import Connection
from sqlmodel import SQLModel

from hub.store.statements import Row, RowWriter, insert_into, upsert_into


class Session:
    """One transaction's connection with a buffer of rows to write.

    A hot use case writes row by row in its own words; the rows reach the driver in one call per table when the use
    case ends (`flush`). A repository that must read its own rows back flushes first.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self._waiting: dict[RowWriter, list[Row]] = {}

    def insert(self, table: type[SQLModel], row: Row) -> None:
        """Queue one new whole row, in stored form, in the order of the table's columns."""
        self._waiting.setdefault(insert_into(table), []).append(row)

    def upsert(self, table: type[SQLModel], row: Row) -> None:
        """Queue one whole row that replaces the one of the same primary key, if there is one."""
        self._waiting.setdefault(upsert_into(table), []).append(row)

    def flush(self) -> None:
        """Write the queued rows."""
        waiting, self._waiting = self._waiting, {}
        for writer, rows in waiting.items():
            writer.run_each(self.connection, rows)

    def discard(self) -> None:
        """Forget the queued rows."""
        self._waiting.clear()
