"""Tables of CDRs: the record beside the narrow facts that settlement and checks read."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, SmallInteger, Text, text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class CdrRow(SQLModel, table=True):
    """One CDR. Written once: what happens to one that was not accepted at once is told by its standing.

    Attributes:
        cpo: Number of the party that submitted it.
        cdr_id: Its folded id; `id_as_sent` keeps the spelling.
        idx: Its index in the clearing journal.
        emsp: Number of the party that pays.
        state: 1 accepted at once; 2 not, its standing says where it stands.
        amount: Total cost before taxes in ten-thousandths, `energy` in ten-thousandths of a kWh; of a credit, negated.
        tax_date: Proleptic ordinal of the local date on which the session ended.
        credit_of: Folded id of the CDR that this accepted credit credits; null otherwise, so that it is unique.
        findings: JSON list of [code, severity, field, message].
        document: The CPO's message, serialised.
        rated: Our total cost before taxes in ten-thousandths; null where there is none.
    """

    __tablename__ = "cdr"
    __table_args__ = (
        CheckConstraint("state IN (1, 2)", name="cdr_state"),
        Index("cdr_of_cpo", "cpo", "idx", unique=True),
        Index("cdr_of_emsp", "emsp", "idx"),
        Index("cdr_of_session", "cpo", "session_id"),
        # Few CDRs are credits: the others need no place in this index.
        Index(
            "cdr_credited_once",
            "cpo",
            "credit_of",
            unique=True,
            sqlite_where=text("credit_of IS NOT NULL"),
        ),
    )

    cpo: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    cdr_id: str = Field(sa_column=Column(Text, primary_key=True))
    id_as_sent: str = Field(sa_column=Column(Text, nullable=False))
    idx: int = Field(sa_column=Column(BigInteger, nullable=False))
    emsp: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: int = Field(sa_column=Column(SmallInteger, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    leaf_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    recorded_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    agreement: str = Field(sa_column=Column(Text, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    amount: int = Field(sa_column=Column(BigInteger, nullable=False))
    energy: int = Field(sa_column=Column(BigInteger, nullable=False))
    country: str = Field(sa_column=Column(Text, nullable=False))
    tariff_kind: str = Field(sa_column=Column(Text, nullable=False))
    tax_date: int = Field(sa_column=Column(BigInteger, nullable=False))
    end_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    session_id: str = Field(sa_column=Column(Text, nullable=False))
    credit: int = Field(sa_column=Column(SmallInteger, nullable=False))
    credit_of: str | None = Field(sa_column=Column(Text))
    findings: str = Field(sa_column=Column(Text, nullable=False))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    rated: int | None = Field(sa_column=Column(BigInteger))


_WAITING = text("state IN (2, 3)")


class CdrStandingRow(SQLModel, table=True):
    """Where one CDR stands that was not accepted at once; those that were have no such row.

    Attributes:
        cpo: Number of the party that submitted it.
        cdr_id: Its folded id; `id_as_sent` keeps the spelling.
        emsp: Number of the party that is to pay.
        state: Where it stands now (`hub.domain.cdrs.record.CdrState`).
        idx: Index in the clearing journal of what brought it there; of an accepted one, what puts it into a period.
        leaf_hash: That entry's.
        deadline: Until when somebody has to act, or had to.
        return_window: How long a return may be put right, in microseconds.
        first_time: When the first CDR of its line of replacements came.
        replaced_by: Folded id of the CDR that took its place, as sent in `replacement`; null and empty without one.
        steps: JSON list of [state, idx, microseconds, cause, note], the present state last.
    """

    __tablename__ = "cdr_standing"
    __table_args__ = (
        CheckConstraint("state BETWEEN 1 AND 5", name="cdr_standing_state"),
        CheckConstraint("(state = 4) = (replaced_by IS NOT NULL)", name="cdr_standing_replaced"),
        Index("cdr_standing_of_cpo", "cpo", "idx", unique=True),
        Index("cdr_standing_of_emsp", "emsp", "idx"),
        Index(
            "cdr_standing_replaced_by",
            "cpo",
            "replaced_by",
            unique=True,
            sqlite_where=text("replaced_by IS NOT NULL"),
        ),
        # What waits for somebody is little of what there is: queues and the job look at nothing else.
        Index("cdr_standing_cpo_due", "cpo", "deadline", "idx", sqlite_where=_WAITING),
        Index("cdr_standing_emsp_due", "emsp", "deadline", "idx", sqlite_where=_WAITING),
        Index("cdr_standing_due", "deadline", sqlite_where=_WAITING),
    )

    cpo: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    cdr_id: str = Field(sa_column=Column(Text, primary_key=True))
    id_as_sent: str = Field(sa_column=Column(Text, nullable=False))
    emsp: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: int = Field(sa_column=Column(SmallInteger, nullable=False))
    idx: int = Field(sa_column=Column(BigInteger, nullable=False))
    leaf_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    deadline: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    return_window: int = Field(sa_column=Column(BigInteger, nullable=False))
    first_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    replaced_by: str | None = Field(sa_column=Column(Text))
    replacement: str = Field(sa_column=Column(Text, nullable=False))
    steps: str = Field(sa_column=Column(Text, nullable=False))
