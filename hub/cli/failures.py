"""How a command ends: exit codes, and one line on standard error that says why. The table is in docs/cli.md."""

import json
import os
import sys
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; `verify` has further ones of its own."""

    OK = 0
    NO = 1
    UNUSABLE = 2
    REFUSED = 3
    UNREACHABLE = 4
    NOT_PERMITTED = 5
    UNDECIDED = 6
    DEFECT = 70
    INTERRUPTED = 130


class Failure(Exception):
    """A command that cannot go on; raised anywhere, printed once."""

    def __init__(self, message: str, *, code: Exit = Exit.UNUSABLE, reason: str = "", **detail: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason or code.name
        self.detail = detail


def of_exception(error: BaseException) -> Failure:
    """Return the failure that stands for anything raised in a command."""
    if isinstance(error, Failure):
        return error
    # Modules that were never imported raised nothing; so nothing is imported here to find out.
    if "adapters.partner.errors" in sys.modules and (failure := _of_call(error)):
        return failure
    name = type(error).__name__
    if name in {"ConfigError", "StoreError", "SchemaError", "InsecureFileError", "LostKeyError", "BadKey"}:
        return Failure(str(error))
    if "sqlalchemy.exc" in sys.modules and (failure := _of_database(error)):
        return failure
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Failure(f"{where}{error.strerror or error}")
    if os.environ.get("ROAMHUB_TRACEBACK"):
        raise error
    return Failure(f"{name}: {error}; ROAMHUB_TRACEBACK=1 shows where", code=Exit.DEFECT)


def _of_database(error: BaseException) -> Failure | None:
    """Return the failure of a database that cannot be used; None where the mistake may be ours."""
    import sqlite3

    from sqlalchemy.exc import DBAPIError

    cause = error.orig if isinstance(error, DBAPIError) else None
    # SQLite's driver says so of files that are damaged or no database, and psycopg of servers it does not reach.
    if type(cause) is sqlite3.DatabaseError:
        return Failure(f"the database is damaged, or is none: {cause}; put it back from a copy")
    if type(cause).__module__.startswith("psycopg") and type(cause).__name__ == "OperationalError":
        return Failure(f"the database cannot be used: {' '.join(str(cause).split())}")
    return None


def _of_call(error: BaseException) -> Failure | None:
    from adapters.partner import errors

    if not isinstance(error, errors.RoamhubError):
        return None
    match error:
        case errors.Unreachable() | errors.TimedOut() | errors.Interrupted():
            code = Exit.UNREACHABLE
        case errors.Denied() | errors.Unauthenticated():
            code = Exit.NOT_PERMITTED
        case errors.Defect():
            code = Exit.DEFECT
        case errors.Invalid():
            code = Exit.UNUSABLE
        case _:
            code = Exit.REFUSED
    detail = dict(error.metadata)
    message = error.message
    if error.violations:
        detail["field"] = error.violations[0].field
        message = "; ".join(f"{violation.field} {violation.rule}" for violation in error.violations)
    return Failure(message, code=code, reason=error.reason, **detail)


def report(failure: Failure, *, as_json: bool) -> None:
    """Print a failure: one line for people, or one JSON object."""
    if as_json:
        about = {"reason": failure.reason, "message": failure.message, "exit_code": int(failure.code)}
        print(json.dumps({"error": about | {"detail": failure.detail}}, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"roamhub: {failure.reason}: {' '.join(failure.message.split())}", file=sys.stderr)
