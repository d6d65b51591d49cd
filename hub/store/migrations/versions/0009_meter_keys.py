"""Registered keys of meters."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "meter_key",
        sa.Column("party", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("evse", sa.Text, nullable=False),
        sa.Column("location_as_sent", sa.Text, nullable=False),
        sa.Column("evse_as_sent", sa.Text, nullable=False),
        sa.Column("curve", sa.Text, nullable=False),
        sa.Column("spki", sa.LargeBinary, nullable=False),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("valid_until", sa.BigInteger),
        sa.Column("registered", sa.BigInteger, nullable=False),
        sa.Column("revoked", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        sa.CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="meter_key_validity"),
        sa.CheckConstraint("revoked IS NULL OR valid_until IS NOT NULL", name="meter_key_revoked"),
    )
    op.create_index("meter_key_of_evse", "meter_key", ["party", "location", "evse"])


def downgrade() -> None:
    op.drop_table("meter_key")
