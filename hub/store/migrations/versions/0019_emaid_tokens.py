"""Tokens that are eMAIDs, found by their uids without separators. One that was published both ways keeps the newest."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_TOKEN = sa.table("token", *map(sa.column, ("emsp", "uid", "type", "last_updated")))
_EMAID = re.compile(r"[a-z]{2}[-*]?[a-z0-9]{3}[-*]?[a-z0-9]{9}([-*]?[a-z0-9])?")


def upgrade() -> None:
    connection = op.get_bind()
    separated = _TOKEN.c.uid.contains("-") | _TOKEN.c.uid.contains("*")
    # The older first: of two spellings the newer one is left.
    rows = connection.execute(sa.select(_TOKEN).where(separated).order_by(_TOKEN.c.last_updated)).all()
    for emsp, uid, kind, last_updated in rows:
        if not _EMAID.fullmatch(uid):
            continue
        plain = uid.replace("-", "").replace("*", "")
        mine, other = (
            (_TOKEN.c.emsp == emsp) & (_TOKEN.c.uid == each) & (_TOKEN.c.type == kind) for each in (uid, plain)
        )
        if connection.execute(sa.select(_TOKEN.c.uid).where(other, _TOKEN.c.last_updated > last_updated)).first():
            connection.execute(sa.delete(_TOKEN).where(mine))
        else:
            connection.execute(sa.delete(_TOKEN).where(other))
            connection.execute(sa.update(_TOKEN).where(mine).values(uid=plain))


def downgrade() -> None:
    """Leave the keys as they are: an older release finds these tokens by their uids without separators."""
