"""What connectors offer and since when: their tariffs beside their power, and what they offered before.

Of what is on record nobody knows since when it holds; since the location last changed, at the latest.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from google.protobuf.message import DecodeError
from roamhub.v1.location_object_pb2 import Location

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_KEY = ("party", "location", "evse", "connector")
_KIND = ("standard", "power_type", "power")
#: Rows that are read at a time: documents have kilobytes.
_ROWS = 500


def upgrade() -> None:
    op.create_table("former_offer", *_key(), _big("since", primary_key=True), *_terms(), sqlite_with_rowid=False)
    listed = ", ".join((*_KEY, *_KIND))
    _rebuild(
        (*_kind(), sa.Column("tariffs", sa.Text, nullable=False), _big("since"), _big("recorded_time")),
        f"INSERT INTO connector SELECT {listed}, '', "  # noqa: S608 - our own text
        "COALESCE((SELECT last_updated FROM location l WHERE l.party = k.party AND l.location = k.location), 0), "
        "COALESCE((SELECT last_updated FROM location l WHERE l.party = k.party AND l.location = k.location), 0) "
        "FROM kept k",
    )
    _read_tariffs()


def downgrade() -> None:
    _rebuild(_kind(), f"INSERT INTO connector SELECT {', '.join((*_KEY, *_KIND))} FROM kept")  # noqa: S608 - our own
    op.drop_table("former_offer")


def _rebuild(columns: Sequence[sa.Column[Any]], copy: str) -> None:
    """Make the table of connectors anew: SQLite adds no column that must be set."""
    op.execute("CREATE TABLE kept AS SELECT * FROM connector")
    op.drop_table("connector")
    op.create_table("connector", *_key(), *columns, sqlite_with_rowid=False)
    op.execute(copy)
    op.drop_table("kept")


def _key() -> list[sa.Column[Any]]:
    return [_big("party", primary_key=True)] + [sa.Column(name, sa.Text, primary_key=True) for name in _KEY[1:]]


def _kind() -> list[sa.Column[Any]]:
    return [
        sa.Column("standard", sa.Text, nullable=False),
        sa.Column("power_type", sa.SmallInteger, nullable=False),
        _big("power"),
    ]


def _terms() -> list[sa.Column[Any]]:
    return [_big("power"), sa.Column("tariffs", sa.Text, nullable=False), _big("recorded_time")]


def _big(name: str, *, primary_key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, primary_key=primary_key, autoincrement=False, nullable=False)


_LOCATION = sa.table("location", *map(sa.column, ("party", "location", "document")))
_CONNECTOR = sa.table("connector", *map(sa.column, (*_KEY, "tariffs")))


def _read_tariffs() -> None:
    """Take from locations on record which tariffs their connectors name."""
    where = [_CONNECTOR.c[name] == sa.bindparam(f"{name}_") for name in _KEY]
    update = sa.update(_CONNECTOR).values(tariffs=sa.bindparam("tariffs_")).where(*where)
    for rows in _pages():
        named = [each for party, name, document in rows for each in _named(party, name, bytes(document))]
        if named:
            op.get_bind().execute(update, named)


def _named(party: int, name: str, document: bytes) -> Iterator[dict[str, Any]]:
    location = Location()
    try:
        location.ParseFromString(document)
    except DecodeError:
        return
    for evse in location.evses:
        for connector in evse.connectors:
            ids = dict.fromkeys(each.lower() for each in connector.tariff_ids if each and each.isprintable())
            if ids:
                key = dict(party_=party, location_=name, evse_=evse.uid.lower(), connector_=connector.id.lower())  # noqa: C408
                yield {**key, "tariffs_": "\n".join(ids)}


def _pages() -> Iterator[Sequence[Any]]:
    """Yield all locations, some at a time."""
    after: tuple[int, str] = (-1, "")
    key = sa.tuple_(_LOCATION.c.party, _LOCATION.c.location)
    while True:
        page = sa.select(_LOCATION).where(key > sa.tuple_(*map(sa.literal, after)))
        rows = op.get_bind().execute(page.order_by(_LOCATION.c.party, _LOCATION.c.location).limit(_ROWS)).all()
        if not rows:
            return
        yield rows
        after = rows[-1][0], rows[-1][1]
