"""Trust: invitations and certificates."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "invitation",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("code_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("parties", sa.Text, nullable=False),
        sa.Column("created_time", sa.BigInteger, nullable=False),
        sa.Column("expire_time", sa.BigInteger, nullable=False),
        sa.Column("used_time", sa.BigInteger),
        sa.Column("revoked_time", sa.BigInteger),
    )
    op.create_index("invitation_platform", "invitation", ["platform", "id"])
    op.create_table(
        "certificate",
        sa.Column("serial", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("created_time", sa.BigInteger, nullable=False),
        sa.Column("expire_time", sa.BigInteger, nullable=False),
        sa.Column("renew_time", sa.BigInteger, nullable=False),
        sa.Column("csr_hash", sa.LargeBinary, nullable=False),
        sa.Column("chain_pem", sa.LargeBinary, nullable=False),
        sa.Column("invitation", sa.Text, unique=True),
        sa.Column("revoked_time", sa.BigInteger),
    )
    op.create_index("certificate_subject", "certificate", ["subject", "expire_time"])


def downgrade() -> None:
    op.drop_table("certificate")
    op.drop_table("invitation")
