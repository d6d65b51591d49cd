"""`roamhub doctor` and the next start, on a data directory in which something is missing or damaged."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.cli.app import run
from hub.cli.failures import Exit, of_exception
from hub.main import Hub
from hub.store.database import open_engine
from tests.support import hub_database

pytestmark = pytest.mark.skipif(hub_database() != "sqlite", reason="damages the files of a SQLite database")


def gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def empty(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(b"")

    return change


def no_keys(folder: Path) -> None:
    shutil.rmtree(folder / "clearing")


def garbage(folder: Path) -> None:
    for path in folder.glob("roamhub.db-*"):
        path.unlink()
    (folder / "roamhub.db").write_bytes(b"garbage!" * 1_000)


def schema(version: str | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        engine = open_engine(f"sqlite:///{folder / 'roamhub.db'}")
        with engine.connect() as connection:
            connection.execute(text("DELETE FROM alembic_version"))
            if version is not None:
                connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})
        engine.dispose()

    return change


def clock_behind(folder: Path) -> None:
    tomorrow = round((time.time() + 86_400) * 1_000_000)
    engine = open_engine(f"sqlite:///{folder / 'roamhub.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE journal_head SET recorded_time = :tomorrow"), {"tomorrow": tomorrow})
    engine.dispose()


#: What is done to the folder; which check fails, and a word of what it says; whether the hub still starts.
DAMAGES: dict[str, tuple[Callable[[Path], None], str, str, bool]] = {
    "the authority's key is gone": (gone("ca.key"), "certificate", "put it back", False),
    "the authority's key is empty": (empty("ca.key"), "certificate", "damaged", False),
    "the signing keys are gone": (no_keys, "keys", "clearing is missing", True),
    "a signing key is gone": (gone("clearing/signing-1.key"), "keys", "keys rotate", True),
    "a signing key is empty": (empty("clearing/signing-1.key"), "keys", "no private key", False),
    "the roots are gone": (gone("clearing/roots.txt"), "keys", "roots.txt is missing", True),
    "the roots are empty": (empty("clearing/roots.txt"), "keys", "clearing", True),
    "the database is garbage": (garbage, "database", "damaged", False),
    "the database is of a later release": (schema("9999"), "database", "later release", False),
    "the schema has no version": (schema(None), "database", "no version", False),
    "the clock is a day behind the journal": (clock_behind, "clock", "the journal ends at", True),
}


@pytest.mark.parametrize(("damage", "check", "word", "starts"), DAMAGES.values(), ids=DAMAGES)
async def test_the_doctor_names_what_is_wrong_and_the_hub_makes_nothing_up(
    hub: Hub,
    damage: Callable[[Path], None],
    check: str,
    word: str,
    starts: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await hub.stop()
    monkeypatch.setenv("ROAMHUB_DATA_DIR", str(hub.config.data_dir))
    monkeypatch.setenv("ROAMHUB_LISTEN", "127.0.0.1:1")
    assert run(["doctor"]) == Exit.OK
    capsys.readouterr()
    damage(hub.config.data_dir)
    assert run(["doctor", "--json"]) == Exit.NO
    failed = [each for each in json.loads(capsys.readouterr().out) if each["verdict"] == "failed"]
    assert [each["check"] for each in failed] == [check]
    assert word in failed[0]["message"]
    assert "sqlalche.me" not in failed[0]["message"]
    if not starts:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - what it is for people is asserted
            await Hub(hub.config).start()
        failure = of_exception(caught.value)
        assert failure.code is Exit.UNUSABLE
        assert check != "database" or word in failure.message
        return
    again = Hub(hub.config)
    await again.start()
    await again.stop()
    told = any(record.message == "no_signing_key" for record in caplog.records)
    # Roots can be written again from root.key, and from it alone.
    assert told == (check == "keys" and word != "roots.txt is missing")
    if damage is no_keys:
        assert not list((hub.config.data_dir / "clearing").iterdir()), "keys of no record are not made"
