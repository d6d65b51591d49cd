"""Overlaps and duplicates on both databases, held to a model that compares every charge with every other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roamhub.v1 import cdr_object_pb2, cdr_pb2
from sqlalchemy import delete, inspect

from hub.app.cdrs.standings import Decision, Review, review
from hub.app.cdrs.submit import CdrSubmission
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement, AgreementState, CheckAction, Terms
from hub.domain.cdrs.checks import Check
from hub.domain.cdrs.record import CdrAnswer, CdrState, Severity
from hub.domain.errors import HubError
from hub.domain.ids import ObjectId, PartyId
from hub.domain.parties import Party, PartyState, Role
from hub.rpc.cdr_wire import submission_from_pb
from hub.rpc.cdrs import submit as submit_cdrs
from hub.store import schema
from hub.store.tables.spans import ChargeSpanRow
from tests.cdrs import NOW, credit_of, make_cdr, number, stamp
from tests.contract.test_migrations import downgrade
from tests.stored import read_rows
from tests.support import Spine, open_spine
from tests.unit.clearing import making_cdrs
from tests.unit.clearing.test_neighbour_checks import OVERLAPS, TWINS

CPOS = PartyId("NL", "CPO"), PartyId("BE", "CPO")
EMSPS = PartyId("DE", "MSP"), PartyId("FR", "MSP")
LOOKED_AT = ("NEAR_DUPLICATE", "TOKEN_OVERLAP", "EVSE_OVERLAP")
#: With the first eMSP everything is accepted; with the second one, duplicates are returned.
CHECKS = [
    {
        str(check): CheckAction.WARN if check in LOOKED_AT else CheckAction.ACCEPT
        for check in Check
        if check[:6] != "CREDIT"
    },
    {str(check): CheckAction.ACCEPT for check in Check if check not in LOOKED_AT and check[:6] != "CREDIT"}
    | {"CURRENCY_MISMATCH": CheckAction.QUARANTINE},
]
#: Near an edge of the slots in which spans are stored, half a year ago.
EDGE = datetime.fromtimestamp(int(NOW.timestamp()) // (4 * 86_400) * (4 * 86_400) - 180 * 86_400, tz=NOW.tzinfo)
ROUNDS = iter(range(1_000_000))


def prepare(uow: UnitOfWork) -> None:
    """Let everybody roam with everybody."""
    for each, role in [*((cpo, Role.CPO) for cpo in CPOS), *((emsp, Role.EMSP) for emsp in EMSPS)]:
        party = Party(id=each, number=0, roles=frozenset({role}), platform=str(each), state=PartyState.ACTIVE)
        uow.parties.save(party)
    for cpo in CPOS:
        for emsp, checks in zip(EMSPS, CHECKS, strict=True):
            terms = Terms(currency="EUR", checks=checks)
            uow.agreements.save(
                Agreement(
                    id=f"{cpo}-{emsp}".lower(),
                    version=1,
                    cpo=cpo,
                    emsp=emsp,
                    state=AgreementState.ACTIVE,
                    terms=terms,
                    proposer=cpo,
                    since=terms.start,
                )
            )


@pytest.fixture
async def pair(database: str) -> Any:
    """Two committers over one database."""
    with open_spine(database) as first, open_spine(database, first_id=1 << 40) as second:
        for spine in (first, second):
            spine.clock.now = NOW
        await first.committer.run(prepare)
        yield first, second


@dataclass(frozen=True)
class Sent:
    """A charge to be sent, in minutes after `EDGE` and kWh, or the credit of the one sent so long before."""

    cpo: int
    emsp: int
    token: int
    evse: int
    session: str
    start: int
    minutes: int
    energy: int
    credits: int = 0


CHARGES = st.builds(
    Sent,
    cpo=st.integers(0, 1),
    emsp=st.integers(0, 1),
    token=st.integers(1, 2),
    evse=st.integers(1, 2),
    session=st.sampled_from(["", "", "S1", "S2", "s1"]),
    start=st.one_of(st.integers(-3, 3), st.integers(-300, 300), st.integers(-20, 20).map(lambda days: days * 720)),
    minutes=st.one_of(st.integers(0, 4), st.integers(0, 300), st.integers(0, 20).map(lambda days: days * 720)),
    energy=st.sampled_from([0, 1, 1, 2]),
)
CREDITS = st.builds(Sent, *[st.just(0)] * 4, st.just(""), *[st.just(0)] * 3, credits=st.integers(1, 4))
#: What is sent in one call, and to which of two hub processes.
CALLS = st.lists(
    st.tuples(st.integers(0, 1), st.lists(st.one_of(CHARGES, CHARGES, CREDITS), min_size=1, max_size=8)),
    min_size=1,
    max_size=6,
)


@dataclass
class Model:
    """What was accepted and not credited, compared by brute force."""

    round_: int
    sent: list[tuple[str, Sent]] = field(default_factory=list)
    live: dict[str, Sent] = field(default_factory=dict)

    def message(self, name: str, sent: Sent) -> cdr_object_pb2.Cdr | None:
        """Return the CDR; None for a credit of nothing."""
        if sent.credits:
            if len(self.sent) < sent.credits:
                return None
            original, charge = self.sent[-sent.credits]
            made = self.message(original, charge)
            return credit_of(made, name) if made is not None else None
        made = make_cdr(name)
        made.country_code, made.party_id = CPOS[sent.cpo].country_code, CPOS[sent.cpo].party_id
        token = made.cdr_token
        token.country_code, token.party_id = EMSPS[sent.emsp].country_code, EMSPS[sent.emsp].party_id
        token.uid, made.cdr_location.evse_uid = f"T{self.round_}-{sent.token}", f"E{self.round_}-{sent.evse}"
        made.session_id = f"{sent.session}-{self.round_}" if sent.session else ""
        made.start_date_time.CopyFrom(stamp(EDGE + timedelta(minutes=sent.start)))
        made.end_date_time.CopyFrom(stamp(EDGE + timedelta(minutes=sent.start + sent.minutes)))
        made.charging_periods[0].start_date_time.CopyFrom(made.start_date_time)
        made.total_energy.CopyFrom(number(str(sent.energy)))
        return made

    def expected(self, sent: Sent) -> dict[str, set[str]]:
        """Return the ids of the charges with which each check finds something; what others may not know is empty."""
        found: dict[str, set[str]] = {}
        for name, other in self.live.items():
            told = name if (sent.cpo, sent.emsp) == (other.cpo, other.emsp) else "another CDR"
            token = (sent.emsp, sent.token) == (other.emsp, other.token)
            evse = (sent.cpo, sent.evse) == (other.cpo, other.evse)
            common = min(s.start + s.minutes for s in (sent, other)) - max(sent.start, other.start)
            apart = abs(sent.start - other.start)
            if sent.session or other.session:
                same = sent.cpo == other.cpo and sent.session.lower() == other.session.lower() and apart <= 720
                twin = same and (token or evse)
            else:
                twin = token and evse and sent.energy == other.energy and apart <= (1 if sent.energy else 0)
            for code, holds in zip(LOOKED_AT, (twin, token and common > 1, evse and common > 1), strict=True):
                if holds:
                    found.setdefault(code, set()).add(told)
        return found


def told(answer: CdrAnswer) -> dict[str, str]:
    """Return the other charge that each finding names."""
    return {
        finding.code: finding.message.removeprefix("the session was accepted as ").rpartition(" in ")[2]
        for finding in answer.findings
        if finding.code in LOOKED_AT
    }


def submissions(model: Model, batch: Sequence[Sent]) -> Iterator[tuple[str, Sent, CdrSubmission]]:
    for sent in batch:
        name = f"R{model.round_}-{len(model.sent)}"
        message = model.message(name, sent)
        if message is not None:
            request = cdr_pb2.SubmitCdrRequest(request_id=str(uuid4()), cdr=message)
            model.sent.append((name, sent if not sent.credits else model.sent[-sent.credits][1]))
            yield name, sent, submission_from_pb(request, "nl-cpo")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(calls=CALLS)
async def test_overlaps_and_duplicates_are_found_where_they_are_and_nowhere_else(
    pair: tuple[Spine, Spine], calls: list[tuple[int, list[Sent]]]
) -> None:
    model = Model(next(ROUNDS))
    indexes: dict[str, int] = {}
    for whom, batch in calls:
        sent = list(submissions(model, batch))
        answers: Sequence[CdrAnswer | HubError] = await pair[whom].committer.run_many(
            submit_cdrs, [submission for _, _, submission in sent]
        )
        for (name, charge, submission), answer in zip(sent, answers, strict=True):
            assert isinstance(answer, CdrAnswer), answer
            if charge.credits:
                if answer.state is CdrState.ACCEPTED:
                    assert model.live.pop(submission.cdr.credit_of) is not None
                continue
            expected, found = model.expected(charge), told(answer)
            assert found.keys() == expected.keys()
            assert all(found[code] in expected[code] for code in found)
            returned = charge.emsp == 1 and "NEAR_DUPLICATE" in expected
            assert answer.state is (CdrState.RETURNED if returned else CdrState.ACCEPTED)
            if not returned:
                model.live[name], indexes[name] = charge, answer.receipt.index
    kept = {row.idx for row in read_rows(pair[0].engine, ChargeSpanRow)} & set(indexes.values())
    assert kept == {indexes[name] for name in model.live}


def charge(name: str, **changes: Any) -> cdr_object_pb2.Cdr:
    made = make_cdr(name)
    for path, value in changes.items():
        owner: Any = made
        *steps, last = path.split("__")
        for step in steps:
            owner = getattr(owner, step)
        setattr(owner, last, value)
    return made


async def submit(spine: Spine, *cdrs: cdr_object_pb2.Cdr) -> list[CdrAnswer]:
    batch = [submission_from_pb(cdr_pb2.SubmitCdrRequest(request_id=str(uuid4()), cdr=cdr), "nl-cpo") for cdr in cdrs]
    answers = await spine.committer.run_many(submit_cdrs, batch)
    assert all(isinstance(answer, CdrAnswer) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, CdrAnswer)]


async def test_the_edges_of_overlaps_are_the_same_on_record_and_in_a_batch(pair: tuple[Spine, Spine]) -> None:
    for together in (False, True):
        for case, (start, end, expected) in enumerate(OVERLAPS.values()):
            for order in (1, -1):
                name = f"{together}-{case}-{order}"
                first, other = [
                    made_at(f"{name}-{each}", f"E-{name}", minutes)
                    for each, minutes in enumerate([(0, 60), (start, end)][::order])
                ]
                answers = await submit(pair[0], *([first, other] if together else [first]))
                answers += [] if together else await submit(pair[1], other)
                assert ("EVSE_OVERLAP" in told(answers[1])) is expected, (name, start, end)


async def test_the_edges_of_twins_are_the_same_on_record_and_in_a_batch(pair: tuple[Spine, Spine]) -> None:
    for together in (False, True):
        for rule, (one, other, expected) in TWINS.items():
            with pair[0].engine.begin() as connection:
                connection.execute(delete(ChargeSpanRow))
            both = [
                CdrSubmission(
                    platform="nl-cpo",
                    request_id=str(uuid4()),
                    cdr=making_cdrs.charge(name, digest=name.encode(), **changes),
                )
                for name, changes in ((f"{rule}-{together}-1", one), (f"{rule}-{together}-2", other))
            ]
            groups = [both] if together else [[each] for each in both]
            answers = [answer for group in groups for answer in await pair[0].committer.run_many(submit_cdrs, group)]
            last = answers[1]
            assert isinstance(last, CdrAnswer), last
            assert ("NEAR_DUPLICATE" in told(last)) is expected, rule


def made_at(name: str, evse: str, minutes: tuple[float, float]) -> cdr_object_pb2.Cdr:
    """Return a charge of a token of its own at an EVSE, from and to so many minutes after a time."""
    start, end = (stamp(EDGE + timedelta(minutes=each)) for each in minutes)
    made = charge(name, cdr_location__evse_uid=evse, cdr_token__uid=name)
    made.start_date_time.CopyFrom(start)
    made.end_date_time.CopyFrom(end)
    made.charging_periods[0].start_date_time.CopyFrom(start)
    return made


async def test_a_charge_that_was_credited_no_longer_counts(pair: tuple[Spine, Spine]) -> None:
    await submit(pair[0], make_cdr("A"))
    (again,) = await submit(pair[1], make_cdr("B"))
    assert set(told(again)) == set(LOOKED_AT)
    assert set(told(again).values()) == {"A"}
    await submit(pair[0], credit_of(make_cdr("A"), "A-C"), credit_of(make_cdr("B"), "B-C"))
    assert not read_rows(pair[0].engine, ChargeSpanRow)
    (corrected,) = await submit(pair[1], make_cdr("C"))
    assert not told(corrected)


async def test_a_batch_may_credit_and_correct(pair: tuple[Spine, Spine]) -> None:
    await submit(pair[0], make_cdr("A"))
    credited, corrected, again = await submit(
        pair[0], credit_of(make_cdr("A"), "A-C"), make_cdr("B"), make_cdr("C", remark="again")
    )
    assert credited.state is CdrState.ACCEPTED
    assert not told(corrected)
    assert set(told(again).values()) == {"B"}


async def test_a_credit_that_is_returned_changes_nothing(pair: tuple[Spine, Spine]) -> None:
    await submit(pair[0], make_cdr("A"))
    credit = credit_of(make_cdr("A"), "A-C")
    credit.total_cost.before_taxes.value = "-1"
    returned, again = await submit(pair[0], credit, make_cdr("B"))
    assert returned.state is CdrState.RETURNED
    assert set(told(again).values()) == {"A"}
    assert len(read_rows(pair[0].engine, ChargeSpanRow)) >= 4


async def test_a_second_credit_does_not_bring_its_original_back(pair: tuple[Spine, Spine]) -> None:
    await submit(pair[0], make_cdr("A"), credit_of(make_cdr("A"), "A-C"))
    returned, corrected = await submit(pair[0], credit_of(make_cdr("A"), "A-CC"), make_cdr("B"))
    assert (returned.state, told(corrected)) == (CdrState.RETURNED, {})


async def test_what_is_returned_occupies_nothing(pair: tuple[Spine, Spine]) -> None:
    second = {"cdr_token__country_code": "FR"}
    first, duplicate = await submit(pair[0], charge("A", **second), charge("B", **second))
    assert (first.state, duplicate.state) == (CdrState.ACCEPTED, CdrState.RETURNED)
    assert {row.idx for row in read_rows(pair[0].engine, ChargeSpanRow)} == {first.receipt.index}


def accepting(name: str) -> Review:
    """Return the second eMSP's yes to a quarantined CDR of the first CPO."""
    return Review(
        platform="fr-msp",
        request_id=str(uuid4()),
        cdr=ObjectId(CPOS[0], name),
        emsp=EMSPS[1],
        decision=Decision.ACCEPT,
    )


