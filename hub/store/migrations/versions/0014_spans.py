"""What accepted charges occupy, of those on record as well."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from hub.store.cdr_documents import read_span
from hub.store.spans import slots

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_PAGE = 1_000


def upgrade() -> None:
    table = op.create_table(
        "charge_span",
        sa.Column("owner", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("idx", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("start_time", sa.BigInteger, nullable=False),
        sa.Column("end_time", sa.BigInteger, nullable=False),
        sa.Column("twin", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    for rows in _pages(connection):
        if rows:
            connection.execute(table.insert(), rows)


def _pages(connection: sa.Connection) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of the charges on record that are accepted and not credited, page by page."""
    cdr = sa.table(
        "cdr", *(sa.column(name) for name in ("cpo", "idx", "emsp", "state", "credit", "cdr_id", "document"))
    )
    credit = sa.table("cdr", sa.column("cpo"), sa.column("credit_of")).alias()
    standing = sa.table("cdr_standing", sa.column("cpo"), sa.column("cdr_id"), sa.column("state"))
    accepted = sa.exists().where(standing.c.cpo == cdr.c.cpo, standing.c.cdr_id == cdr.c.cdr_id, standing.c.state == 1)
    page = (
        sa.select(cdr.c.cpo, cdr.c.idx, cdr.c.emsp, cdr.c.document)
        .where(
            sa.tuple_(cdr.c.cpo, cdr.c.idx) > sa.tuple_(sa.bindparam("cpo_after"), sa.bindparam("idx_after")),
            sa.or_(cdr.c.state == 1, accepted),
            cdr.c.credit == 0,
            ~sa.exists().where(credit.c.cpo == cdr.c.cpo, credit.c.credit_of == cdr.c.cdr_id),
        )
        .order_by(cdr.c.cpo, cdr.c.idx)
        .limit(_PAGE)
    )
    after = -1, -1
    while found := connection.execute(page, {"cpo_after": after[0], "idx_after": after[1]}).all():
        after = found[-1].cpo, found[-1].idx
        yield [row for cpo, idx, emsp, document in found for row in _rows(cpo, idx, emsp, bytes(document))]


def _rows(cpo: int, idx: int, emsp: int, document: bytes) -> Iterator[dict[str, Any]]:
    span = read_span(document)
    if span is None:
        return
    for owner, key in ((emsp, span.token), (cpo, span.evse)):
        for slot in slots(span, key):
            yield {
                "owner": owner,
                "slot": slot,
                "idx": idx,
                "start_time": span.start,
                "end_time": span.end,
                "twin": span.twin,
            }


def downgrade() -> None:
    op.drop_table("charge_span")
