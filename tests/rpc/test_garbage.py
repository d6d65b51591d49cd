"""Requests full of garbage, one of every kind: refused, and never a mistake of the hub's own."""

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from hub.domain.parties import Role
from hub.main import Hub
from hub.main.services import services
from tests.conftest import PartnerFactory
from tests.support import refusal

_DEEP = 6
#: What every text and every number may be: neither a database's nor a parser's friend.
GARBAGE = {
    "a zero byte": ("a\0b", 1),
    "very long and negative": ("x" * 5_000, -1),
    "a quote and beyond all bounds": ("'; --", 10**18),
    "half of a name": ("periods/", 1),
    "a name with a zero byte": ("parties/nl-abc/statements/1\0", -1),
}
#: Ends that say that the hub has failed. A watch that has nothing to tell ends by the deadline.
_FAILURES = frozenset({"INTERNAL", "UNKNOWN", "UNIMPLEMENTED", "DATA_LOSS"})
#: What grpc.aio's client says, and not the hub, when a stream is refused while the client writes its first message.
_OVERTAKEN = "Internal error from Core"


def fill(message: Any, text: str, number: int, depth: int = 0) -> None:
    """Set every field; parties are the caller's own, so that more than authorization is tried."""
    descriptor: Descriptor = message.DESCRIPTOR
    for field in descriptor.fields:
        if field.message_type is not None:
            if depth < _DEEP and not field.message_type.GetOptions().map_entry:
                inner = getattr(message, field.name)
                inner = inner.add() if field.is_repeated else inner
                inner.SetInParent()
                fill(inner, text, number, depth + 1)
            continue
        value = _value(field, text, number)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)


def _value(field: FieldDescriptor, text: str, number: int) -> Any:
    if field.name == "country_code":
        return "NL"
    if field.name == "party_id":
        return "ABC"
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    return number if field.cpp_type in {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_DOUBLE} else number % 97


async def outcome(channel: grpc.aio.Channel, method: MethodDescriptor, request: Message) -> tuple[str, str]:
    """Call a method; return the name of the code it ends in, and the reason."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    make = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }[method.client_streaming, method.server_streaming]
    answers = GetMessageClass(method.output_type).FromString
    called: Any = make(path, type(request).SerializeToString, answers)
    call = called(iter([request]) if method.client_streaming else request, timeout=2)
    try:
        if method.server_streaming:
            await call.read()
            call.cancel()
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error.code().name, refusal(error).reason or error.details() or ""
    return "OK", ""


@pytest.mark.parametrize(("text", "number"), GARBAGE.values(), ids=GARBAGE)
async def test_no_request_makes_the_hub_fail(
    hub: Hub,
    partner: PartnerFactory,
    operator_channel: grpc.aio.Channel,
    text: str,
    number: int,
) -> None:
    own = (await partner("NL-ABC", roles=(Role.CPO, Role.EMSP))).channel
    failed = []
    for service, _ in services(hub):
        for method in service.methods:
            request: Any = GetMessageClass(method.input_type)()
            fill(request, text, number)
            for channel in (own, operator_channel):
                code, reason = await outcome(channel, method, request)
                if code in _FAILURES and reason != _OVERTAKEN:
                    failed.append(f"{service.name}/{method.name}: {code} {reason}")
    assert not failed