async def test_what_is_quarantined_occupies_from_its_acceptance_on(pair: tuple[Spine, Spine]) -> None:
    second = {"cdr_token__country_code": "FR"}
    (quarantined,) = await submit(pair[0], charge("A", currency="CHF", **second))
    assert quarantined.state is CdrState.QUARANTINED
    (accepted,) = await submit(pair[0], charge("B", **second))
    assert accepted.state is CdrState.ACCEPTED
    await submit(pair[0], credit_of(charge("B", **second), "B-C"))
    await pair[1].committer.run(lambda uow: review(uow, accepting("A")))
    (twin,) = await submit(pair[0], charge("C", **second))
    assert (twin.state, set(told(twin).values())) == (CdrState.RETURNED, {"A"})
    credit, last = await submit(pair[1], credit_of(charge("A", currency="CHF", **second), "A-C"), charge("D", **second))
    assert (credit.state, last.state, told(last)) == (CdrState.ACCEPTED, CdrState.ACCEPTED, {})


async def test_what_is_accepted_after_all_is_compared_anew_and_the_decision_stands(pair: tuple[Spine, Spine]) -> None:
    second = {"cdr_token__country_code": "FR"}
    held, *_ = await submit(
        pair[0],
        charge("A", currency="CHF", **second),
        charge("B", **second),
        charge("C", cdr_token__uid="OTHER"),
        charge("D", country_code="BE", **second),
    )
    assert (held.state, told(held)) == (CdrState.QUARANTINED, {})
    record = await pair[1].committer.run(lambda uow: review(uow, accepting("A")))
    assert record.answer.state is CdrState.ACCEPTED
    read = await pair[0].reads.run(lambda uow: uow.cdrs.get(record.id))
    assert read is not None
    assert read.steps == record.steps
    assert [step.findings for step in read.steps[:-1]] == [()]
    assert {found.severity for found in read.steps[-1].findings} == {Severity.WARNING}
    assert {str(found.code): found.message for found in read.steps[-1].findings} == {
        "NEAR_DUPLICATE": "the session was accepted as B",
        "TOKEN_OVERLAP": "was charged at the same time in another CDR",
        "EVSE_OVERLAP": "served another session at the same time, in another CDR",
    }


