"""Counting which partners answer what the hub relays to them, without a word to the database on the way.

The counts are kept in memory and added to what is recorded every few seconds, and at the end. A process that is killed
loses those of its last seconds: they are for the score of a partner, and for nothing that is paid.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import date

from hub.app.ports.answers import Answered
from hub.app.ports.partners import CommandDelivery, Partners, TokenQuestion
from hub.app.ports.spine import Committer
from hub.domain.authorizations import EmspAnswer
from hub.domain.clock import Clock
from hub.domain.commands import CommandReply
from hub.domain.errors import HubError, Invalid, TimedOut, Unreachable
from hub.domain.ids import PartyId

#: How often counts are recorded, in seconds.
ANSWERS_SECONDS = 10.0
#: A partner that was given less time than this and did not answer is not blamed: its caller was in a hurry.
FAIR_SECONDS = 2.0


class AnswerCounter:
    """Counts, and records what it has counted.

    Args:
        committer: Where counts are written.
        clock: Tells the day.
    """

    def __init__(self, *, committer: Committer, clock: Clock) -> None:
        self._committer = committer
        self._clock = clock
        self._counts: dict[tuple[PartyId, date], Answered] = {}

    def count(self, party: PartyId, *, answered: bool) -> None:
        """Count one request."""
        key = party, self._clock().date()
        before = self._counts.get(key, Answered(0, 0))
        self._counts[key] = Answered(before.asked + 1, before.answered + answered)

    async def record(self) -> bool:
        """Add what was counted since the last time to what is recorded; returns whether there was anything."""
        if not self._counts:
            return False
        counts, self._counts = self._counts, {}
        try:
            await self._committer.run(lambda uow: uow.answers.add(counts))
        except BaseException:
            for key, lost in counts.items():
                since = self._counts.get(key, Answered(0, 0))
                self._counts[key] = Answered(since.asked + lost.asked, since.answered + lost.answered)
            raise
        return True

    async def close(self) -> None:
        """Record the last counts; a storage that fails at the end takes them with it, and nothing else."""
        with suppress(HubError):
            await self.record()


class CountedPartners:
    """Implements `hub.app.ports.partners.Partners`: asks as another does, and counts who answers.

    Args:
        partners: Asks.
        count: Is told of each request.
        fair_seconds: A silence after less time than this is not counted.
    """

    def __init__(self, *, partners: Partners, count: Callable[..., None], fair_seconds: float = FAIR_SECONDS) -> None:
        self._partners = partners
        self._count = count
        self._fair = fair_seconds

    async def authorize(self, question: TokenQuestion, seconds: float) -> EmspAnswer | None:
        """Ask an eMSP."""
        try:
            answer = await self._partners.authorize(question, seconds)
        except Invalid:
            # It answers that it needs to know the location.
            self._count(question.emsp, answered=True)
            raise
        except (Unreachable, TimedOut) as silence:
            self._silent(question.emsp, silence, seconds)
            raise
        self._count(question.emsp, answered=True)
        return answer

    async def command(self, delivery: CommandDelivery, seconds: float) -> CommandReply:
        """Hand a command to a CPO."""
        try:
            reply = await self._partners.command(delivery, seconds)
        except (Unreachable, TimedOut) as silence:
            self._silent(delivery.cpo, silence, seconds)
            raise
        self._count(delivery.cpo, answered=True)
        return reply

    async def notify_command_result(
        self, emsp: PartyId, command: bytes, seconds: float, correlation_id: str = ""
    ) -> None:
        """Tell an eMSP what became of a command; whether it listens is not counted."""
        await self._partners.notify_command_result(emsp, command, seconds, correlation_id)

    def _silent(self, party: PartyId, silence: Unreachable | TimedOut, seconds: float) -> None:
        if isinstance(silence, TimedOut) and seconds < self._fair:
            return
        self._count(party, answered=False)


_: type[Partners] = CountedPartners
