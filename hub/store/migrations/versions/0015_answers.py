"""Requests relayed to each party and answered by it, day by day."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "relay_answers",
        sa.Column("party", sa.BigInteger, sa.ForeignKey("party.number"), primary_key=True, autoincrement=False),
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("asked", sa.BigInteger, nullable=False),
        sa.Column("answered", sa.BigInteger, nullable=False),
        sa.CheckConstraint("answered BETWEEN 0 AND asked", name="relay_answers_asked"),
    )


def downgrade() -> None:
    op.drop_table("relay_answers")
