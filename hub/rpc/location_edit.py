"""Changing stored locations: patches of a location, an EVSE or a connector, and what a new version must not lose.

Edits run inside the committer, between the read and the write of one transaction, and touch nothing but messages.

An EVSE has one `last_updated`, but its state may be older than its other fields: a patch that does not speak of the
status leaves the time of the state as it is, or a state reported just before the patch would be taken for out of date.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1 import location_object_pb2 as pb

from hub.domain.errors import Invalid, NotFound, Violation
from hub.domain.ids import fold
from hub.domain.locations import Location, LocationRecord, out_of_date
from hub.rpc.field_masks import patched
from hub.rpc.location_wire import current_location, location_from_pb
from hub.rpc.wire import time_from_pb, time_to_pb

_KEYS = frozenset({"country_code", "party_id", "id"})
_EVSE_KEYS = frozenset({"uid"})
_CONNECTOR_KEYS = frozenset({"id"})

Part = TypeVar("Part", pb.Location, pb.Evse, pb.Connector)


class PbLocationEditor:
    """Implements `hub.app.ports.locations.LocationEditor`."""

    def keep(self, new: Location, old: LocationRecord) -> Location:
        """Return a new version with the EVSEs it leaves out, as REMOVED, and with states newer than its own."""
        said = new.states()
        newer = {uid: at for uid, at in old.states.items() if uid in said and at.last_updated > said[uid].last_updated}
        merged, removed_time = current_location(new.document, newer), time_to_pb(new.last_updated)
        for evse in current_location(old.document, old.states).evses:
            if fold(evse.uid) in said:
                continue
            if evse.status != pb.EVSE_STATUS_REMOVED:
                evse.status = pb.EVSE_STATUS_REMOVED
                _raise(evse.last_updated, removed_time)
            merged.evses.append(evse)
        read = location_from_pb(merged, datetime.max.replace(tzinfo=new.last_updated.tzinfo))
        return replace(read, last_updated=new.last_updated, digest=new.digest)


_EDITOR = PbLocationEditor()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchLocation:
    """An Edit: merges fields of a location."""

    patch: pb.Location
    mask: FieldMask
    latest: datetime

    def __call__(self, record: LocationRecord) -> Location | None:
        """Return the changed location, or None when it says this already."""
        if time_from_pb(self.patch.last_updated) < record.last_updated:
            raise out_of_date()
        current = current_location(record.document, record.states)
        message = _merged(current, self.patch, self.mask, _KEYS)
        if message == current:
            return None
        restated = _names("evses", self.patch, self.mask)
        location = _dated(location_from_pb(message, self.latest), record, self.patch)
        return _EDITOR.keep(location, record) if restated else _with_state_times(location, record)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchEvse:
    """An Edit: merges fields of an EVSE, or adds it."""

    patch: pb.Evse
    mask: FieldMask
    latest: datetime
    allow_missing: bool = False
    path: str = "evse"

    def __call__(self, record: LocationRecord) -> Location | None:
        """Return the changed location, or None when it says this already."""
        uid = fold(self.patch.uid)
        current = current_location(record.document, record.states)
        message = pb.Location()
        message.CopyFrom(current)
        position = _evse_position(message, uid, allow_missing=self.allow_missing)
        restated = position == len(message.evses) or _names("status", self.patch, self.mask)
        if position == len(message.evses):
            message.evses.append(self.patch)
        else:
            evse = message.evses[position]
            stored = pb.Location.FromString(record.document).evses[position]
            _refuse_older(self.patch.last_updated, (evse if restated else stored).last_updated)
            evse.CopyFrom(_merged(evse, self.patch, self.mask, _EVSE_KEYS))
        _raise(message.last_updated, self.patch.last_updated)
        if message == current:
            return None
        location = _checked(message, self.latest, f"location.evses[{position}]", self.path)
        return _with_state_times(_dated(location, record, self.patch), record, but={uid} if restated else set())


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchConnector:
    """An Edit: merges fields of a connector, or adds it."""

    evse_uid: str
    patch: pb.Connector
    mask: FieldMask
    latest: datetime
    allow_missing: bool = False

    def __call__(self, record: LocationRecord) -> Location | None:
        """Return the changed location, or None when it says this already."""
        current = current_location(record.document, record.states)
        message = pb.Location()
        message.CopyFrom(current)
        evse_position = _evse_position(message, fold(self.evse_uid), allow_missing=False)
        evse = message.evses[evse_position]
        wanted = fold(self.patch.id)
        position = next((i for i, each in enumerate(evse.connectors) if fold(each.id) == wanted), len(evse.connectors))
        if position == len(evse.connectors):
            if not self.allow_missing:
                raise NotFound("CONNECTOR_NOT_FOUND", "the EVSE has no such connector")
            evse.connectors.append(self.patch)
        else:
            connector = evse.connectors[position]
            _refuse_older(self.patch.last_updated, connector.last_updated)
            connector.CopyFrom(_merged(connector, self.patch, self.mask, _CONNECTOR_KEYS))
        _raise(evse.last_updated, self.patch.last_updated)
        _raise(message.last_updated, self.patch.last_updated)
        if message == current:
            return None
        path = f"location.evses[{evse_position}].connectors[{position}]"
        location = _checked(message, self.latest, path, "connector")
        return _with_state_times(_dated(location, record, self.patch), record)


def _evse_position(message: pb.Location, uid: str, *, allow_missing: bool) -> int:
    """Return where the EVSE stands; the number of EVSEs when it is missing and may be added."""
    for position, evse in enumerate(message.evses):
        if fold(evse.uid) == uid:
            return position
    if not allow_missing:
        raise NotFound("EVSE_NOT_FOUND", "the location has no such EVSE")
    return len(message.evses)


def _merged(current: Part, patch: Part, mask: FieldMask, keys: frozenset[str]) -> Part:
    """Return a copy with the named fields of the patch and the later `last_updated`; raises Invalid."""
    message = patched(current.SerializeToString(), patch, mask, fixed=keys, always=["last_updated"])
    _raise(message.last_updated, current.last_updated)
    return message


def _names(field: str, patch: Part, mask: FieldMask) -> bool:
    """Say whether a patch speaks of a field."""
    if not mask.paths:
        return any(each.name == field for each, _ in patch.ListFields())
    return any(path == "*" or path.split(".")[0] == field for path in mask.paths)


def _raise(target: Timestamp, said: Timestamp) -> None:
    """Make a time the later of two."""
    if (said.seconds, said.nanos) > (target.seconds, target.nanos):
        target.CopyFrom(said)


def _refuse_older(said: Timestamp, held: Timestamp) -> None:
    if (said.seconds, said.nanos) < (held.seconds, held.nanos):
        raise out_of_date()


def _checked(message: pb.Location, latest: datetime, inside: str, outside: str) -> Location:
    """Read the changed location; what is wrong with its changed part is said by its path in the request."""
    try:
        return location_from_pb(message, latest)
    except Invalid as error:
        raise Invalid(
            Violation(
                field=outside + each.field.removeprefix(inside) if each.field.startswith(inside) else each.field,
                rule=each.rule,
            )
            for each in error.violations
        ) from None


def _dated(location: Location, record: LocationRecord, patch: Part) -> Location:
    """Return the location as of its own change: its message may show the later time of a state."""
    return replace(location, last_updated=max(record.last_updated, time_from_pb(patch.last_updated)))


def _with_state_times(
    location: Location, record: LocationRecord, but: set[str] | frozenset[str] = frozenset()
) -> Location:
    """Return the location with the states, and their times, as they were; but for those EVSEs that were restated."""
    evses = tuple(
        replace(evse, now=record.states.get(fold(evse.uid), evse.now)) if fold(evse.uid) not in but else evse
        for evse in location.evses
    )
    return replace(location, evses=evses)
