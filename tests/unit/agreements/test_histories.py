"""Any history of calls by the two sides and the clock keeps what an agreement promises."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.app import agreements as use_cases
from hub.app.agreements import Change
from hub.app.directory import Directory
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement, AgreementState, Service, Terms
from hub.domain.clearing.periods import Period
from hub.domain.errors import HubError
from hub.domain.ids import PartyId
from hub.domain.journal import Fact, Stream
from hub.domain.parties import Party, PartyState, Role
from tests.unit.agreements.making import CPO, EMSP, NOW, clearing_settings, terms

S = AgreementState
IN_FORCE, ON_ITS_WAY = (S.ACTIVE, S.SUSPENDED), (S.PROPOSED, S.ACCEPTED)
HOUR = timedelta(hours=1)
PARTIES = [
    Party(id=CPO, number=1, roles=frozenset({Role.CPO}), platform="cpo", state=PartyState.ACTIVE),
    Party(id=EMSP, number=2, roles=frozenset({Role.EMSP}), platform="emsp", state=PartyState.ACTIVE),
]


@dataclass
class Memory:
    """A unit of work in memory: agreements by (id, version) and the facts appended."""

    now: datetime = NOW
    held: dict[tuple[str, int], Agreement] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)

    periods: dict[str, Period] = field(default_factory=dict)
    directory: Directory = field(default_factory=lambda: Directory.of(version=0, parties=PARTIES))

    def whole_directory(self) -> Directory:
        return Directory.of(version=self.directory.version, parties=PARTIES, agreements=self._current())

    def _current(self) -> list[Agreement]:
        return [a for a in self.held.values() if a.state is not S.SUPERSEDED]

    @property
    def agreements(self) -> "Memory":
        return self

    @property
    def clearing(self) -> "Memory":
        return self

    def last_period(self, agreement: str) -> Period | None:
        return max(
            (p for p in self.periods.values() if p.agreement == agreement), key=lambda p: p.first_index, default=None
        )

    def period(self, name: str) -> Period | None:
        return self.periods.get(name)

    def save_period(self, period: Period) -> None:
        assert period.name not in self.periods, "an open period is left as it is"
        self.periods[period.name] = period

    @property
    def journal(self) -> "Memory":
        return self

    def new_id(self) -> str:
        return f"{len(self.held):04}"

    def append(self, _: Stream, fact: Fact) -> None:
        self.facts.append(fact)

    def versions(self, agreement_id: str) -> Sequence[Agreement]:
        return [a for (each, _), a in sorted(self.held.items()) if each == agreement_id]

    def living(self, cpo: PartyId, emsp: PartyId) -> Sequence[Agreement]:
        return [a for a in self.held.values() if a.pair == (cpo, emsp) and a.state in IN_FORCE + ON_ITS_WAY]

    def page(self, parties: Collection[PartyId], **_: Any) -> Sequence[Agreement]:
        raise NotImplementedError

    def save(self, *agreements: Agreement) -> None:
        for agreement in agreements:
            before = self.held.get((agreement.id, agreement.version))
            assert before is None or before.terms == agreement.terms, "terms never change within a version"
            assert before is None or before.state not in (S.DECLINED, S.TERMINATED, S.SUPERSEDED), "over is over"
            self.held[agreement.id, agreement.version] = agreement
        self.directory = self.directory.followed_by(
            version=self.directory.version + 1, parties=PARTIES, agreements=self._current(), revoked=()
        )


def encode(agreement: Agreement) -> bytes:
    return f"{agreement.id} {agreement.version} {agreement.state}".encode()


sides = st.sampled_from([CPO, EMSP])
offers = st.builds(lambda start, length: (start, length), st.integers(-2, 4), st.none() | st.integers(1, 6))
steps = st.one_of(
    st.tuples(st.just("propose"), sides, offers),
    st.tuples(st.just("amend"), sides, offers),
    st.tuples(st.sampled_from(["accept", "accept", "accept", "decline"]), sides, st.sampled_from([0, 0, 0, 1])),
    st.tuples(st.sampled_from(["suspend", "resume", "terminate"]), sides, st.none()),
    st.tuples(st.just("wait"), sides, st.integers(1, 3)),
    st.tuples(st.just("tick"), sides, st.none()),
)


#: Most calls of a random history would be refused for want of an agreement: it starts with one, more often than not.
AGREED: list[tuple[str, PartyId, Any]] = [("propose", CPO, (0, None)), ("accept", EMSP, 0)]
#: Both sides have accepted a version that starts later.
TO_COME = [*AGREED, ("amend", EMSP, (2, 3)), ("accept", CPO, 0)]
#: The version in force ends as the next one starts.
TURNING = [("propose", CPO, (0, 2)), ("accept", EMSP, 0), ("amend", EMSP, (2, None)), ("accept", CPO, 0)]
histories = st.builds(
    lambda first, rest: [*first, *rest], st.sampled_from([[], AGREED, TO_COME, TURNING]), st.lists(steps, max_size=20)
)


def offered(memory: Memory, offer: tuple[int, int | None]) -> Terms:
    start, length = memory.now + offer[0] * HOUR, offer[1]
    return terms(start=start, end=None if length is None else start + length * HOUR)


def do(memory: Memory, name: str, party: PartyId, detail: Any) -> None:
    uow = cast(UnitOfWork, memory)
    newest = max(memory.held.values(), key=lambda a: (a.id, a.version), default=None)
    change = Change(party=party, agreement_id="none" if newest is None else newest.id)
    if name == "propose":
        use_cases.propose(uow, (CPO, EMSP), party, offered(memory, detail), encode)
    elif name == "amend":
        use_cases.amend(uow, change, offered(memory, detail), encode)
    elif name == "wait":
        memory.now += detail * HOUR
    elif name == "tick":
        use_cases.follow_clock(uow, encode, clearing_settings())
    elif name in ("accept", "decline"):
        answered = replace(change, version=detail or (1 if newest is None else newest.version))
        if name == "accept":
            use_cases.accept(uow, answered, encode, clearing_settings())
        else:
            use_cases.decline(uow, answered, encode)
    else:
        getattr(use_cases, name)(uow, change, encode)


def check(memory: Memory, accepted: set[tuple[str, int]]) -> None:
    every = list(memory.held.values())
    assert sum(a.state in IN_FORCE for a in every) <= 1
    assert sum(a.state in ON_ITS_WAY for a in every) <= 1
    for agreement_id in {a.id for a in every}:
        numbers = [a.version for a in memory.versions(agreement_id)]
        assert numbers == list(range(1, len(numbers) + 1))
    for version in every:
        if version.state in (*IN_FORCE, S.ACCEPTED):
            assert (version.id, version.version) in accepted, "in force though only one side agreed"
        if version.state in IN_FORCE:
            assert (version.state is S.SUSPENDED) == bool(version.suspended_by)
            assert version.since is not None
            assert version.terms.start <= memory.now
    opened = sorted(period.agreement for period in memory.periods.values())
    assert opened == sorted({a.name for a in every if a.since is not None}), "one period for each that was in force"
    directory = memory.directory
    assert directory == memory.whole_directory(), "read piece by piece it says the same as read whole"
    current = directory.active_agreement(CPO, EMSP, memory.now)
    no = directory.why_not(CPO, EMSP, Service.ROAMING, memory.now)
    assert (current is None) == (no is not None), "refused exactly when no agreement is in force"
    if current is not None:
        assert current.within(memory.now)
        assert directory.agreement_covering(CPO, EMSP, memory.now) is not None
    visible = directory.partners_of("cpo") == {CPO, EMSP}
    assert visible == any(a.state is S.ACTIVE for a in every)


@settings(max_examples=300)
@given(histories)
def test_no_history_breaks_what_an_agreement_promises(history: list[tuple[str, PartyId, Any]]) -> None:
    memory, accepted, holding = Memory(), set[tuple[str, int]](), set[PartyId]()
    for name, party, detail in history:
        before, facts = dict(memory.held), len(memory.facts)
        try:
            do(memory, name, party, detail)
        except HubError:
            assert (memory.held, len(memory.facts)) == (before, facts), "what is refused leaves no trace"
            continue
        changed = {key for key, a in memory.held.items() if before.get(key) is not a}
        assert len(memory.facts) - facts == len(changed), "one fact for each change"
        for key in changed:
            after = memory.held[key]
            if name == "accept" and after.state in (*IN_FORCE, S.ACCEPTED):
                assert party != after.proposer, "the proposer does not accept for the other side"
                assert after.terms.end is None or after.terms.end > memory.now, "what has run out is not accepted"
                accepted.add(key)
        if name in ("suspend", "resume"):
            (holding.add if name == "suspend" else holding.discard)(party)
        if all(a.state not in IN_FORCE for a in memory.held.values()):
            holding.clear()
        check(memory, accepted)
        if holding:
            assert memory.directory.active_agreement(CPO, EMSP, memory.now) is None, "held back until all resume"


@settings(max_examples=100)
@given(histories)
def test_the_clock_settles_in_one_run_and_then_rests(history: list[tuple[str, PartyId, Any]]) -> None:
    memory = Memory()
    for name, party, detail in history:
        try:
            do(memory, name, party, detail)
        except HubError:
            continue
    uow = cast(UnitOfWork, memory)
    for _ in range(3):
        if not use_cases.follow_clock(uow, encode, clearing_settings()):
            break
    else:
        pytest.fail("the clock never rests")
    due = use_cases.next_due(memory.directory)
    assert due is None or due > memory.now
