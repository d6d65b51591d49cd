"""Tables of who can be reached, of authorizations given and of commands sent."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, LargeBinary, SmallInteger, Text, text
from sqlmodel import Field, SQLModel

from hub.store.types import UtcMicros

#: Of a command whose time may run out: PENDING or ACCEPTED.
_WAITING = "state IN (1, 4)"
#: Of an authorization that came with a command, whose reference may not be ordered by time.
_COMMANDED = "source = 4"


class PresenceRow(SQLModel, table=True):
    """Whether a party can be reached, and since when that is so."""

    __tablename__ = "party_presence"

    party: int = Field(sa_column=Column(BigInteger, ForeignKey("party.number"), primary_key=True, autoincrement=False))
    connected: bool = Field(sa_column=Column(SmallInteger, nullable=False))
    since: datetime = Field(sa_column=Column(UtcMicros, nullable=False))


class AuthorizationRow(SQLModel, table=True):
    """One answer to "may this token charge here?".

    Attributes:
        cpo: Number of the CPO that asked: the partition.
        reference: The hub's reference, ordered by time; an eMSP's own where it came with a command.
        emsp: Number of the token's eMSP; absent where the token is unknown to the CPO.
        token_uid: As the CPO spelled it.
        location_id: Where it may charge; empty when no location was asked about or the answer is no.
        evse_uids: JSON array of the EVSEs meant; empty for all.
        connector_ids: JSON array of the connectors meant; empty for all.
        info: The text for the driver, a serialised message.
    """

    __tablename__ = "authorization_record"
    __table_args__ = (
        Index("authorization_emsp", "emsp", "reference"),
        Index(
            "authorization_commanded_cpo",
            "cpo",
            "recorded_time",
            sqlite_where=text(_COMMANDED),
        ),
        Index(
            "authorization_commanded_emsp",
            "emsp",
            "recorded_time",
            sqlite_where=text(_COMMANDED),
        ),
        CheckConstraint("allowed BETWEEN 1 AND 5", name="authorization_allowed"),
        CheckConstraint("source BETWEEN 1 AND 4", name="authorization_source"),
        CheckConstraint("(allowed = 1) = (reason = '')", name="authorization_reason"),
    )

    cpo: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    reference: str = Field(sa_column=Column(Text, primary_key=True))
    emsp: int | None = Field(sa_column=Column(BigInteger))
    token_uid: str = Field(sa_column=Column(Text, nullable=False))
    token_type: str = Field(sa_column=Column(Text, nullable=False))
    contract_id: str = Field(sa_column=Column(Text, nullable=False))
    allowed: int = Field(sa_column=Column(SmallInteger, nullable=False))
    source: int = Field(sa_column=Column(SmallInteger, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    agreement: str = Field(sa_column=Column(Text, nullable=False))
    clause: str = Field(sa_column=Column(Text, nullable=False))
    location_id: str = Field(sa_column=Column(Text, nullable=False))
    evse_uids: str = Field(sa_column=Column(Text, nullable=False))
    connector_ids: str = Field(sa_column=Column(Text, nullable=False))
    info: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    emsp_reference: str = Field(sa_column=Column(Text, nullable=False))
    recorded_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))


class AuthorizationUseRow(SQLModel, table=True):
    """An authorization that a session or a CDR of the CPO quotes, by its reference: it came to something."""

    __tablename__ = "authorization_use"
    __table_args__ = ({"sqlite_with_rowid": False},)

    cpo: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    reference: str = Field(sa_column=Column(Text, primary_key=True))


class AnswersRow(SQLModel, table=True):
    """Requests that the hub relayed to a party on one UTC day (proleptic ordinal), and those it answered in time."""

    __tablename__ = "relay_answers"
    __table_args__ = (CheckConstraint("answered BETWEEN 0 AND asked", name="relay_answers_asked"),)

    party: int = Field(sa_column=Column(BigInteger, ForeignKey("party.number"), primary_key=True, autoincrement=False))
    day: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    asked: int = Field(sa_column=Column(BigInteger, nullable=False))
    answered: int = Field(sa_column=Column(BigInteger, nullable=False))


class CommandRow(SQLModel, table=True):
    """One command; `order_document` is the eMSP's serialised order, texts are serialised messages, length-prefixed."""

    __tablename__ = "command"
    __table_args__ = (
        Index("command_emsp", "emsp", "id"),
        Index("command_waiting", "expire_time", sqlite_where=text(_WAITING)),
        CheckConstraint("state BETWEEN 1 AND 6", name="command_state"),
        CheckConstraint("(state = 5) = (result IS NOT NULL)", name="command_result"),
    )

    cpo: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    emsp: int = Field(sa_column=Column(BigInteger, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    order_document: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    state: int = Field(sa_column=Column(SmallInteger, nullable=False))
    create_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    expire_time: datetime = Field(sa_column=Column(UtcMicros, nullable=False))
    response: int | None = Field(sa_column=Column(SmallInteger))
    response_messages: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    result: int | None = Field(sa_column=Column(SmallInteger))
    result_messages: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    result_time: datetime | None = Field(sa_column=Column(UtcMicros))
    late: bool = Field(sa_column=Column(SmallInteger, nullable=False))
