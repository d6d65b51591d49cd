"""Locations, EVSEs and connectors, as far as the hub reasons about them (OCPI module Locations).

The record is the owner's message (`Location.document`); the rest of these types is what it says that the hub looks up,
searches by or checks. An EVSE is never deleted: one that is gone stays, in state REMOVED.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hub.domain.clock import not_after
from hub.domain.errors import Stale, Violation
from hub.domain.geo import Point
from hub.domain.ids import ObjectId, PartyId, fold

#: More than any site has; a message with more is a mistake or an attack.
EVSES_MAX = 2_000
CONNECTORS_MAX = 100


class EvseState(IntEnum):
    """What an EVSE does now; the numbers are the stored and the published ones (OCPI: Status)."""

    AVAILABLE = 1
    BLOCKED = 2
    CHARGING = 3
    INOPERATIVE = 4
    OUTOFORDER = 5
    PLANNED = 6
    REMOVED = 7
    RESERVED = 8
    UNKNOWN = 9


class PowerType(IntEnum):
    """Kinds of power; the numbers are the stored and the published ones (OCPI: PowerType)."""

    AC_1_PHASE = 1
    AC_3_PHASE = 2
    DC = 3
    AC_2_PHASE = 4
    AC_2_PHASE_SPLIT = 5


#: How many phases deliver `max_voltage`, which is between phase and neutral where there are several; a split-phase
#: connector is rated by the voltage between its two legs.
_PHASES = {PowerType.AC_3_PHASE: 3, PowerType.AC_2_PHASE: 2}


class StateAt(NamedTuple):
    """What an EVSE does, and when its owner said so."""

    state: EvseState
    last_updated: datetime


class EvseKey(NamedTuple):
    """Where an EVSE is found: the owner, and the folded ids of location and EVSE."""

    party: PartyId
    location: str
    evse: str


class ConnectorKey(NamedTuple):
    """Where a connector is found: its EVSE, and its folded id."""

    evse: EvseKey
    connector: str


class Offer(NamedTuple):
    """What a connector offers from some instant on.

    Attributes:
        power: The highest, in watts; None where the owner does not say.
        tariff_ids: Folded ids of its tariffs, in the owner's order.
        since: From when on, as far as the hub knows.
    """

    power: int | None
    tariff_ids: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """A socket or cable.

    Attributes:
        power: The highest, in watts; None where the owner does not say.
        tariff_ids: As sent.
        last_updated: When its owner last changed it; None where that is not known.
    """

    id: str
    standard: str
    power_type: PowerType
    power: int | None
    tariff_ids: tuple[str, ...] = ()
    last_updated: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evse:
    """A part of a station that serves one vehicle at a time. `evse_id` is the public id as sent, or empty."""

    uid: str
    evse_id: str
    now: StateAt
    connectors: tuple[Connector, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place with EVSEs.

    Attributes:
        time_zone: IANA zone in which its tariffs and hours are read.
        document: The owner's message.
        digest: What tells two messages apart, 16 bytes; of the message as it came, before the hub kept anything in it.
    """

    id: ObjectId
    last_updated: datetime
    point: Point
    time_zone: str
    evses: tuple[Evse, ...]
    document: bytes
    digest: bytes

    def states(self) -> dict[str, StateAt]:
        """Return what each EVSE does, by its folded uid."""
        return {fold(evse.uid): evse.now for evse in self.evses}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLocation:
    """What the hub holds of a location, as far as a new version of it is compared with."""

    last_updated: datetime
    digest: bytes
    states: Mapping[str, StateAt]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationRecord:
    """A location on record.

    Attributes:
        last_updated: When the owner last changed the location itself; the message shows that of a newer state.
        document: The message.
        states: What its EVSEs do now, which may be newer than what the message says.
    """

    id: ObjectId
    last_updated: datetime
    document: bytes
    states: Mapping[str, StateAt]


class EvseFacts(NamedTuple):
    """What CDRs are checked against.

    Attributes:
        time_zone: The IANA zone of its location.
        connectors: What each connector offers now, by its folded id.
    """

    time_zone: str
    connectors: Mapping[str, Offer]

    def power_at(self, connector: str, instant: datetime) -> int | None:
        """Return the highest power of a connector at an instant, in watts; of one not published, that of the EVSE.

        None where that is not known, or where what is known came into force only later.
        """
        own = self.connectors.get(connector)
        offers = self.connectors.values() if own is None else (own,)
        powers = [each.power for each in offers if each.power is not None and each.since <= instant]
        return max(powers) if powers and len(powers) == len(offers) else None


def max_power(kind: PowerType, voltage: int, amperage: int, stated: int) -> int | None:
    """Return the highest power of a connector in watts; 0 stands for what is not known.

    Args:
        kind: The kind of power.
        voltage: In volts; between phase and neutral where there are several phases.
        amperage: In amperes, per phase.
        stated: What the owner says, in watts; it wins.
    """
    return stated or voltage * amperage * _PHASES.get(kind, 1) or None


@lru_cache(maxsize=1_024)
def is_time_zone(name: str) -> bool:
    """Say whether the IANA database has a zone of this name."""
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # unknown; not a relative path; a folder of zones
        return False
    return True


def check(location: Location, latest: datetime) -> list[Violation]:
    """Return what a location says that cannot be, by the path of the field within it.

    Args:
        location: Whose fields are each well-formed.
        latest: The latest time that the owner's clock may show.
    """
    found: list[Violation] = []
    if not is_time_zone(location.time_zone):
        found.append(Violation(field="time_zone", rule="must be a zone of the IANA database, such as Europe/Amsterdam"))
    if location.last_updated > latest:
        found.append(Violation(field="last_updated", rule=not_after(latest)))
    _repeated([evse.uid for evse in location.evses], "evses[{}].uid", "must be unique within the location", found)
    if len(location.evses) > EVSES_MAX:
        found.append(Violation(field="evses", rule=f"must have at most {EVSES_MAX} entries"))
    for i, evse in enumerate(location.evses):
        if evse.now.last_updated > latest:
            found.append(Violation(field=f"evses[{i}].last_updated", rule=not_after(latest)))
        if not evse.connectors and evse.now.state is not EvseState.REMOVED:
            found.append(Violation(field=f"evses[{i}].connectors", rule="must have at least one entry"))
        if len(evse.connectors) > CONNECTORS_MAX:
            found.append(Violation(field=f"evses[{i}].connectors", rule=f"must have at most {CONNECTORS_MAX} entries"))
        if len(evse.connectors) > 1:
            ids = [connector.id for connector in evse.connectors]
            _repeated(ids, f"evses[{i}].connectors[{{}}].id", "must be unique within the EVSE", found)
    return found


def _repeated(ids: Sequence[str], path: str, rule: str, found: list[Violation]) -> None:
    seen: set[str] = set()
    for i, text in enumerate(ids):
        folded = fold(text)
        if folded in seen:
            found.append(Violation(field=path.format(i), rule=rule))
        seen.add(folded)


def out_of_date() -> Stale:
    """Return the refusal of a version that is older than the one on record."""
    return Stale("OUT_OF_DATE", "the hub holds a later last_updated; read the object again")
