"""`roamhub cdr`: which there are, what became of one, what waits for whom, and the two decisions about it."""

import sys
import uuid
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.arguments import read_instant, read_party
from hub.cli.failures import Failure
from hub.cli.options import ActAs, ConfigFile, Json, MaybeActAs, call, commands, hub_channel, pages
from hub.cli.output import as_dict, moment, print_fields, print_json, print_table, word

if TYPE_CHECKING:
    from roamhub.v1.cdr_pb2 import CdrRecord, CdrState
    from roamhub.v1.common_pb2 import ObjectKey

app = commands()

Name = Annotated[str, typer.Argument(metavar="CDR", help="The CPO and its id of the CDR: NL-ABC/id.")]
OfParty = Annotated[
    str | None, typer.Option("--party", help="Only those that this party, such as NL-ABC, submitted or is to pay.")
]
Note = Annotated[str, typer.Option(help="Why, for people; both sides read it.")]


@app.callback()
def _group() -> None:
    """List and explain CDRs, see what became of them, decide on quarantined ones, withdraw returned ones."""


@app.command("list")
def list_(
    party: OfParty = None,
    counterparty: Annotated[
        str | None, typer.Option(help="Only those with this party on the other side; with --party.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only accepted, returned, quarantined, resubmitted or withdrawn ones.")
    ] = None,
    ended: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Only of sessions that ended then or later.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only of sessions that ended before, such as 2026-11-01.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="COUNT", help="At most so many, the earliest received.")] = 1000,
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """List CDRs in the order in which the hub received them; operators see those of all parties."""
    from roamhub.v1.cdr_pb2 import CdrState, ListCdrsRequest
    from roamhub.v1.cdr_pb2_grpc import CdrServiceStub

    request = ListCdrsRequest()
    if state is not None:
        request.state = _state(state)
    for option, named, key in (
        ("--party", party, request.party),
        ("--counterparty", counterparty, request.counterparty),
    ):
        if named is not None:
            key.CopyFrom(read_party(option, named))
    for option, text, field in (
        ("--from", ended, request.end_time_from),
        ("--before", before, request.end_time_before),
    ):
        if text is not None:
            field.FromDatetime(read_instant(option, text))
    with hub_channel(config, act_as) as channel:
        found = list(islice(pages(CdrServiceStub(channel).ListCdrs, request, "cdrs"), limit + 1))
    if len(found) > limit:
        print(f"there are more than these {limit}: narrow the list, or raise --limit", file=sys.stderr)
    found = found[:limit]
    if json:
        print_json([as_dict(record) for record in found])
        return
    rows = [
        (
            _name(record),
            _party(record.emsp),
            moment(record.cdr.end_date_time),
            word(CdrState, record.state),
            record.cdr.total_energy.value,
            f"{record.cdr.total_cost.before_taxes.value} {record.cdr.currency}",
            record.rated_cost.value,
            record.statement,
        )
        for record in found
    ]
    print_table(("CDR", "EMSP", "ENDED", "STATE", "KWH", "COST", "OURS", "STATEMENT"), rows, right=(4, 5, 6))


@app.command()
def returns(
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Also those on which the other side has to act.")
    ] = False,
    party: OfParty = None,
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """List CDRs that wait to be put right or decided on, the earliest deadline first.

    A partner sees those that wait for itself. An operator sees all, or with --party those that wait for that one.
    """
    from roamhub.v1.cdr_pb2 import CdrState, ListReturnsRequest
    from roamhub.v1.cdr_pb2_grpc import CdrServiceStub

    request = ListReturnsRequest(own_turn=not everybody)
    if party is not None:
        request.party.CopyFrom(read_party("--party", party))
    with hub_channel(config, act_as) as channel:
        found = list(pages(CdrServiceStub(channel).ListReturns, request, "cdrs"))
    if json:
        print_json([as_dict(record) for record in found])
        return
    rows = [
        (
            _name(record),
            word(CdrState, record.state),
            moment(record.deadline),
            _party(record.awaited),
            f"{record.cdr.total_cost.before_taxes.value} {record.cdr.currency}",
            ", ".join(finding.code for finding in _errors(record)),
        )
        for record in found
    ]
    print_table(("CDR", "STATE", "DEADLINE", "WAITS FOR", "COST", "FINDINGS"), rows, right=(4,))


@app.command()
def show(name: Name, config: ConfigFile = None, act_as: MaybeActAs = None, json: Json = False) -> None:
    """Show where a CDR stands, how it came there, and what was found."""
    from roamhub.v1.cdr_pb2 import GetCdrRequest
    from roamhub.v1.cdr_pb2_grpc import CdrServiceStub

    with hub_channel(config, act_as) as channel:
        record = call(CdrServiceStub(channel).GetCdr, GetCdrRequest(key=_key(name)))
    _tell(record, json=json)


