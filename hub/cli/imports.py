"""`roamhub import`: publish a file of OCPI objects, or of meters' keys, as the partner that owns them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from hub.cli.failures import Exit, Failure
from hub.cli.options import ActAs, Json, commands
from hub.cli.output import print_json, progress

if TYPE_CHECKING:
    from adapters.partner.publish import Published, Publisher

app = commands()

File = Annotated[Path, typer.Argument(help="OCPI objects: a JSON array, or one JSON object a line; .gz is unpacked.")]
Ocpi = Annotated[str, typer.Option("--ocpi", help="The OCPI version of the file: 2.1.1, 2.2.1 or 2.3.0.")]
Party = Annotated[str | None, typer.Option("--party", help="Owner, such as NL-ABC, of objects that name none.")]
Reassign = Annotated[bool, typer.Option("--reassign", help="Make --party the owner of every object, whatever it says.")]

_SHOWN = 10


@app.callback()
def _group() -> None:
    """Publish a file of OCPI objects as the partner that owns them.

    The objects travel as the partner's own back end would send them. Importing a file again changes nothing.
    Exit code 1: some objects were refused or could not be read; the others are stored.
    """


@app.command()
def locations(
    file: File, act_as: ActAs, party: Party = None, reassign: Reassign = False, ocpi: Ocpi = "2.2.1", json: Json = False
) -> None:
    """Publish locations with their EVSEs and connectors (CPO)."""
    _import("location", file, act_as, _owner(party, reassign), ocpi, json)


@app.command()
def tariffs(
    file: File, act_as: ActAs, party: Party = None, reassign: Reassign = False, ocpi: Ocpi = "2.2.1", json: Json = False
) -> None:
    """Publish tariffs (CPO)."""
    _import("tariff", file, act_as, _owner(party, reassign), ocpi, json)


@app.command()
def tokens(
    file: File, act_as: ActAs, party: Party = None, reassign: Reassign = False, ocpi: Ocpi = "2.2.1", json: Json = False
) -> None:
    """Publish tokens (eMSP)."""
    _import("token", file, act_as, _owner(party, reassign), ocpi, json)


@app.command("meter-keys")
def meter_keys(
    file: Annotated[Path, typer.Argument(help="A JSON array of keys, or one a line; .gz is unpacked.")],
    act_as: ActAs,
    party: Annotated[str, typer.Option("--party", help="The CPO that owns the EVSEs, such as NL-ABC.")],
    json: Json = False,
) -> None:
    """Register the public keys of meters (CPO).

    Each key is an object with location_id, evse_uid, public_key (hex or Base64), valid_from, and where needed curve and
    valid_until, as docs/meter.md describes them.
    """
    import asyncio

    owner = _owner(party, reassign=False).key
    reading = Reading(path=file)
    with progress("keys", file.stat().st_size, hidden=json) as advance:
        published = asyncio.run(_register(act_as, owner or ("", ""), reading.keys(advance)))
    _report("key", reading, published, json)


async def _register(act_as: Path, owner: tuple[str, str], keys: Iterator[Any]) -> "Published":
    from roamhub.v1.common_pb2 import PartyKey

    from adapters.partner import Partner

    async with Partner(act_as) as partner:
        return await partner.publish.meter_keys(PartyKey(country_code=owner[0], party_id=owner[1]), keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose the objects are: country code and party id, and whether they have a say in it."""

    key: tuple[str, str] | None
    every: bool


@dataclass(slots=True, kw_only=True)
class Reading:
    """A file on its way: where each published object stands in it, and what could not be read."""

    path: Path
    places: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    problem_count: int = 0

    def messages(self, kind: str, version: str, owner: Owner, advance: Callable[[int], None]) -> Iterator[Any]:
        """Yield the objects as messages; tell `advance` how many more bytes of the file were read."""
        from adapters.ocpi.codec import Kind, Version, from_json

        for place, obj in self._objects(advance):
            message, problems = from_json(Kind(kind), Version(version), obj, owner=owner.key)
            if owner.every and owner.key:
                message.country_code, message.party_id = owner.key  # type: ignore[attr-defined]
            self.problem_count += len(problems)
            self.places.append(place)
            yield message

    def keys(self, advance: Callable[[int], None]) -> Iterator[Any]:
        """Yield the objects as keys of meters; tell `advance` as `messages` does."""
        from google.protobuf.json_format import ParseDict, ParseError
        from roamhub.v1.meter_object_pb2 import MeterKey

        for place, obj in self._objects(advance):
            try:
                key = ParseDict(obj, MeterKey())
            except ParseError as error:
                self.unreadable.append((place, str(error)))
                continue
            self.places.append(place)
            yield key

    def _objects(self, advance: Callable[[int], None]) -> Iterator[tuple[str, Any]]:
        """Yield each object with its place; note those that cannot be read."""
        from adapters.ocpi.files import BadFile, read_objects

        position = 0
        try:
            for item in read_objects(self.path):
                advance(item.position - position)
                position = item.position
                if item.obj is None:
                    self.unreadable.append((item.place, item.error.why if item.error else "is no object"))
                else:
                    yield item.place, item.obj
        except BadFile as error:
            self.unreadable.append((error.place, error.why))


def _owner(party: str | None, reassign: bool) -> Owner:
    if party is None:
        if reassign:
            raise Failure("--reassign needs --party")
        return Owner(key=None, every=False)
    from adapters.partner import party as parse

    try:
        key = parse(party)
    except ValueError as error:
        raise Failure(f"--party: {error}") from None
    return Owner(key=(key.country_code, key.party_id), every=reassign)


def _import(kind: str, file: Path, act_as: Path, owner: Owner, version: str, json: bool) -> None:
    import asyncio

    if version not in {"2.1.1", "2.2.1", "2.3.0"}:
        raise Failure(f"--ocpi {version}: 2.1.1, 2.2.1 or 2.3.0")
    reading = Reading(path=file)
    with progress(f"{kind}s", file.stat().st_size, hidden=json) as advance:
        messages = reading.messages(kind, version, owner, advance)
        published = asyncio.run(_publish(kind, act_as, messages))
    _report(kind, reading, published, json)


async def _publish(kind: str, act_as: Path, messages: Iterator[Any]) -> "Published":
    from adapters.partner import Partner

    async with Partner(act_as) as partner:
        publisher: Publisher = partner.publish
        if kind == "location":
            return await publisher.locations(messages)
        if kind == "tariff":
            return await publisher.tariffs(messages)
        return await publisher.tokens(messages)


def _report(kind: str, reading: Reading, published: "Published", json: bool) -> None:
    refusals = [
        {"place": reading.places[position], "reason": error.reason, "message": error.message}
        for position, error in published.refusals
    ]
    refusals += [{"place": place, "reason": "UNREADABLE", "message": why} for place, why in reading.unreadable]
    if json:
        print_json(
            {
                "applied_count": published.applied,
                "unchanged_count": published.unchanged,
                "refused_count": len(refusals),
                "problem_count": reading.problem_count,
                "refusals": refusals,
            }
        )
    else:
        print(f"{kind}s: {published.applied} stored, {published.unchanged} unchanged, {len(refusals)} refused")
        if reading.problem_count:
            print(f"{reading.problem_count} values break a rule of OCPI and were kept as they are")
        for refusal in refusals[:_SHOWN]:
            print(f"  {refusal['place']}: {refusal['reason']}: {refusal['message']}")
        if len(refusals) > _SHOWN:
            print(f"  ... and {len(refusals) - _SHOWN} more; --json lists all")
    if refusals:
        _stop()


def _stop() -> NoReturn:
    raise typer.Exit(Exit.NO)
