"""`roamhub rate`: re-rate a CDR offline, compare it with what it claims, and explain it. Needs no hub."""

import json
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.documents import read_document, unusable
from hub.cli.failures import Exit
from hub.cli.options import commands
from hub.cli.output import harmless
from hub.cli.rate_json import rated_object
from hub.cli.rate_text import rated_text
from hub.domain.errors import Invalid, invalid
from hub.domain.rating.claim import compare
from hub.domain.rating.elsewhere import zone_effect
from hub.domain.rating.engine import rate as rate_session
from hub.domain.rating.json_cdr import cdr_from_json
from hub.domain.rating.json_fields import parse_version
from hub.domain.rating.json_tariff import tariffs_from_json
from hub.domain.rating.policy import POLICIES, ROAMHUB_2026, policy_named
from hub.domain.tariffs import OcpiVersion, Tariff

app = commands(group=False)

CdrFile = Annotated[Path, typer.Option("--cdr", help="The CDR (or session) as OCPI JSON; - reads standard input.")]
TariffFile = Annotated[
    Path | None,
    typer.Option("--tariff", help="The tariff, or a list of them, as OCPI JSON. Without it, those in the CDR."),
]
Version = Annotated[str | None, typer.Option("--ocpi", help="2.1.1, 2.2.1 or 2.3.0. Without it, the fields tell.")]
Zone = Annotated[
    str | None,
    typer.Option("--time-zone", help="The location's IANA zone, such as Europe/Amsterdam, for prices by local time."),
]
Expired = Annotated[
    bool, typer.Option("--reservation-expired", help="The reservation ran out and no charging followed.")
]
Policy = Annotated[str, typer.Option("--policy", help=f"How open points of OCPI are read: {', '.join(POLICIES)}.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@app.command()
def rate(
    *,
    cdr: CdrFile,
    tariff: TariffFile = None,
    ocpi: Version = None,
    time_zone: Zone = None,
    reservation_expired: Expired = False,
    policy: Policy = ROAMHUB_2026.name,
    as_json: Json = False,
) -> None:
    """Say what a CDR costs under its tariff, and why, and whether its own totals agree.

    Exit code 0: the CDR's costs agree with ours within the policy's tolerance, or it states none. 1: they do not.
    2: the input cannot be used. 6: undecided, as it hangs on the time zone, and nobody states one; UTC is shown.
    """
    try:
        reading = policy_named(policy)
        version = None if ocpi is None else parse_version(ocpi)
        parsed = cdr_from_json(
            read_document(cdr, "cdr"), version=version, time_zone=time_zone, reservation_expired=reservation_expired
        )
        tariffs = parsed.tariffs if tariff is None else _beside(tariff, version, parsed.version)
        if not tariffs:
            raise invalid("cdr.tariffs", "holds no tariff: name its file with --tariff")
        rated = rate_session(parsed.session, tariffs, reading)
    except Invalid as error:
        raise unusable(error) from None
    difference = compare(parsed.claim, rated, reading.tolerance)
    effect = zone_effect(parsed.session, tariffs, reading, parsed.claim, rated)
    if as_json:
        typer.echo(json.dumps(rated_object(parsed, rated, difference, reading, effect), indent=2, ensure_ascii=False))
    else:
        lines = rated_text(parsed, rated, difference, reading, effect).split("\n")
        typer.echo("\n".join(map(harmless, lines)))
    if effect.verdict:
        raise typer.Exit(Exit.UNDECIDED)
    raise typer.Exit(Exit.OK if difference.agrees else Exit.NO)


def _beside(path: Path, stated: OcpiVersion | None, shown: OcpiVersion) -> tuple[Tariff, ...]:
    """Read the tariffs beside a CDR; nothing in a 2.1.1 tariff tells that it is one, so the CDR does."""
    version = stated or (shown if shown is OcpiVersion.V2_1_1 else None)
    return tuple(parsed.tariff for parsed in tariffs_from_json(read_document(path, "tariff"), version))