@app.command()
def explain(
    name: Name,
    policy: Annotated[str, typer.Option(metavar="NAME", help="Read the tariffs by this pricing policy.")] = "",
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """Explain what a CDR should cost, line by line, beside what it claims."""
    from roamhub.v1.cdr_pb2 import ExplainCdrRequest
    from roamhub.v1.cdr_pb2_grpc import CdrServiceStub

    with hub_channel(config, act_as) as channel:
        request = ExplainCdrRequest(key=_key(name), pricing_policy=policy)
        explained = call(CdrServiceStub(channel).ExplainCdr, request)
    if json:
        print_json(as_dict(explained))
        return
    from hub.cli.explained import tell

    tell(explained)


@app.command()
def review(
    name: Name,
    act_as: ActAs,
    accept: Annotated[bool | None, typer.Option("--accept/--return", help="What to say to it.")] = None,
    note: Note = "",
    json: Json = False,
) -> None:
    """Accept or return a quarantined CDR, as the eMSP that would pay it."""
    from roamhub.v1.cdr_pb2 import CDR_DECISION_ACCEPT, CDR_DECISION_RETURN, GetCdrRequest, ReviewCdrRequest
    from roamhub.v1.cdr_pb2_grpc import CdrServiceStub

    if accept is None:
        raise Failure("--accept or --return is needed")
    with hub_channel(None, act_as) as channel:
        stub, key = CdrServiceStub(channel), _key(name)
        request = ReviewCdrRequest(
            request_id=str(uuid.uuid4()),
            key=key,
            emsp=call(stub.GetCdr, GetCdrRequest(key=key)).emsp,
            decision=CDR_DECISION_ACCEPT if accept else CDR_DECISION_RETURN,
            note=note,
        )
        record = call(stub.ReviewCdr, request)
    _tell(record, json=json)


@app.command()
def withdraw(name: Name, act_as: ActAs, note: Note = "", json: Json = False) -> None:
    """Withdraw a returned or quarantined CDR, as its CPO: nothing more will come of it."""
    from roamhub.v1.cdr_pb2 import WithdrawCdrRequest
    from roamhub.v1.cdr_pb2_grpc import CdrServiceStub

    with hub_channel(None, act_as) as channel:
        request = WithdrawCdrRequest(request_id=str(uuid.uuid4()), key=_key(name), note=note)
        record = call(CdrServiceStub(channel).WithdrawCdr, request)
    _tell(record, json=json)


def _key(name: str) -> "ObjectKey":
    from roamhub.v1.common_pb2 import ObjectKey

    from adapters.partner import party as parse

    owner, _, cdr_id = name.partition("/")
    try:
        party = parse(owner)
    except ValueError:
        raise Failure(f"{name}: write the CPO and its id of the CDR, such as NL-ABC/id") from None
    return ObjectKey(country_code=party.country_code, party_id=party.party_id, id=cdr_id)


def _state(text: str) -> "CdrState.ValueType":
    from roamhub.v1.cdr_pb2 import CdrState

    try:
        return CdrState.Value(f"CDR_STATE_{text.upper()}")
    except ValueError:
        known = ", ".join(name.removeprefix("CDR_STATE_").lower() for name in CdrState.keys()[1:])
        raise Failure(f"--state {text}: must be one of {known}") from None


def _name(record: "CdrRecord") -> str:
    return f"{_party(record.cdr)}/{record.cdr.id}"


def _party(key: Any) -> str:  # noqa: ANN401
    return f"{key.country_code}-{key.party_id}" if key.party_id else ""


def _errors(record: "CdrRecord") -> list[Any]:
    from roamhub.v1.cdr_pb2 import FINDING_SEVERITY_ERROR

    return [finding for finding in record.findings if finding.severity == FINDING_SEVERITY_ERROR]


def _tell(record: "CdrRecord", *, json: bool) -> None:
    from roamhub.v1.cdr_pb2 import CdrState, FindingSeverity

    if json:
        print_json(as_dict(record))
        return
    cdr = record.cdr
    print_fields(
        {
            "cdr": _name(record),
            "state": word(CdrState, record.state),
            "deadline": moment(record.deadline),
            "waits for": _party(record.awaited),
            "emsp": _party(record.emsp),
            "agreement": record.agreement,
            "session": f"{moment(cdr.start_date_time)} to {moment(cdr.end_date_time)}",
            "energy": f"{cdr.total_energy.value} kWh",
            "cost": f"{cdr.total_cost.before_taxes.value} {cdr.currency}",
            "replaces": record.replaces,
            "replaced by": record.replaced_by,
            "statement": record.statement,
        }
    )
    print()
    steps = [
        (step.journal_index, moment(step.recorded_time), word(CdrState, step.state), step.cause, step.note)
        for step in record.history
    ]
    print_table(("INDEX", "TIME", "STATE", "CAUSE", "NOTE"), steps, right=(0,))
    for finding in (*record.findings, *(each for step in record.history for each in step.findings)):
        print(f"\n{word(FindingSeverity, finding.severity)} {finding.code} {finding.field}: {finding.message}")
        if finding.fix_hint:
            print(f"  {finding.fix_hint}")
