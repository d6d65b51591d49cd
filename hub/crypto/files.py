"""Secrets in files: written whole or not at all, and for the owner's eyes only (mode 0600)."""

import os
import secrets
import stat
from pathlib import Path


class InsecureFileError(Exception):
    """A file that holds a secret may be read or written by others."""


class LostKeyError(ValueError):
    """A key is gone or damaged that a new one cannot stand in for."""


def write_secret(path: Path, content: bytes) -> None:
    """Write a new secret, durably; a reader sees all of it or no file.

    Raises:
        FileExistsError: There is one already; it is left as it is.
        OSError: It cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)  # unlike a rename, this never replaces a secret that another process wrote first
    finally:
        draft.unlink()


def replace_secret(path: Path, content: bytes) -> None:
    """Write a secret over an older one of the same name; a reader sees the old or the new."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_secret(draft, content)
    draft.replace(path)


def read_secret(path: Path) -> bytes:
    """Return a secret.

    Raises:
        InsecureFileError: Others than the owner may read or write the file.
        FileNotFoundError: There is none.
    """
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise InsecureFileError(f"{path}: others may read this secret; make it mode 0600, and think of it as known")
    return path.read_bytes()


def private_folder(path: Path) -> Path:
    """Return the folder, made for its owner alone (mode 0700) when it is absent."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
