"""Migrations on both databases: each step up and down, with data in place, to exactly the tables of this release."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1.cdr_object_pb2 import Cdr
from roamhub.v1.location_object_pb2 import Connector, Evse, Location
from roamhub.v1.session_object_pb2 import SESSION_STATUS_ACTIVE, SESSION_STATUS_COMPLETED, Session
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from hub.cli.app import run
from hub.cli.failures import Exit
from hub.config import Config
from hub.main import Hub
from hub.store import schema, tables
from hub.store.database import open_engine
from hub.store.types import from_micros
from tests.e2e.conftest import roamhub
from tests.stored import contents

assert tables.__all__

SCRIPTS = ScriptDirectory.from_config(schema._config())
#: From the oldest to the newest.
CHAIN: list[Script] = list(SCRIPTS.walk_revisions())[::-1]
NEWEST = CHAIN[-1].revision
VERSION = "alembic_version"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Return an empty database, once of each kind."""
    if request.param == "sqlite":
        engine = open_engine(f"sqlite:///{tmp_path / 'empty.db'}")
        yield engine
        engine.dispose()
        return
    server = request.getfixturevalue("postgresql")
    name = f"empty_{abs(hash(request.node.nodeid))}"
    server.psql(f"CREATE DATABASE {name}")
    engine = open_engine(server.get_uri(name))
    yield engine
    engine.dispose()
    server.psql(f"DROP DATABASE {name} WITH (FORCE)")


def downgrade(engine: Engine, revision: str) -> None:
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.downgrade(schema._config(connection), revision)


def shape(engine: Engine) -> dict[str, Any]:
    """Return every table as the database describes it."""
    found = inspect(engine)

    def plain(thing: Any) -> Any:
        if isinstance(thing, dict):
            return {key: plain(value) for key, value in thing.items()}
        return [plain(each) for each in thing] if isinstance(thing, (list, tuple)) else str(thing)

    def unordered(things: Any) -> Any:
        return sorted(map(plain, things), key=repr)

    return {
        name: {
            "columns": [plain(column) for column in found.get_columns(name)],
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "unique": unordered(found.get_unique_constraints(name)),
            "checks": unordered(found.get_check_constraints(name)),
            "foreign": unordered(found.get_foreign_keys(name)),
            "indexes": unordered(found.get_indexes(name)),
        }
        for name in found.get_table_names()
        if name != VERSION
    }


def test_there_is_one_chain_of_migrations_numbered_without_a_gap() -> None:
    assert SCRIPTS.get_heads() == [NEWEST]
    assert [script.revision for script in CHAIN] == [f"{number:04}" for number in range(1, len(CHAIN) + 1)]
    assert CHAIN[0].down_revision is None
    assert all(later.down_revision == earlier.revision for earlier, later in pairwise(CHAIN))
    for script in CHAIN:
        assert Path(script.path).name.startswith(f"{script.revision}_")
        assert script.doc, f"{script.path} does not say what it is for"
    assert schema.newest_revision() == NEWEST


def test_the_migrations_make_exactly_the_tables_of_this_release(empty: Engine) -> None:
    schema.upgrade(empty)
    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    migrated = shape(empty)
    downgrade(empty, "base")
    for index in (index for table in SQLModel.metadata.tables.values() for index in table.indexes):
        # The tables give the condition of a partial index once, for either database.
        index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]
    with empty.begin() as connection:
        SQLModel.metadata.create_all(connection)
    assert shape(empty) == migrated


def test_every_migration_goes_down_to_what_was_before_and_up_again(empty: Engine) -> None:
    before = []
    for script in CHAIN:
        before.append(shape(empty))
        schema.upgrade(empty, script.revision)
        schema.upgrade(empty, script.revision)
        assert schema.current_revision(empty) == script.revision
    newest = shape(empty)
    for script in reversed(CHAIN):
        downgrade(empty, script.down_revision or "base")  # type: ignore[arg-type]
        assert shape(empty) == before.pop()
    assert schema.current_revision(empty) is None
    schema.upgrade(empty)
    assert shape(empty) == newest


