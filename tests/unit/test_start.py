"""What the start of a hub loads: a tenth of a second here and there is the difference that users see."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_hub_loads_neither_postgresql_nor_migrations_until_it_needs_them() -> None:
    script = (
        "import sys, hub.main; "
        "print(*sorted({'alembic', 'psycopg', 'sqlalchemy.dialects.postgresql'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_setting_up_compiles_all_code_of_ours() -> None:
    # Where Python may write no .pyc files, every start would compile it anew.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (compiling,) = [line for line in planned.stdout.splitlines() if "compileall" in line]
    assert set(project["tool"]["setuptools"]["package-dir"].values()) <= set(compiling.split())


def test_the_collector_rests_while_the_hub_is_loaded_and_runs_afterwards() -> None:
    script = (
        "import gc; from hub.cli import serve as command; from hub import collector, main\n"
        "seen = []\n"
        "async def run(_): seen.append((gc.isenabled(), gc.get_freeze_count() > 10_000, gc.get_threshold()[0]))\n"
        "main.serve = run\n"
        "command.serve(None)\n"
        "try:\n"
        "    with collector.loading():\n"
        "        seen.append(gc.isenabled())\n"
        "        raise ImportError\n"
        "except ImportError: seen.append(gc.isenabled())\n"
        "assert seen == [(True, True, 10_000), False, True], seen"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
