"""The command line: what it says about itself, and how it fails."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from hub.cli.app import names, root, run
from hub.cli.doctor import settings_document
from hub.cli.failures import Exit
from hub.cli.output import progress
from hub.config import Config

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ROAMHUB_DATA", "ROAMHUB_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("command", names())
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert f"Usage: roamhub {command}" in capsys.readouterr().out


@pytest.mark.parametrize("group", ["partner", "period", "statement", "keys", "agreement", "operator", "import", "cdr"])
def test_the_help_of_a_group_cuts_no_sentence_short(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([group, "--help"]) == 0
    assert "..." not in capsys.readouterr().out.replace("COMMAND [ARGS]...", "")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from hub.cli.app import run; run(['--help']); "
        "heavy = {'grpc', 'sqlalchemy', 'google.protobuf', 'cryptography', 'rich', 'alembic'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_without_an_operator_certificate_one_line_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["partner", "list"]) == 5
    error = capsys.readouterr().err
    assert error.startswith("roamhub: NO_OPERATOR_CERTIFICATE: roamhub-data/operator.pem is missing")
    assert error.count("\n") == 1


def test_json_errors_are_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["partner", "list", "--json"]) == 5
    error = json.loads(capsys.readouterr().err)["error"]
    assert (error["reason"], error["exit_code"]) == ("NO_OPERATOR_CERTIFICATE", 5)


@pytest.mark.parametrize("arguments", [["nonsense"], ["partner", "nonsense"], ["partner", "list", "--nonsense"]])
def test_wrong_usage_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert run([*arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["error"]["reason"] == "USAGE"


def test_a_missing_option_is_named_to_machines_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cdr", "withdraw", "NL-ABC/1", "--json"]) == Exit.UNUSABLE
    assert "--as" in json.loads(capsys.readouterr().err)["error"]["message"]


def test_of_a_text_without_any_meter_document_it_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("these are\nonly some\nnotes\n")
    assert run(["meter", "verify", "notes.txt"]) == Exit.UNUSABLE
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "roamhub: UNUSABLE: notes.txt: none of its 3 lines holds a signed meter document\n"


def test_an_unknown_setting_is_exit_2_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "hub.toml"
    config.write_text("lissten = '127.0.0.1:1'\n")
    assert run(["serve", "--config", str(config)]) == 2
    assert "lissten: there is no such setting" in capsys.readouterr().err
    assert run(["doctor", "--config", str(config)]) == 1
    assert "lissten" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--config", "nowhere.toml"]) == 2
    assert capsys.readouterr().err == "roamhub: UNUSABLE: nowhere.toml: No such file or directory\n"


@pytest.mark.parametrize(
    "arguments",
    [["verify", "b.zip", "--trust", "missing"], ["lint", "tariff", "missing"], ["rate", "--cdr", "missing"]],
)
def test_a_file_that_cannot_be_read_is_named_once(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) in {2, 11}
    told = capsys.readouterr()
    assert (told.out + told.err).count("missing: No such file or directory") == 1
    assert "missing: missing" not in told.out + told.err


def test_the_database_is_upgraded_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["db", "upgrade"]) == 0
    assert run(["db", "upgrade"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("upgraded: empty -> ")
    assert second.startswith("up to date: ")


def test_the_doctor_fails_on_a_key_that_others_may_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "roamhub-data"
    (folder / "clearing").mkdir(parents=True, mode=0o700)
    keys = (folder / "ca.key", folder / "clearing" / "root.key")
    for key in keys:
        key.write_text("")
        key.chmod(0o644)
    assert run(["doctor", "--json"]) == 1
    found = [each for each in json.loads(capsys.readouterr().out) if each["check"] == "data"]
    failed = [each["message"] for each in found if each["verdict"] == "failed"]
    assert [f"{key.relative_to(folder)} holds a key" in text for key, text in zip(keys, failed, strict=True)] == [
        True
    ] * 2
    assert "ok" not in {each["verdict"] for each in found}


def test_the_configuration_page_is_what_the_doctor_prints() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == settings_document()


def test_the_page_on_the_command_line_names_every_command() -> None:
    page = (ROOT / "docs/cli.md").read_text()
    root_command = get_command(root)
    for name in names():
        command = root_command.get_command(None, name)  # type: ignore[attr-defined]
        row = next((line for line in page.splitlines() if line.startswith(("| `", "|`")) and f"`{name}" in line), "")
        assert row, f"docs/cli.md does not name {name}"
        for each in getattr(command, "commands", {}):
            rows = [line for line in page.splitlines() if line.startswith(f"| `{name} ")]
            assert any(f"`{each}`" in line or f"`{name} {each}`" in line for line in rows), f"{name} {each} is missing"


#: Commands without `--json`, and why.
_FOR_PEOPLE = {
    "serve": "prints nothing; its log is JSON by the setting log_format",
    "demo": "is a story to read; what comes of it is left in files",
}


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Yield every command there is with its options, those in groups too."""
    if not hasattr(command, "list_commands"):
        yield " ".join(path), {option for each in command.params for option in each.opts}
        return
    for name in command.list_commands(None):
        yield from _commands(command.get_command(None, name), (*path, name))


def test_every_command_answers_machines_too() -> None:
    without = {name for name, options in _commands(get_command(root)) if "--json" not in options}
    assert without == set(_FOR_PEOPLE)


def test_settings_are_told_to_machines_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--settings", "--json"]) == 0
    told = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert told["listen"]["default"] == "127.0.0.1:7443"
    assert told.keys() == {each.name for each in fields(Config)}


def test_every_exit_code_stands_in_the_page() -> None:
    page = (ROOT / "docs/cli.md").read_text()
    for code in Exit:
        assert f"\n| {int(code)} |" in page


@pytest.mark.parametrize(
    ("terminal", "hidden", "shown"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_progress_is_shown_on_a_terminal_only(
    terminal: bool, hidden: bool, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with progress("locations", 2, hidden=hidden) as advance:
        advance(2)
    told = capsys.readouterr()
    assert (told.out, "locations" in told.err) == ("", shown)
