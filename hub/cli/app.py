"""The root command: which groups there are, where each lives, and what becomes of their errors."""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from hub.cli.failures import Exit, Failure, of_exception, report
from hub.cli.options import commands

#: Heading -> command or group -> the module that holds it and what `--help` says of it. Said here, so that the list of
#: commands is shown without importing any.
_COMMANDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Run a hub": {
        "serve": ("hub.cli.serve", "Run a hub until it is told to stop."),
        "demo": ("hub.cli.demo", "Watch a month of roaming between three partners, and its settlement."),
        "doctor": ("hub.cli.doctor", "Check settings, data directory, certificates, database and clock."),
        "db": ("hub.cli.db", "Bring the database up to date; back up what a hub needs."),
    },
    "Call a running hub": {
        "partner": ("hub.cli.partners", "Invite partners, see who takes part, shut somebody out."),
        "operator": ("hub.cli.operators", "Give the hub's people certificates of their own."),
        "agreement": ("hub.cli.agreements", "Who roams with whom, and on what terms."),
        "cdr": ("hub.cli.cdrs", "What became of CDRs, and what waits for whom."),
        "period": ("hub.cli.periods", "Settlement periods, from cut-off to issued."),
        "gaps": ("hub.cli.gaps", "What should be on record and is not."),
        "statement": ("hub.cli.statements", "Who owes whom, and the bundles that prove it."),
        "keys": ("hub.cli.keys", "The keys that sign checkpoints and statements."),
        "import": ("hub.cli.imports", "Publish a file of OCPI objects as the partner that owns them."),
    },
    "Work offline": {
        "verify": ("hub.cli.verify", "Check a settlement bundle, with no hub."),
        "rate": ("hub.cli.rate", "Recompute what a CDR claims, and explain it."),
        "lint": ("hub.cli.lint", "Find what is odd in a tariff."),
        "meter": ("hub.cli.meter", "Check signed meter values: whole, trusted, billable?"),
    },
}
_MODULES = {name: module for each in _COMMANDS.values() for name, (module, _) in each.items()}


def names() -> list[str]:
    """Return the commands there are."""
    return [name for name, module in _MODULES.items() if importlib.util.find_spec(module)]


class _LazyGroup(TyperGroup):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        return names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        if cmd_name not in names():
            return None
        module = importlib.import_module(_MODULES[cmd_name])
        app = getattr(module, "app", None)
        if app is None:
            app = commands(group=False)
            app.command()(getattr(module, cmd_name))
        command = get_command(app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002
        known = names()
        width = max(map(len, known))
        for heading, each in _COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), about) for name, (_, about) in each.items() if name in known])


root = typer.Typer(
    name="roamhub",
    cls=_LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"roamhub {version('roamhub')}")
        raise typer.Exit


@root.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """The hub between electric-vehicle charging networks.

    `roamhub serve` runs a hub; the other commands call it as its operator, with the certificate that `serve` left in
    the data directory, or as a partner (`--as DIR`). verify, rate, lint and meter work offline.

    Settings come from a TOML file (--config, or ROAMHUB_CONFIG) and from ROAMHUB_* variables; none are needed.
    Exit codes: 0 done, 1 the answer is no, 2 unusable input, 3 refused by the hub, 4 hub not reached, 5 not permitted,
    6 undecided.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    command = get_command(root)
    try:
        code = command.main(list(arguments), prog_name="roamhub", standalone_mode=False)
    except typer.Abort:
        return Exit.INTERRUPTED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return Exit.OK
    except Exception as error:  # noqa: BLE001 - the one place where errors become lines
        return _end(error, as_json="--json" in arguments)
    return code if isinstance(code, int) else Exit.OK


def _end(error: Exception, *, as_json: bool) -> int:
    show = getattr(error, "show", None)  # what Typer's own errors about usage have
    if show is not None and not as_json:
        show()
        return Exit.UNUSABLE
    # The message of some, such as a missing option, is made only when it is asked for.
    said = getattr(error, "format_message", lambda: str(error))
    failure = Failure(said(), reason="USAGE") if show else of_exception(error)
    report(failure, as_json=as_json)
    return failure.code
