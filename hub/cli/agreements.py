"""`roamhub agreement`: who roams with whom, and on what terms."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.failures import Failure
from hub.cli.options import ActAs, ConfigFile, Json, MaybeActAs, call, commands, hub_channel, pages
from hub.cli.output import as_dict, moment, print_fields, print_json, print_table, word

if TYPE_CHECKING:
    import grpc
    from google.protobuf.duration_pb2 import Duration
    from roamhub.v1.agreement_pb2 import Agreement, AgreementTerms
    from roamhub.v1.common_pb2 import PartyKey

app = commands()

Name = Annotated[str, typer.Argument(help="The agreement, such as agreements/0190... (the id alone will do).")]
Side = Annotated[
    str | None, typer.Option("--party", help="In whose name, where the partner operates both sides; such as NL-ABC.")
]
Note = Annotated[str, typer.Option(help="Why, for the other side's people to read.")]


@app.callback()
def _group() -> None:
    """See who roams with whom; propose, accept, amend, suspend and end agreements as a partner."""


@app.command("list")
def list_(config: ConfigFile = None, act_as: MaybeActAs = None, json: Json = False) -> None:
    """List agreements: all of them as the operator, one's own as a partner."""
    from roamhub.v1.agreement_pb2 import Agreement, AgreementTerms, ListAgreementsRequest
    from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub

    with hub_channel(config, act_as) as channel:
        found = list(pages(AgreementServiceStub(channel).ListAgreements, ListAgreementsRequest(), "agreements"))
    if json:
        print_json([as_dict(agreement) for agreement in found])
        return
    rows = [
        (
            agreement.name.removeprefix("agreements/"),
            _party(agreement.cpo),
            _party(agreement.emsp),
            agreement.version,
            word(Agreement.State, agreement.state),
            agreement.terms.currency_code,
            word(AgreementTerms.Cycle, agreement.terms.cycle),
            word(AgreementTerms.Netting, agreement.terms.netting),
        )
        for agreement in found
    ]
    print_table(("AGREEMENT", "CPO", "EMSP", "VERSION", "STATE", "CURRENCY", "CYCLE", "NETTING"), rows, right=(3,))


@app.command()
def show(
    name: Name,
    version: Annotated[int, typer.Option(help="This version; 0 is the one that says how the agreement stands.")] = 0,
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """Show one agreement with all its terms."""
    from roamhub.v1.agreement_pb2 import GetAgreementRequest
    from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub

    with hub_channel(config, act_as) as channel:
        request = GetAgreementRequest(name=_full(name), version=version)
        _print(call(AgreementServiceStub(channel).GetAgreement, request), json)


@app.command()
def propose(
    act_as: ActAs,
    cpo: Annotated[str, typer.Option(help="The party that owns the stations, such as NL-ABC.")],
    emsp: Annotated[str, typer.Option(help="The party whose drivers charge, such as DE-XYZ.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code in which CDRs come and are settled.")] = "EUR",
    cycle: Annotated[str, typer.Option(help="Settlement period: hourly, daily, weekly or monthly.")] = "monthly",
    time_zone: Annotated[str, typer.Option(help="IANA zone whose calendar bounds the periods.")] = "UTC",
    service: Annotated[
        list[str] | None, typer.Option(help="Beside roaming: remote, reservation, charging-profile. Repeat for more.")
    ] = None,
    netting: Annotated[str, typer.Option(help="What is paid: gross, bilateral or multilateral.")] = "bilateral",
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ"], help="First instant covered; now if left out.")
    ] = None,
    terms: Annotated[
        Path | None, typer.Option(help="A JSON file with all terms (roamhub.v1.AgreementTerms); replaces the options.")
    ] = None,
    party: Side = None,
    json: Json = False,
) -> None:
    """Propose an agreement to the other side."""
    from roamhub.v1.agreement_pb2 import ProposeAgreementRequest
    from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub

    agreed = _read_terms(terms) if terms else _terms(currency, cycle, time_zone, service or [], netting, start)
    sides = _key(cpo), _key(emsp)
    with hub_channel(None, act_as) as channel:
        request = ProposeAgreementRequest(
            party=_own_side(channel, party, sides), cpo=sides[0], emsp=sides[1], terms=agreed
        )
        _print(call(AgreementServiceStub(channel).ProposeAgreement, request), json)


