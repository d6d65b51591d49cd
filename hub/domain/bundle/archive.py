"""A bundle as a file, and back."""

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence

from hub.domain.bundle.parts import (
    BundleParts,
    leaves_bytes,
    parse_leaves,
    parse_proofs,
    proofs_bytes,
)
from hub.domain.canonical import MalformedDocument

STATEMENT = "statement.dsse.json"
LEAVES = "leaves.jsonl"
PROOFS = "proofs.json"
CHECKPOINT = "checkpoint.txt"
KEYRING = "keyring.dsse.json"
LINES_CSV = "statement.csv"
CDRS_CSV = "cdrs.csv"
PAGE = "statement.html"

ACKNOWLEDGEMENTS_MAX = 99

#: In this order; the acknowledgements stand before the last one.
_ALWAYS = (STATEMENT, LEAVES, PROOFS, CHECKPOINT, KEYRING)
_RENDERINGS = (LINES_CSV, CDRS_CSV, PAGE)

#: How zipfile answers archives that it cannot read.
_DAMAGE = (
    zipfile.BadZipFile,
    ValueError,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    struct.error,
)
#: The earliest time a zip archive can name: ours have none.
_NO_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE = 0o644 << 16


class MalformedBundle(Exception):
    """The bytes are no bundle."""


def write_bundle(parts: BundleParts, renderings: Mapping[str, bytes]) -> bytes:
    """Return the bundle's bytes; the same content makes the same bytes.

    Args:
        parts: What it proves with.
        renderings: The content of `statement.csv`, `cdrs.csv` and `statement.html`, by file name.

    Raises:
        ValueError: There are more acknowledgements than a bundle takes.
    """
    if len(parts.acknowledgements) > ACKNOWLEDGEMENTS_MAX:
        raise ValueError(f"a bundle takes {ACKNOWLEDGEMENTS_MAX} acknowledgements")
    answers = dict(zip(_acknowledgement_names(len(parts.acknowledgements)), parts.acknowledgements, strict=True))
    return _archive(
        {
            STATEMENT: parts.statement,
            LEAVES: leaves_bytes(parts.leaves),
            PROOFS: proofs_bytes(parts.proofs),
            CHECKPOINT: parts.checkpoint,
            **answers,
            KEYRING: parts.keyring,
            **{name: renderings[name] for name in _RENDERINGS},
        }
    )


def read_bundle(data: bytes) -> tuple[BundleParts, dict[str, bytes]]:
    """Read a bundle: its parts, and its renderings by file name.

    Raises:
        MalformedBundle: It is none, or not in the bytes that `write_bundle` gives it.
    """
    check_packing(data)
    return open_bundle(data)


def check_packing(data: bytes) -> None:
    """Check that an archive is in its one form; the documents in it have one as well, which parsing checks.

    Raises:
        MalformedBundle: It is not.
    """
    if _archive(_files(data)) != data:
        raise MalformedBundle("packed anew, not in the one form a bundle is written in")


def open_bundle(data: bytes) -> tuple[BundleParts, dict[str, bytes]]:
    """Read a bundle however it was packed, as `read_bundle` does: to see what is wrong with it.

    Raises:
        MalformedBundle: These are not the files of a bundle.
    """
    files = _files(data)
    answers = _acknowledgement_names(len(files) - len(_ALWAYS) - len(_RENDERINGS))
    wanted = [*_ALWAYS[:-1], *answers, _ALWAYS[-1], *_RENDERINGS]
    if missing := [name for name in (*_ALWAYS, *_RENDERINGS) if name not in files]:
        raise MalformedBundle(f"{missing[0]} is missing")
    if extra := [name for name in files if name not in wanted]:
        raise MalformedBundle(f"{extra[0][:60]!r} is no file of a bundle")
    if list(files) != wanted:
        raise MalformedBundle("its files are in another order")
    at = LEAVES
    try:
        leaves = parse_leaves(files[LEAVES])
        at = PROOFS
        proofs = parse_proofs(files[PROOFS])
    except MalformedDocument as error:
        raise MalformedBundle(f"{at}: {error}") from None
    parts = BundleParts(
        statement=files[STATEMENT],
        leaves=leaves,
        proofs=proofs,
        checkpoint=files[CHECKPOINT],
        acknowledgements=tuple(files[name] for name in answers),
        keyring=files[KEYRING],
    )
    return parts, {name: files[name] for name in _RENDERINGS}


def _acknowledgement_names(count: int) -> list[str]:
    return [f"acknowledgements/{number:02}.dsse.json" for number in range(1, count + 1)]


def _archive(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _NO_DATE)
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            archive.writestr(entry, content)
    return written.getvalue()


def _files(data: bytes) -> dict[str, bytes]:
    """Return the archive's files; they are never larger together than the archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(data))
            return {each.filename: archive.read(each) for each in entries}
    except _DAMAGE as error:
        # Of a file whose sum is wrong it gives the name.
        raise MalformedBundle(f"no archive, or a damaged one: {str(error)[:100] or type(error).__name__}") from None


def _check_entries(entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    if any(each.compress_type != zipfile.ZIP_STORED or each.flag_bits & 1 for each in entries):
        raise MalformedBundle("a bundle is neither compressed nor encrypted")
    if sum(each.file_size for each in entries) > size:
        raise MalformedBundle("the archive says it holds more than it does")
    if len({each.filename for each in entries}) != len(entries):
        raise MalformedBundle("two files have one name")
