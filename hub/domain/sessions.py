"""Charging sessions under way, as the hub reasons about them; the CPO's message is the record."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from hub.domain.errors import Precondition, Stale
from hub.domain.ids import ObjectId, PartyId


class SessionState(IntEnum):
    """OCPI's SessionStatus; the numbers are the contract's."""

    ACTIVE = 1
    COMPLETED = 2
    INVALID = 3
    PENDING = 4
    RESERVATION = 5

    @property
    def final(self) -> bool:
        """Whether nothing follows it."""
        return self in (SessionState.COMPLETED, SessionState.INVALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSession:
    """One session as last reported.

    Attributes:
        id: Its key; the party is the CPO.
        emsp: The eMSP of the token.
        token_uid: The token's uid in the sender's spelling; personal.
        last_updated: When the CPO made this report.
        document: The CPO's message, serialised.
        end_time: When it ended, of a completed session; None before.
        authorization_reference: Of the answer that let it begin; empty when it quotes none.
    """

    id: ObjectId
    emsp: PartyId
    token_uid: str
    state: SessionState
    start_time: datetime
    last_updated: datetime
    document: bytes
    end_time: datetime | None = None
    authorization_reference: str = ""


def replaces(stored: ChargingSession | None, reported: ChargingSession) -> bool:
    """Say whether a report changes what is stored.

    Raises:
        Stale: The hub holds a later report.
        Precondition: The session is over, or belongs to another eMSP.
    """
    if stored is None:
        return True
    if reported.document == stored.document:
        return False
    if reported.last_updated < stored.last_updated:
        raise Stale("OUT_OF_DATE", "last_updated: the hub holds a later report", field="last_updated")
    if stored.state.final:
        raise Precondition("SESSION_COMPLETED", "the session is over; correct its CDR instead")
    if reported.emsp != stored.emsp:
        raise Precondition("SESSION_OF_OTHER_EMSP", "cdr_token: a session keeps its eMSP", field="cdr_token")
    return True
