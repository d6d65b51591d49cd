"""Tables of meters: their registered keys, and what signed values proved."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class MeterKeyRow(SQLModel, table=True):
    """A key registered for an EVSE. Written once, save that its validity may be cut short.

    Attributes:
        party: Number of the CPO.
        id: The registration's.
        location: Folded id; `location_as_sent` keeps the spelling, and so with the EVSE's uid.
        spki: The key, SPKI DER.
        valid_until: Null while no end is known.
        revoked: When the validity was last cut short; null when it never was.
    """

    __tablename__ = "meter_key"
    __table_args__ = (
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="meter_key_validity"),
        CheckConstraint("revoked IS NULL OR valid_until IS NOT NULL", name="meter_key_revoked"),
        Index("meter_key_of_evse", "party", "location", "evse"),
    )

    party: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    location: str = Field(sa_column=Column(Text, nullable=False))
    evse: str = Field(sa_column=Column(Text, nullable=False))
    location_as_sent: str = Field(sa_column=Column(Text, nullable=False))
    evse_as_sent: str = Field(sa_column=Column(Text, nullable=False))
    curve: str = Field(sa_column=Column(Text, nullable=False))
    spki: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    valid_from: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    valid_until: datetime | None = Field(sa_column=Column(UtcMicros))
    registered: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    revoked: datetime | None = Field(sa_column=Column(UtcMicros))
    reason: str = Field(sa_column=Column(Text, nullable=False))


class CdrMeterRow(SQLModel, table=True):
    """What the signed meter values of a CDR proved on arrival; only CDRs that have any have a row. Written once.

    Attributes:
        cpo: Number of the party that submitted the CDR.
        cdr_id: The CDR's folded id.
        evidence: JSON, as `hub.store.cdr_meter` writes it.
        proof: SHA-256 of what the meter signed at the transaction's end; null where it measured nothing.
    """

    __tablename__ = "cdr_meter"
    __table_args__ = (
        Index(
            "cdr_meter_proof",
            "cpo",
            "proof",
            sqlite_where=text("proof IS NOT NULL"),
        ),
    )

    cpo: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    cdr_id: str = Field(sa_column=Column(Text, primary_key=True))
    evidence: str = Field(sa_column=Column(Text, nullable=False))
    proof: bytes | None = Field(sa_column=Column(LargeBinary))