@pytest.mark.parametrize("revision", [script.revision for script in CHAIN])
def test_an_upgrade_keeps_what_an_earlier_release_wrote(empty: Engine, revision: str) -> None:
    schema.upgrade(empty, revision)
    fill(empty)
    before = rows(empty)
    assert all(before.values())
    schema.upgrade(empty)
    after = rows(empty)
    for table, kept in before.items():
        if table in after:
            columns = kept[0].keys() & after[table][0].keys()
            assert chosen(after[table], columns) == chosen(kept, columns), table


def test_the_radar_reads_what_it_needs_from_sessions_and_cdrs_on_record(empty: Engine) -> None:
    schema.upgrade(empty, "0010")
    end = Timestamp(seconds=1_700_000_000)
    ended = Session(status=SESSION_STATUS_COMPLETED, end_date_time=end, authorization_reference="R1")
    documents = {
        "ended": ended,
        "unsaid": Session(status=SESSION_STATUS_COMPLETED),
        "active": Session(status=SESSION_STATUS_ACTIVE, end_date_time=end, authorization_reference="R1"),
    }
    stored = reflected(empty).tables
    with empty.begin() as connection:
        session = dict(cpo=1, emsp=2, state=2, token_uid="t", start_time=1, last_updated=7)  # noqa: C408
        # More rows than are read at a time.
        made = [{**session, "session_id": f"s{n:04}", "document": b""} for n in range(1_200)]
        made += [
            {**session, "session_id": name, "document": each.SerializeToString()} for name, each in documents.items()
        ]
        made.append({**session, "session_id": "garbage", "document": b"\xff"})
        connection.execute(stored["charging_session"].insert(), made)
        cdr: dict[str, Any] = {
            column.name: "" if isinstance(column.type, sa.Text) else 1 for column in stored["cdr"].columns
        }
        cdr |= {"digest": b"", "leaf_hash": b"", "credit_of": None}
        for number, reference in enumerate(("R1", "R2", "")):
            document = Cdr(authorization_reference=reference) if reference else Cdr()
            row = {**cdr, "idx": number, "cdr_id": f"c{number}", "document": document.SerializeToString()}
            connection.execute(stored["cdr"].insert(), row)
    schema.upgrade(empty)
    found = rows(empty)
    ends = {row["session_id"]: row["end_time"] for row in found["charging_session"]}
    assert {name: ends[name] for name in (*documents, "garbage")} == {
        "ended": 1_700_000_000_000_000,
        "unsaid": 7,
        "active": None,
        "garbage": None,
    }
    assert sorted((row["cpo"], row["reference"]) for row in found["authorization_use"]) == [(1, "R1"), (1, "R2")]


def test_connectors_on_record_are_read_for_what_they_offer(empty: Engine) -> None:
    schema.upgrade(empty, "0017")
    stored = reflected(empty).tables
    named = Location(evses=[Evse(uid="E1", connectors=[Connector(id="A", tariff_ids=["T1", "t1", "t2", "a\nb"])])])
    place = dict(last_updated=7, latitude=0, longitude=0, stripe=0, time_zone="UTC", digest=b"")  # noqa: C408
    plug = dict(evse="e1", standard="CHADEMO", power_type=3, power=50_000)  # noqa: C408
    with empty.begin() as connection:
        # More rows than are read at a time.
        made = [{**place, "party": 1, "location": f"l{n:04}", "document": b""} for n in range(600)]
        made.append({**place, "party": 1, "location": "named", "document": named.SerializeToString()})
        made.append({**place, "party": 2, "location": "garbage", "document": b"\xff"})
        connection.execute(stored["location"].insert(), made)
        keys = [(1, "named", "a"), (1, "named", "b"), (2, "garbage", "a")]
        plugs = [{**plug, "party": party, "location": where, "connector": name} for party, where, name in keys]
        connection.execute(stored["connector"].insert(), plugs)
    schema.upgrade(empty, "0018")
    found = {
        (row["party"], row["location"], row["connector"]): (row["power"], row["tariffs"], row["since"])
        for row in rows(empty)["connector"]
    }
    assert found == dict(zip(keys, [(50_000, "t1\nt2", 7), (50_000, "", 7), (50_000, "", 7)], strict=True))


