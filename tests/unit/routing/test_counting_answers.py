"""Which requests to partners count, and as what; and that no count is lost when recording fails."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest

from hub.app.answers import AnswerCounter, CountedPartners
from hub.app.ports.answers import Answered
from hub.app.ports.partners import CommandDelivery, TokenQuestion
from hub.domain.authorizations import Allowed, EmspAnswer
from hub.domain.commands import CommandReply, CommandResponse
from hub.domain.errors import HubError, TimedOut, Unreachable, invalid
from hub.domain.ids import PartyId

CPO, EMSP = PartyId("NL", "CPO"), PartyId("DE", "MSP")
QUESTION = TokenQuestion(emsp=EMSP, cpo=CPO, token_uid="T", token_type="RFID", place=None, reference="r")
DELIVERY = CommandDelivery(name="c", cpo=CPO, emsp=EMSP, order=b"")
YES = EmspAnswer(allowed=Allowed.ALLOWED)
DONE = CommandReply(response=CommandResponse.ACCEPTED)


@dataclass
class Played:
    """Partners that do as they are told."""

    outcome: Any = None
    told: list[bytes] = field(default_factory=list)

    async def authorize(self, question: TokenQuestion, seconds: float) -> EmspAnswer | None:
        return self._play()  # type: ignore[no-any-return]

    async def command(self, delivery: CommandDelivery, seconds: float) -> CommandReply:
        return self._play()  # type: ignore[no-any-return]

    async def notify_command_result(
        self, emsp: PartyId, command: bytes, seconds: float, correlation_id: str = ""
    ) -> None:
        self.told.append(command)

    def _play(self) -> Any:
        if isinstance(self.outcome, HubError):
            raise self.outcome
        return self.outcome


def counted(played: Played) -> tuple[CountedPartners, list[tuple[PartyId, bool]]]:
    counts: list[tuple[PartyId, bool]] = []

    def count(party: PartyId, *, answered: bool) -> None:
        counts.append((party, answered))

    return CountedPartners(partners=played, count=count), counts


@pytest.mark.parametrize(
    ("outcome", "seconds", "answered"),
    [
        (YES, 5.0, True),
        (EmspAnswer(allowed=Allowed.BLOCKED), 5.0, True),
        (None, 5.0, True),
        (invalid("location", "is required"), 5.0, True),
        (Unreachable("PARTNER_UNREACHABLE", "away"), 5.0, False),
        (Unreachable("PARTNER_FAILED", "an error"), 0.1, False),
        (TimedOut("PARTNER_TIMED_OUT", "silent"), 2.0, False),
        (TimedOut("PARTNER_TIMED_OUT", "silent"), 1.9, None),
    ],
)
async def test_a_question_counts_by_whether_it_was_answered_in_fair_time(
    outcome: Any, seconds: float, answered: bool | None
) -> None:
    partners, counts = counted(Played(outcome))
    if isinstance(outcome, HubError):
        with pytest.raises(type(outcome)):
            await partners.authorize(QUESTION, seconds)
    else:
        assert await partners.authorize(QUESTION, seconds) is outcome
    assert counts == ([] if answered is None else [(EMSP, answered)])


async def test_a_command_counts_for_the_cpo_and_a_result_for_nobody() -> None:
    played = Played(DONE)
    partners, counts = counted(played)
    assert await partners.command(DELIVERY, 5) is DONE
    await partners.notify_command_result(EMSP, b"result", 5)
    played.outcome = TimedOut("PARTNER_TIMED_OUT", "silent")
    with pytest.raises(TimedOut):
        await partners.command(DELIVERY, 5)
    assert (counts, played.told) == ([(CPO, True), (CPO, False)], [b"result"])


class Recorder:
    """A committer whose unit of work takes counts, unless it is told to fail."""

    def __init__(self) -> None:
        self.recorded: list[dict[tuple[PartyId, date], Answered]] = []
        self.failing = False

    @property
    def answers(self) -> "Recorder":
        return self

    def add(self, counts: dict[tuple[PartyId, date], Answered]) -> None:
        self.recorded.append(dict(counts))

    async def run(self, use_case: Callable[[Any], object]) -> object:
        if self.failing:
            raise Unreachable("STORAGE", "away")
        return use_case(self)


async def test_counts_are_summed_by_day_and_kept_while_they_cannot_be_recorded() -> None:
    recorder: Any = Recorder()
    now = [datetime(2026, 3, 1, 23, 59, tzinfo=UTC)]
    counter = AnswerCounter(committer=recorder, clock=lambda: now[0])
    assert await counter.record() is False
    counter.count(EMSP, answered=True)
    counter.count(EMSP, answered=False)
    recorder.failing = True
    with pytest.raises(Unreachable):
        await counter.record()
    await counter.close()
    now[0] = datetime(2026, 3, 2, tzinfo=UTC)
    counter.count(EMSP, answered=True)
    recorder.failing = False
    assert await counter.record() is True
    assert recorder.recorded == [
        {(EMSP, date(2026, 3, 1)): Answered(2, 1), (EMSP, date(2026, 3, 2)): Answered(1, 1)},
    ]
    assert await counter.record() is False
