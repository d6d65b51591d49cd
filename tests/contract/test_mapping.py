"""A database in a file is mapped into memory while a report reads it, and not a moment longer."""

import pytest
from sqlalchemy import Connection, text

from hub.store.database import open_engine
from hub.store.mapping import mapped


def size(connection: Connection) -> int:
    """Return how many bytes of the file may be mapped; 0 where there is no such thing."""
    if connection.dialect.name != "sqlite":
        return 0
    return int(connection.execute(text("PRAGMA mmap_size")).scalar_one())


def test_the_file_is_mapped_for_the_time_of_a_report_alone(database: str) -> None:
    engine = open_engine(database, read_only=True)
    with engine.connect() as connection:
        before = connection.execute(text("SELECT count(*) FROM party")).scalar_one()
        assert size(connection) == 0
        with mapped(connection):
            assert (size(connection) > 0) == (connection.dialect.name == "sqlite")
            assert connection.execute(text("SELECT count(*) FROM party")).scalar_one() == before
        assert size(connection) == 0
    engine.dispose()


def test_a_report_that_fails_leaves_nothing_mapped(database: str) -> None:
    engine = open_engine(database, read_only=True)
    with engine.connect() as connection:
        with pytest.raises(ZeroDivisionError), mapped(connection):
            raise ZeroDivisionError
        assert size(connection) == 0
    engine.dispose()
