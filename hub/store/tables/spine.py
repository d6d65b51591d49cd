"""Tables of the spine: the journal, its heads, the tree's tiles, and answers to idempotent requests."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, LargeBinary, SmallInteger, Text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class HeadRow(SQLModel, table=True):
    """One counter that every writing transaction locks: the size of a stream, or the version of the directory.

    Attributes:
        stream: 1 registry, 2 clearing (`hub.domain.journal.Stream`), 0 the directory's version.
        size: The number of entries; the next index.
        frontier: The frontier of the Merkle tree (`hub.domain.merkle`); that of an empty tree where there is none.
        recorded_time: When the newest entry was recorded; the journal's times never run backwards.
    """

    __tablename__ = "journal_head"

    stream: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    frontier: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    recorded_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))


class EntryRow(SQLModel, table=True):
    """One entry of the journal. Party columns hold party numbers; a private entry is for those two alone.

    Everything is written once, but for `openings`: there personal fields are erased when their time is over.
    """

    __tablename__ = "journal"
    __table_args__ = (CheckConstraint("idx >= 0", name="journal_index_positive"),)

    stream: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    idx: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    recorded_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    owner: int | None = Field(sa_column=Column(BigInteger))
    counterparty: int | None = Field(sa_column=Column(BigInteger))
    private: bool = Field(sa_column=Column(SmallInteger, nullable=False))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    openings: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    leaf_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TreeRow(SQLModel, table=True):
    """The root of a complete subtree of 256**tile_level leaves (C2SP tlog-tiles); level 0 is the journal itself."""

    __tablename__ = "tree_hash"

    tile_level: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class IdempotencyRow(SQLModel, table=True):
    """The answer that a request with a request id got, written in the transaction of its effect."""

    __tablename__ = "idempotency"
    __table_args__ = ({"sqlite_with_rowid": False},)

    platform: str = Field(sa_column=Column(Text, primary_key=True))
    request_id: str = Field(sa_column=Column(Text, primary_key=True))
    request_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    response: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    recorded_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
