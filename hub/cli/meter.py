"""`roamhub meter`: signed meter values, verified offline, and the keys that the hub verifies them with."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.documents import read_document, unusable
from hub.cli.failures import Exit, Failure
from hub.cli.options import ActAs, Json, call, commands, hub_channel, pages
from hub.cli.output import as_dict, harmless, moment, print_json, print_table
from hub.domain.errors import Invalid
from hub.domain.meter.documents import read_documents
from hub.domain.meter.model import EXPLANATIONS, Signature, Verdict

if TYPE_CHECKING:
    from roamhub.v1.common_pb2 import PartyKey

app = commands()

File = Annotated[
    Path, typer.Argument(help="OCMF, PCDF or EDL40, bare or in SAFE's or Mennekes' XML; .gz is unpacked; - is stdin.")
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key",
        metavar="KEY",
        help="The meter's public key, which you trust: hex or Base64, SPKI DER or x||y. May be given several times.",
    ),
]


@app.callback()
def _group() -> None:
    """Look at signed meter values, offline, and at the keys registered for EVSEs, at the hub."""


@app.command()
def verify(*, file: File, public_key: Keys = None, as_json: Json = False) -> None:
    """Say of each document whether its signature holds, and whether energy may be billed by it.

    A key that came along with a document shows that the document is whole, not whose it is: without --public-key
    nothing is billable. With it, only signatures of that key are valid.

    Exit code 0: every document is billable. 1: some are not. 2: nothing could be read, or KEY is no key.
    """
    from hub.crypto.meter.verifier import SignatureVerifier

    try:
        content = read_document(file, "file")
        verdicts = SignatureVerifier().verify(read_documents(content), public_key or ())
    except Invalid as error:
        raise unusable(error) from None
    if as_json:
        print_json([_as_object(verdict) for verdict in verdicts])
    elif len(verdicts) > 1 and _exit(verdicts) is Exit.UNUSABLE:
        # Each line of some other text is taken for a document: one answer for all of them says more.
        raise Failure(f"{file}: none of its {len(verdicts)} lines holds a signed meter document")
    else:
        print("\n".join(harmless(line) for verdict in verdicts for line in _as_text(verdict)))
    raise typer.Exit(_exit(verdicts))


@app.command()
def keys(
    *,
    act_as: ActAs,
    party: Annotated[str | None, typer.Option("--party", help="Only keys of this CPO's EVSEs, such as NL-ABC.")] = None,
    location: Annotated[str, typer.Option("--location", help="Only those at this location of the CPO.")] = "",
    evse: Annotated[str, typer.Option("--evse", help="Only those of the EVSE with this uid at the location.")] = "",
    as_json: Json = False,
) -> None:
    """List the registered keys of meters, past ones too (CPOs and their partners)."""
    from roamhub.v1.meter_pb2 import ListMeterKeysRequest
    from roamhub.v1.meter_pb2_grpc import MeterKeyServiceStub

    request = ListMeterKeysRequest(party=_party(party), location_id=location, evse_uid=evse)
    with hub_channel(None, act_as) as channel:
        found = list(pages(MeterKeyServiceStub(channel).ListMeterKeys, request, "keys"))
    if as_json:
        print_json([as_dict(key) for key in found])
        return
    rows = [
        (
            f"{key.country_code}-{key.party_id}/{key.location_id}/{key.evse_uid}",
            key.id,
            key.curve,
            key.fingerprint[:16],
            moment(key.valid_from),
            moment(key.valid_until) or "-",
            moment(key.register_time),
            moment(key.revoke_time) or "-",
        )
        for key in found
    ]
    print_table(("EVSE", "ID", "CURVE", "FINGERPRINT", "FROM", "UNTIL", "REGISTERED", "REVOKED"), rows)


@app.command()
def revoke(
    *,
    key: Annotated[str, typer.Argument(metavar="ID", help="The registration's id.")],
    act_as: ActAs,
    party: Annotated[str, typer.Option("--party", help="The CPO that registered it, such as NL-ABC.")],
    end_time: Annotated[
        datetime | None,
        typer.Option(
            "--end-time", formats=["%Y-%m-%dT%H:%M:%SZ"], help="Since when it is not to be trusted; else now."
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for people.")] = "",
    as_json: Json = False,
) -> None:
    """Cut the validity of a registered key short (CPO): sessions that start later are not verified with it."""
    from roamhub.v1.meter_pb2 import RevokeMeterKeyRequest
    from roamhub.v1.meter_pb2_grpc import MeterKeyServiceStub

    request = RevokeMeterKeyRequest(party=_party(party), id=key, reason=reason)
    if end_time is not None:
        request.end_time.FromDatetime(end_time)
    with hub_channel(None, act_as) as channel:
        ended = call(MeterKeyServiceStub(channel).RevokeMeterKey, request)
    if as_json:
        print_json(as_dict(ended))
    else:
        print(f"{ended.id}: valid until {moment(ended.valid_until)}")


def _party(text: str | None) -> "PartyKey | None":
    from adapters.partner import party

    try:
        return party(text) if text is not None else None
    except ValueError as error:
        raise Failure(f"--party: {error}") from None


def _exit(verdicts: tuple[Verdict, ...]) -> Exit:
    if all(verdict.algorithm is None and verdict.signature is Signature.MALFORMED for verdict in verdicts):
        return Exit.UNUSABLE
    return Exit.OK if all(verdict.billable for verdict in verdicts) else Exit.NO


def _as_object(verdict: Verdict) -> dict[str, object]:
    return {
        "index": verdict.index,
        "format": verdict.format.value,
        "algorithm": verdict.algorithm,
        "signature": verdict.signature.value,
        "billable": verdict.billable,
        "reasons": [reason.value for reason in verdict.reasons],
    }


def _as_text(verdict: Verdict) -> list[str]:
    billable = "billable" if verdict.billable else "not billable"
    energy = f", {verdict.energy_kwh.normalize():f} kWh" if verdict.energy_kwh is not None else ""
    algorithm = f", {verdict.algorithm}" if verdict.algorithm else ""
    head = f"{verdict.index}  {verdict.format}{algorithm}: signature {verdict.signature}, {billable}{energy}"
    return [head, *(f"     {reason}: {EXPLANATIONS[reason]}" for reason in verdict.reasons)]
