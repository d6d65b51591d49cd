"""How long the radar and a party's quality take over one large CPO.

Run: `python -m tests.bench.bench_radar [--cdrs 100000] [--postgresql]`. The rows are put into the tables as the hub
would leave them, past the hub: one CPO and two eMSPs over 30 days, with a session, an authorization and a CDR of 1.9 KB
each. One session in a hundred has no CDR, one CDR in fifty was returned, one authorization in a thousand was never
quoted. Each figure is the median of five reads. Nothing is asserted.
"""

import argparse
import asyncio
import importlib
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

from roamhub.v1.cdr_object_pb2 import Cdr
from sqlalchemy import Engine, insert, update
from sqlmodel import SQLModel

from hub.app.ports.uow import UnitOfWork
from hub.app.quality import party_quality
from hub.app.radar import GapFilter, count_gaps, list_gaps
from hub.domain.clock import uuid7
from hub.domain.radar import GapKind
from hub.store.database import open_engine
from hub.store.schema import upgrade
from hub.store.tables.cdrs import CdrRow, CdrStandingRow
from hub.store.tables.routing import AuthorizationRow, AuthorizationUseRow
from hub.store.tables.sessions import ChargingSessionRow
from hub.store.tables.spine import EntryRow, HeadRow
from tests.gaps import CPO, EMSP, OPERATOR, OTHER_EMSP, World, caller
from tests.support import START, Spine, open_spine

_DAYS = 30
_DOCUMENT = 1_900
_ROWS = 5_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cdrs", type=int, default=100_000)
    parser.add_argument("--postgresql", action="store_true")
    given = parser.parse_args()
    with database(postgresql=given.postgresql) as url, open_spine(url) as spine:
        asyncio.run(measure(spine, given.cdrs))


@contextmanager
def database(*, postgresql: bool) -> Iterator[str]:
    """Make a migrated database."""
    with tempfile.TemporaryDirectory(prefix="roamhub-radar-") as folder:
        server: Any = None
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        if postgresql:
            pgserver: Any = importlib.import_module("pgserver")  # only where it is asked for

            server = pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
            server.psql("CREATE DATABASE bench")
            url = server.get_uri("bench")
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        yield url
        if server is not None:
            server.cleanup()


async def measure(spine: Spine, cdrs: int) -> None:
    """Fill the database and time each read."""
    world = World(spine)
    await world.settle_in()
    numbers = {party: spine.directory.current.parties[party].number for party in (CPO, EMSP, OTHER_EMSP)}
    fill(spine.engine, cdrs, numbers[CPO], (numbers[EMSP], numbers[OTHER_EMSP]))
    spine.clock.now = START + timedelta(days=_DAYS + 2)
    sessions = GapFilter(kinds=frozenset({GapKind.SESSION_WITHOUT_CDR}))
    reads: dict[str, Callable[[UnitOfWork], Any]] = {
        "quality of the CPO, 40 days": lambda uow: party_quality(uow, OPERATOR, CPO, None, 40),
        "quality of the CPO for one eMSP": lambda uow: party_quality(uow, OPERATOR, CPO, EMSP, 40),
        "quality of the CPO, 5 days": lambda uow: party_quality(uow, OPERATOR, CPO, None, 5),
        "count of all gaps": lambda uow: count_gaps(uow, OPERATOR, GapFilter()),
        "count of an eMSP's gaps": lambda uow: count_gaps(uow, caller(EMSP), GapFilter()),
        "first page of 100 gaps": lambda uow: list_gaps(uow, OPERATOR, GapFilter(), None, 100),
        "first page of an eMSP's sessions": lambda uow: list_gaps(uow, caller(EMSP), sessions, None, 100),
    }
    print(f"{cdrs} CDRs, sessions and authorizations on {spine.engine.dialect.name}")
    for name, read in reads.items():
        times: list[float] = []
        found: Any = None
        for _ in range(5):
            start = perf_counter()
            found = await spine.reads.run(read)
            times.append(perf_counter() - start)
        print(f"  {name:36} {1000 * median(times):8.0f} ms   {says(found)}")


def says(found: Any) -> str:
    """Return what shows that the read found something."""
    if isinstance(found, list):
        return ", ".join(f"{each.kind.name} {each.count}" for each in found if hasattr(each, "count")) or str(
            len(found)
        )
    return f"{found.figures.charges} charges, {found.figures.sessions_open} sessions open"


