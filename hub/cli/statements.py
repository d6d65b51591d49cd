"""`roamhub statement`: who owes whom, and the bundles that prove it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.failures import Failure
from hub.cli.options import ActAs, ConfigFile, Json, MaybeActAs, call, commands, hub_channel, pages, whole_pages
from hub.cli.output import as_dict, harmless, moment, print_fields, print_json, print_table, progress, word

if TYPE_CHECKING:
    import grpc
    from google.type.money_pb2 import Money
    from roamhub.v1.clearing_pb2 import Statement

app = commands()

Name = Annotated[
    str, typer.Argument(metavar="STATEMENT", help="Resource name: agreements/ID/periods/LABEL/statements/eur.")
]


@app.callback()
def _group() -> None:
    """See who owes whom, answer statements, and export the bundles that prove them."""


@app.command("list")
def list_(
    period: Annotated[str, typer.Option(help="Only this period's; - stands for any part.")] = "agreements/-/periods/-",
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """List statements; operators see drafts too."""
    from roamhub.v1.clearing_pb2 import ListStatementsRequest, Statement
    from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

    with hub_channel(config, act_as) as channel:
        request = ListStatementsRequest(parent=period)
        found = list(pages(ClearingServiceStub(channel).ListStatements, request, "statements"))
    if json:
        print_json([as_dict(statement) for statement in found])
        return
    rows = [
        (
            statement.name,
            _party(statement.debtor),
            _party(statement.creditor),
            word(Statement.State, statement.state),
            statement.cdr_count,
            money(statement.net),
            money(statement.tax),
            money(statement.payable),
        )
        for statement in found
    ]
    headings = ("STATEMENT", "DEBTOR", "CREDITOR", "STATE", "CDRS", "NET", "TAX", "PAYABLE")
    print_table(headings, rows, right=(4, 5, 6, 7))


@app.command()
def show(
    name: Name,
    document: Annotated[
        bool, typer.Option("--document", help="Print the signed document itself, byte for byte.")
    ] = False,
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """Show a statement with its lines and the answers to it."""
    with hub_channel(config, act_as) as channel:
        statement = _get(channel, name)
    if document:
        # It is JSON itself: `--json` has nothing to add to it, and may not change it.
        typer.echo(statement.document, nl=False)
    elif json:
        print_json(as_dict(statement))
    else:
        _print(statement)


@app.command()
def acknowledge(
    name: Name,
    act_as: ActAs,
    party: Annotated[
        str | None, typer.Option(help="In whose name: debtor or creditor; the debtor if left out.")
    ] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Accept nothing.")] = False,
    dispute: Annotated[list[int] | None, typer.Option(help="Number of a line not to accept. Repeat for more.")] = None,
    reason: Annotated[str, typer.Option(help="Why, as CODE or CODE:text, where something is not accepted.")] = "",
    json: Json = False,
) -> None:
    """Answer an issued statement, as a party to it: accept all of it unless told otherwise."""
    from roamhub.v1.clearing_pb2 import Acknowledgement, AcknowledgeStatementRequest
    from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

    from adapters.partner import party as parse

    decision = Acknowledgement.DECISION_ACCEPT
    if reject or dispute:
        decision = Acknowledgement.DECISION_REJECT if reject else Acknowledgement.DECISION_ACCEPT_EXCEPT
        if not reason:
            raise Failure("--reason is needed where something is not accepted")
    code, _, text = reason.partition(":")
    with hub_channel(None, act_as) as channel:
        statement = _get(channel, name)
        request = AcknowledgeStatementRequest(
            name=statement.name,
            party=parse(party) if party else statement.debtor,
            digest=statement.digest,
            decision=decision,
            lines=sorted(dispute or ()),
            reasons=[Acknowledgement.Reason(code=code.strip(), text=text.strip())] if reason else [],
        )
        answered = call(ClearingServiceStub(channel).AcknowledgeStatement, request)
    if json:
        print_json(as_dict(answered))
    else:
        _print(answered)


@app.command()
def export(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the bundle.")] = Path("bundle.zip"),
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """Export an issued statement with all that proves it: one file for `roamhub verify`."""
    from roamhub.v1.clearing_pb2 import ExportBundleRequest
    from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

    from adapters.partner.errors import translated

    draft = out.with_name(out.name + ".part")
    size = 0
    with (
        hub_channel(config, act_as) as channel,
        progress("bundle", hidden=json) as advance,
        draft.open("wb") as file,
        translated(),
    ):
        for part in ClearingServiceStub(channel).ExportBundle(ExportBundleRequest(name=name), timeout=600):
            size += file.write(part.data)
            advance(len(part.data))
    draft.replace(out)
    if json:
        print_json({"file": str(out), "bytes": size})
    else:
        print(f"{out}: {size} bytes")


@app.command()
def positions(
    netting: Annotated[str, typer.Option(help="gross, bilateral or multilateral.")] = "multilateral",
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """Show each party's net out of issued statements, and the payments that settle them."""
    from roamhub.v1.clearing_pb2 import ListPositionsRequest, ListPositionsResponse
    from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

    wanted = f"NETTING_{netting.upper()}"
    if wanted not in ListPositionsRequest.Netting.keys():  # noqa: SIM118 - an enum wrapper is no mapping
        raise Failure(f"--netting {netting}: gross, bilateral or multilateral")
    with hub_channel(config, act_as) as channel:
        request = ListPositionsRequest(netting=ListPositionsRequest.Netting.Value(wanted))
        answer = ListPositionsResponse()
        for page in whole_pages(ClearingServiceStub(channel).ListPositions, request):
            # Adds up: what is listed is appended, and the number of statements is that of every page.
            answer.MergeFrom(page)
    answer.ClearField("next_page_token")
    if json:
        print_json(as_dict(answer))
        return
    rows = [(_party(each.party), money(each.net), each.net.currency_code) for each in answer.positions]
    print_table(("PARTY", "NET", "CURRENCY"), rows, right=(1,))
    if answer.transfers:
        print()
        payments = [
            (_party(each.payer) or "hub", _party(each.payee) or "hub", money(each.amount), each.amount.currency_code)
            for each in answer.transfers
        ]
        print_table(("PAYER", "PAYEE", "AMOUNT", "CURRENCY"), payments, right=(2,))


