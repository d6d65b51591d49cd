"""Storage of commands, and the making of their published message."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

from hub.domain.commands import Command, CommandState
from hub.domain.ids import PartyId

#: Makes the published message of a command.
CommandDocument = Callable[[Command], bytes]


class Commands(Protocol):
    """Commands by CPO and id."""

    def add(self, command: Command) -> None:
        """Record a new command."""
        ...

    def update(self, command: Command) -> None:
        """Replace what has changed of a recorded command."""
        ...

    def find(self, command_id: str, parties: Collection[PartyId]) -> Command | None:
        """Return the command in which one of the parties is CPO or eMSP."""
        ...

    def list(self, party: PartyId, state: CommandState | None, before_id: str, limit: int) -> Sequence[Command]:
        """Return a party's commands by descending id, those below `before_id` unless that is empty."""
        ...

    def due(self, now: datetime, limit: int) -> Sequence[Command]:
        """Return commands that are waiting and whose time is up."""
        ...
