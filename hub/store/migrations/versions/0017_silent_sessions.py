"""Indexes of sessions under way by when they were last heard of: the radar shows those that fell silent."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    active = sa.text("state = 1")
    for side in ("cpo", "emsp"):
        op.create_index(
            f"charging_session_active_{side}",
            "charging_session",
            [side, "last_updated"],
            sqlite_where=active,
            postgresql_where=active,
        )


def downgrade() -> None:
    for side in ("emsp", "cpo"):
        op.drop_index(f"charging_session_active_{side}", "charging_session")
