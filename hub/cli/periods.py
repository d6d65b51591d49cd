"""`roamhub period`: from cut-off to issued statements."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.failures import Failure
from hub.cli.gaps import summary, warn
from hub.cli.options import ConfigFile, Json, MaybeActAs, call, commands, hub_channel, pages
from hub.cli.output import as_dict, moment, print_json, print_table, word

if TYPE_CHECKING:
    from roamhub.v1.clearing_pb2 import Period

app = commands()

Names = Annotated[
    list[str], typer.Argument(metavar="PERIOD...", help="Resource names, such as agreements/0190.../periods/2026-10.")
]


@app.callback()
def _group() -> None:
    """See settlement periods and take them from cut-off to issued.

    A period is cut off, calculated, reviewed and issued. Each step takes another person than the one before: --as DIR
    acts with another operator's certificate. The hub itself cuts off and calculates what is due.

    A step with several periods ends at the first that is refused; those before it are done, and shown.
    """


@app.command("list")
def list_(
    agreement: Annotated[str, typer.Option(help="Only this agreement's, such as agreements/0190...")] = "agreements/-",
    state: Annotated[str | None, typer.Option(help="Only periods in this state, such as open or calculated.")] = None,
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """List settlement periods, by agreement and then the oldest first."""
    from roamhub.v1.clearing_pb2 import ListPeriodsRequest, Period
    from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

    request = ListPeriodsRequest(parent=agreement)
    if state is not None:
        name = f"STATE_{state.upper().replace('-', '_')}"
        if name not in Period.State.keys():  # noqa: SIM118 - an enum wrapper is no mapping
            raise Failure(f"--state {state}: no state of a period")
        request.state = Period.State.Value(name)
    with hub_channel(config, act_as) as channel:
        found = list(pages(ClearingServiceStub(channel).ListPeriods, request, "periods"))
        missing = [] if json else summary(channel, agreement)
    _print(found, json)
    warn(missing)


@app.command("cut-off")
def cut_off(periods: Names, config: ConfigFile = None, act_as: MaybeActAs = None, json: Json = False) -> None:
    """Cut open periods off now, before their calendar end; the next ones open.

    What is accepted from then on belongs to the next period. What is missing so far is counted first, on standard
    error: `roamhub gaps` lists it.
    """
    from roamhub.v1.clearing_pb2 import CutOffPeriodRequest

    with hub_channel(config, act_as) as channel:
        for agreement in dict.fromkeys(name.partition("/periods/")[0] for name in periods):
            warn(summary(channel, agreement), agreement)
    _step("CutOffPeriod", periods, lambda period: CutOffPeriodRequest(name=period.name), config, act_as, json)


@app.command()
def calculate(periods: Names, config: ConfigFile = None, act_as: MaybeActAs = None, json: Json = False) -> None:
    """Calculate the statements of periods that are cut off, without waiting for the end of their grace."""
    from roamhub.v1.clearing_pb2 import CalculatePeriodRequest

    _step("CalculatePeriod", periods, lambda period: CalculatePeriodRequest(name=period.name), config, act_as, json)


@app.command()
def review(periods: Names, config: ConfigFile = None, act_as: MaybeActAs = None, json: Json = False) -> None:
    """Approve calculated statements, as another person than who had them calculated.

    Look at them first: `roamhub statement list` shows drafts to operators.
    """
    from roamhub.v1.clearing_pb2 import ReviewPeriodRequest

    _step(
        "ReviewPeriod",
        periods,
        lambda period: ReviewPeriodRequest(name=period.name, etag=period.etag),
        config,
        act_as,
        json,
    )


@app.command()
def issue(periods: Names, config: ConfigFile = None, act_as: MaybeActAs = None, json: Json = False) -> None:
    """Sign and issue reviewed statements, as another person than who reviewed them. They never change again."""
    from roamhub.v1.clearing_pb2 import IssuePeriodRequest

    _step(
        "IssuePeriod",
        periods,
        lambda period: IssuePeriodRequest(name=period.name, etag=period.etag, request_id=str(uuid.uuid4())),
        config,
        act_as,
        json,
    )


def _step(method: str, names: list[str], request: Any, config: Path | None, act_as: Path | None, json: bool) -> None:  # noqa: ANN401
    """Take one step with each period, as it was read just before; show those done, also when a later one is refused."""
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub
    from roamhub.v1.clearing_pb2 import GetPeriodRequest
    from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

    done: list[Period] = []
    try:
        with hub_channel(config, act_as) as channel:
            read, step = ClearingServiceStub(channel).GetPeriod, getattr(AdminServiceStub(channel), method)
            for name in names:
                known = call(read, GetPeriodRequest(name=name))
                done.append(call(step, request(known), seconds=600))
    finally:
        if done:
            _print(done, json)


def _print(periods: "list[Period]", json: bool) -> None:
    from roamhub.v1.clearing_pb2 import Period

    if json:
        print_json([as_dict(period) for period in periods])
        return
    rows = [
        (
            period.name,
            f"{period.creditor.country_code}-{period.creditor.party_id}",
            f"{period.debtor.country_code}-{period.debtor.party_id}",
            word(Period.State, period.state),
            f"{period.first_index}..{period.end_index if period.HasField('end_index') else ''}",
            period.cdr_count or "",
            moment(period.end_time),
        )
        for period in periods
    ]
    print_table(("PERIOD", "CREDITOR", "DEBTOR", "STATE", "JOURNAL", "CDRS", "ENDS"), rows, right=(5,))
