"""How the hub's log lines look: one event name and its facts, for people or for machines.

Code logs an event name with `extra={...}`; the facts never hold tokens, contract ids or keys. Of an error it is told
where it arose and the first line of what it says, for the same reason.
"""

import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from hub.rpc.calls import CURRENT

#: What a record has of its own; everything else came with `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OPTIONAL_WHEN_EMPTY = ("", None)

_ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class ConsoleFormatter(logging.Formatter):
    """`12:00:00.123 INFO  hub.main serving port=7443`."""

    def formatException(self, ei: _ErrorInfo) -> str:  # noqa: N802 - logging's name
        """Return a traceback that quotes no row."""
        return _traceback(ei[1])

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback if there is one."""
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        facts = "".join(
            f" {name}={_shown(value)}"
            for name, value in vars(record).items()
            if name not in _OWN and value not in _OPTIONAL_WHEN_EMPTY
        )
        line = f"{moment} {record.levelname:<7} {record.name} {record.getMessage()}{facts}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _traceback(error: BaseException | None) -> str:
    """Return an error and what it came from, the first cause first, each with the first line of what it says.

    On the lines after it databases and SQLAlchemy quote rows and parameters: drivers' tokens and contracts.
    """
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = "".join(traceback.format_tb(error.__traceback__))
        parts.append(f"{frames}{type(error).__name__}: {str(error).partition(chr(10))[0]}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\n".join(reversed(parts))


def _shown(value: Any) -> str:  # noqa: ANN401
    text = str(value)
    return repr(text) if not text or not text.isprintable() or " " in text else text


def configure(form: str, level: str) -> None:
    """Send the log to standard error, as console lines or as one JSON object a line.

    Args:
        form: console or json.
        level: DEBUG, INFO, WARNING or ERROR; other people's libraries speak up from WARNING on.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_add_call)
    handler.setFormatter(_json_formatter() if form == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("hub", "adapters"):
        logging.getLogger(name).setLevel(level)


def _add_call(record: logging.LogRecord) -> bool:
    """Name the call that a line belongs to, so that all lines of one exchange can be found together."""
    call = CURRENT.get()
    if call is not None and not hasattr(record, "request_id"):
        record.request_id, record.correlation_id = call.request_id, call.correlation_id
    return True


def _json_formatter() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter  # noqa: PLC0415 - only where it is asked for

    class Quiet(JsonFormatter):
        def formatException(self, ei: _ErrorInfo) -> str:  # noqa: N802 - logging's name
            return _traceback(ei[1])

    return Quiet(
        ["levelname", "name", "message", "exc_info"],
        timestamp=True,
        rename_fields={"levelname": "level", "name": "logger", "message": "event", "exc_info": "traceback"},
    )
