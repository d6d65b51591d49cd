"""Table of what accepted charges occupy."""

from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel


class ChargeSpanRow(SQLModel, table=True):
    """A token or an EVSE that an accepted charge occupied for a time; gone once the charge is credited.

    Attributes:
        owner: Number of the party whose token or EVSE it is.
        slot: Four days of time, in the high bits, and a hash of the token or EVSE; see `hub.store.spans`.
        idx: The charge's index in the clearing journal.
        start_time: In microseconds, as `end_time`.
        twin: Hash of what tells that two charges are one session.
    """

    __tablename__ = "charge_span"
    __table_args__ = ({"sqlite_with_rowid": False},)

    owner: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    slot: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    idx: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    start_time: int = Field(sa_column=Column(BigInteger, nullable=False))
    end_time: int = Field(sa_column=Column(BigInteger, nullable=False))
    twin: int = Field(sa_column=Column(BigInteger, nullable=False))
