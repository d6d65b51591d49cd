"""Shared fixtures: real databases, a hub in this process over real mutual TLS, and partners that call it."""

import itertools
import shutil
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, settings

from hub.config import Config
from hub.crypto.ca import CertificateAuthority
from hub.domain.parties import Role
from hub.main import Hub, system_clock
from hub.store.database import open_engine
from hub.store.schema import upgrade
from tests.support import Partner, ShiftedClock, Spine, add_partner, hub_database, open_channel, open_spine

# How long an example takes says how busy the machine is, not whether the property holds.
settings.register_profile("roamhub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("roamhub")

#: Numbers of the databases made in this process.
_DATABASES = itertools.count(1)
#: pgserver gives PostgreSQL ten seconds to start.
_PG_PATIENCE = {"timeout": 120}
#: How long a hub waits for a partner that is going to answer: however busy the machine is, it will have by then.
PATIENCE_SECONDS = 60.0

#: Makes and connects a registered platform: `await partner("NL-ABC", roles=[Role.CPO])`.
PartnerFactory = Callable[..., Awaitable[Partner]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory with a certificate authority, to be copied."""
    folder = tmp_path_factory.mktemp("authority")
    CertificateAuthority.open(folder, system_clock())
    return folder


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated, empty SQLite database, to be copied: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("sqlite") / "roamhub.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Any]:
    """Return a PostgreSQL server with a migrated database `template_roamhub`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its socket when XDG_RUNTIME_DIR is not set
        pgserver: Any = pytest.importorskip("pgserver", reason="pgserver is not installed: no wheel for this platform")
    # A socket's path has at most 107 characters: pytest's own folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="roamhub-pg-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGCTLTIMEOUT", "120")
        start = pgserver.postgres_server.pg_ctl
        patch.setattr(pgserver.postgres_server, "pg_ctl", lambda *args, **kw: start(*args, **kw | _PG_PATIENCE))
        server = pgserver.get_server(folder, cleanup_mode="delete")
    _create_database(server, "template_roamhub")
    engine = open_engine(server.get_uri("template_roamhub"))
    upgrade(engine)
    engine.dispose()
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _create_database(server: Any, name: str, template: str = "template1") -> None:
    """Create a database; whoever has just left the template may take a moment to be gone."""
    deadline = time.monotonic() + 60
    while "CREATE DATABASE" not in server.psql(f"CREATE DATABASE {name} TEMPLATE {template}"):
        assert time.monotonic() < deadline, f"PostgreSQL does not create {name}"
        time.sleep(0.2)


@contextmanager
def fresh_database(kind: str, path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Make a migrated database of one of the two kinds; the path is for SQLite."""
    if kind == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgresql")
    name = f"test_{next(_DATABASES)}"
    _create_database(server, name, "template_roamhub")
    yield server.get_uri(name)
    server.psql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a fresh, migrated database, once of each kind."""
    with fresh_database(request.param, tmp_path / "contract.db", request) as url:
        yield url


@pytest.fixture
def spine(database: str) -> Iterator[Spine]:
    """Return committer and reads over a fresh database, once of each kind."""
    with open_spine(database) as spine:
        yield spine


@pytest.fixture
def config(tmp_path: Path, authority: Path, request: pytest.FixtureRequest) -> Iterator[Config]:
    """Return the configuration of a hub of this test alone, on ports the system picks; override in a module to vary.

    The hub works on SQLite, or on PostgreSQL where TESTS_DATABASE=postgresql (`make test-postgresql`).
    """
    data_dir = tmp_path / "hub"
    shutil.copytree(authority, data_dir)
    with fresh_database(hub_database(), data_dir / "roamhub.db", request) as url:
        yield Config(
            data_dir=data_dir,
            database_url=url,
            listen="127.0.0.1:0",
            register_listen="127.0.0.1:0",
            metrics_listen="",
            drain_seconds=1,
            partner_timeout_seconds=PATIENCE_SECONDS,
        )


@pytest.fixture
def clock() -> ShiftedClock:
    """Return the clock of the hub, which tests may set forward or back."""
    return ShiftedClock()


@pytest.fixture
async def hub(config: Config, clock: ShiftedClock) -> AsyncIterator[Hub]:
    """Return a running hub in this process."""
    hub = Hub(config, clock=clock)
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def operator_channel(hub: Hub) -> AsyncIterator[grpc.aio.Channel]:
    """Return a channel that calls as the hub's operator."""
    async with open_channel(hub.port, hub.ca.ca_pem, hub.operator.key_pem, hub.operator.chain_pem) as channel:
        yield channel


@pytest.fixture
async def partner(hub: Hub) -> AsyncIterator[PartnerFactory]:
    """Return a factory of registered platforms with active parties; their channels close with the test."""
    made: list[Partner] = []

    async def make(
        *parties: str, roles: tuple[Role, ...] = (Role.CPO,), platform: str = "", endpoint: str = ""
    ) -> Partner:
        name = platform or parties[0].lower()
        made.append(await add_partner(hub, parties, roles, name, endpoint=endpoint))
        return made[-1]

    yield make
    for each in made:
        await each.channel.close()
