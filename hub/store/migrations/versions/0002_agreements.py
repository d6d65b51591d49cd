"""Agreements, one row for each version."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agreement",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cpo", sa.BigInteger, nullable=False),
        sa.Column("emsp", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("proposer", sa.BigInteger, nullable=False),
        sa.Column("suspended_by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_time", sa.BigInteger, nullable=False),
        sa.Column("changed_time", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger),
        sa.Column("ended", sa.BigInteger),
        sa.Column("directory_version", sa.BigInteger, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.CheckConstraint("version > 0", name="agreement_version_positive"),
        sa.CheckConstraint(
            "state IN ('PROPOSED', 'ACCEPTED', 'ACTIVE', 'SUSPENDED', 'DECLINED', 'TERMINATED', 'SUPERSEDED')",
            name="agreement_state",
        ),
        sa.CheckConstraint("proposer IN (cpo, emsp)", name="agreement_proposer"),
    )
    for name, states in (
        ("agreement_in_force", "state IN ('ACTIVE', 'SUSPENDED')"),
        ("agreement_on_its_way", "state IN ('PROPOSED', 'ACCEPTED')"),
    ):
        op.create_index(
            name,
            "agreement",
            ["cpo", "emsp"],
            unique=True,
            sqlite_where=sa.text(states),
            postgresql_where=sa.text(states),
        )
    op.create_index("ix_agreement_directory_version", "agreement", ["directory_version"])
    op.create_index("agreement_cpo", "agreement", ["cpo", "id"])
    op.create_index("agreement_emsp", "agreement", ["emsp", "id"])


def downgrade() -> None:
    op.drop_table("agreement")
