"""What `roamhub doctor` reads from a hub's database, without a hub."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hub.cli.findings import Finding, failed, ok, warning

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hub.config import Config

T = TypeVar("T")


def asked(config: "Config", question: Callable[["Connection"], T]) -> T | None:
    """Return the answer; None where there is no database, or none that can be read, of which the check of it tells."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from hub.store.database import open_engine

    url = make_url(config.database())
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
        return None
    engine = open_engine(url, read_only=True)
    try:
        with engine.connect() as connection:
            return question(connection)
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def database(config: "Config") -> Iterator[Finding]:
    """Say whether the database is whole, and one that this release can work with."""
    from sqlalchemy import make_url, text

    from hub.store import schema
    from hub.store.database import open_engine

    url = make_url(config.database())
    shown = url.render_as_string(hide_password=True)
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and not (url.database and Path(url.database).exists()):
        yield warning("database", f"{shown} does not exist; `roamhub serve` makes it")
        return
    engine = open_engine(url, read_only=True)
    try:
        with engine.connect() as connection:
            current, newest = schema.usable_revision(connection), schema.newest_revision()
            if sqlite:
                verdict = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
                if verdict != "ok":
                    yield failed("database", f"{shown} is damaged: {verdict}")
    except schema.SchemaError as error:
        yield failed("database", f"{shown}: {error}")
        return
    finally:
        engine.dispose()
    if current == newest:
        yield ok("database", f"{shown}, schema {current}")
    else:
        yield warning("database", f"{shown} is at schema {current or 'none'}, this release needs {newest}: db upgrade")
