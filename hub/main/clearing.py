"""What clearing is built from: keys, tax tables, time-zone data."""

import zoneinfo
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from hub.app.ports.clearing import ClearingSettings
from hub.config import Config, ConfigError
from hub.crypto.notary import FileNotary
from hub.domain.canonical import MalformedDocument
from hub.domain.clearing.taxes import TaxTable, parse_table
from hub.store.unit import Entropy


def clearing_settings(config: Config, entropy: Entropy) -> ClearingSettings:
    """Build what clearing needs; a new hub's keys are made with its first keyring.

    Raises:
        ConfigError: A tax table cannot be read.
        InsecureFileError: Others may read a key.
    """
    # Periods must not depend on the machine: zones are those of the locked tzdata package.
    zoneinfo.reset_tzpath(to=())
    tables = tax_tables(config.tax_tables)
    notary = FileNotary.open(origin=config.journal_name, folder=config.data_dir / "clearing", entropy=entropy)
    return ClearingSettings(notary=notary, tax_tables=tables.get, tz_version=version("tzdata"))


def tax_tables(folder: str) -> Mapping[str, TaxTable]:
    """Return the tax tables by name: the one that comes with the hub, `default`, and those in a folder.

    Raises:
        ConfigError: One cannot be read.
    """
    tables = {"default": parse_table(files("hub.main").joinpath("tax_tables/default.json").read_bytes())}
    if folder and not Path(folder).is_dir():
        raise ConfigError(f"tax_tables: {folder}: there is no such folder")
    for path in sorted(Path(folder).glob("*.json")) if folder else ():
        try:
            tables[path.stem] = parse_table(path.read_bytes())
        except (OSError, MalformedDocument) as error:
            raise ConfigError(f"tax_tables: {path}: {error}") from None
    return tables
