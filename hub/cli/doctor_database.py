"""What `roamhub doctor` reads from a hub's database, without a hub."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

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