def test_tokens_that_are_emaids_are_found_without_separators(empty: Engine) -> None:
    schema.upgrade(empty, "0018")
    stored = reflected(empty).tables
    card = dict(contract_id="c", whitelist=1, valid=1, group_id="", document=b"")  # noqa: C408
    spelled = [
        (1, "nl-abc-c12345678-x", "EMAID", 5),
        (1, "nl*abc*c12345678*x", "EMAID", 7),
        (1, "nlabcc12345678x", "EMAID", 6),
        (1, "nl-abc-c12345678-x", "RFID", 3),
        (2, "nl-abc-c12345678-x", "EMAID", 4),
        (2, "nlabcc12345678x", "EMAID", 9),
        (1, "04-a2", "RFID", 1),
    ]
    with empty.begin() as connection:
        names = ("emsp", "uid", "type", "last_updated")
        connection.execute(
            stored["token"].insert(), [{**card, **dict(zip(names, row, strict=True))} for row in spelled]
        )
    schema.upgrade(empty, "0019")
    found = [(row["emsp"], row["uid"], row["type"], row["last_updated"]) for row in rows(empty)["token"]]
    assert sorted(found) == [
        (1, "04-a2", "RFID", 1),
        (1, "nlabcc12345678x", "EMAID", 7),
        (1, "nlabcc12345678x", "RFID", 3),
        (2, "nlabcc12345678x", "EMAID", 9),
    ]


def rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    stored = reflected(engine)
    with engine.connect() as connection, connection.begin():
        return {t.name: [dict(row._mapping) for row in connection.execute(t.select())] for t in stored.tables.values()}


def chosen(found: list[dict[str, Any]], columns: set[str]) -> list[list[tuple[str, Any]]]:
    return sorted((sorted((name, row[name]) for name in columns) for row in found), key=repr)


def reflected(engine: Engine) -> sa.MetaData:
    metadata = sa.MetaData()
    metadata.reflect(engine)
    metadata.remove(metadata.tables[VERSION])
    return metadata


def fill(engine: Engine) -> None:
    """Put two rows into every table; values are tried out until they satisfy its constraints."""
    chance = Random(1)
    for table in reflected(engine).sorted_tables:
        checks = " ".join(str(check["sqltext"]) for check in inspect(engine).get_check_constraints(table.name))
        words = [part for place, part in enumerate(checks.split("'")) if place % 2] + ["", "a", "b"]
        for _ in range(2):
            insert_one(engine, table, words, chance)


def insert_one(engine: Engine, table: sa.Table, words: list[str], chance: Random) -> None:
    def value(column: sa.Column[Any]) -> Any:
        if column.nullable and chance.random() < 0.3:
            return None
        match column.type:
            case sa.LargeBinary():
                return chance.randbytes(8)
            case sa.Text():
                return chance.choice(words)
            case _:
                return chance.choice([1, 2, 3, 4, 5, 6])

    with engine.connect() as connection:
        for _ in range(5_000):
            with connection.begin():
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN")
                try:
                    with connection.begin_nested():
                        connection.execute(table.insert(), {column.name: value(column) for column in table.columns})
                except IntegrityError:
                    continue
                return
    pytest.fail(f"no row was found that {table.name} takes")


def test_the_current_revision_is_read_as_alembic_does(database: str) -> None:
    engine = open_engine(database)
    with engine.connect() as connection:
        assert schema.current_revision(engine) == MigrationContext.configure(connection).get_current_revision()
    schema.upgrade(engine)  # changes nothing, and says nothing
    assert schema.current_revision(engine) == NEWEST
    engine.dispose()


def test_processes_that_start_at_once_migrate_once(empty: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: schema.upgrade(empty), range(4)))
    assert schema.current_revision(empty) == NEWEST


