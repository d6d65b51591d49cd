"""The configuration: one frozen dataclass, read once from a TOML file and the environment, and checked whole.

Every setting has a default that makes `roamhub serve` work with none. An environment variable ROAMHUB_<NAME> wins over
the file; an unknown key in either is an error. Secrets are paths to files, never values. `docs/configuration.md` is
printed from this module (`roamhub doctor --settings`).
"""

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_PREFIX = "ROAMHUB_"


class ConfigError(ValueError):
    """A setting that is unknown or cannot be; the message names it."""


def _setting(default: Any, about: str) -> Any:  # noqa: ANN401
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting, with its default. Times are in seconds, sizes in bytes."""

    data_dir: Path = _setting(Path("roamhub-data"), "Where the database, keys and certificates live; made if absent.")
    database_url: str = _setting(
        "",
        "postgresql://USER@HOST:PORT/NAME?passfile=FILE, with the password in FILE as libpq wants it; empty: SQLite "
        "in the data directory.",
    )
    listen: str = _setting("127.0.0.1:7443", "Address of the mutual-TLS port that partners and operators call.")
    register_listen: str = _setting("127.0.0.1:7444", "Address of the TLS port for registration, the only call there.")
    metrics_listen: str = _setting("127.0.0.1:9464", "Address of the Prometheus metrics over HTTP; empty: none.")
    server_names: str = _setting(
        "localhost,127.0.0.1", "Names and addresses partners dial, comma-separated: the server certificate's SANs."
    )
    public_endpoint: str = _setting("", "host:port that partners dial; empty: the first server name and listen's port.")
    public_register_endpoint: str = _setting(
        "", "host:port that partners register at; empty: the first server name and register_listen's port."
    )
    log_format: str = _setting("console", "console or json.")
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR.")
    message_bytes_max: int = _setting(4 * 1024 * 1024, "Largest message accepted, in bytes.")
    calls_per_second: int = _setting(
        20_000, "Calls per second each platform may make, over all its connections; messages of streams count."
    )
    calls_burst: int = _setting(40_000, "Calls a platform may make at once before the rate holds it.")
    keepalive_seconds: int = _setting(30, "How long a silent connection stays before it is asked for life, in seconds.")
    drain_seconds: int = _setting(10, "How long calls in flight may take to finish after SIGTERM, in seconds.")
    clock_skew_seconds: int = _setting(300, "How far a partner's times may lie in the future, in seconds.")
    partner_timeout_seconds: float = _setting(5.0, "How long the hub waits for a partner's answer, in seconds.")
    journal_name: str = _setting(
        "roamhub.local/clearing",
        "Name of the clearing journal in checkpoints and statements: a host name of yours and a path. Choose it before "
        "the first start; it is for good.",
    )
    tax_tables: str = _setting("", "Folder of tax tables, NAME.json, beside and over the built-in `default`.")
    clearing_seconds: float = _setting(
        2.0, "How often the hub looks for settlement periods and deadlines of CDRs that are due, in seconds."
    )

    def database(self) -> str:
        """Return the SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'roamhub.db'}"


def load(path: Path | None, environment: Mapping[str, str]) -> Config:
    """Read the configuration.

    Args:
        path: The TOML file; None for none.
        environment: The environment variables; those that start with ROAMHUB_ are settings.

    Raises:
        ConfigError: A key is unknown, or a value is not of its kind or out of range.
        OSError: The file cannot be read.
    """
    given: dict[str, Any] = {}
    if path is not None:
        try:
            given |= tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: {error}") from None
    for name, text in environment.items():
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX) not in _NOT_SETTINGS:
            given[name.removeprefix(_PREFIX).lower()] = text
    return from_mapping(given)


#: Variables of this prefix that the command line and the tests read themselves.
_NOT_SETTINGS = frozenset({"CONFIG", "DATA"})


