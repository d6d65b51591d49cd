"""The tables, one module per capability, and the only place where SQLModel classes have `table=True`.

Rows never leave `hub.store`. Importing this package makes the metadata complete.
"""

from hub.store.tables import (
    agreements,
    cdrs,
    clearing,
    locations,
    meter,
    parties,
    routing,
    sessions,
    spine,
    tariffs,
    tokens,
    trust,
)

__all__ = [
    "agreements",
    "cdrs",
    "clearing",
    "locations",
    "meter",
    "parties",
    "routing",
    "sessions",
    "spine",
    "tariffs",
    "tokens",
    "trust",
]
