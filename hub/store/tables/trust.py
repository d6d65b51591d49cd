"""Tables of trust: invitations, and the certificates issued."""

from datetime import datetime

from sqlalchemy import Column, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros


class InvitationRow(SQLModel, table=True):
    """An invitation; of its one-time code only the hash is kept. `parties` holds party numbers, comma-separated."""

    __tablename__ = "invitation"
    __table_args__ = (Index("invitation_platform", "platform", "id"),)

    id: str = Field(sa_column=Column(Text, primary_key=True))
    code_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    platform: str = Field(sa_column=Column(Text, nullable=False))
    parties: str = Field(sa_column=Column(Text, nullable=False))
    created_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    expire_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    used_time: datetime | None = Field(sa_column=Column(UtcMicros))
    revoked_time: datetime | None = Field(sa_column=Column(UtcMicros))


class CertificateRow(SQLModel, table=True):
    """A certificate that the hub has issued; no secret. One invitation gets one certificate."""

    __tablename__ = "certificate"
    __table_args__ = (Index("certificate_subject", "subject", "expire_time"),)

    serial: str = Field(sa_column=Column(Text, primary_key=True))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    created_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    expire_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    renew_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    csr_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    chain_pem: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    invitation: str | None = Field(sa_column=Column(Text, unique=True))
    revoked_time: datetime | None = Field(sa_column=Column(UtcMicros))
