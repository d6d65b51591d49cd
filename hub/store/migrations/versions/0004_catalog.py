"""Locations with EVSEs and connectors, and tariffs with their versions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "location",
        sa.Column("party", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("location", sa.Text, primary_key=True),
        sa.Column("last_updated", sa.BigInteger, nullable=False),
        sa.Column("latitude", sa.BigInteger, nullable=False),
        sa.Column("longitude", sa.BigInteger, nullable=False),
        sa.Column("stripe", sa.SmallInteger, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_index("location_place", "location", ["stripe", "longitude", "latitude", "party", "location"])
    op.create_table(
        "evse",
        sa.Column("party", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("location", sa.Text, primary_key=True),
        sa.Column("evse", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("evse_id", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evse_state",
        sa.Column("party", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("last_updated", sa.BigInteger, nullable=False),
        sa.CheckConstraint("state BETWEEN 1 AND 9", name="evse_state_known"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "connector",
        sa.Column("party", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("location", sa.Text, primary_key=True),
        sa.Column("evse", sa.Text, primary_key=True),
        sa.Column("connector", sa.Text, primary_key=True),
        sa.Column("standard", sa.Text, nullable=False),
        sa.Column("power_type", sa.SmallInteger, nullable=False),
        sa.Column("power", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tariff",
        sa.Column("party", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tariff", sa.Text, primary_key=True),
        sa.Column("last_updated", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("removed", sa.SmallInteger, nullable=False),
    )
    op.create_table(
        "tariff_version",
        sa.Column("party", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tariff", sa.Text, primary_key=True),
        sa.Column("valid_from", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("recorded_time", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for table in ("tariff_version", "tariff", "connector", "evse_state", "evse", "location"):
        op.drop_table(table)
