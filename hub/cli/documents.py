"""Reading the documents that offline commands work on."""

import io
import sys
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile, GzipFile
from pathlib import Path

from hub.cli.failures import Exit, Failure
from hub.domain.errors import Invalid, invalid
from hub.domain.rating.json_reader import load_json

#: A country's tariffs are some 10 MB; more than this, packed or not, is a mistake.
LARGEST_DOCUMENT_BYTES = 256 * 1024 * 1024

_GZIP = b"\x1f\x8b"


def read_document(path: Path, name: str) -> bytes:
    """Return the content of a file, or of standard input where the path is `-`; gzip is unpacked.

    Raises:
        Invalid: It cannot be read, or is too large; `name` is what the message calls it.
    """
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(LARGEST_DOCUMENT_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(LARGEST_DOCUMENT_BYTES + 1)
        if content.startswith(_GZIP):
            content = GzipFile(fileobj=io.BytesIO(content)).read(LARGEST_DOCUMENT_BYTES + 1)
    except (EOFError, BadGzipFile, zlib.error):
        raise invalid(name, "cannot be unpacked: the archive is broken or cut off") from None
    except OSError as error:
        raise invalid(name, f"cannot be read: {path}: {error.strerror or error}") from None
    if len(content) > LARGEST_DOCUMENT_BYTES:
        raise invalid(name, f"is larger than {LARGEST_DOCUMENT_BYTES} bytes")
    return content


def read_objects(content: bytes, name: str) -> Iterator[tuple[str, object]]:
    """Yield (place, object) of one JSON object, of an array, of OCPI's response around either, or of JSON lines.

    A line that is no JSON yields the error in the object's stead.

    Raises:
        Invalid: There is nothing in it, or it is no JSON at all.
    """
    lines = content.splitlines()
    several = [line for line in lines if line.strip()]
    if len(several) > 1 and several[0].rstrip().endswith(b"}"):
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"line {number}", _line(line, f"line {number}")
        return
    whole = load_json(content, name)
    if isinstance(whole, dict) and "status_code" in whole and "data" in whole:
        whole = whole["data"]
    if not isinstance(whole, list):
        yield name, whole
        return
    if not whole:
        raise invalid(name, "is an empty list")
    for index, entry in enumerate(whole):
        yield f"element {index}", entry


def _line(line: bytes, place: str) -> object:
    try:
        return load_json(line, place)
    except Invalid as error:
        return error


def unusable(error: Invalid) -> Failure:
    """Return the failure for input that cannot be used, which names every field that is wrong."""
    fields = "; ".join(f"{violation.field} {violation.rule}" for violation in error.violations)
    return Failure(fields, code=Exit.UNUSABLE, reason=error.reason, field=error.violations[0].field)