@app.command()
def accept(
    name: Name,
    act_as: ActAs,
    version: Annotated[int, typer.Option(help="The version one has read; if left out, the one that waits.")] = 0,
    party: Side = None,
    json: Json = False,
) -> None:
    """Accept a proposed version; it is in force from its start on."""
    from roamhub.v1.agreement_pb2 import AcceptAgreementRequest
    from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub

    with hub_channel(None, act_as) as channel:
        stub = AgreementServiceStub(channel)
        newest = _newest(stub, name)
        request = AcceptAgreementRequest(
            name=newest.name,
            party=_own_side(channel, party, (newest.cpo, newest.emsp)),
            version=version or newest.version,
        )
        _print(call(stub.AcceptAgreement, request), json)


@app.command()
def decline(
    name: Name,
    act_as: ActAs,
    version: Annotated[int, typer.Option(help="The version one has read; if left out, the one that waits.")] = 0,
    note: Note = "",
    party: Side = None,
    json: Json = False,
) -> None:
    """Decline a proposed version; what was in force before stays."""
    from roamhub.v1.agreement_pb2 import DeclineAgreementRequest
    from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub

    with hub_channel(None, act_as) as channel:
        stub = AgreementServiceStub(channel)
        newest = _newest(stub, name)
        request = DeclineAgreementRequest(
            name=newest.name,
            party=_own_side(channel, party, (newest.cpo, newest.emsp)),
            version=version or newest.version,
            note=note,
        )
        _print(call(stub.DeclineAgreement, request), json)


@app.command()
def amend(
    name: Name,
    act_as: ActAs,
    terms: Annotated[Path, typer.Option(help="A JSON file with all the new terms; `show --json` prints today's.")],
    party: Side = None,
    json: Json = False,
) -> None:
    """Propose other terms, as a new version; those in force stay until the other side accepts."""
    from roamhub.v1.agreement_pb2 import AmendAgreementRequest

    _change("AmendAgreement", AmendAgreementRequest(terms=_read_terms(terms)), name, act_as, party, json)


