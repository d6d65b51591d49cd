"""Publishing locations, changing them, and finding them."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from hub.app.ports.locations import ConnectorFilter, Edit, LocationEditor
from hub.app.ports.uow import UnitOfWork
from hub.app.visibility import shown_owners
from hub.domain.errors import HubError, NotFound
from hub.domain.geo import Point, boxes_around, distance_mm
from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.locations import HeldLocation, Location, LocationRecord, out_of_date
from hub.domain.parties import Caller

#: A search looks this far first and widens fourfold until it has found enough.
_FIRST_RADIUS_M = 2_000


def not_found() -> NotFound:
    """Return the answer for a location that does not exist, or not for the caller."""
    return NotFound("LOCATION_NOT_FOUND", "there is no such location")


def put_locations(uow: UnitOfWork, locations: Sequence[Location], *, editor: LocationEditor) -> list[bool | HubError]:
    """Create or replace locations.

    Returns:
        For each whether anything changed, or Stale `OUT_OF_DATE`.
    """
    held = uow.locations.held({location.id for location in locations})
    written: dict[ObjectId, Location] = {}
    answers: list[bool | HubError] = []
    for location in locations:
        known = held.get(location.id)
        if known is not None:
            if location.last_updated < known.last_updated:
                answers.append(out_of_date())
                continue
            if location.last_updated == known.last_updated and location.digest == known.digest:
                answers.append(False)
                continue
            location = _keep(uow, location, known, written.get(location.id), editor)  # noqa: PLW2901
        written[location.id] = location
        held[location.id] = _as_held(location)
        _announce(uow, location)
        answers.append(True)
    uow.locations.put(written.values())
    return answers


def _keep(
    uow: UnitOfWork, new: Location, known: HeldLocation, written: Location | None, editor: LocationEditor
) -> Location:
    """Return the new version with what it must not lose; in most cases there is nothing to add."""
    states = new.states()
    if all(uid in states and states[uid].last_updated >= at for uid, (_, at) in known.states.items()):
        return new
    old = _as_record(written) if written is not None else uow.locations.records([new.id])[new.id]
    return editor.keep(new, old)


def _as_held(location: Location) -> HeldLocation:
    return HeldLocation(last_updated=location.last_updated, digest=location.digest, states=location.states())


def _as_record(location: Location) -> LocationRecord:
    return LocationRecord(
        id=location.id, last_updated=location.last_updated, document=location.document, states=location.states()
    )


def _announce(uow: UnitOfWork, location: Location) -> None:
    fact = Fact(kind=EntryKind.LOCATION, owner=location.id.party, subject=str(location.id), body=location.document)
    uow.journal.append(Stream.REGISTRY, fact)


def edit_location(uow: UnitOfWork, location: ObjectId, edit: Edit) -> LocationRecord:
    """Read a location, change it and write it, in one step.

    Returns:
        The location as it is now.

    Raises:
        NotFound: There is no such location, or the edit finds no such part of it.
        HubError: What else the edit raises.
    """
    record = uow.locations.records([location]).get(location)
    if record is None:
        raise not_found()
    changed = edit(record)
    if changed is None:
        return record
    uow.locations.put([changed])
    _announce(uow, changed)
    return _as_record(changed)


def get_location(uow: UnitOfWork, caller: Caller, location: ObjectId) -> LocationRecord:
    """Return one location that the caller may see; raises NotFound."""
    record = None
    if location.party in uow.directory.partners_of(caller.platform):
        record = uow.locations.records([location]).get(location)
    if record is None:
        raise not_found()
    return record


class Place(NamedTuple):
    """Where a location stands in a list: its owner, and its folded id."""

    owner: PartyId
    folded: str


def list_locations(
    uow: UnitOfWork,
    caller: Caller,
    *,
    party: PartyId | None,
    updated_since: datetime | None,
    after: Place | None,
    limit: int,
) -> list[LocationRecord]:
    """Return locations that the caller may see, by owner and id.

    Args:
        uow: The transaction.
        caller: Who asks.
        party: Only this owner's; None for all.
        updated_since: Only those that changed at this time or later; None for all.
        after: Only those that stand after this place; None for the first page.
        limit: How many at most.
    """
    found: list[LocationRecord] = []
    for owner in shown_owners(uow.directory, caller, [party] if party else ()):
        if len(found) == limit:
            break
        if after is not None and owner < after.owner:
            continue
        start = after.folded if after is not None and owner == after.owner else ""
        found += uow.locations.page(owner, after=start, updated_since=updated_since, limit=limit - len(found))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for: places within `radius_m` metres of a point, with a connector as wanted."""

    center: Point
    radius_m: int
    wanted: ConnectorFilter
    parties: Sequence[PartyId] = ()


class Found(NamedTuple):
    """A place that a search found; these sort as results do."""

    distance_mm: int
    owner: PartyId
    folded: str


def search_locations(
    uow: UnitOfWork, caller: Caller, search: Search, *, after: Found | None, limit: int
) -> list[tuple[Found, LocationRecord]]:
    """Return the locations around a point, nearest first, that come after the last one of the page before."""
    owners = set(shown_owners(uow.directory, caller, search.parties))
    farthest = search.radius_m * 1_000
    reach = min(farthest, max(_FIRST_RADIUS_M * 1_000, 2 * after.distance_mm if after else 0))
    while True:
        nearest = heapq.nsmallest(limit, _near(uow, search, owners, reach, after))
        if len(nearest) == limit or reach == farthest:
            break
        reach = min(farthest, 4 * reach)
    records = uow.locations.records([ObjectId(found.owner, found.folded) for found in nearest])
    return [(found, records[ObjectId(found.owner, found.folded)]) for found in nearest]


def _near(uow: UnitOfWork, search: Search, owners: set[PartyId], reach_mm: int, after: Found | None) -> Iterable[Found]:
    boxes = boxes_around(search.center, reach_mm / 1_000)
    for owner, folded, latitude, longitude in uow.locations.within(boxes, search.wanted):
        if owner not in owners:
            continue
        found = Found(distance_mm(search.center, Point(latitude, longitude)), owner, folded)
        if found.distance_mm <= reach_mm and (after is None or found > after):
            yield found
