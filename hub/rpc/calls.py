"""What a servicer learns about the call it answers."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from hub.domain.parties import Caller

#: Metadata keys, lower case as gRPC has them. The hub sends on a new request id and keeps the correlation id.
REQUEST_ID = "x-request-id"
CORRELATION_ID = "x-correlation-id"


@dataclass(slots=True, kw_only=True)
class Call:
    """One call under way.

    Attributes:
        caller: Who calls, authenticated and already allowed to. The edge keeps it fresh while a stream is open.
        method: `/package.Service/Method`.
        request_id: The caller's id of this message, or one the hub made.
        correlation_id: The id that joins all messages of one exchange across the hub.
        context: gRPC's own, for streams and trailing metadata.
    """

    caller: Caller
    method: str
    request_id: str
    correlation_id: str
    context: Any = field(repr=False)

    def seconds_left(self) -> float | None:
        """Return the time until the caller's deadline in seconds; None when it set none."""
        left: float | None = self.context.time_remaining()
        return left


#: The call that the running task answers, for the log; None outside of calls.
CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)
