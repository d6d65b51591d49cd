"""Where CDRs stand that were not accepted at once; those returned so far may be put right for 14 days from now on."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_RETURNED = 2
_WINDOW = timedelta(days=14)
_MICROSECOND = timedelta(microseconds=1)


def upgrade() -> None:
    op.create_table(
        "cdr_standing",
        sa.Column("cpo", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("cdr_id", sa.Text, primary_key=True),
        sa.Column("id_as_sent", sa.Text, nullable=False),
        sa.Column("emsp", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
        sa.Column("return_window", sa.BigInteger, nullable=False),
        sa.Column("first_time", sa.BigInteger, nullable=False),
        sa.Column("replaced_by", sa.Text),
        sa.Column("replacement", sa.Text, nullable=False),
        sa.Column("steps", sa.Text, nullable=False),
        sa.CheckConstraint("state BETWEEN 1 AND 5", name="cdr_standing_state"),
        sa.CheckConstraint("(state = 4) = (replaced_by IS NOT NULL)", name="cdr_standing_replaced"),
    )
    op.create_index("cdr_standing_of_cpo", "cdr_standing", ["cpo", "idx"], unique=True)
    op.create_index("cdr_standing_of_emsp", "cdr_standing", ["emsp", "idx"])
    _partial("cdr_standing_replaced_by", ["cpo", "replaced_by"], "replaced_by IS NOT NULL", unique=True)
    _partial("cdr_standing_cpo_due", ["cpo", "deadline", "idx"], "state IN (2, 3)")
    _partial("cdr_standing_emsp_due", ["emsp", "deadline", "idx"], "state IN (2, 3)")
    _partial("cdr_standing_due", ["deadline"], "state IN (2, 3)")
    _fill()


def _partial(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "cdr_standing", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _fill() -> None:
    """Give every CDR that was returned a standing. Nobody had told its CPO of a deadline: the window begins now."""
    now = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND
    window = _WINDOW // _MICROSECOND
    op.execute(
        sa.text(
            """
            INSERT INTO cdr_standing (cpo, cdr_id, id_as_sent, emsp, state, idx, leaf_hash, deadline, return_window,
                first_time, replaced_by, replacement, steps)
            SELECT cpo, cdr_id, id_as_sent, emsp, :state, idx, leaf_hash, :deadline, :return_window, recorded_time,
                NULL, '', '[[2, ' || idx || ', ' || recorded_time || ', "CHECKS", ""]]'
            FROM cdr WHERE state = :state
            """
        ).bindparams(
            sa.bindparam("state", _RETURNED, sa.SmallInteger),
            sa.bindparam("deadline", now + window, sa.BigInteger),
            sa.bindparam("return_window", window, sa.BigInteger),
        )
    )


def downgrade() -> None:
    op.drop_table("cdr_standing")
