"""What log lines look like, for people and for machines."""

import json
import logging
from collections.abc import Iterator

import pytest

from hub import logs
from hub.domain.parties import Caller
from hub.rpc.calls import CURRENT, Call


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield logging.getLogger("hub.somewhere")
    root.handlers[:], root.level = handlers, level


def call() -> Call:
    return Call(Caller(platform="acme"), "/x/Y", None, "r-1", "c-1", str)


def test_a_console_line_is_the_event_and_its_facts(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "INFO")
    log.info("serving", extra={"port": 7443, "note": "two words", "empty": ""})
    line = capsys.readouterr().err
    assert line.endswith("INFO    hub.somewhere serving port=7443 note='two words'\n")


def test_a_json_line_is_one_object(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "INFO")
    log.info("serving", extra={"port": 7443})
    said = json.loads(capsys.readouterr().err)
    assert (said["level"], said["logger"], said["event"], said["port"]) == ("INFO", "hub.somewhere", "serving", 7443)
    assert said["timestamp"]


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_is_said_during_a_call_names_the_call(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    logs.configure(form, "INFO")
    token = CURRENT.set(call())
    log.info("something")
    CURRENT.reset(token)
    log.info("afterwards")
    during, afterwards = capsys.readouterr().err.splitlines()
    assert "r-1" in during
    assert "c-1" in during
    assert "r-1" not in afterwards


def test_a_line_break_in_a_fact_cannot_forge_a_line(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "INFO")
    log.info("refused", extra={"reason": "x\n12:00:00 INFO hub paid"})
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_level_holds_for_the_hub_and_others_speak_up_from_warning_on(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("console", "DEBUG")
    log.debug("ours")
    logging.getLogger("sqlalchemy.engine").info("theirs")
    logging.getLogger("sqlalchemy.engine").warning("their warning")
    lines = capsys.readouterr().err
    assert "ours" in lines
    assert "theirs" not in lines
    assert "their warning" in lines


class RowQuotedError(Exception):
    """What a driver raises: the first line says what is wrong, the next quotes the row."""


QUOTING = "wrapped\n[parameters: ('TOK1',)]"


def store() -> None:
    raise RowQuotedError(
        'duplicate key value violates unique constraint "token_pkey"\nDETAIL:  Key (uid)=(TOK1) exists'
    )


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("chained", ["cause", "context", "alone"])
def test_a_traceback_quotes_no_row(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], form: str, chained: str
) -> None:
    logs.configure(form, "INFO")
    try:
        try:
            store()
        except RowQuotedError as error:
            if chained == "alone":
                raise
            if chained == "cause":
                raise ValueError(QUOTING) from error
            raise ValueError(QUOTING)  # noqa: B904 - the driver's error is its context
    except Exception:
        log.exception("read_failed")
    said = capsys.readouterr().err
    assert "TOK1" not in said
    assert "in store" in said
    assert "RowQuotedError: duplicate key value violates unique constraint" in said
    assert ("ValueError: wrapped" in said) == (chained != "alone")


def test_errors_that_go_round_in_a_circle_are_told_once(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("console", "INFO")
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    log.error("incident", exc_info=one)
    assert capsys.readouterr().err.count("ValueError: one") == 1
