"""Tables of CDRs: the record beside the narrow facts that settlement and checks read."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, SmallInteger, Text, text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class CdrRow(SQLModel, table=True):
    """One CDR, accepted or returned. Written once.

    Attributes:
        cpo: Number of the party that submitted it.
        cdr_id: Its folded id; `id_as_sent` keeps the spelling.
        idx: Its index in the clearing journal.
        emsp: Number of the party that pays.
        amount: Total cost before taxes in ten-thousandths, `energy` in ten-thousandths of a kWh; of a credit, negated.
        tax_date: Proleptic ordinal of the local date on which the session ended.
        credit_of: Folded id of the CDR that this accepted credit credits; null otherwise, so that it is unique.
        findings: JSON list of [code, severity, field, message].
        document: The CPO's message, serialised.
    """

    __tablename__ = "cdr"
    __table_args__ = (
        CheckConstraint("state IN (1, 2)", name="cdr_state"),
        Index("cdr_of_cpo", "cpo", "idx", unique=True),
        Index("cdr_of_emsp", "emsp", "idx"),
        # Few CDRs are credits: the others need no place in this index.
        Index(
            "cdr_credited_once",
            "cpo",
            "credit_of",
            unique=True,
            sqlite_where=text("credit_of IS NOT NULL"),
            postgresql_where=text("credit_of IS NOT NULL"),
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
