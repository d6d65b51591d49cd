"""`roamhub keys`: which keys sign for the hub, and whom a verifier is to trust."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.failures import Failure
from hub.cli.options import ConfigFile, Json, MaybeActAs, call, commands, hub_channel, load_config
from hub.cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpc import Channel

    from hub.crypto.signing import SigningKey
    from hub.domain.keyring import Keyring

app = commands()


@app.callback()
def _group() -> None:
    """See and change which keys sign checkpoints and statements for the hub; hand out the roots that vouch for them."""


@app.command("list")
def list_(config: ConfigFile = None, act_as: MaybeActAs = None, json: Json = False) -> None:
    """List the keys of the keyring, with the journal indexes each is valid for."""
    with hub_channel(config, act_as) as channel:
        keyring = _present(channel)
    if json:
        print_json(_as_object(keyring))
        return
    print(f"{keyring.hub}, version {keyring.version}\n")
    rows = [
        (
            key.name,
            ",".join(sorted(map(str, key.uses))),
            key.first_index,
            "" if key.end_index is None else key.end_index,
            "" if key.revoked_index is None else key.revoked_index,
            key.public_key.hex(),
        )
        for key in keyring.keys
    ]
    print_table(("KEY", "USES", "FROM", "TO", "REVOKED", "PUBLIC KEY"), rows, right=(2, 3, 4))


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="Where to write the keyring.")] = Path("keyring.json"),
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """Write the signed keyring to a file, for `roamhub verify --keyring`: so that later revocations are heeded."""
    from roamhub.v1.transparency_pb2 import GetKeyringRequest
    from roamhub.v1.transparency_pb2_grpc import TransparencyServiceStub

    with hub_channel(config, act_as) as channel:
        answer = call(TransparencyServiceStub(channel).GetKeyring, GetKeyringRequest())
    out.write_bytes(answer.envelope)
    if json:
        print_json({"file": str(out), "version": answer.version})
    else:
        print(f"{out}: version {answer.version}")


@app.command()
def roots(
    out: Annotated[Path | None, typer.Option("--out", help="Write the file here instead of printing it.")] = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Print the roots that vouch for the keyring: what `roamhub verify --trust` needs.

    Hand them to partners once, by a way that nobody can tamper with. Read from the data directory.
    """
    from hub.crypto.signing import Roots

    path = load_config(config).data_dir / "clearing" / "roots.txt"
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise Failure(
            f"{path} is missing: `roamhub serve` makes it; ROAMHUB_DATA_DIR or --config names the folder"
        ) from None
    trusted = Roots.from_text(text) if json else None
    if out is not None:
        out.write_text(text)
    if trusted is not None:
        keys = [{"name": key.name, "public_key": key.public_key.hex()} for key in trusted.keys]
        print_json({"file": str(out or path), "threshold": trusted.threshold, "keys": keys})
    elif out is None:
        print(text, end="")
    else:
        print(f"{out}: hand it to whoever verifies, by a way that nobody can tamper with")


RootKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--root-key", help="File of a root's private key; root.key in the data directory if left out. Repeat."
    ),
]

#: How many entries longer than it has to an earlier key holds: what the hub signs until the keyring is published.
_OVERLAP = 10_000


@app.command()
def rotate(root_key: RootKeys = None, config: ConfigFile = None, act_as: MaybeActAs = None, json: Json = False) -> None:
    """Let a new key sign from now on, and the present one end.

    The hub makes the key and keeps it; the next keyring is signed here, with the roots' private keys. What was signed
    before still verifies.
    """
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub
    from roamhub.v1.transparency_pb2 import CreateSigningKeyRequest

    from hub.domain.keyring import KeyringKey, Use

    roots = _roots(root_key, config)
    with hub_channel(config, act_as) as channel:
        made = call(AdminServiceStub(channel).CreateSigningKey, CreateSigningKeyRequest())
        uses = frozenset({Use.CHECKPOINT, Use.STATEMENT})
        new = KeyringKey(name=made.name, public_key=made.public_key, uses=uses)
        following = _publish(channel, roots, lambda ring: ring.rotated(new, at=made.tree_size, overlap=_OVERLAP))
    if json:
        print_json(_as_object(following))
    else:
        print(f"{made.name} signs from journal index {made.tree_size} on; the keyring is version {following.version}")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Name of the key, as `keys list` shows it.")],
    at: Annotated[int, typer.Option("--at", min=0, help="Journal index from which it may be in other hands.")],
    root_key: RootKeys = None,
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """Trust a key for nothing from a journal index on: it may be in other hands. Rotate first.

    A statement it signed still counts when the journal proves that it was issued before.
    """
    roots = _roots(root_key, config)
    with hub_channel(config, act_as) as channel:
        following = _publish(channel, roots, lambda ring: ring.revoked(name, at=at))
    if json:
        print_json(_as_object(following))
    else:
        print(f"{name} is revoked from journal index {at} on; the keyring is version {following.version}")


def _roots(given: list[Path] | None, config: Path | None) -> list["SigningKey"]:
    """Read the roots' private keys, before anything is asked of the hub."""
    from hub.crypto.signing import BadKey, SigningKey

    paths = given or [load_config(config).data_dir / "clearing" / "root.key"]
    if not given and not paths[0].exists():
        raise Failure(f"{paths[0]} is not here: where it was moved offline, name it with --root-key")
    try:
        return [SigningKey.load(path) for path in paths]
    except BadKey as error:
        raise Failure(str(error)) from None


def _publish(channel: "Channel", roots: list["SigningKey"], change: "Callable[[Keyring], Keyring]") -> "Keyring":
    """Have the hub install what follows on its present keyring; returns that."""
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub
    from roamhub.v1.transparency_pb2 import PublishKeyringRequest

    from hub.crypto.keyring import sign_keyring

    try:
        following = change(_present(channel))
    except ValueError as error:
        raise Failure(str(error)) from None
    envelope = sign_keyring(following, roots)
    call(AdminServiceStub(channel).PublishKeyring, PublishKeyringRequest(envelope=envelope))
    return following


def _present(channel: "Channel") -> "Keyring":
    """Return the hub's keyring as it is now."""
    from roamhub.v1.transparency_pb2 import GetKeyringRequest
    from roamhub.v1.transparency_pb2_grpc import TransparencyServiceStub

    from hub.crypto import dsse
    from hub.domain.keyring import Keyring

    answer = call(TransparencyServiceStub(channel).GetKeyring, GetKeyringRequest())
    return Keyring.from_bytes(dsse.parse(answer.envelope, dsse.KEYRING_TYPE).payload)


def _as_object(keyring: "Keyring") -> dict[str, Any]:
    """Return a keyring as `--json` shows it."""
    keys = [
        {
            "name": key.name,
            "public_key": key.public_key.hex(),
            "uses": sorted(map(str, key.uses)),
            "first_index": key.first_index,
            "end_index": key.end_index,
            "revoked_index": key.revoked_index,
        }
        for key in keyring.keys
    ]
    return {"hub": keyring.hub, "version": keyring.version, "keys": keys}
