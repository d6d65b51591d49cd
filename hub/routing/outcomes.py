"""How asking a partner can end other than with an answer, whichever way it was reached; and what is counted."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from google.rpc import error_details_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError
from grpc_status import rpc_status

from hub.routing.matching import Miss

#: Told of each request: kind, way (`link`, `dial`, `none`), outcome and seconds.
Observe = Callable[[str, str, str, float], None]

CODES = {code.value[0]: code for code in StatusCode}


class NotSentError(Exception):
    """The partner has not seen the request."""

    def __init__(self, reason: str = "PARTNER_UNREACHABLE") -> None:
        super().__init__(reason)
        self.reason = reason


class LostError(Exception):
    """The connection ended after the request was sent and before an answer came."""


class SilentError(Exception):
    """No answer came in time."""


class AnsweredBadlyError(Exception):
    """The partner answered with an error status, or with something that is no answer (`UNKNOWN`, ANSWER_INVALID)."""

    def __init__(self, code: StatusCode, reason: str) -> None:
        super().__init__(f"{code.name} {reason}")
        self.code = code
        self.reason = reason


def not_an_answer(cause: str = "") -> AnsweredBadlyError:
    """Return the error for something that is no answer to what was asked."""
    error = AnsweredBadlyError(StatusCode.UNKNOWN, "ANSWER_INVALID")
    error.add_note(cause)
    return error


def from_status(error: AioRpcError) -> Exception:
    """Return how a call that the hub made has ended."""
    code = error.code()
    if code is StatusCode.DEADLINE_EXCEEDED:
        return SilentError()
    if code is StatusCode.UNAVAILABLE:
        return NotSentError()
    return AnsweredBadlyError(code, _reason(error))


def _reason(error: AioRpcError) -> str:
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
    except ValueError:
        return ""  # details that contradict the status
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status is not None else ():
        if detail.Unpack(info):
            return str(info.reason)
    return ""


@dataclass(slots=True)
class Counts:
    """What happened on the ways to partners, for the metrics.

    Attributes:
        misses: Answers that found no request, by cause (`late`, `repeated`, `unasked`).
        garbage: Answers that were of another kind than asked, or said what cannot be.
        links_lost: Links that ended while requests were open on them.
    """

    misses: Counter[str] = field(default_factory=Counter)
    garbage: int = 0
    links_lost: int = 0

    def dropped(self) -> dict[str, int]:
        """Return how many answers were of no use, by cause."""
        return {**{str(miss): self.misses[miss] for miss in Miss}, "garbage": self.garbage}