def fill(engine: Engine, count: int, cpo: int, emsps: tuple[int, int]) -> None:
    """Write the rows, some at a time."""
    chance = random.Random(7)
    document = Cdr(id="C", extensions="x" * _DOCUMENT).SerializeToString()
    step = timedelta(days=_DAYS) / count
    tables: dict[type[SQLModel], list[dict[str, Any]]] = {}

    def add(table: type[SQLModel], **row: Any) -> None:
        tables.setdefault(table, []).append(row)

    for number in range(count):
        when, emsp = START + number * step, emsps[number % 2]
        session = str(UUID(int=chance.getrandbits(128)))
        reference = uuid7(when, chance.randbytes(10))
        add(AuthorizationRow, **authorization(cpo, emsp, reference, when))
        add(
            ChargingSessionRow,
            cpo=cpo,
            session_id=session,
            emsp=emsp,
            state=2,
            token_uid="tok1",
            start_time=when - timedelta(hours=1),
            last_updated=when,
            document=b"",
            end_time=when,
        )
        if number % 1_000:
            add(AuthorizationUseRow, cpo=cpo, reference=reference)
        returned = number % 50 == 1
        received = when + timedelta(minutes=chance.choice((1, 5, 60, 1_500)))
        named = session if number % 100 else str(UUID(int=chance.getrandbits(128)))
        add(CdrRow, **cdr(cpo, emsp, number, when, received, named, document, returned=returned))
        add(EntryRow, **entry(cpo, emsp, number, when))
        if returned:
            add(CdrStandingRow, **standing(cpo, emsp, number, when))
        if number % _ROWS == _ROWS - 1 or number == count - 1:
            write(engine, tables)
            tables.clear()
    with engine.begin() as connection:
        head = update(HeadRow).where(HeadRow.__table__.c.stream == 2).values(size=count)  # type: ignore[attr-defined]
        connection.execute(head)
        connection.exec_driver_sql("ANALYZE")


def write(engine: Engine, tables: dict[type[SQLModel], list[dict[str, Any]]]) -> None:
    """Write what was gathered."""
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        for table, rows in tables.items():
            connection.execute(insert(table), rows)


def authorization(cpo: int, emsp: int, reference: str, when: Any) -> dict[str, Any]:
    """Return a row of an authorization from the store."""
    texts = ("contract_id", "reason", "agreement", "clause", "evse_uids", "connector_ids", "emsp_reference")
    return dict.fromkeys(texts, "") | {
        "cpo": cpo,
        "reference": reference,
        "emsp": emsp,
        "token_uid": "TOK1",
        "token_type": "RFID",
        "allowed": 1,
        "source": 1,
        "location_id": "LOC1",
        "info": b"",
        "recorded_time": when,
    }


def cdr(*row: Any, returned: bool) -> dict[str, Any]:
    """Return a row of a CDR; its receipt in the journal is at its session's end, its lateness is made up."""
    cpo, emsp, number, when, received, session, document = row
    return {
        "cpo": cpo,
        "cdr_id": f"c{number}",
        "id_as_sent": f"C{number}",
        "idx": number,
        "emsp": emsp,
        "state": 2 if returned else 1,
        "digest": bytes(32),
        "leaf_hash": bytes(32),
        "recorded_time": when,
        "agreement": "agreements/a",
        "currency": "EUR",
        "amount": 70_000,
        "energy": 200_000,
        "country": "NLD",
        "tariff_kind": "REGULAR",
        "tax_date": 739_000,
        "end_time": when - (received - when),
        "session_id": session,
        "credit": 0,
        "credit_of": None,
        "findings": '[["CURRENCY_MISMATCH", 2, "currency", "is USD, and the agreement has EUR"]]' if returned else "[]",
        "document": document,
    }


def entry(cpo: int, emsp: int, number: int, when: Any) -> dict[str, Any]:
    """Return a row of the journal."""
    return {
        "stream": 2,
        "idx": number,
        "recorded_time": when,
        "kind": "cdr_accepted",
        "owner": cpo,
        "counterparty": emsp,
        "private": 0,
        "subject": f"C{number}",
        "body": b"",
        "openings": b"",
        "leaf_hash": bytes(32),
    }


def standing(cpo: int, emsp: int, number: int, when: Any) -> dict[str, Any]:
    """Return a row of the standing of a returned CDR."""
    return {
        "cpo": cpo,
        "cdr_id": f"c{number}",
        "id_as_sent": f"C{number}",
        "emsp": emsp,
        "state": 2,
        "idx": number,
        "leaf_hash": bytes(32),
        "deadline": when,
        "return_window": 0,
        "first_time": when,
        "replaced_by": None,
        "replacement": "",
        "steps": "[]",
    }


if __name__ == "__main__":
    main()
