"""What the start of a hub loads: a tenth of a second here and there is the difference that users see."""

import subprocess
import sys


def test_a_hub_loads_neither_postgresql_nor_migrations_until_it_needs_them() -> None:
    script = (
        "import sys, hub.main; "
        "print(*sorted({'alembic', 'psycopg', 'sqlalchemy.dialects.postgresql'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
