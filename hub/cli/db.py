"""`roamhub db`: the database's schema, and copies of all that a hub needs to go on."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.failures import Failure
from hub.cli.options import ConfigFile, Json, commands, load_config
from hub.cli.output import print_json

app = commands()


@app.callback()
def _group() -> None:
    """Look after the database."""


@app.command()
def upgrade(config: ConfigFile = None, json: Json = False) -> None:
    """Bring the database's schema up to this release; `serve` does the same when it starts.

    Does nothing when it is up to date. Stop the hub and make a copy of the database first: there is no way back.
    """
    from hub.crypto.files import private_folder
    from hub.store import schema
    from hub.store.database import open_engine

    settings = load_config(config)
    private_folder(settings.data_dir)
    engine = open_engine(settings.database())
    try:
        before = schema.current_revision(engine)
        schema.upgrade(engine)
        after = schema.current_revision(engine)
    finally:
        engine.dispose()
    if json:
        print_json({"before": before, "after": after})
    elif before == after:
        print(f"up to date: {after}")
    else:
        print(f"upgraded: {before or 'empty'} -> {after}")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Where to put the copy; a folder that is empty or not there yet.")],
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Copy the data directory: database, keys and certificates, as of one instant; the hub may run meanwhile.

    The copy is a data directory: a hub started on it goes on from there. Of PostgreSQL the keys and certificates alone
    are copied: dump the database first.
    """
    from hub.crypto.files import private_folder

    settings = load_config(config)
    source = settings.data_dir
    if not (source / "ca.key").exists():
        raise Failure(f"{source} is no data directory of a hub")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Failure(f"{folder} is there already: name another folder")
    private_folder(folder)
    database = None
    if not settings.database_url:
        database = folder / _DATABASE
        _copy_database(source / _DATABASE, database)
    # After the database: every key that its keyring names is there by then.
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and not path.name.startswith(_DATABASE)]
    for path in files:
        copy = folder / path.relative_to(source)
        private_folder(copy.parent)
        shutil.copy2(path, copy)
    if json:
        print_json({"folder": str(folder), "database": str(database) if database else None, "files": len(files)})
    else:
        about = f"{database.stat().st_size} bytes of database and " if database else ""
        print(f"{folder}: {about}{len(files)} files of keys and certificates; whoever has it can be this hub")


#: Name of the SQLite database; what belongs to it while a hub runs begins with the same name.
_DATABASE = "roamhub.db"


def _copy_database(source: Path, copy: Path) -> None:
    """Copy a SQLite database as of one instant, which a plain copy of its files is not; writers need not wait."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(copy)) as made:
        copy.chmod(0o600)
        original.backup(made)
