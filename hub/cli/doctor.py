"""`roamhub doctor`: is this machine fit to run the hub, and is the hub that runs here well?

It reads; it changes nothing, and it works whether the hub runs or not.
"""

import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.doctor_database import asked, database
from hub.cli.doctor_keys import certificates, signing_keys
from hub.cli.failures import Exit, of_exception
from hub.cli.findings import Finding, failed, ok, warning
from hub.cli.options import ConfigFile, Json, commands, load_config
from hub.cli.output import print_json

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hub.config import Config

app = commands(group=False)

_FREE_BYTES_MIN = 1024**3
#: How long a hub may take to say how it is. One that does not run is found out at once, and one that is busy is well.
_HUB_SECONDS = 15.0


Check = Callable[["Config"], Iterator[Finding]]


@app.command()
def doctor(
    config: ConfigFile = None,
    settings: Annotated[
        bool, typer.Option("--settings", help="Print every setting, documented, and do no more.")
    ] = False,
    json: Json = False,
) -> None:
    """Check settings, data directory, certificates, database, signing keys, clock, and whether the hub answers.

    Exit code 1: something has failed. Warnings alone leave it at 0.
    """
    if settings:
        print_settings(json)
        return
    findings = list(_examine(config))
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print(f"{finding.verdict:<8} {finding.check:<12} {finding.message}")
    if any(finding.verdict == "failed" for finding in findings):
        raise typer.Exit(Exit.NO)


def _examine(config_file: Path | None) -> Iterator[Finding]:
    try:
        config = load_config(config_file)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        yield failed("settings", of_exception(error).message)
        return
    yield from _tax_tables(config)
    yield ok("settings", str(config_file) if config_file else "defaults and environment")
    checks: tuple[tuple[str, Check], ...] = (
        ("data", _data_directory),
        ("certificate", certificates),
        ("database", database),
        ("keys", signing_keys),
        ("clock", _clock),
        ("hub", _running_hub),
    )
    for name, check in checks:
        try:
            yield from check(config)
        except Exception as error:  # noqa: BLE001
            yield failed(name, of_exception(error).message)


def _tax_tables(config: "Config") -> Iterator[Finding]:
    from hub.main.clearing import tax_tables

    try:
        tax_tables(config.tax_tables)
    except ValueError as error:
        yield failed("settings", str(error))


def _data_directory(config: "Config") -> Iterator[Finding]:
    folder = config.data_dir
    if not folder.exists():
        yield warning("data", f"{folder} does not exist; `roamhub serve` makes it")
        return
    if not folder.is_dir():
        yield failed("data", f"{folder} is no folder")
        return
    free = shutil.disk_usage(folder).free
    yield from list(_data_faults(folder, free)) or [ok("data", f"{folder}, {free // 1024**3} GiB free")]


def _data_faults(folder: Path, free: int) -> Iterator[Finding]:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        yield warning("data", f"{folder} has mode {mode:04o}; others may list it")
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".key", ".pem"} and path.name != "ca.pem" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield failed("data", f"{path} holds a key and may be read by others: make it mode 0600")
    if free < _FREE_BYTES_MIN:
        yield warning("data", f"only {free // 1024**2} MiB are free at {folder}")


def _clock(config: "Config") -> Iterator[Finding]:
    """Compare the clock with what the hub has recorded: time never runs backwards in the journal."""
    from importlib.metadata import version

    now = datetime.now(UTC)
    newest = asked(config, _newest_record)
    if newest is not None and newest > now + timedelta(seconds=config.clock_skew_seconds):
        yield failed("clock", f"it is {now:%Y-%m-%d %H:%M:%S}, but the journal ends at {newest:%Y-%m-%d %H:%M:%S}")
        return
    yield ok("clock", f"{now:%Y-%m-%dT%H:%M:%SZ}, time zones of tzdata {version('tzdata')}")


def _newest_record(connection: "Connection") -> datetime | None:
    from sqlalchemy import text

    latest = connection.execute(text("SELECT max(recorded_time) FROM journal_head")).scalar()
    return datetime.fromtimestamp(latest / 1e6, UTC) if latest else None


def _running_hub(config: "Config") -> Iterator[Finding]:
    """Ask the hub that should listen here for its health."""
    import grpc
    from grpc_health.v1 import health_pb2

    from adapters.partner.channel import tls
    from hub.cli.options import operator_credentials

    if not (config.data_dir / "operator.pem").exists():
        yield warning("hub", "has never run here")
        return
    credentials = operator_credentials(config)
    with grpc.secure_channel(credentials.hub, tls(credentials)) as channel:
        try:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                health_pb2.HealthCheckRequest.SerializeToString,
                health_pb2.HealthCheckResponse.FromString,
            )
            answer = check(health_pb2.HealthCheckRequest(), timeout=_HUB_SECONDS)
        except grpc.RpcError as error:
            code = error.code()
            if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
                yield warning("hub", f"nothing answers at {credentials.hub}")
                return
            yield failed("hub", f"{credentials.hub} answers {code.name}: {error.details()}")
            return
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    yield (ok if serving else warning)("hub", f"{credentials.hub} is {'serving' if serving else 'not serving'}")


def print_settings(json: bool) -> None:
    """Print every setting, for people the page on configuration."""
    if json:
        print_json([{"name": name, "default": default, "about": about} for name, default, about in _settings()])
    else:
        print(settings_document(), end="")


def _settings() -> Iterator[tuple[str, str, str]]:
    """Yield name, default and meaning of every setting."""
    from hub.config import Config

    for each in fields(Config):
        yield each.name, str(each.default), each.metadata["about"]


def settings_document() -> str:
    """Return docs/configuration.md: every setting with its default and what it does."""
    lines = [
        "# Configuration",
        "",
        "`roamhub serve` works with no settings at all. Settings come from a TOML file, named by `--config` or",
        "`ROAMHUB_CONFIG`, and from environment variables, which win: the variable of `listen` is `ROAMHUB_LISTEN`. An",
        "unknown name in either is an error, and all are checked before anything starts. Secrets are paths to files.",
        "",
        "This page is printed by `roamhub doctor --settings`.",
        "",
        "| Setting | Default | What it does |",
        "|---|---|---|",
    ]
    for name, default, about in _settings():
        shown = f"`{default}`" if default else "empty"
        lines.append(f"| `{name}` | {shown} | {about} |")
    return "\n".join(lines) + "\n"
