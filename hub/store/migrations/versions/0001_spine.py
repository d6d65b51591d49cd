"""The spine: journal, heads, idempotency; and parties, whose numbers the journal holds."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    head = op.create_table(
        "journal_head",
        sa.Column("stream", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("recorded_time", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(head, [{"stream": n, "size": 0, "frontier": bytes(8), "recorded_time": 0} for n in (0, 1, 2)])
    op.create_table(
        "journal",
        sa.Column("stream", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("idx", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("recorded_time", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("owner", sa.BigInteger),
        sa.Column("counterparty", sa.BigInteger),
        sa.Column("private", sa.SmallInteger, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("openings", sa.LargeBinary, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("idx >= 0", name="journal_index_positive"),
    )
    op.create_table(
        "tree_hash",
        sa.Column("tile_level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "idempotency",
        sa.Column("platform", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.Column("recorded_time", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "party",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("country_code", sa.Text, nullable=False),
        sa.Column("party_id", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("country_code", "party_id", name="party_identity"),
        sa.CheckConstraint("state IN ('PLANNED', 'ACTIVE', 'SUSPENDED')", name="party_state"),
    )
    op.create_index("ix_party_platform", "party", ["platform"])


def downgrade() -> None:
    for table in ("party", "idempotency", "tree_hash", "journal", "journal_head"):
        op.drop_table(table)
