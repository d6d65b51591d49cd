"""Our own price of each CDR; of those on record nobody knows any more what it was."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cdr", sa.Column("rated", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("cdr", "rated")
