"""What callers are told when the storage fails, and what must not outlive a failure."""

import sqlite3
import traceback

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


def let_go(error: BaseException) -> None:
    """Clear the frames that an error passed through, so that no cursor in them waits for the garbage collector.

    A cursor in a frame in a traceback is part of a cycle. The collector runs in whichever thread allocates next, and
    closing a SQLite cursor waits until its connection is free: the event loop would wait for another thread's query,
    and of two committers in one process the one that writes for the one that waits for it.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            traceback.clear_frames(each.__traceback__)
            left += [each.__cause__, each.__context__]
