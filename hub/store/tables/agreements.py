"""The table of agreements: one row for each version."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class AgreementRow(SQLModel, table=True):
    """One version of an agreement; party columns hold party numbers.

    Attributes:
        suspended_by: The numbers of the sides that hold it back, comma-separated.
        directory_version: That of the first directory with this row as it is: what has changed since is read by it.
        terms: The terms as one JSON object with sorted keys; they never change within a version.
    """

    __tablename__ = "agreement"
    __table_args__ = (
        CheckConstraint("version > 0", name="agreement_version_positive"),
        CheckConstraint(
            "state IN ('PROPOSED', 'ACCEPTED', 'ACTIVE', 'SUSPENDED', 'DECLINED', 'TERMINATED', 'SUPERSEDED')",
            name="agreement_state",
        ),
        CheckConstraint("proposer IN (cpo, emsp)", name="agreement_proposer"),
        Index(
            "agreement_in_force",
            "cpo",
            "emsp",
            unique=True,
            sqlite_where=text("state IN ('ACTIVE', 'SUSPENDED')"),
        ),
        Index(
            "agreement_on_its_way",
            "cpo",
            "emsp",
            unique=True,
            sqlite_where=text("state IN ('PROPOSED', 'ACCEPTED')"),
        ),
        Index("agreement_cpo", "cpo", "id"),
        Index("agreement_emsp", "emsp", "id"),
    )

    id: str = Field(sa_column=Column(Text, primary_key=True))
    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    cpo: int = Field(sa_column=Column(BigInteger, nullable=False))
    emsp: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    proposer: int = Field(sa_column=Column(BigInteger, nullable=False))
    suspended_by: str = Field(sa_column=Column(Text, nullable=False))
    note: str = Field(sa_column=Column(Text, nullable=False))
    created_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    changed_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    since: datetime | None = Field(sa_column=Column(UtcMicros))
    ended: datetime | None = Field(sa_column=Column(UtcMicros))
    directory_version: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    terms: str = Field(sa_column=Column(Text, nullable=False))
