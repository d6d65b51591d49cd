"""The engine: compiles a table for one version, then reads and writes by it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from google.protobuf.message import Message

from adapters.ocpi.codec.jsontext import Json, JsonObject, dumps, loads_object
from adapters.ocpi.codec.tables import Bridge, Nested, Reading, Row, Table, Writing
from adapters.ocpi.codec.values import DecimalNumber, Instant, Read, Text, Value, Write
from adapters.ocpi.codec.words import Kept, Refused, Repaired, Version

EXTENSIONS = "extensions"
#: The hub's own limit: it refuses a message that says more.
_EXTENSIONS_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One row, compiled for one version."""

    row: Row
    name: str
    target: str
    many: bool
    place: str
    read: Read | None
    write: Write | None
    table: Table | None
    bridge: Bridge | None
    assign: Callable[[Message, object], None] | None


class Plan:
    """A table compiled for one version."""

    def __init__(self, table: Table, version: Version) -> None:
        self.table = table
        self.version = version
        self._by_name = {row.ocpi: _compile(table, row, version) for row in table.rows if version in row.versions}
        self._by_target = {f.target: f for f in self._by_name.values() if f.bridge is None}
        self._bridged = [f for f in self._by_name.values() if f.bridge is not None]
        self._covered = frozenset(name for f in self._bridged if f.bridge for name in f.bridge.covers)
        self._required = [f for f in self._by_name.values() if f.row.card in "1+"]
        self._gaps = {gap.ours: gap for gap in table.gaps if version in gap.versions}
        self._implied = [(gap.ours, gap.implied) for gap in self._gaps.values() if gap.implied is not None]

    @cached_property
    def targets(self) -> dict[str, str]:
        """Our field by OCPI's name, for building update masks."""
        covers = {f.name: min(f.bridge.covers) for f in self._bridged if f.bridge}
        return {name: covers.get(name, f.target) for name, f in self._by_name.items()}

    def read(self, obj: JsonObject, message: Message, reading: Reading) -> None:
        """Set the fields of `message` from `obj`. What has no field, or no meaning in it, goes to `extensions`."""
        aside: JsonObject | None = None
        by_name = self._by_name
        for name, value in obj.items():
            found = by_name.get(name)
            if found is not None and (value is None or _take(found, value, message, reading)):
                continue
            aside = aside or {}
            aside[name] = value
        if aside:
            text = dumps(aside)
            if len(text) > _EXTENSIONS_BYTES_MAX:
                reading.note(f"must not say more than {_EXTENSIONS_BYTES_MAX} bytes beyond OCPI")
            message.extensions = text.decode()  # type: ignore[attr-defined]
        if reading.partial:
            return
        for target, implied in self._implied:
            setattr(message, target, implied)
        for wanted in self._required:
            value = obj.get(wanted.name)
            if value is None:
                reading.note("is required", Kept.NOWHERE, f".{wanted.name}")
            elif value == [] and wanted.row.card == "+":
                reading.note("must hold at least one", Kept.NOWHERE, f".{wanted.name}")

    def write(self, message: Message, writing: Writing) -> JsonObject:
        """Return what this version says for `message`."""
        out: JsonObject = {}
        aside: JsonObject = {}
        for descriptor, value in message.ListFields():
            target = descriptor.name
            found = self._by_target.get(target)
            if found is not None:
                _give(found, value, out, writing)
            elif target == EXTENSIONS:
                aside = _aside(value, writing)
            elif target not in self._covered:
                self._miss(target, value, writing)
        for bridged in self._bridged:
            if bridged.bridge and bridged.name not in aside:
                _cross(bridged, bridged.bridge, message, out, writing)
        for name, said in aside.items():
            out.setdefault(name, said)  # a field that the message has since been given wins
        self._complete(out, writing)
        return out

    def _miss(self, target: str, value: object, writing: Writing) -> None:
        gap = self._gaps.get(target)
        if gap is None:
            writing.note(f"{self.version} has no such field", f".{target}")
        elif not gap.harmless(value):
            writing.note(gap.rule, f".{target}")

    def _complete(self, out: JsonObject, writing: Writing) -> None:
        for wanted in self._required:
            if wanted.name in out:
                continue
            assume = wanted.row.assume
            if assume is not None:
                out[wanted.name] = assume
                writing.note(f"{self.version} requires it; assumed {assume}", f".{wanted.name}", assumed=True)
            else:
                writing.note(f"{self.version} requires it, and there is none", f".{wanted.name}")


@cache
def plan_of(table: Table, version: Version) -> Plan:
    """Return the compiled form of `table` for `version`."""
    return Plan(table, version)


def _take(found: _Field, value: Json, message: Message, reading: Reading) -> bool:
    """Set one field; return False when the value has no meaning there."""
    try:
        if found.assign is not None and found.read is not None:
            found.assign(message, found.read(value))
        elif found.table is not None:
            descend(found.table, getattr(message, found.target), value, reading, found.place, many=found.many)
        elif found.bridge is not None:
            return found.bridge.read(message, value, reading.below(found.place))
    except Repaired as repaired:
        for at, rule in repaired.rules:
            reading.note(rule, Kept.MAPPED, found.place + at)
        if found.assign is not None:
            found.assign(message, repaired.value)
    except Refused as refused:
        reading.note(refused.rule, Kept.ASIDE, found.place + refused.at)
        return False
    return True


