"""Publishing as a whole, against a small model of what must come of it, and lists that nothing drifts in."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.app.evse_states import StatesReport, update_evse_states
from hub.app.locations import Place, list_locations, put_locations
from hub.domain.errors import HubError
from hub.domain.ids import ObjectId, PartyId
from hub.domain.locations import EvseState, Location, StateAt
from hub.domain.parties import Caller, Party, PartyState, Role
from hub.rpc.location_edit import PbLocationEditor
from hub.rpc.location_wire import current_location, location_from_pb
from hub.rpc.wire import time_from_pb
from tests.catalog import NOW, evse, location
from tests.support import Spine, open_spine

CPO = PartyId("NL", "CPO")
LOC1 = ObjectId(CPO, "LOC1")
CALLER = Caller(platform="cpo")
LATEST = NOW + timedelta(days=1)
PUT = partial(put_locations, editor=PbLocationEditor())


def run(database: Path, scenario: Callable[[Spine], Awaitable[None]]) -> None:
    """Run a scenario on a fresh database; Hypothesis asks for one per example."""

    async def whole() -> None:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(database, Path(folder) / "roamhub.db")
            with open_spine(f"sqlite:///{folder}/roamhub.db") as spine:
                party = Party(id=CPO, number=0, roles=frozenset({Role.CPO}), platform="cpo", state=PartyState.ACTIVE)
                await spine.committer.run(lambda uow: uow.parties.save(party))
                await scenario(spine)

    asyncio.run(whole())


@dataclass(frozen=True)
class Put:
    minutes: int
    evses: dict[str, tuple[EvseState, int]]


@dataclass(frozen=True)
class Report:
    states: list[tuple[str, EvseState, int]]


MINUTES = st.integers(0, 9)
SOME_STATES = st.sampled_from([EvseState.AVAILABLE, EvseState.CHARGING, EvseState.REMOVED])
PUTS = st.builds(Put, MINUTES, st.dictionaries(st.sampled_from("abc"), st.tuples(SOME_STATES, MINUTES), min_size=1))
REPORTS = st.builds(Report, st.lists(st.tuples(st.sampled_from("abcd"), SOME_STATES, MINUTES), min_size=1, max_size=4))


class Model:
    """What the rules say about one location: the later time wins, of equal ones the later to come, nothing vanishes."""

    def __init__(self) -> None:
        self.minutes = -1
        self.said: object = None
        self.states: dict[str, StateAt] = {}

    def put(self, put: Put) -> bool | str:
        if put.minutes < self.minutes:
            return "OUT_OF_DATE"
        if (put.minutes, put) == (self.minutes, self.said):
            return False
        self.minutes, self.said = put.minutes, put
        for uid, (state, minutes) in put.evses.items():
            self._state(uid, StateAt(state, minute(minutes)), new=True)
        for uid, (state, at) in self.states.items():
            if uid not in put.evses and state is not EvseState.REMOVED:
                self.states[uid] = StateAt(EvseState.REMOVED, max(at, minute(put.minutes)))
        return True

    def report(self, report: Report) -> list[bool | str]:
        return [self._state(uid, StateAt(state, minute(minutes))) for uid, state, minutes in report.states]

    def _state(self, uid: str, said: StateAt, *, new: bool = False) -> bool | str:
        held = self.states.get(uid)
        if held is None and not new:
            return "EVSE_NOT_FOUND"
        if held is not None and said.last_updated < held.last_updated:
            return "OUT_OF_DATE"
        self.states[uid] = said
        return said != held


def minute(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def reason(answer: bool | HubError) -> bool | str:
    return answer.reason if isinstance(answer, HubError) else answer


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(PUTS | REPORTS, min_size=1, max_size=12), size=st.integers(1, 12))
def test_whatever_arrives_in_whatever_order_the_latest_word_on_each_evse_holds(
    migrated_sqlite: Path, steps: Sequence[Put | Report], size: int
) -> None:
    async def scenario(spine: Spine) -> None:
        model = Model()
        for start in range(0, len(steps), size):
            # Several puts in one group must do what they do one after the other.
            for step in steps[start : start + size]:
                if isinstance(step, Put):
                    (answer,) = await spine.committer.run_many(PUT, [published(step)])
                    assert reason(answer) == model.put(step)
                else:
                    answers = await spine.committer.run_batched(update_evse_states, reported(step))
                    assert [reason(each) for each in answers] == model.report(step)
        records = await spine.reads.run(lambda uow: uow.locations.records([LOC1]))
        if model.minutes < 0:
            assert not records
            return
        record = records[LOC1]
        assert record.states == model.states
        shown = current_location(record.document, record.states)
        found = {each.uid: StateAt(EvseState(each.status), time_from_pb(each.last_updated)) for each in shown.evses}
        assert found == model.states

    run(migrated_sqlite, scenario)


@settings(max_examples=15, deadline=None)
@given(puts=st.lists(PUTS, min_size=2, max_size=8))
def test_a_group_of_versions_comes_to_the_same_as_one_after_the_other(
    migrated_sqlite: Path, puts: Sequence[Put]
) -> None:
    async def scenario(spine: Spine) -> None:
        model = Model()
        answers = await spine.committer.run_many(PUT, [published(put) for put in puts])
        assert [reason(answer) for answer in answers] == [model.put(put) for put in puts]
        records = await spine.reads.run(lambda uow: uow.locations.records([LOC1]))
        assert records[LOC1].states == model.states

    run(migrated_sqlite, scenario)


def published(put: Put) -> Location:
    evses = [evse(uid, minutes=minutes, status=int(state)) for uid, (state, minutes) in sorted(put.evses.items())]
    return location_from_pb(location(minutes=put.minutes, evses=evses), LATEST)


def reported(report: Report) -> StatesReport:
    states = [(("loc1", uid), StateAt(state, minute(minutes))) for uid, state, minutes in report.states]
    return StatesReport(owner=CPO, states=states, body=lambda _: b"")


NAMES = st.text("abcdeABCDE-*", min_size=1, max_size=3)


@settings(max_examples=20, deadline=None)
@given(
    stable=st.lists(NAMES, max_size=25, unique_by=str.lower),
    others=st.lists(st.tuples(NAMES, st.integers(1, 5)), max_size=25),
    size=st.integers(1, 7),
)
def test_what_stays_unchanged_is_listed_exactly_once_whatever_comes_meanwhile(
    migrated_sqlite: Path, stable: list[str], others: list[tuple[str, int]], size: int
) -> None:
    kept = {name.lower() for name in stable}
    arriving = [(name, minutes) for name, minutes in others if name.lower() not in kept]

    async def put(spine: Spine, *locations: tuple[str, int]) -> None:
        messages = [location_from_pb(location(name, minutes), LATEST) for name, minutes in locations]
        await spine.committer.run_many(PUT, messages)

    async def scenario(spine: Spine) -> None:
        await put(spine, *((name, 0) for name in stable), *arriving[::2])
        seen: list[str] = []
        after: Place | None = None
        while True:
            if arriving:
                name, minutes = arriving.pop()
                await put(spine, (name, minutes))
            page = await spine.reads.run(
                lambda uow, after=after: list_locations(  # type: ignore[misc]
                    uow, CALLER, party=None, updated_since=None, after=after, limit=size
                )
            )
            seen += [record.id.folded for record in page]
            if len(page) < size:
                break
            after = Place(CPO, page[-1].id.folded)
        assert len(seen) == len(set(seen))
        assert kept <= set(seen)
        assert seen == sorted(seen)

    run(migrated_sqlite, scenario)


async def test_publishing_reporting_and_replacing_work_on_both_databases(spine: Spine) -> None:
    party = Party(id=CPO, number=0, roles=frozenset({Role.CPO}), platform="cpo", state=PartyState.ACTIVE)
    await spine.committer.run(lambda uow: uow.parties.save(party))
    first = Put(0, {"a": (EvseState.AVAILABLE, 0), "b": (EvseState.AVAILABLE, 0)})
    busy = Report([("a", EvseState.CHARGING, 5), ("b", EvseState.CHARGING, 1), ("x", EvseState.CHARGING, 1)])
    second = Put(2, {"a": (EvseState.AVAILABLE, 2)})
    model = Model()
    for put in (first, first):
        (answer,) = await spine.committer.run_many(PUT, [published(put)])
        assert reason(answer) == model.put(put)
    answers = await spine.committer.run_batched(update_evse_states, reported(busy))
    assert [reason(each) for each in answers] == model.report(busy) == [True, True, "EVSE_NOT_FOUND"]
    assert [reason(each) for each in await spine.committer.run_many(PUT, [published(second)])] == [model.put(second)]
    records = await spine.reads.run(lambda uow: uow.locations.records([LOC1]))
    assert records[LOC1].states == model.states
    assert {uid: state.state for uid, state in model.states.items()} == {
        "a": EvseState.CHARGING,
        "b": EvseState.REMOVED,
    }


async def test_a_large_report_names_every_state_of_two_thousand_evses(spine: Spine) -> None:
    party = Party(id=CPO, number=0, roles=frozenset({Role.CPO}), platform="cpo", state=PartyState.ACTIVE)
    await spine.committer.run(lambda uow: uow.parties.save(party))
    uids = [f"e{n}" for n in range(1_000)]
    message = location(evses=[evse(uid) for uid in uids])
    await spine.committer.run_many(PUT, [location_from_pb(message, LATEST)])
    report = Report([(uid, EvseState.BLOCKED, 1) for uid in [*uids, *uids, "nix"]])
    answers = await spine.committer.run_batched(update_evse_states, reported(report))
    assert [reason(each) for each in answers] == [True] * 1_000 + [False] * 1_000 + ["EVSE_NOT_FOUND"]
