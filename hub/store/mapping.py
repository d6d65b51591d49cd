"""Reading much of a database in a file: its pages are mapped into memory instead of being copied out one by one.

A report that reads every CDR of a month spends most of its time on copying pages. Mapped for good, the file would count
as memory of the hub, once for each connection; and a broken disk would end the process instead of failing a read. So it
is mapped for as long as a report reads, and no longer. PostgreSQL has its own buffers.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from hub.store.statements import execute

#: In bytes; SQLite maps no more than 2 GiB, and reads the rest of a larger file as ever.
_MOST = 2_147_418_112


@contextmanager
def mapped(connection: Connection) -> Iterator[None]:
    """Map the database's file while the block reads."""
    if connection.dialect.name != "sqlite":
        yield
        return
    execute(connection, f"PRAGMA mmap_size={_MOST}")
    try:
        yield
    finally:
        execute(connection, "PRAGMA mmap_size=0")