async def test_what_is_accepted_after_all_and_shares_nothing_is_told_nothing(pair: tuple[Spine, Spine]) -> None:
    await submit(pair[0], charge("A", currency="CHF", cdr_token__country_code="FR"))
    record = await pair[0].committer.run(lambda uow: review(uow, accepting("A")))
    assert [step.findings for step in record.steps] == [(), ()]


async def test_nothing_of_a_charge_between_others_is_told_but_that_it_is_there(pair: tuple[Spine, Spine]) -> None:
    await submit(pair[0], make_cdr("A"))
    elsewhere, other = await submit(
        pair[0],
        charge("B", country_code="BE"),
        charge("C", cdr_token__country_code="FR", cdr_token__uid="OTHER"),
    )
    assert told(elsewhere) == {"TOKEN_OVERLAP": "another CDR"}
    assert told(other) == {"EVSE_OVERLAP": "another CDR"}


async def test_spans_hold_no_token_and_their_key_is_the_only_index(pair: tuple[Spine, Spine]) -> None:
    await submit(pair[0], charge("A", cdr_token__uid="SECRETTOKEN"))
    for row in read_rows(pair[0].engine, ChargeSpanRow):
        assert all(isinstance(value, int) for value in row)
    assert inspect(pair[0].engine).get_indexes("charge_span") == []


