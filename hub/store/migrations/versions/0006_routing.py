"""Who can be reached, authorizations given, commands sent."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "party_presence",
        sa.Column("party", sa.BigInteger, sa.ForeignKey("party.number"), primary_key=True, autoincrement=False),
        sa.Column("connected", sa.SmallInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "authorization_record",
        sa.Column("cpo", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("reference", sa.Text, primary_key=True),
        sa.Column("emsp", sa.BigInteger),
        sa.Column("token_uid", sa.Text, nullable=False),
        sa.Column("token_type", sa.Text, nullable=False),
        sa.Column("contract_id", sa.Text, nullable=False),
        sa.Column("allowed", sa.SmallInteger, nullable=False),
        sa.Column("source", sa.SmallInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("agreement", sa.Text, nullable=False),
        sa.Column("clause", sa.Text, nullable=False),
        sa.Column("location_id", sa.Text, nullable=False),
        sa.Column("evse_uids", sa.Text, nullable=False),
        sa.Column("connector_ids", sa.Text, nullable=False),
        sa.Column("info", sa.LargeBinary, nullable=False),
        sa.Column("emsp_reference", sa.Text, nullable=False),
        sa.Column("recorded_time", sa.BigInteger, nullable=False),
        sa.CheckConstraint("allowed BETWEEN 1 AND 5", name="authorization_allowed"),
        sa.CheckConstraint("source BETWEEN 1 AND 4", name="authorization_source"),
        sa.CheckConstraint("(allowed = 1) = (reason = '')", name="authorization_reason"),
    )
    op.create_index("authorization_emsp", "authorization_record", ["emsp", "reference"])
    op.create_table(
        "command",
        sa.Column("cpo", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("emsp", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("order_document", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("expire_time", sa.BigInteger, nullable=False),
        sa.Column("response", sa.SmallInteger),
        sa.Column("response_messages", sa.LargeBinary, nullable=False),
        sa.Column("result", sa.SmallInteger),
        sa.Column("result_messages", sa.LargeBinary, nullable=False),
        sa.Column("result_time", sa.BigInteger),
        sa.Column("late", sa.SmallInteger, nullable=False),
        sa.CheckConstraint("state BETWEEN 1 AND 6", name="command_state"),
        sa.CheckConstraint("(state = 5) = (result IS NOT NULL)", name="command_result"),
    )
    op.create_index("command_emsp", "command", ["emsp", "id"])
    waiting = sa.text("state IN (1, 4)")
    op.create_index("command_waiting", "command", ["expire_time"], sqlite_where=waiting, postgresql_where=waiting)


def downgrade() -> None:
    for table in ("command", "authorization_record", "party_presence"):
        op.drop_table(table)
