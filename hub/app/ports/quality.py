"""Figures of what a party reported, added up from what is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hub.app.ports.radar import Beat, Window
from hub.domain.cdrs.record import CdrState
from hub.domain.quality import CheckCount


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrFigures:
    """What CDRs received within a window say together.

    Attributes:
        at_once: Charges accepted on receipt; `warned` of them with a warning.
        held: Charges that were not, by where they stand now.
        credits: Credits accepted.
        checks: What the checks found, by code.
        lateness: Of accepted charges, whole minutes from the session's end to receipt -> how many.
    """

    at_once: int
    warned: int
    held: Mapping[CdrState, int]
    credits: int
    checks: tuple[CheckCount, ...]
    lateness: Mapping[int, int]


class Quality(Protocol):
    """Adds up what is stored; one pass over the party's CDRs in the window."""

    def cdrs(self, beat: Beat, window: Window) -> CdrFigures:
        """Return the figures of the CDRs of a CPO, all of them or those for one eMSP."""
        ...
