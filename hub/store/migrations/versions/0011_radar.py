"""What the completeness radar looks through: ended sessions by time, CDRs by session, authorizations that were used."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from google.protobuf.message import DecodeError
from roamhub.v1.cdr_object_pb2 import Cdr
from roamhub.v1.session_object_pb2 import SESSION_STATUS_COMPLETED, Session

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ENDED = sa.text("state = 2")
_COMMANDED = sa.text("source = 4")
#: Rows that are read at a time: documents have kilobytes.
_ROWS = 500


def upgrade() -> None:
    op.add_column("charging_session", sa.Column("end_time", sa.BigInteger))
    op.create_table(
        "authorization_use",
        sa.Column("cpo", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("reference", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    _read_sessions()
    _read_cdrs()
    for side, columns in (
        ("cpo", ["cpo", "end_time", "session_id", "emsp"]),
        ("emsp", ["emsp", "end_time", "cpo", "session_id"]),
    ):
        op.create_index(
            f"charging_session_ended_{side}",
            "charging_session",
            columns,
            sqlite_where=_ENDED,
            postgresql_where=_ENDED,
        )
        op.create_index(
            f"authorization_commanded_{side}",
            "authorization_record",
            [side, "recorded_time"],
            sqlite_where=_COMMANDED,
            postgresql_where=_COMMANDED,
        )
    op.create_index("cdr_of_session", "cdr", ["cpo", "session_id"])


def downgrade() -> None:
    op.drop_index("cdr_of_session", "cdr")
    for side in ("cpo", "emsp"):
        op.drop_index(f"authorization_commanded_{side}", "authorization_record")
        op.drop_index(f"charging_session_ended_{side}", "charging_session")
    op.drop_table("authorization_use")
    op.drop_column("charging_session", "end_time")


_SESSION = sa.table("charging_session", *map(sa.column, ("cpo", "session_id", "last_updated", "document", "end_time")))
_CDR = sa.table("cdr", *map(sa.column, ("cpo", "cdr_id", "document")))
_USE = sa.table("authorization_use", *map(sa.column, ("cpo", "reference")))


def _read_sessions() -> None:
    """Take from sessions on record when they ended, and which authorizations they quote."""
    for rows in _pages(_SESSION, _SESSION.c.session_id, _SESSION.c.last_updated):
        ended, used = [], set()
        for cpo, session_id, last_updated, document in rows:
            session = Session()
            if not _reads(session, document):
                continue
            if session.authorization_reference:
                used.add((cpo, session.authorization_reference))
            if session.status == SESSION_STATUS_COMPLETED:
                end = session.end_date_time.ToMicroseconds() if session.HasField("end_date_time") else last_updated
                ended.append({"cpo_": cpo, "id_": session_id, "end_": end})
        if ended:
            update = sa.update(_SESSION).values(end_time=sa.bindparam("end_"))
            where = (_SESSION.c.cpo == sa.bindparam("cpo_"), _SESSION.c.session_id == sa.bindparam("id_"))
            op.get_bind().execute(update.where(*where), ended)
        _use(used)


def _read_cdrs() -> None:
    """Take from CDRs on record which authorizations they quote."""
    for rows in _pages(_CDR, _CDR.c.cdr_id):
        used = set()
        for cpo, _, document in rows:
            cdr = Cdr()
            if _reads(cdr, document) and cdr.authorization_reference:
                used.add((cpo, cdr.authorization_reference))
        _use(used)


def _reads(message: Session | Cdr, document: bytes) -> bool:
    try:
        message.ParseFromString(bytes(document))
    except DecodeError:
        return False
    return True


def _use(used: set[tuple[int, str]]) -> None:
    if not used:
        return
    known = sa.select(_USE.c.cpo, _USE.c.reference).where(sa.tuple_(_USE.c.cpo, _USE.c.reference).in_(sorted(used)))
    found = {tuple(row) for row in op.get_bind().execute(known)}
    if fresh := sorted(used - found):
        rows = [{"cpo": cpo, "reference": reference} for cpo, reference in fresh]
        op.get_bind().execute(sa.insert(_USE), rows)


def _pages(table: sa.TableClause, key: sa.ColumnElement[str], *more: sa.ColumnElement[int]) -> Iterator[Sequence[Any]]:
    """Yield all rows of a table, some at a time, in the order of its primary key (the CPO, then the key)."""
    after: tuple[int, str] = (-1, "")
    while True:
        page = (
            sa.select(table.c.cpo, key, *more, table.c.document)
            .where(sa.tuple_(table.c.cpo, key) > sa.tuple_(*map(sa.literal, after)))
            .order_by(table.c.cpo, key)
            .limit(_ROWS)
        )
        rows = op.get_bind().execute(page).all()
        if not rows:
            return
        yield rows
        after = rows[-1][0], rows[-1][1]
