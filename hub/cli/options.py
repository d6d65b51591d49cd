"""Options that many commands share, and how a command reaches the hub."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from hub.cli.failures import Exit, Failure

if TYPE_CHECKING:
    import grpc

    from adapters.partner.credentials import Credentials
    from hub.config import Config

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", envvar="ROAMHUB_CONFIG", metavar="FILE", help="The hub's settings (TOML)."),
]
ActAs = Annotated[
    Path,
    typer.Option("--as", metavar="DIR", help="Folder with the certificate of the partner in whose name to act."),
]
MaybeActAs = Annotated[
    Path | None,
    typer.Option("--as", metavar="DIR", help="Act with the certificate in DIR, a partner's or another operator's."),
]


class _Group(TyperGroup):
    """Says of each command the whole first sentence, where the base class cuts it to the line."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        known = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(_WHOLE)) for name, each in known if each])


#: Longer than any first sentence, in characters.
_WHOLE = 500


def commands(*, group: bool = True) -> typer.Typer:
    """Return the `app` of a module: of a group of commands, or of a single one."""
    return typer.Typer(
        cls=_Group,
        rich_markup_mode=None,
        no_args_is_help=group,
        add_completion=False,
        pretty_exceptions_enable=False,
    )


def load_config(path: Path | None) -> "Config":
    """Read the settings as `serve` does; raises Failure."""
    import os

    from hub.config import load

    environment = {name: value for name, value in os.environ.items() if name not in _NOT_SETTINGS}
    return load(path, environment)


#: Variables that the command line reads itself.
_NOT_SETTINGS = frozenset({"ROAMHUB_TRACEBACK"})


def operator_credentials(config: "Config") -> "Credentials":
    """Return the operator's credentials from the data directory; raises Failure."""
    from adapters.partner.credentials import Credentials

    try:
        identity = (config.data_dir / "operator.pem").read_bytes()
        authority = (config.data_dir / "ca.pem").read_bytes()
    except FileNotFoundError as error:
        raise Failure(
            f"{error.filename} is missing: `roamhub serve` makes it; ROAMHUB_DATA_DIR or --config names the folder",
            code=Exit.NOT_PERMITTED,
            reason="NO_OPERATOR_CERTIFICATE",
        ) from None
    except PermissionError as error:
        raise Failure(
            f"{error.filename} may be read by the hub's own user only",
            code=Exit.NOT_PERMITTED,
            reason="NO_OPERATOR_CERTIFICATE",
        ) from None
    key, begin, chain = identity.partition(b"-----BEGIN CERTIFICATE-----")
    host, _, port = config.listen.rpartition(":")
    host = "127.0.0.1" if host in {"", "0.0.0.0", "[::]", "::"} else host  # noqa: S104 - an address to dial instead
    return Credentials(key_pem=key, certificate_pem=begin + chain, authority_pem=authority, hub=f"{host}:{port}")


def partner_credentials(folder: Path) -> "Credentials":
    """Return a partner's credentials; raises StoreError."""
    from adapters.partner.credentials import Store

    return Store(folder).load()


@contextmanager
def hub_channel(config_file: Path | None, act_as: Path | None = None) -> Iterator["grpc.Channel"]:
    """Connect to the running hub: as the partner whose folder is given, else as the operator."""
    import grpc

    from adapters.partner.channel import OPTIONS, tls
    from adapters.partner.connection import expiry
    from adapters.partner.errors import Unreachable

    credentials = partner_credentials(act_as) if act_as else operator_credentials(load_config(config_file))
    try:
        with grpc.secure_channel(credentials.hub, tls(credentials), options=OPTIONS) as channel:
            yield channel
    except Unreachable as error:
        expired = expiry(credentials, error)
        if expired is None:
            raise
        raise expired from None


def call(method: Callable[..., T], request: Any, *, seconds: float = 30.0) -> T:  # noqa: ANN401
    """Make one call; raises the typed error."""
    from adapters.partner.errors import translated

    with translated():
        return method(request, timeout=seconds)


#: What the hub gives at most.
_PAGE_SIZE = 1000


def pages(method: Callable[..., Any], request: Any, field: str) -> Iterator[Any]:  # noqa: ANN401
    """Yield the items of every page of a list."""
    for page in whole_pages(method, request):
        yield from getattr(page, field)


def whole_pages(method: Callable[..., Any], request: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield every page of a list."""
    request.page_size = _PAGE_SIZE
    while True:
        page = call(method, request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
