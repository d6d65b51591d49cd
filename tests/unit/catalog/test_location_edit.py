"""Patches of stored locations, as properties."""

from datetime import timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st
from roamhub.v1 import location_object_pb2 as pb

from hub.domain.errors import Stale
from hub.domain.locations import EvseState, Location, LocationRecord, StateAt
from hub.rpc.location_edit import PatchConnector, PatchEvse, PatchLocation, PbLocationEditor
from hub.rpc.location_wire import current_location, location_from_pb
from hub.rpc.wire import time_from_pb
from tests.catalog import NOW, connector, evse, location, stamp

LATEST = NOW + timedelta(days=1)

#: Text fields that a patch may set or clear.
TEXTS = ["name", "address", "city", "postal_code", "state", "help_phone"]
VALUES = st.dictionaries(st.sampled_from(TEXTS), st.sampled_from(["a", "b", ""]))


def record_of(message: pb.Location, **states: StateAt) -> LocationRecord:
    read = location_from_pb(message, LATEST)
    return LocationRecord(
        id=read.id, last_updated=read.last_updated, document=read.document, states=read.states() | states
    )


def after(record: LocationRecord, changed: Location | None) -> LocationRecord:
    if changed is None:
        return record
    return LocationRecord(
        id=record.id, last_updated=changed.last_updated, document=changed.document, states=changed.states()
    )


def shown(record: LocationRecord) -> pb.Location:
    return current_location(record.document, record.states)


def patch(values: dict[str, str], minutes: int, mask: list[str]) -> PatchLocation:
    said = pb.Location(country_code="NL", party_id="CPO", id="LOC1", last_updated=stamp(minutes), **values)  # type: ignore[arg-type]
    return PatchLocation(patch=said, mask=FieldMask(paths=mask), latest=LATEST)


@given(VALUES, st.lists(st.sampled_from(TEXTS), min_size=1, unique=True))
def test_a_patch_changes_what_its_mask_names_and_nothing_else(values: dict[str, str], mask: list[str]) -> None:
    before = location(name="LOC1", postal_code="1012 JS", state="NH")
    found = shown(after(record_of(before), patch(values, 1, mask)(record_of(before))))
    for field in TEXTS:
        expected = values.get(field, "") if field in mask else getattr(before, field)
        assert getattr(found, field) == expected
    for field in mask:
        if field not in values and pb.Location.DESCRIPTOR.fields_by_name[field].has_presence:
            assert not found.HasField(field)  # type: ignore[arg-type]
    assert (found.evses, found.coordinates, found.last_updated) == (before.evses, before.coordinates, stamp(1))


@given(VALUES, st.lists(st.sampled_from(TEXTS), unique=True))
def test_the_same_patch_again_changes_nothing(values: dict[str, str], mask: list[str]) -> None:
    once = record_of(location())
    edit = patch(values, 1, mask)
    once = after(once, edit(once))
    assert edit(once) is None


@given(VALUES.filter(bool), VALUES)
def test_patches_of_different_fields_give_the_same_in_either_order(one: dict[str, str], other: dict[str, str]) -> None:
    other = {field: value for field, value in other.items() if field not in one}
    edits = [patch(values, 1, list(values)) for values in (one, other) if values]
    results = []
    for order in (edits, edits[::-1]):
        record = record_of(location())
        for edit in order:
            record = after(record, edit(record))
        results.append(shown(record))
    assert results[0] == results[1]


STATES = st.builds(
    StateAt, st.sampled_from(EvseState), st.integers(-5, 5).map(lambda minutes: NOW + timedelta(minutes=minutes))
)


@given(STATES, st.integers(-5, 5), st.booleans())
def test_a_patch_of_an_evse_that_leaves_the_status_alone_leaves_its_time_alone(
    state: StateAt, minutes: int, with_status: bool
) -> None:
    if state.last_updated < NOW:
        state = StateAt(state.state, NOW)
    record = record_of(location(), e1=state)
    minutes = abs(minutes) + 6
    said = pb.Evse(uid="E1", floor_level="2", last_updated=stamp(minutes))
    if with_status:
        said.status = pb.EVSE_STATUS_BLOCKED
    changed = PatchEvse(patch=said, mask=FieldMask(), latest=LATEST)(record)
    assert changed is not None
    expected = StateAt(EvseState.BLOCKED, NOW + timedelta(minutes=minutes)) if with_status else state
    assert changed.states() == {"e1": expected}
    found = shown(after(record, changed)).evses[0]
    assert (found.floor_level, found.last_updated, found.status) == ("2", stamp(minutes), int(expected.state))


