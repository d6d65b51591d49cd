"""What `roamhub doctor` finds."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    verdict: Literal["ok", "warning", "failed"]
    message: str


def ok(check: str, message: str) -> Finding:
    """Return that all is well."""
    return Finding(check=check, verdict="ok", message=message)


def warning(check: str, message: str) -> Finding:
    """Return what should be known."""
    return Finding(check=check, verdict="warning", message=message)


def failed(check: str, message: str) -> Finding:
    """Return what must be mended."""
    return Finding(check=check, verdict="failed", message=message)
