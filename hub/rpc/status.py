"""One table from the hub's errors to gRPC statuses, with the details AIP-193 asks for."""

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from roamhub.v1 import common_pb2

from hub.domain import errors

#: Names the origin of every reason (AIP-193, ErrorInfo.domain).
DOMAIN = "roamhub"

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
    _pack(status, error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata))
    if isinstance(error, errors.Invalid):
        fields = [
            error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.rule) for v in error.violations
        ]
        _pack(status, error_details_pb2.BadRequest(field_violations=fields))
    return status


def _pack(status: status_pb2.Status, detail: Message) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    status.details.append(packed)


def to_item_error(error: errors.HubError) -> common_pb2.ItemError:
    """Return what a batch answers for one refused item."""
    violations = error.violations if isinstance(error, errors.Invalid) else ()
    return common_pb2.ItemError(
        code=code_number(error),
        reason=error.reason,
        message=error.message,
        metadata=error.metadata,
        violations=[common_pb2.FieldViolation(field=v.field, rule=v.rule) for v in violations],
    )
