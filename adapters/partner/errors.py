"""What a call to the hub can end in, as typed errors, named for what the caller does about it.

The hub answers with a gRPC status whose details hold one `ErrorInfo` (a stable reason and its variable parts) and, for
fields, a `BadRequest` (AIP-193). `translated` turns that into one of the classes here; nobody needs to parse text.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from roamhub.v1 import common_pb2

#: What a hub takes of one object at most, in bytes, so that every client can read it again (docs/trust.md).
OBJECT_BYTES_MAX = 3 * 1024 * 1024
_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One field that breaks one rule; `field` is its path in the request, such as `cdr.total_energy`."""

    field: str
    rule: str


class RoamhubError(Exception):
    """A call that did not succeed; also what a `Handler` raises to answer with an error.

    Attributes:
        code: The gRPC status code.
        reason: Stable, UPPER_SNAKE_CASE, such as `NO_ACTIVE_AGREEMENT`; the code's name when the hub sent no detail.
        message: For people; may change between releases.
        metadata: The variable parts of the message.
        violations: The fields that break a rule; empty when the refusal is not about a field.
    """

    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.status
        self.reason = reason or self.code.name
        self.metadata = dict(metadata or {})
        self.violations = violations

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class Invalid(RoamhubError):
    """The request can never succeed as it is: correct it."""

    status = grpc.StatusCode.INVALID_ARGUMENT


class Unauthenticated(RoamhubError):
    """The certificate names no platform that may call: register, or renew."""

    status = grpc.StatusCode.UNAUTHENTICATED


class Denied(RoamhubError):
    """The caller may not do this, whatever the state of things."""

    status = grpc.StatusCode.PERMISSION_DENIED


class NotFound(RoamhubError):
    """There is no such object, or none that the caller may know of."""

    status = grpc.StatusCode.NOT_FOUND


class Conflict(RoamhubError):
    """The identity is taken by other content: nothing was overwritten."""

    status = grpc.StatusCode.ALREADY_EXISTS


class Precondition(RoamhubError):
    """The state of things forbids it now; change the state first."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class Stale(RoamhubError):
    """What the caller read has changed since: read again, then retry the whole sequence."""

    status = grpc.StatusCode.ABORTED


class Expired(RoamhubError):
    """What the caller wants to resume from is no longer kept: start over."""

    status = grpc.StatusCode.OUT_OF_RANGE


class Exhausted(RoamhubError):
    """A limit of size or rate is reached: wait, or send less."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED


class TooLarge(Exhausted):
    """A message or an object is larger than the hub takes: sent again it ends the same way."""


class Unreachable(RoamhubError):
    """The hub, or the partner behind it, could not be reached; a retry may succeed."""

    status = grpc.StatusCode.UNAVAILABLE


class TimedOut(RoamhubError):
    """The deadline passed before the answer came; whether the call had its effect is unknown."""

    status = grpc.StatusCode.DEADLINE_EXCEEDED


class Interrupted(RoamhubError):
    """The call was cancelled, for instance because its connection was closed."""

    status = grpc.StatusCode.CANCELLED


class Unimplemented(RoamhubError):
    """The other side does not do this."""

    status = grpc.StatusCode.UNIMPLEMENTED


class Defect(RoamhubError):
    """The hub failed for a reason of its own; the message names the incident to report."""


_CLASSES: Mapping[grpc.StatusCode, type[RoamhubError]] = {
    each.status: each
    for each in (
        Invalid,
        Unauthenticated,
        Denied,
        NotFound,
        Conflict,
        Precondition,
        Stale,
        Expired,
        Exhausted,
        Unreachable,
        TimedOut,
        Interrupted,
        Unimplemented,
    )
}

_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


def from_rpc_error(error: grpc.RpcError) -> RoamhubError:
    """Return the typed error of a failed call, with all that the hub said about it."""
    code = error.code() or grpc.StatusCode.UNKNOWN
    info = error_details_pb2.ErrorInfo()
    fields = error_details_pb2.BadRequest()
    for detail in _status_of(error).details:
        for known in (info, fields):
            if detail.Is(known.DESCRIPTOR):
                detail.Unpack(known)
    details = error.details() or code.name
    return _class_of(code, info.reason, details)(
        details,
        code=code,
        reason=info.reason,
        metadata=info.metadata,
        violations=tuple(FieldViolation(field=v.field, rule=v.description) for v in fields.field_violations),
    )


def _class_of(code: grpc.StatusCode, reason: str, message: str) -> type[RoamhubError]:
    # Of what is far too large gRPC takes nothing in, and says so in words of its own.
    if code is TooLarge.status and (reason == "MESSAGE_TOO_LARGE" or "message larger than max" in message):
        return TooLarge
    return _CLASSES.get(code, Defect)


def from_item(item: common_pb2.ItemError) -> RoamhubError:
    """Return the typed error of one refused item of a batch or stream."""
    code = _BY_NUMBER.get(item.code, grpc.StatusCode.UNKNOWN)
    return _class_of(code, item.reason, item.message)(
        item.message,
        code=code,
        reason=item.reason,
        metadata=item.metadata,
        violations=tuple(FieldViolation(field=v.field, rule=v.rule) for v in item.violations),
    )


def too_large(size: int) -> TooLarge:
    """Return the error of an object of so many bytes, which no hub takes."""
    return TooLarge(
        f"the object has {size} bytes, and at most {OBJECT_BYTES_MAX} are taken",
        reason="MESSAGE_TOO_LARGE",
        metadata={"bytes": str(size), "bytes_max": str(OBJECT_BYTES_MAX)},
    )


def to_item(error: RoamhubError) -> common_pb2.ItemError:
    """Return the message of an error that a `Handler` raised."""
    return common_pb2.ItemError(
        code=error.code.value[0], reason=error.reason, message=error.message, metadata=error.metadata
    )


def to_status(error: RoamhubError) -> status_pb2.Status:
    """Return the rich status of an error that a `Handler` raised."""
    status = status_pb2.Status(code=error.code.value[0], message=error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain="partner", metadata=error.metadata)
    status.details.add().Pack(info)
    return status


@contextmanager
def translated() -> Iterator[None]:
    """Raise the typed error instead of gRPC's own for calls made in the block."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None


def _status_of(error: grpc.RpcError) -> status_pb2.Status:
    trailing: Any = error.trailing_metadata() or ()  # the stubs know only the synchronous kind
    for key, value in trailing:
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()