async def test_the_migration_fills_in_what_charges_on_record_occupy(database: str) -> None:
    with open_spine(database) as spine:
        spine.clock.now = NOW
        await spine.committer.run(prepare)
        long = make_cdr("LONG", start_date_time=stamp(NOW - timedelta(days=30)))
        await submit(spine, make_cdr("A"), make_cdr("B", session_id="S-1"), charge("C", country_code="BE"), long)
        await submit(spine, credit_of(make_cdr("A"), "A-C"), charge("D", cdr_token__country_code="FR"))
        await submit(spine, charge("E", cdr_token__country_code="FR"))
        (held,) = await submit(spine, charge("F", currency="CHF", cdr_token__country_code="FR", cdr_token__uid="T9"))
        assert held.state is CdrState.QUARANTINED
        await submit(spine, charge("G", currency="CHF", cdr_token__country_code="FR", cdr_token__uid="T8"))
        await spine.committer.run(lambda uow: review(uow, accepting("G")))
        before = read_rows(spine.engine, ChargeSpanRow, "owner", "slot", "idx")
        assert len({row.idx for row in before}) == 5
        downgrade(spine.engine, "0013")
        schema.upgrade(spine.engine)
        assert read_rows(spine.engine, ChargeSpanRow, "owner", "slot", "idx") == before
