"""Facts of the clearing stream that the hub itself states, and names of its resources."""

import re
from collections.abc import Mapping

from hub.app.ports.uow import UnitOfWork
from hub.domain.errors import NotFound, invalid
from hub.domain.ids import PartyId
from hub.domain.journal import EntryKind, Fact, Receipt, Stream
from hub.domain.leaf import SALT_BYTES, open_all, pack_openings, seal

#: What a cut-off's leaf commits to, and a bundle shows of it.
CUT_OFF_FIELDS = ("period", "end_time", "tz_version")

_SEGMENT = r"[a-z0-9][a-z0-9-]{0,62}"
_PERIOD = re.compile(rf"agreements/{_SEGMENT}/periods/{_SEGMENT}")
_STATEMENT = re.compile(rf"agreements/{_SEGMENT}/periods/{_SEGMENT}/statements/[a-z]{{3}}")


def state_fact(
    uow: UnitOfWork,
    kind: EntryKind,
    *,
    creditor: PartyId | None = None,
    debtor: PartyId | None = None,
    subject: str,
    fields: Mapping[str, bytes],
) -> Receipt:
    """Append a fact, of the hub's own or between two parties; its leaf commits to the fields."""
    salt = uow.entropy(SALT_BYTES)
    leaf = seal(
        kind=kind,
        recorded_time=uow.now,
        owner=str(creditor or ""),
        counterparty=str(debtor or ""),
        fields=fields,
        leaf_salt=salt,
    )
    fact = Fact(
        kind=kind,
        owner=creditor,
        counterparty=debtor,
        subject=subject,
        body=leaf,
        openings=pack_openings(open_all(salt, fields)),
    )
    return uow.journal.append(Stream.CLEARING, fact)


def require_period_name(name: str) -> str:
    """Return the name if it can be one of a period; raises Invalid."""
    if not _PERIOD.fullmatch(name):
        raise invalid("name", "must be agreements/{agreement}/periods/{period}")
    return name


def require_statement_name(name: str) -> str:
    """Return the name if it can be one of a statement; raises Invalid."""
    if not _STATEMENT.fullmatch(name):
        raise invalid("name", "must be agreements/{agreement}/periods/{period}/statements/{currency}")
    return name


def no_period() -> NotFound:
    """Return the error of a period that is not there, or not the caller's to see."""
    return NotFound("PERIOD_NOT_FOUND", "there is no such period of the caller's")


def no_statement() -> NotFound:
    """Return the error of a statement that is not there, or not the caller's to see."""
    return NotFound("STATEMENT_NOT_FOUND", "there is no such statement of the caller's")