def _get(channel: "grpc.Channel", name: str) -> "Statement":
    from roamhub.v1.clearing_pb2 import GetStatementRequest
    from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

    return call(ClearingServiceStub(channel).GetStatement, GetStatementRequest(name=name))


def money(amount: "Money") -> str:
    """Return an amount as a decimal number with at least two decimals, exact."""
    nanos = amount.units * 10**9 + amount.nanos
    whole, part = divmod(abs(nanos), 10**9)
    return f"{'-' if nanos < 0 else ''}{whole}.{f'{part:09}'.rstrip('0').ljust(2, '0')}"


def _party(key: Any) -> str:  # noqa: ANN401
    return f"{key.country_code}-{key.party_id}" if key.party_id else ""


def _print(statement: "Statement") -> None:
    from roamhub.v1.clearing_pb2 import Acknowledgement, Statement

    currency = statement.payable.currency_code
    print_fields(
        {
            "statement": statement.name,
            "state": word(Statement.State, statement.state),
            "debtor": _party(statement.debtor),
            "creditor": _party(statement.creditor),
            "cdrs": statement.cdr_count,
            "net": f"{money(statement.net)} {currency}",
            "tax": f"{money(statement.tax)} {currency}",
            "payable": f"{money(statement.payable)} {currency}",
            "issued": moment(statement.issue_time),
            "digest": statement.digest,
        }
    )
    print()
    rows = [
        (
            line.number,
            line.country_code,
            line.tariff_kind,
            f"{line.tax_category} {line.tax_rate.value}%",
            f"{line.month.year}-{line.month.month:02}",
            line.cdr_count,
            line.credit_count,
            line.late_count,
            line.energy_kwh.value,
            line.exact_amount.value,
            money(line.net),
        )
        for line in statement.lines
    ]
    headings = ("LINE", "COUNTRY", "TARIFF", "TAX", "MONTH", "CDRS", "CREDITS", "LATE", "KWH", "EXACT", "NET")
    print_table(headings, rows, right=(0, 5, 6, 7, 8, 9, 10))
    for answer in statement.acknowledgements:
        lines = f" but lines {', '.join(map(str, answer.lines))}" if answer.lines else ""
        decision = word(Acknowledgement.Decision, answer.decision)
        print(f"\n{_party(answer.party)}: {decision}{lines}  {moment(answer.record_time)}")
        for reason in answer.reasons:
            print(harmless(f"  {reason.code}: {reason.text}".rstrip(": ")))
