"""Tables of locations, EVSEs and connectors. Ids are folded; the owner's spelling is in the document."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, SmallInteger, Text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class LocationRow(SQLModel, table=True):
    """A location. Latitude and longitude are ten-millionths of a degree, `stripe` is the latitude's (hub.domain.geo).

    The index holds all that a search near a point reads, so that it does not touch the wide rows.
    """

    __tablename__ = "location"
    __table_args__ = (Index("location_place", "stripe", "longitude", "latitude", "party", "location"),)

    party: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    location: str = Field(sa_column=Column(Text, primary_key=True))
    last_updated: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    latitude: int = Field(sa_column=Column(BigInteger, nullable=False))
    longitude: int = Field(sa_column=Column(BigInteger, nullable=False))
    stripe: int = Field(sa_column=Column(SmallInteger, nullable=False))
    time_zone: str = Field(sa_column=Column(Text, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class EvseRow(SQLModel, table=True):
    """An EVSE; `number`, unique among its owner's, stands for it where its state is kept."""

    __tablename__ = "evse"
    __table_args__ = ({"sqlite_with_rowid": False},)

    party: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    location: str = Field(sa_column=Column(Text, primary_key=True))
    evse: str = Field(sa_column=Column(Text, primary_key=True))
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    evse_id: str = Field(sa_column=Column(Text, nullable=False))


class EvseStateRow(SQLModel, table=True):
    """What an EVSE does now: as narrow as can be, for it changes all the time, here and there over the whole table.

    Under the EVSE's own key a thousand changes would dirty three times as many pages and take five times as long.
    """

    __tablename__ = "evse_state"
    __table_args__ = (CheckConstraint("state BETWEEN 1 AND 9", name="evse_state_known"), {"sqlite_with_rowid": False})

    party: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    state: int = Field(sa_column=Column(SmallInteger, nullable=False))
    last_updated: datetime = Field(sa_column=Column(UtcMicros, nullable=False))


class ConnectorRow(SQLModel, table=True):
    """What a connector offers now.

    Attributes:
        power: In watts, 0 for not known.
        tariffs: Folded ids of its tariffs, one a line.
        since: From when on it has offered this power by these tariffs.
        recorded_time: When the hub learned that.
    """

    __tablename__ = "connector"
    __table_args__ = ({"sqlite_with_rowid": False},)

    party: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    location: str = Field(sa_column=Column(Text, primary_key=True))
    evse: str = Field(sa_column=Column(Text, primary_key=True))
    connector: str = Field(sa_column=Column(Text, primary_key=True))
    standard: str = Field(sa_column=Column(Text, nullable=False))
    power_type: int = Field(sa_column=Column(SmallInteger, nullable=False))
    power: int = Field(sa_column=Column(BigInteger, nullable=False))
    tariffs: str = Field(sa_column=Column(Text, nullable=False))
    since: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    recorded_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))


class FormerOfferRow(SQLModel, table=True):
    """What a connector offered, up to the next of its rows, here or among those of now; see `ConnectorRow`."""

    __tablename__ = "former_offer"
    __table_args__ = ({"sqlite_with_rowid": False},)

    party: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    location: str = Field(sa_column=Column(Text, primary_key=True))
    evse: str = Field(sa_column=Column(Text, primary_key=True))
    connector: str = Field(sa_column=Column(Text, primary_key=True))
    since: datetime = Field(sa_column=Column(UtcMicros, primary_key=True, autoincrement=False))
    power: int = Field(sa_column=Column(BigInteger, nullable=False))
    tariffs: str = Field(sa_column=Column(Text, nullable=False))
    recorded_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
