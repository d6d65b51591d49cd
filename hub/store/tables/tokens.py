"""The table of tokens."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, LargeBinary, SmallInteger, Text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class TokenRow(SQLModel, table=True):
    """A published token. Personal data: no query of ours is logged with its values."""

    __tablename__ = "token"
    __table_args__ = (CheckConstraint("whitelist BETWEEN 1 AND 4", name="token_whitelist"),)

    emsp: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    uid: str = Field(sa_column=Column(Text, primary_key=True, index=True))
    type: str = Field(sa_column=Column(Text, primary_key=True))
    contract_id: str = Field(sa_column=Column(Text, nullable=False))
    whitelist: int = Field(sa_column=Column(SmallInteger, nullable=False))
    valid: bool = Field(sa_column=Column(SmallInteger, nullable=False))
    group_id: str = Field(sa_column=Column(Text, nullable=False))
    last_updated: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
