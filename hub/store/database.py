"""Engines for the two databases, opened so that a commit that returned is on disk."""

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

#: SQLite checkpoints its write-ahead log after so many pages; the default of 1,000 stalls a busy writer too often.
_WAL_PAGES = 8_000
_BUSY_MS = 10_000
#: Statements that a connection keeps prepared: ours come in sizes, and the driver's own 128 would not hold them all.
_STATEMENTS_KEPT = 512
#: A server that is not there is given up after so long: whoever waits for it is told, and may try again.
_CONNECT_SECONDS = 10
_POSTGRESQL_READS = "-c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read"


def open_engine(url: str | URL, *, read_only: bool = False) -> Engine:
    """Return an engine for `sqlite:///PATH` or `postgresql://...`; a read-only one refuses every write.

    Raises:
        ValueError: It is neither of the two.
    """
    target = make_url(url)
    if target.get_backend_name() == "sqlite":
        return _sqlite(target, read_only=read_only)
    if target.get_backend_name() == "postgresql":
        return create_engine(
            target.set(drivername="postgresql+psycopg"),
            pool_size=4,
            max_overflow=4,
            pool_pre_ping=True,
            connect_args={
                "options": _POSTGRESQL_READS if read_only else "-c synchronous_commit=on",
                "connect_timeout": _CONNECT_SECONDS,
            },
        )
    raise ValueError("the database is sqlite:///PATH or postgresql://...")


def _sqlite(url: URL, *, read_only: bool) -> Engine:
    # isolation_level=None leaves BEGIN to us: the driver's own transaction handling would never say IMMEDIATE.
    engine = create_engine(
        url,
        connect_args={
            "check_same_thread": False,
            "isolation_level": None,
            "timeout": _BUSY_MS / 1000,
            "cached_statements": _STATEMENTS_KEPT,
        },
    )

    if not read_only:
        event.listen(engine, "do_connect", lambda *_: _make_private(Path(url.database or "")))

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
        cursor.execute("PRAGMA cache_size=-32768")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        else:
            # What undoes a savepoint is kept in a temporary file otherwise, if it takes more than a few pages.
            cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    return engine


def _make_private(path: Path) -> None:
    """Make the file for its owner's eyes alone if it is absent; SQLite gives its log beside it the same mode.

    It holds drivers' tokens, and what opens the journal's commitments to them.
    """
    with suppress(OSError):  # whatever it is, SQLite will say so better
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
