"""Tables of charging sessions."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, LargeBinary, SmallInteger, Text, text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros

#: Of a session that is over and ought to have a CDR: COMPLETED.
_ENDED = "state = 2"


#: Of a session of which more is to be heard: ACTIVE.
_ACTIVE = "state = 1"


def _ended(name: str, *columns: str) -> Index:
    """Return an index of ended sessions: a session enters it once, when it ends, and no report before that pays."""
    return Index(name, *columns, sqlite_where=text(_ENDED))


class ChargingSessionRow(SQLModel, table=True):
    """One charging session as last reported; `token_uid` and `session_id` are folded, `state` is the contract's.

    Attributes:
        end_time: When it ended; null until it has.
    """

    __tablename__ = "charging_session"
    __table_args__ = (
        Index("charging_session_of_emsp", "emsp", "cpo", "session_id"),
        _ended("charging_session_ended_cpo", "cpo", "end_time", "session_id", "emsp"),
        _ended("charging_session_ended_emsp", "emsp", "end_time", "cpo", "session_id"),
        # Those under way are few at any time.
        Index(
            "charging_session_active_cpo",
            "cpo",
            "last_updated",
            sqlite_where=text(_ACTIVE),
        ),
        Index(
            "charging_session_active_emsp",
            "emsp",
            "last_updated",
            sqlite_where=text(_ACTIVE),
        ),
    )

    cpo: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    session_id: str = Field(sa_column=Column(Text, primary_key=True))
    emsp: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: int = Field(sa_column=Column(SmallInteger, nullable=False))
    token_uid: str = Field(sa_column=Column(Text, nullable=False))
    start_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    last_updated: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    end_time: datetime | None = Field(sa_column=Column(UtcMicros))
