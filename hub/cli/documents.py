"""Reading the documents that offline commands work on."""

import sys
from pathlib import Path

from hub.cli.failures import Exit, Failure
from hub.domain.errors import Invalid, invalid

#: No single CDR or tariff list a partner sends is larger; more is a mistake.
LARGEST_DOCUMENT_BYTES = 64 * 1024 * 1024


def read_document(path: Path, name: str) -> bytes:
    """Return the content of a file, or of standard input where the path is `-`.

    Raises:
        Invalid: It cannot be read, or is too large; `name` is what the message calls it.
    """
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(LARGEST_DOCUMENT_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(LARGEST_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise invalid(name, f"cannot be read: {error.strerror or error}") from None
    if len(content) > LARGEST_DOCUMENT_BYTES:
        raise invalid(name, f"is larger than {LARGEST_DOCUMENT_BYTES} bytes")
    return content


def unusable(error: Invalid) -> Failure:
    """Return the failure for input that cannot be used, which names every field that is wrong."""
    fields = "; ".join(f"{violation.field} {violation.rule}" for violation in error.violations)
    return Failure(fields, code=Exit.UNUSABLE, reason=error.reason, field=error.violations[0].field)
