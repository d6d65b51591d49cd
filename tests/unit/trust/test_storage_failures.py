"""What a failing storage is called: full, by either database's words, or failed."""

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from hub.store.failures import storage_failure


def of_sqlite(message: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


FULL = of_sqlite("database or disk is full", sqlite3.SQLITE_FULL)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FULL, "STORAGE_FULL"),
        (OperationalError("INSERT", None, FULL), "STORAGE_FULL"),
        (psycopg.errors.DiskFull('could not extend file "base/1": No space left on device'), "STORAGE_FULL"),
        (of_sqlite("disk I/O error", sqlite3.SQLITE_IOERR), "STORAGE_FAILED"),
        (psycopg.OperationalError("the connection is lost"), "STORAGE_FAILED"),
        (ValueError("the glass is full"), "STORAGE_FAILED"),
    ],
)
def test_a_full_storage_is_told_from_one_that_fails(error: Exception, reason: str) -> None:
    assert storage_failure(error, "try again").reason == reason
