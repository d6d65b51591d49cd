"""Tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "token",
        sa.Column("emsp", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("uid", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("contract_id", sa.Text, nullable=False),
        sa.Column("whitelist", sa.SmallInteger, nullable=False),
        sa.Column("valid", sa.SmallInteger, nullable=False),
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("last_updated", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("whitelist BETWEEN 1 AND 4", name="token_whitelist"),
    )
    op.create_index("ix_token_uid", "token", ["uid"])


def downgrade() -> None:
    op.drop_table("token")
