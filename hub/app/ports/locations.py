"""Storage of locations and of what their EVSEs do."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub.domain.geo import Box
from hub.domain.ids import ObjectId, PartyId
from hub.domain.locations import (
    ConnectorKey,
    EvseFacts,
    EvseKey,
    HeldLocation,
    Location,
    LocationRecord,
    Offer,
    PowerType,
    StateAt,
)

#: Returns the location that a change makes of the one on record, None when it says this already; raises HubError when
#: the change cannot be made.
Edit = Callable[[LocationRecord], Location | None]


class LocationEditor(Protocol):
    """Merges messages that the use cases hold as bytes."""

    def keep(self, new: Location, old: LocationRecord) -> Location:
        """Return a new version with what must not get lost of the one before.

        EVSEs that it leaves out are kept as REMOVED, and states that are newer than its own stay.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorFilter:
    """What one connector of an EVSE that is still there must offer, all of it; the defaults ask for nothing.

    `power_min` is in watts; empty collections mean any.
    """

    power_min: int = 0
    standards: frozenset[str] = frozenset()
    power_types: frozenset[PowerType] = frozenset()
    available: bool = False


class Locations(Protocol):
    """Locations by owner and id; EVSE states apart from them, as they change a thousand times as often."""

    def held(self, ids: Iterable[ObjectId]) -> dict[ObjectId, HeldLocation]:
        """Return what new versions are compared with, of those that are on record."""
        ...

    def put(self, locations: Collection[Location]) -> None:
        """Insert or replace locations, no two with the same id."""
        ...

    def records(self, ids: Iterable[ObjectId]) -> dict[ObjectId, LocationRecord]:
        """Return those that are on record."""
        ...

    def page(
        self, owner: PartyId, *, after: str, updated_since: datetime | None, limit: int
    ) -> Sequence[LocationRecord]:
        """Return one owner's locations with a greater folded id, in that order, at most `limit`.

        Args:
            owner: Whose locations.
            after: Only those with a greater folded id; "" for all.
            updated_since: Only those that changed, or an EVSE of theirs, at this time or later.
            limit: How many at most.
        """
        ...

    def within(self, boxes: Sequence[Box], wanted: ConnectorFilter) -> Iterable[tuple[PartyId, str, int, int]]:
        """Return owner, folded id, latitude and longitude of all locations in the boxes with a connector as wanted."""
        ...

    def states(self, party: PartyId, evses: Collection[tuple[str, str]]) -> dict[tuple[str, str], StateAt]:
        """Return what those EVSEs do that are on record, by the folded ids of location and EVSE."""
        ...

    def set_states(self, party: PartyId, states: Mapping[tuple[str, str], StateAt]) -> None:
        """Write what EVSEs do that are on record."""
        ...

    def evses(self, keys: Collection[EvseKey]) -> dict[EvseKey, EvseFacts | None]:
        """Return the facts about EVSEs, whoever owns them, in one query.

        Of those whose location is on record: None for an EVSE that the location does not have.
        """
        ...

    def former_offers(
        self, wanted: Collection[tuple[ConnectorKey, datetime]]
    ) -> Mapping[tuple[ConnectorKey, datetime], Offer]:
        """Return, in one query, what connectors offered at an instant, of what they no longer offer."""
        ...

    def offer_as_known(self, connector: ConnectorKey, instant: datetime, known: datetime) -> Offer | None:
        """Return what a connector offered at an instant, by what the hub had recorded by another, that one included."""
        ...

    def time_zones(self, ids: Collection[ObjectId]) -> dict[ObjectId, str]:
        """Return the IANA zones of those locations that are on record, in one query."""
        ...
