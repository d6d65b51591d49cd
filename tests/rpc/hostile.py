"""Hostile requests: a valid one, and each of its fields in turn set to what no field should hold."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

#: Applied to a message of a request: sets one field of it.
Change = Callable[[Any], None]

_DEEPEST = 5
_MANY = 10_000

TEXTS = (
    "",
    " ",
    "a\0b",
    "bell\x07",
    "a\nb",
    "‮‏evil",  # noqa: PLE2502 - overrides the direction of what follows
    "İıßſ",
    "é" * 12,
    "🚗" * 60,
    "x" * 300,
    "y" * 70_000,
    "'; DROP TABLE cdrs; --",
    "%s{0}%n",
    "../../etc/passwd",
    "agreements/-",
    "periods/",
    "{}",
    '{"a":NaN}',
    '{"a":"\\ud800"}',
    '{"a":' * 9_000 + "1" + "}" * 9_000,
    '{"a":1' + "0" * 5_000 + "}",
)
NUMBERS = (
    "1e400",
    "-1e400",
    "1E-400",
    "NaN",
    "sNaN",
    "Infinity",
    "-0",
    "-1",
    "9" * 30,
    "0.00000000001",
    "99999999999999.9999",
    "٣",
    "1_000",
    " 1",
    "+1",
    "0x10",
    "1" * 41,
)
#: Seconds and nanoseconds: the first and the last instant, one before and after, and what is no time at all.
TIMES = (
    (-62_135_596_800, 0),
    (253_402_300_799, 999_999_999),
    (253_402_300_800, 0),
    (-(1 << 63), 0),
    ((1 << 63) - 1, 0),
    (1, -1),
    (1, 2_000_000_000),
    (0, 1),
)
SPANS = ((315_576_000_000, 999_999_999), (-1, 0), (1, -1), ((1 << 63) - 1, 0), (-(1 << 63), 0), (0, 1), (86_400, 0))
PATHS = (("*",), ("nope",), ("id",), ("country_code",), ("a.b.c",), ("",), ("é",), ("last_updated",), ("x",) * _MANY)


@dataclass(frozen=True)
class Hostile:
    """One change to a request.

    Attributes:
        path: The field that is changed, as a refusal names it, without numbers of items.
        what: What it is set to, short enough to read.
        apply: Makes the change to a valid request.
    """

    path: str
    what: str
    apply: Change


def hostile(request: Message, seed: str, per_field: int) -> Iterator[Hostile]:
    """Yield changes to every field of a request and of the messages in it, so many a field, the same for a seed."""
    chance = random.Random(seed)
    for path, steps, field in _fields(request.DESCRIPTOR, ()):
        changes = list(_changes(field))
        for what, change in chance.sample(changes, min(per_field, len(changes))):
            yield Hostile(path, what, _at(steps, change))


def _fields(descriptor: Any, steps: tuple[FieldDescriptor, ...]) -> Iterator[tuple[str, Any, FieldDescriptor]]:
    for field in descriptor.fields:
        path = ".".join(step.name for step in (*steps, field))
        yield path, steps, field
        kind = field.message_type
        if kind is None or not kind.full_name.startswith("roamhub.") or kind.GetOptions().map_entry:
            continue
        if len(steps) < _DEEPEST and kind not in [step.message_type for step in steps]:
            yield from _fields(kind, (*steps, field))


def _at(steps: tuple[FieldDescriptor, ...], change: Change) -> Change:
    """Return the change made to a message within a request; what is not there on the way is made."""

    def apply(request: Any) -> None:
        for step in steps:
            inner = getattr(request, step.name)
            if step.is_repeated:
                inner = inner[0] if inner else inner.add()
            else:
                inner.SetInParent()
            request = inner
        change(request)

    return apply


def _changes(field: FieldDescriptor) -> Iterator[tuple[str, Change]]:
    yield "absent", lambda message: message.ClearField(field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for key in ("", "nope\0", "x" * 300):
            yield f"key {key[:9]!r}", partial(_entry, field=field, key=key)
        return
    if field.is_repeated:
        yield "twice", lambda message: getattr(message, field.name).extend(list(getattr(message, field.name)))
        yield f"{_MANY} times", lambda message: _repeat(getattr(message, field.name), field)
    yield from _values(field)


def _repeat(items: Any, field: FieldDescriptor) -> None:
    if field.message_type is not None:
        one = items[0] if items else items.add()
        items.extend([one] * min(_MANY, 3_000_000 // max(len(one.SerializeToString()), 1)))
    else:
        items.extend([items[0] if items else _plain(field)] * _MANY)


def _plain(field: FieldDescriptor) -> Any:
    return "x" if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else 1


def _values(field: FieldDescriptor) -> Iterator[tuple[str, Change]]:
    kind = field.message_type
    if kind is None:
        for value in _scalars(field):
            yield repr(value)[:40], partial(_put, field=field, value=value)
        return
    yield "empty", partial(_empty, field=field)
    match kind.full_name:
        case "google.protobuf.Timestamp" | "google.protobuf.Duration":
            for seconds, nanos in TIMES if kind.name == "Timestamp" else SPANS:
                yield f"{seconds} s {nanos} ns", partial(_set, field=field, seconds=seconds, nanos=nanos)
        case "google.type.Decimal":
            for text in NUMBERS:
                yield repr(text), partial(_set, field=field, value=text)
        case "google.type.LatLng":
            for number in (float("nan"), float("inf"), 1e308, -91.0, 181.0):
                yield str(number), partial(_set, field=field, latitude=number, longitude=number)
        case "google.protobuf.FieldMask":
            for paths in PATHS:
                yield f"paths {paths[:2]}", partial(_set, field=field, paths=paths)
        case _:
            return


def _scalars(field: FieldDescriptor) -> tuple[Any, ...]:
    if field.enum_type is not None:
        return 0, -1, 999, (1 << 31) - 1
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"", b"\0" * 100, b"\xff" * 5_000
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return TEXTS
        case FieldDescriptor.CPPTYPE_BOOL:
            return True, False
        case FieldDescriptor.CPPTYPE_INT32:
            return -1, 0, 1, (1 << 31) - 1, -(1 << 31)
        case FieldDescriptor.CPPTYPE_INT64:
            return -1, 0, 1, (1 << 63) - 1, -(1 << 63)
        case _:
            return float("nan"), float("inf"), -1.0, 1e308


def _put(message: Any, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        items = getattr(message, field.name)
        items[:] = [value, *items[1:]]
    else:
        setattr(message, field.name, value)


def _empty(message: Any, field: FieldDescriptor) -> None:
    message.ClearField(field.name)
    if field.is_repeated:
        getattr(message, field.name).add()
    else:
        getattr(message, field.name).SetInParent()


def _set(message: Any, field: FieldDescriptor, **values: Any) -> None:
    inner = getattr(message, field.name)
    if field.is_repeated:
        inner = inner[0] if inner else inner.add()
    inner.Clear()
    for name, value in values.items():
        if isinstance(value, tuple):
            getattr(inner, name).extend(value)
        else:
            setattr(inner, name, value)


def _entry(message: Any, field: FieldDescriptor, key: str) -> None:
    assert field.message_type is not None
    getattr(message, field.name)[key] = _plain(field.message_type.fields_by_name["value"])
