"""The tables, one module per capability, and the only place where SQLModel classes have `table=True`.

Rows never leave `hub.store`. Importing this package makes the metadata complete. The condition of a partial index is
given as `sqlite_where`, and the migrations give both databases': to name PostgreSQL's here would load its dialect into
every hub, a tenth of a second at each start.
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
    spans,
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
    "spans",
    "spine",
    "tariffs",
    "tokens",
    "trust",
]
