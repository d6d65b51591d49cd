"""Tables of platforms and parties."""

from sqlalchemy import BigInteger, CheckConstraint, Column, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field, SQLModel


class PartyRow(SQLModel, table=True):
    """A network that takes part; `number` stands for it in every large table."""

    __tablename__ = "party"
    __table_args__ = (
        UniqueConstraint("country_code", "party_id", name="party_identity"),
        CheckConstraint("state IN ('PLANNED', 'ACTIVE', 'SUSPENDED')", name="party_state"),
    )

    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    country_code: str = Field(sa_column=Column(Text, nullable=False))
    party_id: str = Field(sa_column=Column(Text, nullable=False))
    roles: str = Field(sa_column=Column(Text, nullable=False))
    platform: str = Field(sa_column=Column(Text, nullable=False, index=True))
    state: str = Field(sa_column=Column(Text, nullable=False))
    endpoint: str = Field(sa_column=Column(Text, nullable=False))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
