"""Files of OCPI objects: one JSON array, or one JSON object a line; plain or gzip.

Files are read as a stream: memory holds one object, whatever the file's size. Format and compression are seen in the
content, not the name.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from adapters.ocpi.codec import JsonObject, loads_object

OBJECT_BYTES_MAX = 16 * 1024 * 1024
"""No OCPI object comes near it: beyond, the file is something else."""
_CHUNK = 256 * 1024
_GZIP = b"\x1f\x8b"
_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
"""A whole string, the start of one that goes on beyond the window, or what gives JSON its shape."""


class BadFile(Exception):
    """A file, or one object in it, that cannot be read. `place` is such as `line 7` or `element 12`."""

    def __init__(self, path: Path, place: str, why: str) -> None:
        super().__init__(f"{path}, {place}: {why}")
        self.path = path
        self.place = place
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object of a file, or why there is none at that place.

    Attributes:
        place: where it stands: `line 7` (from 1) or `element 12` (from 0).
        position: bytes of the file read so far, for progress; of the compressed file when it is.
        obj: the object; None when `error` says why it could not be read.
        error: set instead of `obj`; the objects after it can still be read.
    """

    place: str
    position: int
    obj: JsonObject | None = None
    error: BadFile | None = None


def read_objects(path: Path) -> Iterator[Item]:
    """Yield the objects of a file in order.

    A bad line or array element is yielded as an error and the rest goes on. What leaves nothing to go on with (a broken
    archive, an array that is cut off) raises.

    Raises:
        BadFile: the file cannot be read (further).
        OSError: the file cannot be opened.
    """
    with path.open("rb") as raw:
        source = _unpack(raw)
        reader = _Reader(path, source, raw.tell)
        first = reader.peek()
        yield from _array(reader) if first == b"[" else _lines(reader)


def _unpack(raw: IO[bytes]) -> IO[bytes] | gzip.GzipFile:
    compressed = raw.read(2) == _GZIP
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if compressed else raw


class _Reader:
    """A window on a stream of bytes."""

    def __init__(self, path: Path, source: IO[bytes] | gzip.GzipFile, position: Callable[[], int]) -> None:
        self.path = path
        self.position = position
        self.window = bytearray()
        self.ended = False
        self._source = source

    def fill(self) -> bool:
        """Read on; return False at the end.

        Raises:
            BadFile: the archive is broken.
        """
        if self.ended:
            return False
        try:
            chunk = self._source.read(_CHUNK)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise BadFile(self.path, f"byte {self.position()}", "the gzip archive is broken or cut off") from None
        self.ended = not chunk
        self.window += chunk
        return not self.ended

    def peek(self) -> bytes:
        """Return the first byte that is not white space; empty at the end."""
        while True:
            if self.window.startswith(_BOM):
                del self.window[:3]
            rest = self.window.lstrip(_SPACE)
            if rest or not self.fill():
                return bytes(rest[:1])

    def take(self) -> bytes:
        """Drop white space and the byte after it, and return that byte; empty at the end."""
        byte = self.peek()
        self.window = self.window.lstrip(_SPACE)
        del self.window[:1]
        return byte


def _lines(reader: _Reader) -> Iterator[Item]:
    number, start = 0, 0
    while True:
        end = reader.window.find(b"\n", start)
        if end < 0:
            start = len(reader.window)
            if start > OBJECT_BYTES_MAX:
                raise BadFile(reader.path, f"line {number + 1}", f"is longer than {OBJECT_BYTES_MAX} bytes")
            if reader.fill():
                continue
            end = start
        elif end > OBJECT_BYTES_MAX:
            raise BadFile(reader.path, f"line {number + 1}", f"is longer than {OBJECT_BYTES_MAX} bytes")
        number += 1
        line = bytes(reader.window[:end])
        ended = reader.ended and end == len(reader.window)
        del reader.window[: end + 1]
        start = 0
        if line.strip():
            yield _item(reader, f"line {number}", line)
        if ended:
            return


def _item(reader: _Reader, place: str, text: bytes) -> Item:
    try:
        obj = loads_object(text)
        if "status_code" in obj and "data" in obj:
            raise ValueError("is a whole OCPI response: give the list in its `data` alone")  # noqa: TRY301
    except ValueError as error:
        return Item(place=place, position=reader.position(), error=BadFile(reader.path, place, str(error)))
    return Item(place=place, position=reader.position(), obj=obj)


def _array(reader: _Reader) -> Iterator[Item]:
    reader.take()
    if reader.peek() == b"]":
        return
    index = 0
    while True:
        place = f"element {index}"
        end = _element_end(reader, place)
        text = bytes(reader.window[:end])
        del reader.window[:end]
        yield _item(reader, place, text)
        if reader.take() == b"]":
            return
        index += 1


def _element_end(reader: _Reader, place: str) -> int:
    """Return where the array element at the start of the window ends: at a comma or bracket outside of it.

    Raises:
        BadFile: the file ends within it, or it is too long.
    """
    depth, at = 0, 0
    while True:
        for token in _TOKEN.finditer(reader.window, at):
            match token[0]:
                case b'"':
                    at = token.start()
                    break
                case b"[" | b"{":
                    depth += 1
                case b"," | b"]" | b"}" if depth == 0:
                    return token.start()
                case b"]" | b"}":
                    depth -= 1
                case _:  # a whole string, or a comma inside
                    pass
            at = token.end()
        if len(reader.window) > OBJECT_BYTES_MAX:
            raise BadFile(reader.path, place, f"is longer than {OBJECT_BYTES_MAX} bytes")
        if not reader.fill():
            raise BadFile(reader.path, place, "the array is cut off")
