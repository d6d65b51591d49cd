"""How the hub's log lines look: one event name and its facts, for people or for machines.

Code logs an event name with `extra={...}`; the facts never hold tokens, contract ids or keys.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

from hub.rpc.calls import CURRENT

#: What a record has of its own; everything else came with `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OPTIONAL_WHEN_EMPTY = ("", None)


class ConsoleFormatter(logging.Formatter):
    """`12:00:00.123 INFO  hub.main serving port=7443`."""

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

    return JsonFormatter(
        ["levelname", "name", "message", "exc_info"],
        timestamp=True,
        rename_fields={"levelname": "level", "name": "logger", "message": "event", "exc_info": "traceback"},
    )
