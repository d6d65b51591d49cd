"""The `roamhub` command: a thin face over `hub.main` and the published contract.

One module per group of commands, imported when it is used: `roamhub --help` must not wait for gRPC or SQLAlchemy.
Commands that change something reach the running hub with the operator's certificate; none opens the database behind
its back, save `db upgrade`, `doctor` and those that work offline.
"""

import sys


def main() -> None:
    """Run the command line and exit with its code (docs/cli.md)."""
    from hub.cli.app import run

    sys.exit(run(sys.argv[1:]))
