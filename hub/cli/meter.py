"""`roamhub meter`: signed meter values, verified offline. Needs no hub."""

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.documents import read_document, unusable
from hub.cli.failures import Exit
from hub.cli.options import Json, commands
from hub.cli.output import print_json
from hub.domain.errors import Invalid
from hub.domain.meter.documents import read_documents
from hub.domain.meter.model import EXPLANATIONS, Signature, Verdict

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
    """Look at signed meter values, offline."""


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
    else:
        print("\n".join(line for verdict in verdicts for line in _as_text(verdict)))
    raise typer.Exit(_exit(verdicts))


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