async def test_a_database_of_a_later_release_is_refused_and_left_alone(database: str, config: Config) -> None:
    engine = open_engine(database)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION} SET version_num = '9999'"))
    before = contents(engine)
    hub = Hub(Config(data_dir=config.data_dir, database_url=database, metrics_listen=""))
    with pytest.raises(schema.SchemaError, match=f"is at schema 9999, which this release does not know .* {NEWEST}"):
        await hub.start()
    assert contents(engine) == before
    assert schema.current_revision(engine) == "9999"
    engine.dispose()


@pytest.mark.parametrize("lost", [f"DELETE FROM {VERSION}", f"DROP TABLE {VERSION}"])
async def test_a_database_without_a_version_is_refused_and_left_alone(
    lost: str, database: str, config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(database)
    with engine.begin() as connection:
        connection.execute(text(lost))
    before = contents(engine)
    hub = Hub(Config(data_dir=config.data_dir, database_url=database, metrics_listen=""))
    with pytest.raises(schema.SchemaError, match="has tables and no version of its schema"):
        await hub.start()
    assert contents(engine) == before
    engine.dispose()
    monkeypatch.setenv("ROAMHUB_DATABASE_URL", database)
    monkeypatch.setenv("ROAMHUB_DATA_DIR", str(config.data_dir))
    assert run(["db", "upgrade"]) == Exit.UNUSABLE
    assert capsys.readouterr().err.startswith("roamhub: UNUSABLE: the database has tables and no version of its schema")
    assert run(["doctor"]) == Exit.NO
    assert "the database has tables and no version of its schema" in capsys.readouterr().out


def test_nothing_is_made_beside_the_tables_of_others(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE invoice (id BIGINT)"))
    with pytest.raises(schema.SchemaError, match="it is no hub's"):
        schema.upgrade(empty)
    assert inspect(empty).get_table_names() == ["invoice"]


def test_the_command_line_says_so_in_one_line(migrated_sqlite: Path, tmp_path: Path) -> None:
    (tmp_path / "roamhub.db").write_bytes(migrated_sqlite.read_bytes())
    engine = open_engine(f"sqlite:///{tmp_path / 'roamhub.db'}")
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION} SET version_num = '9999'"))
    engine.dispose()
    config = tmp_path / "hub.toml"
    config.write_text(f'data_dir = "{tmp_path}"\n')
    done = roamhub("db", "upgrade", cwd=tmp_path, config=config)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("roamhub: UNUSABLE: the database is at schema 9999, which this release does not know")


def test_cdrs_returned_before_returns_had_deadlines_may_still_be_put_right(empty: Engine) -> None:
    schema.upgrade(empty, "0009")
    cdr = sa.Table("cdr", sa.MetaData(), autoload_with=empty)
    facts: dict[str, Any] = {
        column.name: b"x" if isinstance(column.type, sa.LargeBinary) else 0 for column in cdr.columns
    }
    texts = {column.name: "" for column in cdr.columns if isinstance(column.type, sa.Text)}
    with empty.begin() as connection:
        for number, state in ((1, 1), (2, 2)):
            own = {
                "cpo": 7,
                "cdr_id": f"c{number}",
                "id_as_sent": f"C{number}",
                "emsp": 8,
                "state": state,
                "idx": number,
            }
            connection.execute(cdr.insert(), {**facts, **texts, **own, "credit_of": None, "recorded_time": 5})
    schema.upgrade(empty)
    (standing,) = rows(empty)["cdr_standing"]
    assert (standing["cpo"], standing["cdr_id"], standing["id_as_sent"], standing["emsp"]) == (7, "c2", "C2", 8)
    assert (standing["state"], standing["idx"], standing["first_time"]) == (2, 2, 5)
    assert json.loads(standing["steps"]) == [[2, 2, 5, "CHECKS", ""]]
    left = from_micros(standing["deadline"]) - datetime.now(UTC)
    assert timedelta(days=13) < left <= timedelta(days=14)
