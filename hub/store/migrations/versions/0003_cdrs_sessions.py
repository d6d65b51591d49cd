"""CDRs and charging sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cdr",
        sa.Column("cpo", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("cdr_id", sa.Text, primary_key=True),
        sa.Column("id_as_sent", sa.Text, nullable=False),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("emsp", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
        sa.Column("recorded_time", sa.BigInteger, nullable=False),
        sa.Column("agreement", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("energy", sa.BigInteger, nullable=False),
        sa.Column("country", sa.Text, nullable=False),
        sa.Column("tariff_kind", sa.Text, nullable=False),
        sa.Column("tax_date", sa.BigInteger, nullable=False),
        sa.Column("end_time", sa.BigInteger, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("credit", sa.SmallInteger, nullable=False),
        sa.Column("credit_of", sa.Text),
        sa.Column("findings", sa.Text, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("state IN (1, 2)", name="cdr_state"),
    )
    op.create_index("cdr_of_cpo", "cdr", ["cpo", "idx"], unique=True)
    op.create_index("cdr_of_emsp", "cdr", ["emsp", "idx"])
    credits_only = sa.text("credit_of IS NOT NULL")
    op.create_index(
        "cdr_credited_once",
        "cdr",
        ["cpo", "credit_of"],
        unique=True,
        sqlite_where=credits_only,
        postgresql_where=credits_only,
    )
    op.create_table(
        "charging_session",
        sa.Column("cpo", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("emsp", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("token_uid", sa.Text, nullable=False),
        sa.Column("start_time", sa.BigInteger, nullable=False),
        sa.Column("last_updated", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_index("charging_session_of_emsp", "charging_session", ["emsp", "cpo", "session_id"])


def downgrade() -> None:
    op.drop_table("charging_session")
    op.drop_table("cdr")
