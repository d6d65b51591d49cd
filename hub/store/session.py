"""What every repository works with: the connection of its transaction, its instant, and rows waiting to be written."""

from datetime import datetime

from sqlalchemy import Connection
from sqlmodel import SQLModel

from hub.store.statements import Row, insert_into


class Session:
    """One transaction's connection with a buffer of inserts.

    A hot use case inserts row by row in its own words; the rows reach the driver in one call per table when the use
    case ends (`flush`). A repository that must read its own inserts back flushes first.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self._waiting: dict[type[SQLModel], list[Row]] = {}

    def insert(self, table: type[SQLModel], row: Row) -> None:
        """Queue one whole row, in stored form, in the order of the table's columns."""
        self._waiting.setdefault(table, []).append(row)

    def flush(self) -> None:
        """Write the queued rows."""
        waiting, self._waiting = self._waiting, {}
        for table, rows in waiting.items():
            insert_into(table).run_each(self.connection, rows)

    def discard(self) -> None:
        """Forget the queued rows."""
        self._waiting.clear()
