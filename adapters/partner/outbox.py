"""CDRs on their way to the hub, on disk before they are sent.

A CDR gets its request id when it enters the outbox, and keeps it through every attempt, crash and restart. The hub
answers a repeated request id with its first answer, so that no CDR counts twice however often it is sent.
"""

import sqlite3
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from roamhub.v1.cdr_object_pb2 import Cdr

from adapters.partner.credentials import write_private

State = Literal["pending", "answered", "refused"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cdr (
    number INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL,
    content BLOB NOT NULL,
    replaces TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'pending',
    answer BLOB,
    entered_seconds REAL NOT NULL,
    UNIQUE (key, content)
);
CREATE INDEX IF NOT EXISTS cdr_pending ON cdr (number) WHERE state = 'pending';
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A CDR that has no answer yet."""

    number: int
    request_id: str
    cdr: Cdr
    replaces: str = ""


class Outbox:
    """The file. One process at a time; calls block for the time of one disk write."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            write_private(path, b"")  # the mode before the content: CDRs hold personal data
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)
        columns = {row[1] for row in self._database.execute("PRAGMA table_info(cdr)")}
        if "replaces" not in columns:  # a file of an earlier release
            self._database.execute("ALTER TABLE cdr ADD COLUMN replaces TEXT NOT NULL DEFAULT ''")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def put(self, cdrs: list[Cdr], replaces: str = "") -> list[int]:
        """Take CDRs in, durably, and return their numbers.

        One that is already here keeps its number and request id; if the hub refused it, it waits to be sent again.

        Args:
            cdrs: The CDRs.
            replaces: The id of the returned CDR whose place they take; empty for none.

        Raises:
            ValueError: One is here already, on its way or answered, to replace another CDR or none.
        """
        rows = [(str(uuid.uuid4()), _key(cdr), _content(cdr), time.time(), replaces) for cdr in cdrs]
        insert = (
            "INSERT INTO cdr (request_id, key, content, entered_seconds, replaces) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (key, content) DO UPDATE SET state = 'pending', answer = NULL, replaces = excluded.replaces "
            "WHERE state = 'refused'"
        )
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany(insert, rows)
            find = "SELECT number, replaces FROM cdr WHERE key = ? AND content = ?"
            found = [self._database.execute(find, row[1:3]).fetchone() for row in rows]
            _require_same((known for _, known in found), replaces)
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        return [int(number) for number, _ in found]

    def pending(self, limit: int, *, after: int = 0) -> list[Waiting]:
        """Return the oldest CDRs that have no answer, with a number greater than `after`."""
        query = (
            "SELECT number, request_id, content, replaces FROM cdr WHERE state = 'pending' AND number > ? "
            "ORDER BY 1 LIMIT ?"
        )
        found = self._database.execute(query, (after, limit)).fetchall()
        return [
            Waiting(number=number, request_id=request_id, cdr=Cdr.FromString(cdr), replaces=replaces)
            for number, request_id, cdr, replaces in found
        ]

    def pending_count(self) -> int:
        """Return how many CDRs have no answer."""
        return int(self._database.execute("SELECT count(*) FROM cdr WHERE state = 'pending'").fetchone()[0])

    def settle(self, answers: list[tuple[int, State, bytes]]) -> None:
        """Note what became of CDRs: (number, state, serialised answer or error)."""
        update = "UPDATE cdr SET state = ?, answer = ? WHERE number = ?"
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(update, [(state, answer, number) for number, state, answer in answers])
        self._database.execute("COMMIT")

    def result(self, number: int) -> tuple[State, bytes]:
        """Return what became of a CDR: its state, and the answer or error as `settle` was given it."""
        state, answer = self._database.execute("SELECT state, answer FROM cdr WHERE number = ?", (number,)).fetchone()
        return state, answer or b""

    def forget_answered(self, before_seconds: float) -> int:
        """Remove answered and refused CDRs that entered before this time (seconds since 1970); return how many."""
        remove = "DELETE FROM cdr WHERE state <> 'pending' AND entered_seconds < ?"
        return self._database.execute(remove, (before_seconds,)).rowcount

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _require_same(known: Iterable[str], replaces: str) -> None:
    if replaces and any(each.casefold() != replaces.casefold() for each in known):
        raise ValueError(f"was submitted before, and not to replace {replaces}")


def _key(cdr: Cdr) -> str:
    return f"{cdr.country_code}*{cdr.party_id}*{cdr.id}".casefold()


def _content(cdr: Cdr) -> bytes:
    return cdr.SerializeToString(deterministic=True)
