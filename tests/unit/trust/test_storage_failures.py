"""What a failing storage is called: full, by either database's words, or failed."""

import sqlite3

import psycopg
import pytest

from hub.store.groups import _storage_failure


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (sqlite3.OperationalError("database or disk is full"), "STORAGE_FULL"),
        (psycopg.errors.DiskFull('could not extend file "base/1": No space left on device'), "STORAGE_FULL"),
        (sqlite3.OperationalError("disk I/O error"), "STORAGE_FAILED"),
        (psycopg.OperationalError("the connection is lost"), "STORAGE_FAILED"),
        (ValueError("a full surprise"), "STORAGE_FAILED"),
    ],
)
def test_a_full_storage_is_told_from_one_that_fails(error: Exception, reason: str) -> None:
    assert _storage_failure(error).reason == reason