@app.command()
def explain(
    cpo: Annotated[str, typer.Option(help="The party that owns the stations, such as NL-ABC.")],
    emsp: Annotated[str, typer.Option(help="The party whose drivers charge, such as DE-XYZ.")],
    service: Annotated[str, typer.Option(help="roaming, remote, reservation or charging-profile.")] = "roaming",
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """Say whether two parties may roam now, and if not, by which clause. Exit code 1: they may not."""
    from roamhub.v1.agreement_pb2 import AgreementTerms, ExplainAgreementRequest
    from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub

    number = _value(AgreementTerms.Service, "SERVICE_", service, "--service")
    with hub_channel(config, act_as) as channel:
        request = ExplainAgreementRequest(cpo=_key(cpo), emsp=_key(emsp), service=number)
        answer = call(AgreementServiceStub(channel).ExplainAgreement, request)
    if json:
        print_json(as_dict(answer))
    elif answer.allowed:
        print(f"yes: {answer.agreement.name}, version {answer.agreement.version}, allows {service}")
    else:
        clause = f" ({answer.clause} of {answer.agreement.name})" if answer.clause else ""
        print(f"no: {answer.reason}: {answer.message}{clause}")
    if not answer.allowed:
        raise typer.Exit(1)


@app.command()
def suspend(name: Name, act_as: ActAs, note: Note = "", party: Side = None, json: Json = False) -> None:
    """Hold an agreement back until it is resumed; sessions under way still end and are settled."""
    from roamhub.v1.agreement_pb2 import SuspendAgreementRequest

    _change("SuspendAgreement", SuspendAgreementRequest(note=note), name, act_as, party, json)


@app.command()
def resume(name: Name, act_as: ActAs, party: Side = None, json: Json = False) -> None:
    """Take back one's own suspension."""
    from roamhub.v1.agreement_pb2 import ResumeAgreementRequest

    _change("ResumeAgreement", ResumeAgreementRequest(), name, act_as, party, json)


@app.command()
def terminate(name: Name, act_as: ActAs, note: Note = "", party: Side = None, json: Json = False) -> None:
    """End an agreement for good; sessions that began before are still settled."""
    from roamhub.v1.agreement_pb2 import TerminateAgreementRequest

    _change("TerminateAgreement", TerminateAgreementRequest(note=note), name, act_as, party, json)


def _change(method: str, request: Any, name: str, act_as: Path, party: str | None, json: bool) -> None:  # noqa: ANN401
    from roamhub.v1.agreement_pb2 import GetAgreementRequest
    from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub

    with hub_channel(None, act_as) as channel:
        stub = AgreementServiceStub(channel)
        known = call(stub.GetAgreement, GetAgreementRequest(name=_full(name)))
        request.name, request.etag = known.name, known.etag
        request.party.CopyFrom(_own_side(channel, party, (known.cpo, known.emsp)))
        _print(call(getattr(stub, method), request), json)


def _newest(stub: Any, name: str) -> "Agreement":  # noqa: ANN401
    from roamhub.v1.agreement_pb2 import ListAgreementVersionsRequest

    request = ListAgreementVersionsRequest(name=_full(name), page_size=1)
    newest: Agreement = call(stub.ListAgreementVersions, request).agreements[0]
    return newest


def _own_side(channel: "grpc.Channel", chosen: str | None, sides: "tuple[PartyKey, PartyKey]") -> "PartyKey":
    """Return the side of an agreement that the calling platform operates."""
    if chosen is not None:
        return _key(chosen)
    from roamhub.v1.party_pb2 import ListPartiesRequest
    from roamhub.v1.party_pb2_grpc import PartyServiceStub

    listed = pages(PartyServiceStub(channel).ListParties, ListPartiesRequest(own=True), "parties")
    own = {_party(party) for party in listed}
    mine = [side for side in sides if _party(side) in own]
    if len(mine) != 1:
        which = "both sides: say which with --party" if mine else "neither side"
        raise Failure(f"the certificate's platform operates {which}")
    return mine[0]


def _terms(
    currency: str, cycle: str, time_zone: str, services: list[str], netting: str, start: datetime | None
) -> "AgreementTerms":
    from roamhub.v1.agreement_pb2 import AgreementTerms

    wanted = ["roaming", *(service for service in services if service != "roaming")]
    terms = AgreementTerms(
        services=[_value(AgreementTerms.Service, "SERVICE_", service, "--service") for service in wanted],
        currency_code=currency,
        cycle=_value(AgreementTerms.Cycle, "CYCLE_", cycle, "--cycle"),
        time_zone=time_zone,
        netting=_value(AgreementTerms.Netting, "NETTING_", netting, "--netting"),
    )
    if start is not None:
        terms.start_time.FromDatetime(start)
    return terms


def _read_terms(path: Path) -> "AgreementTerms":
    from google.protobuf.json_format import Parse, ParseError
    from roamhub.v1.agreement_pb2 import AgreementTerms

    try:
        return Parse(path.read_text(), AgreementTerms())
    except (ParseError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: {error}") from None


def _value(enum: Any, prefix: str, text: str, option: str) -> Any:  # noqa: ANN401
    name = prefix + text.upper().replace("-", "_")
    known = [str(each) for each, number in enum.items() if number]
    if name not in known:
        words = ", ".join(each.removeprefix(prefix).lower().replace("_", "-") for each in known)
        raise Failure(f"{option} {text}: one of {words}")
    return enum.Value(name)


def _key(text: str) -> "PartyKey":
    from adapters.partner import party

    try:
        return party(text)
    except ValueError as error:
        raise Failure(str(error)) from None


def _party(key: Any) -> str:  # noqa: ANN401
    return f"{key.country_code}-{key.party_id}"


def _full(name: str) -> str:
    return name if name.startswith("agreements/") else f"agreements/{name}"


def _print(agreement: "Agreement", json: bool) -> None:
    from roamhub.v1.agreement_pb2 import Agreement, AgreementTerms

    if json:
        print_json(as_dict(agreement))
        return
    terms = agreement.terms
    print_fields(
        {
            "agreement": agreement.name,
            "version": agreement.version,
            "state": word(Agreement.State, agreement.state),
            "cpo": _party(agreement.cpo),
            "emsp": _party(agreement.emsp),
            "services": ", ".join(word(AgreementTerms.Service, service) for service in terms.services),
            "currency": terms.currency_code,
            "cycle": f"{word(AgreementTerms.Cycle, terms.cycle)} in {terms.time_zone}",
            "grace": _days(terms.grace),
            "dispute window": _days(terms.dispute_window),
            "oldest CDR": _days(terms.cdr_age_max),
            "to put right": _days(terms.return_window),
            "to review": _days(terms.review_window),
            "netting": word(AgreementTerms.Netting, terms.netting),
            "tax profile": terms.tax_profile,
            "rounding": word(AgreementTerms.Rounding, terms.rounding),
            "price tolerance": terms.price_tolerance.value,
            "pricing policy": terms.pricing_policy,
            "proposed by": _party(agreement.proposer),
            "suspended by": ", ".join(map(_party, agreement.suspended_by)),
            "note": agreement.note,
            "starts": moment(terms.start_time),
            "ends": moment(terms.end_time),
            "in force since": moment(agreement.in_force_time),
            "ended": moment(agreement.terminate_time),
        }
    )


def _days(span: "Duration") -> str:
    """Return a span of time as people say it; empty when it is absent."""
    return f"{span.ToTimedelta()}".removesuffix(", 0:00:00") if span.ByteSize() else ""
