"""What commands print: aligned columns for people, one JSON document for machines."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp


def as_dict(message: "Message") -> dict[str, Any]:
    """Return a message as JSON has it, with the contract's own field names."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message, preserving_proto_field_name=True)


def print_json(value: Any) -> None:  # noqa: ANN401
    """Print one JSON document."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def harmless(text: str) -> str:
    """Return a text as one line that moves no cursor and changes no colour: what cannot be printed is written out.

    Partners and bundles say what they like; on a terminal a control character could paint over what we say of it.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> None:
    """Print aligned columns; those whose numbers are in `right` end flush."""
    table = [[harmless(str(cell)) for cell in row] for row in (headings, *rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    for row in table:
        cells = (
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values, one to a line; empty values are left out."""
    shown = {name: harmless(str(value)) for name, value in fields.items() if str(value)}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        print(f"{name.ljust(width)}  {value}")


def moment(stamp: "Timestamp") -> str:
    """Return an instant to the second in UTC; empty when it is absent."""
    if not stamp.seconds:
        return ""
    return datetime.fromtimestamp(stamp.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def word(enum: Any, number: int) -> str:  # noqa: ANN401
    """Return an enum's value without its prefix, such as ACTIVE for STATE_ACTIVE."""
    name: str = enum.Name(number)
    prefix: str = enum.Name(0).removesuffix("UNSPECIFIED")
    return name.removeprefix(prefix)


@contextmanager
def progress(label: str, total: int | None = None, *, hidden: bool = False) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error while the block runs; yields what to call with each further count."""
    if hidden or not sys.stderr.isatty():
        yield lambda count: None  # noqa: ARG005
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)
