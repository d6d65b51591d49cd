"""Numbers that an enum of the contract does not define: refused wherever in a message they stand.

Protobuf keeps them as they came (proto3 enums are open), so that without a look they would be stored, handed on and
settled by. What a sender has beyond the contract goes into `extensions`.
"""

from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from hub.rpc.wire import Reader


class _Field(NamedTuple):
    """A field that is an enum, or that holds messages with enums somewhere inside."""

    name: str
    repeated: bool
    numbers: frozenset[int]
    inner: "tuple[_Field, ...]"


def check_enums(reader: Reader, message: Message, path: str = "") -> None:
    """Refuse every enum number in a message, and in the messages inside, that the contract does not define.

    Args:
        reader: Takes the violations; a field that it has refused before is not named twice.
        message: Any message of the contract.
        path: Where the message stands, with a dot at its end; relative to the reader's own path.
    """
    _check(reader, message, path, _fields(message.DESCRIPTOR))


@cache
def _fields(descriptor: Descriptor) -> tuple[_Field, ...]:
    found = []
    for field in descriptor.fields:
        numbers = frozenset(field.enum_type.values_by_number) if field.enum_type else frozenset()
        # The messages of objects hold no message of their own kind.
        inner = _fields(field.message_type) if field.message_type else ()
        if numbers or inner:
            found.append(_Field(field.name, field.is_repeated, numbers, inner))
    return tuple(found)


def _check(reader: Reader, message: Any, path: str, fields: tuple[_Field, ...]) -> None:  # noqa: ANN401
    for name, repeated, numbers, inner in fields:
        if repeated:
            for position, each in enumerate(getattr(message, name)):
                if inner:
                    _check(reader, each, f"{path}{name}[{position}].", inner)
                elif each not in numbers:
                    reader.unknown(f"{path}{name}[{position}]", each)
        elif inner:
            if message.HasField(name):
                _check(reader, getattr(message, name), f"{path}{name}.", inner)
        elif getattr(message, name) not in numbers:
            reader.unknown(path + name, getattr(message, name))
