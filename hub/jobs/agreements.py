"""Agreements come into force and run out as time passes."""

from collections.abc import Callable
from datetime import datetime

from hub.app.agreements import Encode, follow_clock, next_due
from hub.app.directory import Directory
from hub.app.ports.clearing import ClearingSettings
from hub.app.ports.spine import Committer
from hub.domain.clock import Clock


class AgreementClock:
    """A job that brings the stored states of agreements in step with the clock; costs nothing while none is due."""

    def __init__(
        self,
        *,
        committer: Committer,
        directory: Callable[[], Directory],
        clock: Clock,
        encode: Encode,
        settings: ClearingSettings,
    ) -> None:
        self._committer = committer
        self._directory = directory
        self._clock = clock
        self._encode = encode
        self._settings = settings
        self._seen: Directory | None = None
        self._next: datetime | None = None

    async def __call__(self) -> bool:
        """Do what is due; returns whether anything was."""
        directory = self._directory()
        if directory is not self._seen:
            self._next, self._seen = next_due(directory), directory
        if self._next is None or self._clock() < self._next:
            return False
        return bool(await self._committer.run(lambda uow: follow_clock(uow, self._encode, self._settings)))
