"""What people write on the command line, read: parties and instants."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hub.cli.failures import Failure

if TYPE_CHECKING:
    from roamhub.v1.common_pb2 import PartyKey


def read_party(option: str, text: str) -> "PartyKey":
    """Read a party such as NL-ABC; raises Failure."""
    from adapters.partner.partner import party

    try:
        return party(text)
    except ValueError:
        raise Failure(f"{option} {text}: write a party like NL-ABC") from None


def read_instant(option: str, text: str) -> datetime:
    """Read a date or a time, in UTC unless it says otherwise; raises Failure."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(f"{option} {text}: write a date or a time like 2026-10-01 or 2026-10-01T12:00:00Z") from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
