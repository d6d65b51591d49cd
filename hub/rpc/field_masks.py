"""Patches: the fields of one message that an update mask names, put into another (AIP-134, AIP-161).

A path leads through messages to a field, such as `operator.name`; it cannot lead into a list or a map, only name it
whole. A field that is named and not given is cleared. Without a mask the fields that are given are taken; `*` takes
all of them.
"""

from collections.abc import Collection, Sequence
from typing import TypeVar, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from hub.domain.errors import invalid

M = TypeVar("M", bound=Message)

_PATHS_MAX = 100


def patched(document: bytes, patch: M, mask: FieldMask | None, *, fixed: Collection[str], always: Sequence[str]) -> M:
    """Return a stored message with the fields that the mask names as the patch has them.

    Args:
        document: The stored message, serialised.
        patch: The new values.
        mask: The paths; None when the request has none.
        fixed: Names of fields that identify the object: they stay as stored, and a mask may not name them.
        always: Names of fields that are taken from the patch whatever the mask says, such as `last_updated`.

    Raises:
        Invalid: A path names no field, leads into a list, or names a fixed field.
    """
    merged = type(patch)()
    merged.ParseFromString(document)
    for path in [*_paths(patch, mask, fixed), *always]:
        _take(merged, patch, path)
    return merged


def _paths(patch: Message, mask: FieldMask | None, fixed: Collection[str]) -> list[str]:
    if mask is None or not mask.paths:
        return [field.name for field, _ in patch.ListFields() if field.name not in fixed]
    if list(mask.paths) == ["*"]:
        return [field.name for field in patch.DESCRIPTOR.fields if field.name not in fixed]
    if len(mask.paths) > _PATHS_MAX:
        raise invalid("update_mask", f"must have at most {_PATHS_MAX} paths")
    for path in mask.paths:
        if path.split(".")[0] in fixed:
            raise invalid("update_mask", f"cannot change {path[:64]}, which identifies the object")
    return list(mask.paths)


def _take(into: Message, patch: Message, path: str) -> None:
    *parents, name = path.split(".")
    for depth, step in enumerate(parents, 1):
        field = _field(into, step, path)
        if field.message_type is None or field.is_repeated:
            raise invalid("update_mask", f"{path[:64]!r} leads into what has no fields")
        if not patch.HasField(step) and not into.HasField(step):
            # Clearing a part of what is absent on both sides changes nothing, and must not create it.
            _require_field(field, path.split(".")[depth:], path)
            return
        into, patch = getattr(into, step), getattr(patch, step)
    field = _field(into, name, path)
    into.ClearField(name)
    if field.is_repeated:
        getattr(into, name).MergeFrom(getattr(patch, name))
    elif not field.has_presence:
        setattr(into, name, getattr(patch, name))
    elif not patch.HasField(name):
        return
    elif field.message_type is None:
        setattr(into, name, getattr(patch, name))
    else:
        getattr(into, name).CopyFrom(getattr(patch, name))


def _field(message: Message, name: str, path: str) -> FieldDescriptor:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        raise invalid("update_mask", f"{path[:64]!r} names no field")
    return cast(FieldDescriptor, field)


def _require_field(below: FieldDescriptor, names: Sequence[str], path: str) -> None:
    """Raise Invalid unless these names lead from a message field to a field."""
    descriptor = below.message_type
    for name in names:
        field = None if descriptor is None else descriptor.fields_by_name.get(name)
        if field is None:
            raise invalid("update_mask", f"{path[:64]!r} names no field")
        descriptor = None if field.is_repeated else field.message_type
