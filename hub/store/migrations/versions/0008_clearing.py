"""Settlement periods, statements, acknowledgements, postings, keyrings."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "period",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("agreement", sa.Text, nullable=False),
        sa.Column("agreement_version", sa.Integer, nullable=False),
        sa.Column("creditor", sa.BigInteger, nullable=False),
        sa.Column("debtor", sa.BigInteger, nullable=False),
        sa.Column("cycle", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("tz_version", sa.Text, nullable=False),
        sa.Column("start_time", sa.BigInteger, nullable=False),
        sa.Column("end_time", sa.BigInteger, nullable=False),
        sa.Column("first_date", sa.BigInteger, nullable=False),
        sa.Column("first_index", sa.BigInteger, nullable=False),
        sa.Column("end_index", sa.BigInteger),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("cut_off_time", sa.BigInteger),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("cdr_count", sa.BigInteger, nullable=False),
        sa.Column("prepared_by", sa.Text, nullable=False),
        sa.Column("reviewed_by", sa.Text, nullable=False),
        sa.Column("issued_by", sa.Text, nullable=False),
        sa.Column("issue_time", sa.BigInteger),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.CheckConstraint(
            "state IN ('OPEN', 'CUT_OFF', 'GRACE', 'FROZEN', 'CALCULATED', 'REVIEWED', 'ISSUED', 'ACKNOWLEDGED', "
            "'DEEMED_ACCEPTED', 'PAYING', 'SETTLED', 'VOID')",
            name="period_state",
        ),
        sa.CheckConstraint("(state = 'OPEN') = (end_index IS NULL)", name="period_open_has_no_end"),
        sa.CheckConstraint("end_index IS NULL OR end_index > first_index", name="period_range"),
        sa.CheckConstraint("reviewed_by = '' OR reviewed_by <> prepared_by", name="period_reviewer"),
        sa.CheckConstraint("issued_by = '' OR issued_by <> reviewed_by", name="period_issuer"),
    )
    op.create_index("period_of_agreement", "period", ["agreement", "first_index"])
    op.create_index(
        "period_open",
        "period",
        ["agreement"],
        unique=True,
        sqlite_where=sa.text("state = 'OPEN'"),
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.create_index("period_state_time", "period", ["state", "end_time"])
    op.create_table(
        "statement",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("creditor", sa.BigInteger, nullable=False),
        sa.Column("debtor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("cdr_count", sa.BigInteger, nullable=False),
        sa.Column("net", sa.BigInteger, nullable=False),
        sa.Column("tax", sa.BigInteger, nullable=False),
        sa.Column("payable", sa.BigInteger, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("issue_index", sa.BigInteger),
        sa.Column("issue_time", sa.BigInteger),
        sa.CheckConstraint(
            "state IN ('DRAFT', 'ISSUED', 'ACKNOWLEDGED', 'ACKNOWLEDGED_IN_PART', 'REJECTED', 'DEEMED_ACCEPTED')",
            name="statement_state",
        ),
        sa.CheckConstraint("(state = 'DRAFT') = (issue_index IS NULL)", name="statement_issued"),
    )
    op.create_index("statement_digest", "statement", ["digest"], unique=True)
    op.create_index("statement_of_period", "statement", ["period"])
    op.create_index("statement_of_creditor", "statement", ["creditor", "name"])
    op.create_index("statement_of_debtor", "statement", ["debtor", "name"])
    op.create_table(
        "acknowledgement",
        sa.Column("statement", sa.Text, primary_key=True),
        sa.Column("party", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("recorded_time", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "posting",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("debit", sa.Text, nullable=False),
        sa.Column("credit", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("minor", sa.BigInteger, nullable=False),
        sa.CheckConstraint("minor > 0", name="posting_moves"),
        sa.CheckConstraint("debit <> credit", name="posting_between_two"),
    )
    op.create_table(
        "keyring",
        sa.Column("version", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for table in ("keyring", "posting", "acknowledgement", "statement", "period"):
        op.drop_table(table)
