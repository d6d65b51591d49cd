"""Finding loose ends: what should have led to something on record and has not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, Protocol

from hub.domain.ids import PartyId
from hub.domain.radar import GapKind, Loose


class Lane(IntEnum):
    """One ordered pass over what is stored. A kind of gap has one or two; lists go through them in this order."""

    ENDED_SESSIONS = 1
    CDRS = 2
    AUTHORIZATIONS = 3
    COMMANDED_AUTHORIZATIONS = 4
    SILENT_SESSIONS = 5

    @property
    def kind(self) -> GapKind:
        """What a loose end found here is."""
        return _KINDS[self]


_KINDS = {
    Lane.ENDED_SESSIONS: GapKind.SESSION_WITHOUT_CDR,
    Lane.CDRS: GapKind.CDR_WITHOUT_SESSION,
    Lane.AUTHORIZATIONS: GapKind.AUTHORIZATION_WITHOUT_SESSION,
    Lane.COMMANDED_AUTHORIZATIONS: GapKind.AUTHORIZATION_WITHOUT_SESSION,
    Lane.SILENT_SESSIONS: GapKind.SESSION_WITHOUT_END,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Whose loose ends are looked for: those of a CPO, of an eMSP, or between the two; at least one is set."""

    cpo: PartyId | None = None
    emsp: PartyId | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` on and before `end`: when an authorization was given, a session ended or a CDR came."""

    start: datetime
    end: datetime


class Key(NamedTuple):
    """The place of a loose end in its lane and beat; what the parts hold is the lane's own."""

    order: int
    cpo: int
    id: str


#: Before all places.
FIRST = Key(-(1 << 62), -1, "")


class Radar(Protocol):
    """What is loose, read from what is stored for other ends."""

    def loose(self, lane: Lane, beat: Beat, window: Window, after: Key, limit: int) -> Sequence[tuple[Key, Loose]]:
        """Return loose ends in the lane's order, those after this place; `FIRST` is before all."""
        ...

    def count(self, lane: Lane, beat: Beat, window: Window) -> tuple[int, datetime | None]:
        """Return how many there are, and the instant of the oldest."""
        ...

    def ended_sessions(self, beat: Beat, window: Window) -> int:
        """Return how many sessions ended, with a CDR or without."""
        ...
