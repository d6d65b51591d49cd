"""What callers are told when the storage fails."""

import sqlite3

from sqlalchemy.exc import DBAPIError

from hub.domain.errors import Unreachable

#: PostgreSQL's code for a full disk: disk_full.
_DISK_FULL = "53100"


def storage_failure(error: Exception, outcome: str) -> Unreachable:
    """Return the error that stands for what a driver raised, or SQLAlchemy for it.

    Args:
        error: What was raised; its text is not shown to callers, as it may quote rows.
        outcome: What became of the request, in words.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if getattr(cause, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL or getattr(cause, "sqlstate", "") == _DISK_FULL:
        return Unreachable("STORAGE_FULL", f"the hub's storage is full; {outcome}")
    return Unreachable("STORAGE_FAILED", f"the hub's storage failed; {outcome}")
