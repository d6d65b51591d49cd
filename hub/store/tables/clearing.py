"""Tables of clearing: periods, statements, acknowledgements, postings, keyrings."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, SmallInteger, Text, text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class PeriodRow(SQLModel, table=True):
    """One settlement period; party columns hold party numbers.

    Attributes:
        first_date: Proleptic ordinal of the local date on which it began.
        end_index: Null while it is open.
    """

    __tablename__ = "period"
    __table_args__ = (
        CheckConstraint(
            "state IN ('OPEN', 'CUT_OFF', 'GRACE', 'FROZEN', 'CALCULATED', 'REVIEWED', 'ISSUED', 'ACKNOWLEDGED', "
            "'DEEMED_ACCEPTED', 'PAYING', 'SETTLED', 'VOID')",
            name="period_state",
        ),
        CheckConstraint("(state = 'OPEN') = (end_index IS NULL)", name="period_open_has_no_end"),
        CheckConstraint("end_index IS NULL OR end_index > first_index", name="period_range"),
        CheckConstraint("reviewed_by = '' OR reviewed_by <> prepared_by", name="period_reviewer"),
        CheckConstraint("issued_by = '' OR issued_by <> reviewed_by", name="period_issuer"),
        Index("period_of_agreement", "agreement", "first_index"),
        Index(
            "period_open",
            "agreement",
            unique=True,
            sqlite_where=text("state = 'OPEN'"),
        ),
        Index("period_state_time", "state", "end_time"),
    )

    name: str = Field(sa_column=Column(Text, primary_key=True))
    agreement: str = Field(sa_column=Column(Text, nullable=False))
    agreement_version: int = Field(sa_column=Column(Integer, nullable=False))
    creditor: int = Field(sa_column=Column(BigInteger, nullable=False))
    debtor: int = Field(sa_column=Column(BigInteger, nullable=False))
    cycle: str = Field(sa_column=Column(Text, nullable=False))
    time_zone: str = Field(sa_column=Column(Text, nullable=False))
    tz_version: str = Field(sa_column=Column(Text, nullable=False))
    start_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    end_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    first_date: int = Field(sa_column=Column(BigInteger, nullable=False))
    first_index: int = Field(sa_column=Column(BigInteger, nullable=False))
    end_index: int | None = Field(sa_column=Column(BigInteger))
    state: str = Field(sa_column=Column(Text, nullable=False))
    cut_off_time: datetime | None = Field(sa_column=Column(UtcMicros))
    manifest: str = Field(sa_column=Column(Text, nullable=False))
    cdr_count: int = Field(sa_column=Column(BigInteger, nullable=False))
    prepared_by: str = Field(sa_column=Column(Text, nullable=False))
    reviewed_by: str = Field(sa_column=Column(Text, nullable=False))
    issued_by: str = Field(sa_column=Column(Text, nullable=False))
    issue_time: datetime | None = Field(sa_column=Column(UtcMicros))
    revision: int = Field(sa_column=Column(Integer, nullable=False))


class StatementRow(SQLModel, table=True):
    """One statement; amounts are minor units. Once issued its document never changes."""

    __tablename__ = "statement"
    __table_args__ = (
        CheckConstraint(
            "state IN ('DRAFT', 'ISSUED', 'ACKNOWLEDGED', 'ACKNOWLEDGED_IN_PART', 'REJECTED', 'DEEMED_ACCEPTED')",
            name="statement_state",
        ),
        CheckConstraint("(state = 'DRAFT') = (issue_index IS NULL)", name="statement_issued"),
        Index("statement_digest", "digest", unique=True),
        Index("statement_of_period", "period"),
        Index("statement_of_creditor", "creditor", "name"),
        Index("statement_of_debtor", "debtor", "name"),
    )

    name: str = Field(sa_column=Column(Text, primary_key=True))
    period: str = Field(sa_column=Column(Text, nullable=False))
    creditor: int = Field(sa_column=Column(BigInteger, nullable=False))
    debtor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    digest: str = Field(sa_column=Column(Text, nullable=False))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    cdr_count: int = Field(sa_column=Column(BigInteger, nullable=False))
    net: int = Field(sa_column=Column(BigInteger, nullable=False))
    tax: int = Field(sa_column=Column(BigInteger, nullable=False))
    payable: int = Field(sa_column=Column(BigInteger, nullable=False))
    envelope: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    issue_index: int | None = Field(sa_column=Column(BigInteger))
    issue_time: datetime | None = Field(sa_column=Column(UtcMicros))


class AcknowledgementRow(SQLModel, table=True):
    """One party's answer to a statement. Written once."""

    __tablename__ = "acknowledgement"

    statement: str = Field(sa_column=Column(Text, primary_key=True))
    party: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    idx: int = Field(sa_column=Column(BigInteger, nullable=False))
    recorded_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    envelope: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PostingRow(SQLModel, table=True):
    """One posting of the ledger. Written once; a wrong one is corrected by another."""

    __tablename__ = "posting"
    __table_args__ = (
        CheckConstraint("minor > 0", name="posting_moves"),
        CheckConstraint("debit <> credit", name="posting_between_two"),
    )

    id: str = Field(sa_column=Column(Text, primary_key=True))
    idx: int = Field(sa_column=Column(BigInteger, nullable=False))
    debit: str = Field(sa_column=Column(Text, nullable=False))
    credit: str = Field(sa_column=Column(Text, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    minor: int = Field(sa_column=Column(BigInteger, nullable=False))


class KeyringRow(SQLModel, table=True):
    """One version of the keyring, signed by the roots. Written once."""

    __tablename__ = "keyring"

    version: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    envelope: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
