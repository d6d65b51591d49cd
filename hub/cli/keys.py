"""`roamhub keys`: which keys sign for the hub, and whom a verifier is to trust."""

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.failures import Failure
from hub.cli.options import ConfigFile, Json, MaybeActAs, call, commands, hub_channel, load_config
from hub.cli.output import print_json, print_table

app = commands()


@app.callback()
def _group() -> None:
    """See which keys sign checkpoints and statements for the hub, and hand out the roots that vouch for them."""


@app.command("list")
def list_(config: ConfigFile = None, act_as: MaybeActAs = None, json: Json = False) -> None:
    """List the keys of the keyring, with the journal indexes each is valid for."""
    from roamhub.v1.transparency_pb2 import GetKeyringRequest
    from roamhub.v1.transparency_pb2_grpc import TransparencyServiceStub

    from hub.crypto import dsse
    from hub.domain.keyring import Keyring

    with hub_channel(config, act_as) as channel:
        answer = call(TransparencyServiceStub(channel).GetKeyring, GetKeyringRequest())
    keyring = Keyring.from_bytes(dsse.parse(answer.envelope, dsse.KEYRING_TYPE).payload)
    keys = [
        {
            "name": key.name,
            "public_key": key.public_key.hex(),
            "uses": sorted(map(str, key.uses)),
            "first_index": key.first_index,
            "end_index": key.end_index,
        }
        for key in keyring.keys
    ]
    if json:
        print_json({"hub": keyring.hub, "version": keyring.version, "keys": keys})
        return
    print(f"{keyring.hub}, version {keyring.version}\n")
    rows = [
        (
            key["name"],
            ",".join(sorted(map(str, each.uses))),
            key["first_index"],
            key["end_index"] or "",
            key["public_key"],
        )
        for key, each in zip(keys, keyring.keys, strict=True)
    ]
    print_table(("KEY", "USES", "FROM", "TO", "PUBLIC KEY"), rows, right=(2, 3))


@app.command()
def roots(
    out: Annotated[Path | None, typer.Option("--out", help="Write the file here instead of printing it.")] = None,
    config: ConfigFile = None,
) -> None:
    """Print the roots that vouch for the keyring: what `roamhub verify --trust` needs.

    Hand them to partners once, by a way that nobody can tamper with. Read from the data directory.
    """
    path = load_config(config).data_dir / "clearing" / "roots.txt"
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise Failure(
            f"{path} is missing: `roamhub serve` makes it; ROAMHUB_DATA_DIR or --config names the folder"
        ) from None
    if out is None:
        print(text, end="")
    else:
        out.write_text(text)
        print(f"{out}: hand it to whoever verifies, by a way that nobody can tamper with")
