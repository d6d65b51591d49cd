"""What can go wrong, named for what the caller does about it.

Every error carries a `reason` (UPPER_SNAKE_CASE, stable, part of the public contract), a message for people and
`metadata` that repeats every variable part of the message for machines (AIP-193). Neither may hold a token, a contract
id, a key or a personal datum: both are returned to partners and may be logged. `hub.rpc.status` maps each class to one
gRPC status code.
"""

from collections.abc import Iterable
from dataclasses import dataclass


class HubError(Exception):
    """A refusal the caller can act on."""

    def __init__(self, reason: str, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One field that breaks one rule.

    Attributes:
        field: Its path in the request, such as `cdr.total_energy`.
        rule: Stands after the field in a message, so it demands ("must not be negative") or says what is wrong ("is
            required"). Never the bare rule: "is not negative" is untrue of the field it is said of.
    """

    field: str
    rule: str


class Invalid(HubError):
    """The request can never succeed as it is: correct it."""

    def __init__(self, violations: Iterable[Violation], reason: str = "INVALID_FIELD", **metadata: str) -> None:
        self.violations = tuple(violations)
        first = self.violations[0]
        super().__init__(reason, f"{first.field}: {first.rule}", field=first.field, **metadata)


def invalid(field: str, rule: str) -> Invalid:
    """Return the error for one field that breaks one rule."""
    return Invalid([Violation(field=field, rule=rule)])


class Unauthenticated(HubError):
    """The caller's certificate names no platform that may call: register, or renew."""


class Denied(HubError):
    """The caller may not do this, whatever the state of things."""


class NotFound(HubError):
    """There is no such object, or none that the caller may know of; the two read the same on purpose."""


class Conflict(HubError):
    """The identity is taken by other content: nothing was overwritten."""


class Precondition(HubError):
    """The state of things forbids it now; change the state first."""


class Stale(HubError):
    """What the caller read has changed since: read again, then retry the whole sequence."""


class Expired(HubError):
    """What the caller wants to resume from is no longer kept: start over."""


class Exhausted(HubError):
    """A limit of size or rate is reached: wait, or send less."""


class Unreachable(HubError):
    """A partner or a part of the hub could not be reached; a retry may succeed."""


class TimedOut(HubError):
    """The deadline passed before the answer came; the outcome at the partner is unknown."""
