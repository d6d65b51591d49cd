"""`roamhub verify`: check a bundle offline. It needs the bundle and the roots one trusts, and nothing else."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.options import Json, commands
from hub.cli.output import harmless, progress
from hub.crypto.report import Check, Failure, Outcome, Report
from hub.crypto.signing import BadKey, Roots
from hub.crypto.verify import CHECK_COUNT, Made, verify_bundle

#: A bundle of a million CDRs is some 1.2 GB.
BUNDLE_BYTES_MAX = 1 << 32

app = commands(group=False)

_MARKS = {Outcome.PASSED: "ok  ", Outcome.FAILED: "FAIL", Outcome.SKIPPED: "-   "}


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(help="The bundle, as exported from the hub.")],
    trust: Annotated[Path, typer.Option(help="The roots you trust: a file with one public key a line.")],
    keyring: Annotated[
        Path | None, typer.Option(help="A newer keyring of the hub, so that later revocations are heeded.")
    ] = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(help="A bundle the hub gave you before, to be held against this one. May be given many times."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a settlement bundle without the hub.

    Recomputes every total from the CDRs, and proves each CDR, the period's cut-off and the statement's issue to stand
    in the hub's journal. With the bundles of earlier periods it also proves that the journal was not written anew
    since, and that no CDR is stated or credited again.

    Exit code 0: the bundle proves what it says. 10 unreadable, 11 roots unusable, 12 bundle malformed, 13 keyring not
    trusted, 14 statement malformed, 15 signature invalid, 16 key not valid at its index, 17 checkpoint invalid,
    18 trees inconsistent, 19 not in the journal, 20 leaf mismatch, 21 outside the period, 22 CDRs differ, 23 totals
    wrong, 24 rendering differs, 25 acknowledgement invalid. 2: wrong usage.
    """
    others = earlier or []
    with progress("checks", CHECK_COUNT * (1 + len(others)), hidden=as_json) as made:
        report = _report(bundle, trust, keyring, others, made)
    typer.echo(_as_json(report) if as_json else _as_text(report))
    raise typer.Exit(report.exit_code)


def _report(bundle: Path, trust: Path, keyring: Path | None, earlier: Sequence[Path], made: Made) -> Report:
    try:
        roots = Roots.from_text(trust.read_text())
    except (UnicodeDecodeError, BadKey) as error:
        return _failed("roots", Failure.ROOTS_UNUSABLE, f"{trust}: {error}")
    except OSError as error:
        return _failed("roots", Failure.ROOTS_UNUSABLE, _reason(error))
    try:
        newer = keyring.read_bytes() if keyring else None
        for path in (bundle, *earlier):
            if path.stat().st_size > BUNDLE_BYTES_MAX:
                return _failed("bundle", Failure.UNREADABLE, f"{path}: more than {BUNDLE_BYTES_MAX} bytes")
        data = bundle.read_bytes()
        others = [path.read_bytes() for path in earlier]
    except OSError as error:
        return _failed("bundle", Failure.UNREADABLE, _reason(error))
    return verify_bundle(data, roots, newer_keyring=newer, earlier=others, made=made)


def _failed(name: str, failure: Failure, detail: str) -> Report:
    check = Check(name=name, outcome=Outcome.FAILED, detail=detail, failure=failure)
    return Report(checks=[check], summary=None)


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}"


def _as_text(report: Report) -> str:
    lines = [f"{_MARKS[check.outcome]} {check.name:<17}{check.detail}" for check in report.checks]
    if report.failure is not None:
        lines.append(f"NOT VERIFIED: {report.failure.name} (exit code {report.exit_code})")
    elif report.summary is not None:
        summary = report.summary
        payer, payee, amount = summary.debtor, summary.creditor, summary.payable
        if amount.startswith("-"):  # more was credited than charged
            payer, payee, amount = payee, payer, amount.removeprefix("-")
        lines.append(
            f"VERIFIED: {payer} owes {payee} {amount} {summary.currency} for {summary.cdrs} CDRs ({summary.name})"
        )
    # A bundle may hold anything, and must not paint over the verdict.
    return "\n".join(map(harmless, lines))


def _as_json(report: Report) -> str:
    summary = report.summary
    document = {
        "verified": report.failure is None,
        "failure": report.failure.name if report.failure is not None else None,
        "exit_code": report.exit_code,
        "statement": summary
        and {
            "digest": summary.digest,
            "name": summary.name,
            "creditor": summary.creditor,
            "debtor": summary.debtor,
            "currency": summary.currency,
            "payable": summary.payable,
            "cdrs": summary.cdrs,
        },
        "checks": [
            {
                "name": check.name,
                "outcome": str(check.outcome),
                "detail": check.detail,
                "failure": check.failure.name if check.failure is not None else None,
            }
            for check in report.checks
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)
