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
