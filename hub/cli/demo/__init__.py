"""`roamhub demo`: a month of roaming between three partners, and its settlement, in processes of their own."""

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.options import commands

app = commands(group=False)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for all that comes of it; made anew.")] = Path("demo-out"),
    seed: Annotated[int, typer.Option(help="Decides every invention; the same seed, the same amounts.")] = 1,
    stations: Annotated[int, typer.Option(min=1, help="Stations of the CPO.")] = 200,
    drives: Annotated[int, typer.Option(min=30, help="Drivers that come within the month.")] = 400,
    locations: Annotated[
        Path | None, typer.Option(help="Real OCPI locations instead of invented stations (JSON array or lines, .gz).")
    ] = None,
    tariffs: Annotated[Path | None, typer.Option(help="Real OCPI tariffs, with --locations.")] = None,
    sessions: Annotated[
        Path | None, typer.Option(help="Real sessions (CSV with Arrival, Departure, Energy (Wh)), with --locations.")
    ] = None,
) -> None:
    """Watch a month of roaming between a CPO and two eMSPs, settled and proven.

    Starts a hub and three partners as processes of their own, which talk gRPC over mutual TLS. Ends them, and leaves
    databases, certificates, logs and bundles in the folder. Needs no settings and no network.
    """
    import asyncio

    from hub.cli.demo.director import Director, Plan
    from hub.cli.failures import Exit, Failure

    if (tariffs or sessions) and not locations:
        raise Failure("--tariffs and --sessions go with --locations")
    if locations and not tariffs:
        raise Failure("--locations needs --tariffs: what a session costs must be known")
    for path in (locations, tariffs, sessions):
        if path is not None:
            path.open("rb").close()
    plan = Plan(
        out=out,
        seed=seed,
        stations=stations,
        drives=drives,
        locations=locations and locations.resolve(),
        tariffs=tariffs and tariffs.resolve(),
        sessions=sessions and sessions.resolve(),
    )
    try:
        asyncio.run(Director(plan).run())
    except asyncio.CancelledError:
        raise Failure("the demo was told to stop", code=Exit.INTERRUPTED) from None
