"""The spine under concurrency: whatever runs beside whatever, the journal has no gap and nothing is half done."""

import asyncio
import itertools
import math
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.app.ports.uow import UnitOfWork
from hub.domain.errors import Conflict, HubError, Precondition
from hub.domain.ids import PartyId
from hub.domain.journal import Entry, EntryKind, Fact, Receipt, Stream
from hub.domain.parties import Party, PartyState, Role
from hub.store.tables.parties import PartyRow
from hub.store.tables.spine import EntryRow, IdempotencyRow
from tests.stored import check_journal, contents, read_rows
from tests.support import Spine, open_spine

#: Each example runs against the database as the last one left it, which is what a hub does too.
EXAMPLES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

NUMBERS = itertools.count(1)
STREAMS = st.sampled_from(Stream)
#: What a request wants: to be recorded, to be refused, to break off, to violate a constraint, to hand the database
#: what it cannot hold, or to stop an iteration that nobody began.
WISHES = st.sampled_from(["well", "well", "well", "refused", "breaks", "violates", "unholdable", "stops"])


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One request: what it appends, and how it is meant to end."""

    label: str
    stream: Stream
    facts: int
    wish: str
    party: bool = False

    @property
    def subjects(self) -> list[str]:
        return [f"{self.label}/{number}" for number in range(self.facts)]


@dataclass(frozen=True, kw_only=True)
class Round:
    """What is sent at once: plain use cases, hot ones alone, yet unread and in batches; to which committer each."""

    calls: Sequence[tuple[str, int, Sequence[Wish]]]

    @property
    def wishes(self) -> Iterator[Wish]:
        for _, _, wishes in self.calls:
            yield from wishes


def _wish(stream: Stream, facts: int, wish: str, party: bool) -> Wish:
    return Wish(label=f"w{next(NUMBERS)}", stream=stream, facts=facts, wish=wish, party=party)


def rounds(committers: int = 1) -> st.SearchStrategy[Round]:
    """Return a strategy of what is sent at once to so many committers."""
    whom = st.integers(0, committers - 1)
    one = st.builds(_wish, STREAMS, st.integers(0, 3), WISHES, st.booleans())
    hot = st.builds(_wish, STREAMS, st.integers(0, 3), WISHES, st.just(False))
    call = st.one_of(
        st.tuples(st.just("plain"), whom, st.lists(one, min_size=1, max_size=1)),
        st.tuples(st.just("hot"), whom, st.lists(hot, min_size=1, max_size=1)),
        st.tuples(st.just("unread"), whom, st.lists(hot, min_size=1, max_size=1)),
        st.tuples(st.just("batch"), whom, st.lists(hot, min_size=1, max_size=6)),
    )
    return st.lists(call, min_size=1, max_size=25).map(lambda calls: Round(calls=calls))


def fulfil(uow: UnitOfWork, wish: Wish) -> list[Receipt]:
    """Do all that a request does, and end as it is meant to."""
    if wish.wish == "refused":
        raise Precondition("REFUSED", "as it was meant to be")
    if wish.party:
        uow.parties.save(make_party())
    receipts = [uow.journal.append(wish.stream, fact(subject)) for subject in wish.subjects]
    uow.idempotency.remember("tests", wish.label, b"", b"")
    match wish.wish:
        case "breaks":
            raise ZeroDivisionError(wish.label)
        case "violates":
            uow.idempotency.remember("tests", wish.label, b"", b"twice")
        case "unholdable":
            uow.idempotency.remember("tests", wish.label + "\0", 1 << 70, b"")  # type: ignore[arg-type]
        case "stops":
            next(iter(()))
        case _:
            pass
    return receipts


def fulfil_many(uow: UnitOfWork, wishes: Sequence[Wish]) -> list[list[Receipt] | HubError]:
    """Do many; a refusal is an answer of its own, anything else breaks off the whole call."""
    answers: list[list[Receipt] | HubError] = []
    for wish in wishes:
        try:
            answers.append(fulfil(uow, wish))
        except HubError as refusal:
            answers.append(refusal)
    return answers


def read_wishes(wishes: Sequence[Wish]) -> list[Wish | HubError]:
    """Read many: what is to be refused is refused here, and what is to break off breaks the reading of all."""
    if any(wish.wish == "breaks" for wish in wishes):
        raise ZeroDivisionError
    return [Precondition("REFUSED", "as it was meant to be") if wish.wish == "refused" else wish for wish in wishes]


def fact(subject: str) -> Fact:
    return Fact(kind=EntryKind.PARTY, owner=None, subject=subject, body=subject.encode())


def make_party() -> Party:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    number = next(NUMBERS)
    name = "".join(digits[number // 36**place % 36] for place in range(3))
    return Party(id=PartyId("NL", name), number=0, roles=frozenset({Role.CPO}), platform=name, state=PartyState.ACTIVE)


#: The answer of each request: its receipts, or what it failed with.
Answers = dict[str, list[Receipt] | BaseException]


async def send(spine: Spine, round_: Round, whom: int) -> Answers:
    """Send what a round holds for one committer, all at once."""

    async def call(kind: str, wishes: Sequence[Wish]) -> Answers:
        answers: Sequence[Any]
        try:
            if kind == "plain":
                answers = [await spine.committer.run(lambda uow: fulfil(uow, wishes[0]))]
            elif kind == "hot":
                answers = [await spine.committer.run_batched(fulfil_many, wishes[0])]
            elif kind == "unread":
                answers = [await spine.committer.run_unread(fulfil_many, wishes[0], read_wishes)]
            else:
                answers = await spine.committer.run_many(fulfil_many, wishes)
        except Exception as error:  # noqa: BLE001
            answers = [error] * len(wishes)
        return {wish.label: answer for wish, answer in zip(wishes, answers, strict=True)}

    answered: Answers = {}
    for part in await asyncio.gather(*(call(kind, wishes) for kind, to, wishes in round_.calls if to == whom)):
        answered |= part
    return answered


def check(spine: Spine, round_: Round, answers: Answers) -> None:
    """Compare what is stored with what was answered."""
    check_journal(spine.engine)
    entries = {(row.stream, row.idx): row for row in read_rows(spine.engine, EntryRow, "stream", "idx")}
    remembered = {row.request_id for row in read_rows(spine.engine, IdempotencyRow, "request_id")}
    subjects = [row.subject for row in entries.values()]
    broken = {
        wish.label
        for kind, _, wishes in round_.calls
        if kind == "batch" and any(wish.wish not in {"well", "refused"} for wish in wishes)
        for wish in wishes
    }
    for wish in round_.wishes:
        answer, happened = answers[wish.label], wish.wish == "well"
        assert subjects.count(wish.label + "/0") == (happened and wish.facts > 0)
        assert (wish.label in remembered) == happened
        if wish.label not in broken:
            assert isinstance(answer, list) == happened, answer
        if isinstance(answer, list):
            assert [receipt.index for receipt in answer] == list(
                range(answer[0].index if answer else 0, (answer[0].index if answer else 0) + wish.facts)
            )
            for receipt, subject in zip(answer, wish.subjects, strict=True):
                entry = entries[wish.stream, receipt.index]
                assert (entry.subject, bytes(entry.leaf_hash)) == (subject, receipt.leaf_hash)
        elif wish.wish in {"refused", "violates"} and wish.label not in broken:
            assert isinstance(answer, Precondition if wish.wish == "refused" else Conflict)


class Watcher:
    """Reads the journal over and over while others write; what it sees must be whole at every moment."""

    def __init__(self, spine: Spine) -> None:
        self._spine = spine
        self._seen = dict.fromkeys(Stream, -1)
        self.subjects: dict[Stream, list[str]] = {stream: [] for stream in Stream}

    async def look(self) -> None:
        for stream in Stream:
            after = self._seen[stream]
            head, entries = await self._spine.reads.run(
                lambda uow, stream=stream, after=after: (  # type: ignore[misc]
                    uow.journal.head(stream),
                    uow.journal.read(stream, after, 10_000),
                )
            )
            assert [entry.index for entry in entries] == list(range(after + 1, head)), "an index came late"
            self._seen[stream] = head - 1
            self.subjects[stream] += [entry.fact.subject for entry in entries]

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(0)


@dataclass
class Pair:
    """Two committers over one database, each as its own process would have it, and what each has published."""

    first: Spine
    second: Spine
    published: list[list[Entry]] = field(default_factory=list)


@pytest.fixture
def pair(database: str) -> Iterator[Pair]:
    """Return two committers over one fresh database, once of each kind."""
    published: list[list[Entry]] = [[], []]
    with (
        open_spine(database, on_commit=published[0].extend) as first,
        open_spine(database, on_commit=published[1].extend, first_id=1 << 40) as second,
    ):
        yield Pair(first, second, published)


def in_a_thread(work: Callable[[], Awaitable[Answers]]) -> Awaitable[Answers]:
    """Run a coroutine on an event loop of its own, in a thread of its own, as another process would."""

    async def run() -> Answers:
        return await work()

    return asyncio.to_thread(asyncio.run, run())


@EXAMPLES
@given(round_=rounds())
async def test_whatever_runs_together_the_journal_has_no_gap_and_nothing_is_half_done(
    spine: Spine, round_: Round
) -> None:
    watcher = Watcher(spine)
    await watcher.look()
    watching = asyncio.create_task(watcher.run())
    try:
        answers = await send(spine, round_, 0)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    check(spine, round_, answers)


@EXAMPLES
@given(round_=rounds(committers=2))
async def test_two_committers_over_one_database_share_one_journal(pair: Pair, round_: Round) -> None:
    first, second = await asyncio.gather(send(pair.first, round_, 0), in_a_thread(lambda: send(pair.second, round_, 1)))
    check(pair.first, round_, first | second)
    stored = {(row.stream, row.idx): row.subject for row in read_rows(pair.first.engine, EntryRow, "stream", "idx")}
    told = {(e.stream, e.index): e.fact.subject for entries in pair.published for e in entries}
    assert told == stored, "what the watchers are told is what was committed"
    for entries in pair.published:
        for stream in Stream:
            indexes = [entry.index for entry in entries if entry.stream is stream]
            assert indexes == sorted(indexes)


@EXAMPLES
@given(round_=rounds().filter(lambda round_: all(wish.wish != "well" for wish in round_.wishes)))
async def test_use_cases_that_fail_leave_the_database_as_it_was(spine: Spine, round_: Round) -> None:
    before, directory = contents(spine.engine), spine.directory.current
    await send(spine, round_, 0)
    assert contents(spine.engine) == before
    assert spine.directory.current is directory


@EXAMPLES
@given(saves=st.lists(st.tuples(st.integers(0, 1), st.booleans()), min_size=1, max_size=8))
async def test_each_committer_works_with_the_directory_as_the_other_left_it(
    pair: Pair, saves: list[tuple[int, bool]]
) -> None:
    spines = (pair.first, pair.second)
    version = (await pair.first.committer.run(lambda uow: uow.directory)).version
    for whom, fails in saves:
        party = make_party()

        def save(uow: UnitOfWork, party: Party = party, *, fails: bool = fails) -> Party:
            saved = uow.parties.save(party)
            assert uow.directory.parties[party.id] == saved
            if fails:
                raise ZeroDivisionError
            return saved

        if fails:
            with pytest.raises(ZeroDivisionError):
                await spines[whom].committer.run(save)
        else:
            await spines[whom].committer.run(save)
            version += 1
        seen = [await each.committer.run(lambda uow: uow.directory) for each in spines]
        seen += [await each.reads.run(lambda uow: uow.directory) for each in spines]
        seen += [each.directory.current for each in spines]
        assert all(directory == seen[0] for directory in seen)
        assert (party.id in seen[0].parties, seen[0].version) == (not fails, version)
    numbers = [row.number for row in read_rows(pair.first.engine, PartyRow, "number")]
    assert numbers == list(range(1, len(numbers) + 1)), "no number is given twice, or left out"


async def test_a_clock_that_is_behind_does_not_turn_the_journal_back(pair: Pair) -> None:
    pair.first.clock.advance(seconds=30)
    for spine in (pair.first, pair.second, pair.first):
        await spine.committer.run(lambda uow: uow.journal.append(Stream.REGISTRY, fact("tick")))
    check_journal(pair.first.engine)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("last_commit", "where"), [(0.0001, "loop"), (0.002, "thread"), (math.inf, "thread")])
async def test_a_lone_caller_is_committed_for_on_the_loop_while_the_disk_is_quick(
    spine: Spine, monkeypatch: pytest.MonkeyPatch, last_commit: float, where: str
) -> None:
    await spine.committer.run(lambda uow: uow.journal.append(Stream.REGISTRY, fact("before")))
    runner, seen = spine.committer._runner, []
    commit = runner.commit

    def watched(group: Sequence[Any]) -> None:
        seen.append("loop" if threading.current_thread() is threading.main_thread() else "thread")
        commit(group)

    monkeypatch.setattr(runner, "commit", watched)
    await asyncio.sleep(0.01)  # the hub is idle
    runner.commit_seconds = last_commit
    await spine.committer.run(lambda uow: uow.journal.append(Stream.REGISTRY, fact("alone")))
    assert seen == [where]
    runner.commit_seconds = last_commit
    monkeypatch.setattr(spine.committer, "_ended", math.inf)  # the hub is anything but idle
    await asyncio.gather(
        *(spine.committer.run(lambda uow: uow.journal.append(Stream.REGISTRY, fact("two"))) for _ in range(2))
    )
    assert seen[1:] == ["thread"]
    check_journal(spine.engine)


async def test_what_a_watcher_makes_of_a_commit_does_not_reach_the_lone_caller(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    def stumbles(entries: Sequence[Entry]) -> None:
        raise ZeroDivisionError

    with open_spine(database, on_commit=stumbles) as spine:
        for _ in range(2):
            await asyncio.sleep(0.01)  # the hub is idle
            spine.committer._runner.commit_seconds = 0
            receipt = await spine.committer.run(lambda uow: uow.journal.append(Stream.REGISTRY, fact("alone")))
            assert receipt.index >= 0
        check_journal(spine.engine)
    assert "ZeroDivisionError" in caplog.text


async def test_requests_that_wait_together_are_read_together_and_none_is_read_in_a_transaction(spine: Spine) -> None:
    readings: list[int] = []
    inside = False

    def read(requests: Sequence[int]) -> list[int]:
        assert not inside
        readings.append(len(requests))
        return [request * 10 for request in requests]

    def answer(uow: UnitOfWork, requests: Sequence[int]) -> list[int | HubError]:
        nonlocal inside
        inside = True
        answers: list[int | HubError] = [request + 1 for request in requests]
        inside = False
        return answers

    spine.committer._ended = math.inf  # the hub is anything but idle: they share a group
    answers = await asyncio.gather(*(spine.committer.run_unread(answer, number, read) for number in range(8)))
    assert answers == [number * 10 + 1 for number in range(8)]
    assert sum(readings) == 8
    assert max(readings) > 1


async def test_a_group_of_which_nothing_could_be_read_keeps_nobody_waiting(spine: Spine) -> None:
    def read(requests: Sequence[str]) -> list[str | HubError]:
        return [Precondition("REFUSED", "as it was meant to be") for _ in requests]

    def answer(uow: UnitOfWork, requests: Sequence[str]) -> list[str | HubError]:
        raise AssertionError("nothing was left to run")

    refused = [spine.committer.run_unread(answer, "", read) for _ in range(3)]
    outcomes = await asyncio.gather(*refused, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Precondition] * 3
    assert await spine.committer.run(lambda uow: "next") == "next"
