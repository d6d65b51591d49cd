"""What the signed meter values of CDRs proved."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cdr_meter",
        sa.Column("cpo", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("cdr_id", sa.Text, primary_key=True),
        sa.Column("evidence", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("cdr_meter")
