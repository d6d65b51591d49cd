"""Tables of tariffs: one row for each, and one for each version it has had. Ids are folded."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger, Text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class TariffRow(SQLModel, table=True):
    """A tariff as it stands; `valid_from` is the key of its newest version, `removed` says that this is its end."""

    __tablename__ = "tariff"

    party: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    tariff: str = Field(sa_column=Column(Text, primary_key=True))
    last_updated: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    valid_from: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    removed: int = Field(sa_column=Column(SmallInteger, nullable=False))


class TariffVersionRow(SQLModel, table=True):
    """A version, in force until the next one is; without a document it is the tariff's end."""

    __tablename__ = "tariff_version"

    party: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    tariff: str = Field(sa_column=Column(Text, primary_key=True))
    valid_from: datetime = Field(sa_column=Column(UtcMicros, primary_key=True, autoincrement=False))
    recorded_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
