"""`roamhub db`: the database's schema. The hub must not run meanwhile."""

from hub.cli.options import ConfigFile, Json, commands, load_config
from hub.cli.output import print_json

app = commands()


@app.callback()
def _group() -> None:
    """Look after the database. Stop the hub first."""


@app.command()
def upgrade(config: ConfigFile = None, json: Json = False) -> None:
    """Bring the database's schema up to this release; `serve` does the same when it starts.

    Does nothing when it is up to date. Make a copy of the database first: there is no way back.
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
