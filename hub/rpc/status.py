"""One table from the hub's errors to gRPC statuses, with the details AIP-193 asks for."""

from collections.abc import Iterable, Iterator

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from roamhub.v1 import common_pb2

from hub.domain import errors

#: Names the origin of every reason (AIP-193, ErrorInfo.domain).
DOMAIN = "roamhub"

#: A status travels in trailing metadata, of which clients take 8 KiB, in Base64: a caller that got more would learn of
#: no reason at all. In bytes, for all violations together.
_VIOLATIONS_BYTES_MAX = 3_072

#: Every subclass of HubError; a test proves the table total.
CODES: dict[type[errors.HubError], StatusCode] = {
    errors.Invalid: StatusCode.INVALID_ARGUMENT,
    errors.Unauthenticated: StatusCode.UNAUTHENTICATED,
    errors.Denied: StatusCode.PERMISSION_DENIED,
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.Conflict: StatusCode.ALREADY_EXISTS,
    errors.Precondition: StatusCode.FAILED_PRECONDITION,
    errors.Stale: StatusCode.ABORTED,
    errors.Expired: StatusCode.OUT_OF_RANGE,
    errors.Exhausted: StatusCode.RESOURCE_EXHAUSTED,
    errors.Unreachable: StatusCode.UNAVAILABLE,
    errors.TimedOut: StatusCode.DEADLINE_EXCEEDED,
}


def code_of(error: errors.HubError) -> StatusCode:
    """Return the gRPC status code of an error."""
    return CODES[type(error)]


def code_number(error: errors.HubError) -> int:
    """Return the number of the status code (`google.rpc.Code`)."""
    number: int = code_of(error).value[0]
    return number


def to_status(error: errors.HubError) -> status_pb2.Status:
    """Return the rich status: exactly one ErrorInfo, and BadRequest for fields."""
    status = status_pb2.Status(code=code_number(error), message=error.message)
    told, metadata = _told(error)
    _pack(status, error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata))
    if isinstance(error, errors.Invalid):
        fields = [error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.rule) for v in told]
        _pack(status, error_details_pb2.BadRequest(field_violations=fields))
    return status


def _pack(status: status_pb2.Status, detail: Message) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    status.details.append(packed)


def to_item_error(error: errors.HubError) -> common_pb2.ItemError:
    """Return what a batch answers for one refused item."""
    told, metadata = _told(error)
    return common_pb2.ItemError(
        code=code_number(error),
        reason=error.reason,
        message=error.message,
        metadata=metadata,
        violations=[common_pb2.FieldViolation(field=v.field, rule=v.rule) for v in told],
    )


def _told(error: errors.HubError) -> tuple[list[errors.Violation], dict[str, str]]:
    """Return as many violations as fit, at least one, and the metadata: with how many there are, where some do not."""
    if not isinstance(error, errors.Invalid):
        return [], error.metadata
    told = list(_fitting(error.violations))
    if len(told) == len(error.violations):
        return told, error.metadata
    return told, {**error.metadata, "violations": str(len(error.violations))}


def _fitting(violations: Iterable[errors.Violation]) -> Iterator[errors.Violation]:
    size = 0
    for number, violation in enumerate(violations):
        size += len(violation.field.encode()) + len(violation.rule.encode())
        if number and size > _VIOLATIONS_BYTES_MAX:
            return
        yield violation