UIDS = st.lists(st.sampled_from("abcd"), unique=True)


@given(UIDS, UIDS, st.dictionaries(st.sampled_from("abcd"), STATES))
def test_a_new_version_keeps_every_evse_and_the_newer_of_two_states(
    before: list[str], now: list[str], states: dict[str, StateAt]
) -> None:
    held = {
        uid: max(states.get(uid, StateAt(EvseState.AVAILABLE, NOW)), StateAt(EvseState.AVAILABLE, NOW), key=at)
        for uid in before
    }
    old = record_of(location(evses=[evse(uid) for uid in before]), **held)
    new = location_from_pb(location(minutes=2, evses=[evse(uid, minutes=2) for uid in now]), LATEST)
    kept = PbLocationEditor().keep(new, old)
    found = kept.states()
    assert set(found) == set(before) | set(now)
    said = StateAt(EvseState.AVAILABLE, NOW + timedelta(minutes=2))
    for uid in now:
        assert found[uid] == (held[uid] if uid in held and held[uid].last_updated > said.last_updated else said)
    for uid in set(before) - set(now):
        assert found[uid].state is EvseState.REMOVED
        assert found[uid].last_updated >= held[uid].last_updated
    assert (kept.last_updated, kept.digest) == (new.last_updated, new.digest)
    read = pb.Location.FromString(kept.document)
    assert {each.uid: time_from_pb(each.last_updated) for each in read.evses} == {
        uid: state.last_updated for uid, state in found.items()
    }


def at(state: StateAt) -> tuple[object, ...]:
    return (state.last_updated,)


def test_a_connector_of_a_location_can_be_replaced_as_a_whole() -> None:
    record = record_of(location())
    said = evse("E1", minutes=3, connectors=[connector("9")], floor_level="1")
    changed = PatchEvse(patch=said, mask=FieldMask(paths=["*"]), latest=LATEST)(record)
    assert changed is not None
    assert pb.Location.FromString(changed.document).evses[0] == said


def test_a_patch_of_all_evses_is_like_a_new_version_of_them() -> None:
    record = record_of(
        location(evses=[evse("E1"), evse("E2")]), e1=StateAt(EvseState.CHARGING, NOW + timedelta(minutes=9))
    )
    said = pb.Location(
        country_code="NL",
        party_id="CPO",
        id="LOC1",
        last_updated=stamp(5),
        evses=[evse("E1", minutes=5, floor_level="1")],
    )
    changed = PatchLocation(patch=said, mask=FieldMask(paths=["evses"]), latest=LATEST)(record)
    assert changed is not None
    assert changed.states() == {
        "e1": StateAt(EvseState.CHARGING, NOW + timedelta(minutes=9)),
        "e2": StateAt(EvseState.REMOVED, NOW + timedelta(minutes=5)),
    }
    assert shown(after(record, changed)).evses[0].floor_level == "1"


def test_a_state_does_not_make_an_earlier_change_of_its_location_out_of_date() -> None:
    record = record_of(location(), e1=StateAt(EvseState.CHARGING, NOW + timedelta(minutes=9)))
    for minutes, city in ((3, "Utrecht"), (5, "Delft")):
        changed = patch({"city": city}, minutes, ["city"])(record)
        assert changed is not None
        assert changed.last_updated == NOW + timedelta(minutes=minutes)
        record = after(record, changed)
        assert (shown(record).city, shown(record).last_updated) == (city, stamp(9))
    with pytest.raises(Stale):
        patch({"city": "Gouda"}, 4, ["city"])(record)


def test_patches_that_say_what_is_known_change_nothing() -> None:
    record = record_of(location())
    same_evse = pb.Evse(uid="e1", evse_id="NL*CPO*E1", last_updated=stamp(0))
    assert PatchEvse(patch=same_evse, mask=FieldMask(), latest=LATEST)(record) is None
    same_connector = pb.Connector(id="1", max_voltage=230, last_updated=stamp(0))
    edit = PatchConnector(evse_uid="E1", patch=same_connector, mask=FieldMask(), latest=LATEST)
    assert edit(record) is None