def from_mapping(given: Mapping[str, Any]) -> Config:
    """Return the configuration of these settings; raises ConfigError."""
    known = {f.name: f for f in fields(Config)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise ConfigError(f"{name}: there is no such setting")
        values[name] = _convert(name, known[name].type, value)
    config = Config(**values)
    _check(config)
    return config


def _convert(name: str, kind: Any, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ConfigError(f"{name}: expected {kind.__name__}")
    if kind is Path and value == "":
        raise ConfigError(f"{name}: name a folder")
    if kind is int and isinstance(value, float):
        raise ConfigError(f"{name}: expected a whole number")
    try:
        return kind(value)
    except ValueError:
        raise ConfigError(f"{name}: expected {kind.__name__}") from None


_ADDRESS = re.compile(r"[^\s]*:[0-9]{1,5}")
_PORT_MAX = 65_535
#: What a certificate can name: labels of letters, digits, hyphens; names in other scripts in their xn-- form.
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
#: Checkpoints name their journal on a line of its own, and its keys after it by this name and a number.
_JOURNAL = re.compile(r"[^\s+]{1,200}")
#: Less would turn away what partners need to say to join and to roam.
_MESSAGE_BYTES_LEAST = 65_536
#: Libraries keep sizes, and times in milliseconds, in 31 bits.
_LARGEST = 2**31
_LONGEST_SECONDS = 86_400


def _check(config: Config) -> None:
    _check_numbers(config)
    if config.log_format not in {"console", "json"}:
        raise ConfigError("log_format: console or json")
    if config.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ConfigError("log_level: DEBUG, INFO, WARNING or ERROR")
    if not _JOURNAL.fullmatch(config.journal_name):
        raise ConfigError("journal_name: one word of at most 200 characters, without a plus sign")
    _check_names(config)
    _check_database(config.database_url)
    _check_addresses(config)


def _check_names(config: Config) -> None:
    names = [name.strip() for name in config.server_names.split(",") if name.strip()]
    if not names:
        raise ConfigError("server_names: name at least one")
    for name in names:
        if not _is_host(name):
            raise ConfigError(
                f"server_names: {name}: expected a host name (others than ASCII as xn--) or an IP address"
            )


def _is_host(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _HOST.fullmatch(name) is not None
    return True


def _check_database(url: str) -> None:
    """Look at the form alone: whether the database is there is found out when it is opened."""
    if not url:
        return
    kind = re.split("[:+]", url)[0]
    if kind == "sqlite" and re.fullmatch(r"sqlite(\+pysqlite)?:///(?!:memory:).+", url):
        return
    try:
        if kind == "postgresql" and "://" in url and urlsplit(url).port != 0:
            return
    except ValueError:  # a port that is none
        pass
    # The URL may hold a password: it is not repeated.
    raise ConfigError("database_url: sqlite:///PATH or postgresql://HOST:PORT/NAME")


def _check_numbers(config: Config) -> None:
    for name in (
        "message_bytes_max",
        "calls_per_second",
        "calls_burst",
        "keepalive_seconds",
        "partner_timeout_seconds",
        "clearing_seconds",
    ):
        if not 0 < getattr(config, name) < _LARGEST:
            raise ConfigError(f"{name}: must be greater than 0, and finite")
    if config.message_bytes_max < _MESSAGE_BYTES_LEAST:
        raise ConfigError(f"message_bytes_max: must be at least {_MESSAGE_BYTES_LEAST}")
    for name in ("drain_seconds", "clock_skew_seconds"):
        if not 0 <= getattr(config, name) < _LARGEST:
            raise ConfigError(f"{name}: must not be negative, and finite")
    for name in ("keepalive_seconds", "drain_seconds", "partner_timeout_seconds", "clearing_seconds"):
        if getattr(config, name) > _LONGEST_SECONDS:
            raise ConfigError(f"{name}: is at most {_LONGEST_SECONDS}")


def _check_addresses(config: Config) -> None:
    for name in ("listen", "register_listen", "metrics_listen"):
        address = getattr(config, name)
        if (address or name != "metrics_listen") and not _ADDRESS.fullmatch(address):
            raise ConfigError(f"{name}: expected host:port")
        if int(address.rpartition(":")[2] or 0) > _PORT_MAX:
            raise ConfigError(f"{name}: a port is at most {_PORT_MAX}")
    if config.listen == config.register_listen and not config.listen.endswith(":0"):
        raise ConfigError("register_listen: is the same as listen; registration has a port of its own")
    for name in ("public_endpoint", "public_register_endpoint"):
        address = getattr(config, name)
        host, _, port = address.rpartition(":")
        if address and not (_is_host(host.strip("[]")) and _ADDRESS.fullmatch(address) and 0 < int(port) <= _PORT_MAX):
            raise ConfigError(f"{name}: expected host:port, as partners dial it")
