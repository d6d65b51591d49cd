"""By which signed values a CDR is proven, so that they prove no other."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cdr_meter", sa.Column("proof", sa.LargeBinary))
    # CDRs whose meter measured nothing need no place in this index.
    op.create_index(
        "cdr_meter_proof",
        "cdr_meter",
        ["cpo", "proof"],
        sqlite_where=sa.text("proof IS NOT NULL"),
        postgresql_where=sa.text("proof IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("cdr_meter_proof", "cdr_meter")
    op.drop_column("cdr_meter", "proof")
