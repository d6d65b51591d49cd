"""Tables of charging sessions."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, LargeBinary, SmallInteger, Text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class ChargingSessionRow(SQLModel, table=True):
    """One charging session as last reported; `token_uid` and `session_id` are folded, `state` is the contract's."""

    __tablename__ = "charging_session"
    __table_args__ = (Index("charging_session_of_emsp", "emsp", "cpo", "session_id"),)

    cpo: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    session_id: str = Field(sa_column=Column(Text, primary_key=True))
    emsp: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: int = Field(sa_column=Column(SmallInteger, nullable=False))
    token_uid: str = Field(sa_column=Column(Text, nullable=False))
    start_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    last_updated: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