def descend(table: Table, into: Any, value: Json, reading: Reading, place: str, *, many: bool) -> None:  # noqa: ANN401
    """Read `value` at `place` into the sub-message `into`, or with `many` into the repeated field `into`.

    Raises:
        Refused: the value is no object, or no list of objects; nothing was read.
    """
    plan = plan_of(table, reading.version)
    if not many:
        if type(value) is not dict:
            raise Refused("must be a JSON object")
        into.SetInParent()
        plan.read(value, into, reading.below(place))
        return
    if type(value) is not list:
        raise Refused("must be a JSON array")
    for index, item in enumerate(value):
        if type(item) is not dict:
            raise Refused("must be a JSON object", f"[{index}]")
    for index, item in enumerate(value):
        plan.read(item, into.add(), reading.below(f"{place}[{index}]"))  # type: ignore[arg-type]


def _aside(text: str, writing: Writing) -> JsonObject:
    try:
        return loads_object(text)
    except ValueError as error:
        writing.note(f"cannot be handed on: {error}", f".{EXTENSIONS}")
        return {}


def _give(found: _Field, value: Any, out: JsonObject, writing: Writing) -> None:  # noqa: ANN401
    """Write one field that is set."""
    try:
        if found.table is not None:
            plan = plan_of(found.table, writing.version)
            if found.many:
                out[found.name] = [
                    plan.write(item, writing.below(f"{found.place}[{index}]")) for index, item in enumerate(value)
                ]
            else:
                out[found.name] = plan.write(value, writing.below(found.place))
        elif found.many:
            out[found.name] = _give_many(found, value, writing)
        elif found.write is not None:
            out[found.name] = found.write(value)
    except Repaired as repaired:
        for at, rule in repaired.rules:
            writing.note(rule, found.place + at)
        out[found.name] = repaired.value  # type: ignore[assignment]
    except Refused as refused:
        writing.note(refused.rule, found.place)


def _cross(found: _Field, bridge: Bridge, message: Message, out: JsonObject, writing: Writing) -> None:
    """Write one field that this version shapes differently."""
    try:
        said = bridge.write(message, writing.below(found.place))
    except Refused as refused:
        writing.note(refused.rule, found.place)
    else:
        if said is not None:
            out[found.name] = said


def _give_many(found: _Field, values: Iterable[object], writing: Writing) -> Json:
    """Write a list; an item the version does not know is left out."""
    items: list[Json] = []
    write = found.write
    assert write is not None
    for index, value in enumerate(values):
        try:
            items.append(write(value))
        except Repaired as repaired:
            items.append(repaired.value)  # type: ignore[arg-type]
            for _, rule in repaired.rules:
                writing.note(rule, f"{found.place}[{index}]")
        except Refused as refused:
            writing.note(refused.rule, f"{found.place}[{index}]")
    return items


def _compile(table: Table, row: Row, version: Version) -> _Field:
    kind = row.kind
    many = row.card in "*+"
    read, write, assign = None, None, None
    if not isinstance(kind, Nested | Bridge):
        if isinstance(kind, Text) and table.message.DESCRIPTOR.fields_by_name[row.target].has_presence:
            kind = replace(kind, free=row.card == "?")
        read, write = kind.reader(version), kind.writer(version)
        if many:
            read = _read_many(read)
        assign = _assigner(row.target, kind, many=many)
    return _Field(
        row=row,
        name=row.ocpi,
        target=row.target,
        many=many,
        place=f".{row.ocpi}",
        read=read,
        write=write,
        table=kind.table if isinstance(kind, Nested) else None,
        bridge=kind if isinstance(kind, Bridge) else None,
        assign=assign,
    )


def _assigner(target: str, kind: Value, *, many: bool) -> Callable[[Message, object], None]:
    """Return the function that puts what `kind` read into the field `target`."""

    def extend(message: Message, value: object) -> None:
        getattr(message, target).extend(value)

    def decimal(message: Message, value: object) -> None:
        getattr(message, target).value = value

    def instant(message: Message, value: object) -> None:
        stamp = getattr(message, target)
        stamp.seconds, stamp.nanos = value  # type: ignore[misc]
        stamp.SetInParent()  # 1970 itself sets nothing

    def scalar(message: Message, value: object) -> None:
        setattr(message, target, value)

    if many:
        return extend
    if isinstance(kind, DecimalNumber):
        return decimal
    return instant if isinstance(kind, Instant) else scalar


def _read_many(read: Read) -> Read:
    """Return the reader of a list of what `read` reads. One item without meaning takes the list with it."""

    def read_list(value: object) -> object:
        if type(value) is not list:
            raise Refused("must be a JSON array")
        try:
            return [read(item) for item in value]
        except (Repaired, Refused):
            return _read_each(read, value)

    return read_list


def _read_each(read: Read, values: list[Json]) -> object:
    items: list[object] = []
    rules: list[tuple[str, str]] = []
    for index, value in enumerate(values):
        try:
            items.append(read(value))
        except Repaired as repaired:
            items.append(repaired.value)
            rules.extend((f"[{index}]{at}", rule) for at, rule in repaired.rules)
        except Refused as refused:
            raise Refused(refused.rule, f"[{index}]{refused.at}") from None
    raise Repaired(items, *rules)
