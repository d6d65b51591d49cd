"""What a servicer learns about the call it answers."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from hub.domain.clock import NewId
from hub.domain.parties import Caller

#: Metadata keys, lower case as gRPC has them. The hub sends on a new request id and keeps the correlation id.
REQUEST_ID = "x-request-id"
CORRELATION_ID = "x-correlation-id"


@dataclass(slots=True)
class Call:
    """One call under way.

    Attributes:
        caller: Who calls, authenticated and already allowed to. The edge keeps it fresh while a stream is open.
        method: `/package.Service/Method`.
        context: gRPC's own, for streams and trailing metadata.
        sent_request_id: The caller's id of this message; empty when it sent none.
        sent_correlation_id: The caller's id of the exchange; empty when it sent none.
        new_id: Makes the ids that were not sent, when somebody asks for them: few calls are ever logged or relayed.
    """

    caller: Caller
    method: str
    context: Any = field(repr=False)
    sent_request_id: str
    sent_correlation_id: str
    new_id: NewId = field(repr=False)

    @property
    def request_id(self) -> str:
        """The caller's id of this message, or one the hub made."""
        if not self.sent_request_id:
            self.sent_request_id = self.new_id()
        return self.sent_request_id

    @property
    def correlation_id(self) -> str:
        """The id that joins all messages of one exchange across the hub."""
        return self.sent_correlation_id or self.request_id

    def seconds_left(self) -> float | None:
        """Return the time until the caller's deadline in seconds; None when it set none."""
        left: float | None = self.context.time_remaining()
        return left


#: The call that the running task answers, for the log; None outside of calls.
CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)
